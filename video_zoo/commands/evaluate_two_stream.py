"""Evaluates a run on RGB shards and a run on flow shards together: their logits are added.

    video-zoo evaluate-two-stream --rgb_workdir RGB_RUN --flow_workdir FLOW_RUN

Writes metrics.json, scores.csv and confusion_matrix.png into RGB_RUN/eval/SPLIT_two_stream.
docs/two_stream.md has the whole way from videos to here.

Exit codes: 0 done; 2 something is wrong with the flags or the data; 75 after SIGTERM, 130 after
Ctrl-C.
"""

from video_zoo.evaluation import TwoStreamConfig

from . import cli

_FLAGS = cli.define_flags(TwoStreamConfig)


def main() -> None:
    config = cli.from_flags(TwoStreamConfig, _FLAGS)
    with cli.loading():
        from video_zoo.evaluation import describe, evaluate_two_stream

    print(describe(evaluate_two_stream(config)))
    print(f"written to {config.folder()}")
