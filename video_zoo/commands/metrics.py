"""Prints the numbers of evaluations again, from their scores.csv alone.

    video-zoo metrics FILE...

FILE is a scores.csv, the folder of an evaluation, or that of a run.

Exit codes: 0 done; 2 a file is not there, or none of scores.
"""

from absl import flags

from . import cli

RUN = {"inputs": True}
_SPLIT = flags.DEFINE_string("split", "val", "Split of the evaluation, where a run is given.")


def main(*files: str) -> None:
    if not files:
        raise ValueError("`FILE...` must be one or more files of scores. Received: none")
    with cli.loading():
        from video_zoo.evaluation import describe, recompute

    for file in files:
        numbers = recompute(file, _SPLIT.value)
        print(f"{numbers['scores']}\n{describe(numbers)}")
