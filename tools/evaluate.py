"""Evaluates a trained network on every video of a split, from one or more views of each.

    python tools/evaluate.py --workdir RUN [--num_clips 10 --num_crops 3]
    python tools/evaluate.py --model i3d --weights kinetics400 --data_dir SHARDS --output_dir OUT

Writes metrics.json, scores.csv and confusion_matrix.png into RUN/eval/SPLIT, or OUT.

Exit codes: 0 done; 2 something is wrong with the flags or the data; 130 after Ctrl-C.
"""

from absl import app

from video_zoo import cli
from video_zoo.evaluation import EvaluationConfig

_FLAGS = cli.define_flags(EvaluationConfig)


def main(argv: list[str]) -> int:
    return cli.run(_evaluate, argv)


def _evaluate() -> None:
    config = cli.from_flags(EvaluationConfig, _FLAGS)
    with cli.loading():
        from video_zoo.evaluation import evaluate

    numbers = evaluate(config)
    for name, accuracy in numbers["per_class"].items():
        print(f"{name:>30}  {'no videos' if accuracy is None else f'{accuracy:.1%}'}")
    print(
        f"top-1 {numbers['top1']:.1%}, top-5 {numbers['top5']:.1%} over {numbers['num_videos']} "
        f"videos, {numbers['num_clips']} clips x {numbers['num_crops']} crops of each, frames "
        f"{numbers['frame_order']}"
    )
    print(f"written to {config.folder()}")


if __name__ == "__main__":
    app.run(main, flags_parser=cli.parse_flags)
