"""Prints the numbers of evaluations again, from their scores.csv alone.

    video-zoo metrics FILE...
    video-zoo metrics FILE --output_dir OUT

FILE is a scores.csv, the folder of an evaluation, or that of a run. OUT gets what evaluate writes:
metrics.json with all numbers, and the pictures.

Exit codes: 0 done; 2 a file is not there, or none of scores.
"""

from absl import flags

from video_zoo import errors

from . import cli

RUN = {"inputs": True}
_SPLIT = flags.DEFINE_string("split", "val", "Split of the evaluation, where a run is given.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for numbers and pictures.")


def main(*files: str) -> None:
    if not files:
        raise ValueError("`FILE...` must be one or more files of scores. Received: none")
    folder = _OUTPUT_DIR.value
    if folder is not None and len(files) > 1:
        allowed = "None where several files of scores are given"
        raise errors.refusal("output_dir", allowed, folder, "Name one file at a time.")
    with cli.loading():
        from video_zoo.evaluation import describe, recompute

    for file in files:
        numbers = recompute(file, _SPLIT.value, folder)
        print(f"{numbers['scores']}\n{describe(numbers)}")
    if folder is not None:
        print(f"written to {folder}")
