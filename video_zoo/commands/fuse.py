"""Evaluates the mean of the scores of several evaluations: an ensemble, or two streams.

    video-zoo fuse RUN_A RUN_B --output_dir OUT

RUN_A is a scores.csv, the folder of an evaluation, or that of a run; all are of the same videos.
Writes metrics.json, scores.csv and pictures into OUT.

Exit codes: 0 done; 2 a file is not there, or they are of different videos.
"""

from video_zoo.evaluation import FusionConfig

from . import cli

RUN = {"inputs": True}
_FLAGS = cli.define_flags(FusionConfig)


def main(*files: str) -> None:
    config = cli.from_flags(FusionConfig, _FLAGS)
    with cli.loading():
        from video_zoo.evaluation import describe, fuse

    print(describe(fuse(files, config)))
    print(f"written to {config.folder()}")
