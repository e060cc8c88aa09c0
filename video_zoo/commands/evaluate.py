"""Evaluates a trained network on every video of a split, from one or more views of each.

    video-zoo evaluate --workdir RUN [--num_clips 10 --num_crops 3]
    video-zoo evaluate --model i3d --weights kinetics400 --data_dir SHARDS --output_dir OUT

Writes metrics.json, scores.csv and confusion_matrix.png into RUN/eval/SPLIT, or OUT; for a split
without labels predictions.csv in place of the matrix.

Exit codes: 0 done; 2 something is wrong with the flags or the data; 75 after SIGTERM, 130 after
Ctrl-C.
"""

from video_zoo.evaluation import EvaluationConfig

from . import cli

_FLAGS = cli.define_flags(EvaluationConfig)


def main() -> None:
    config = cli.from_flags(EvaluationConfig, _FLAGS)
    with cli.loading():
        from video_zoo.evaluation import describe, evaluate

    print(describe(evaluate(config)))
    print(f"written to {config.folder()}")
