"""What an evaluation found: its numbers, and the files and lines that tell them."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from video_zoo.data.format import tfrecord
from video_zoo.files import whole_files
from video_zoo.run import files, plots
from video_zoo.run.history import MEASURES

from . import metrics
from .score_files import write_scores
from .views import VideoScores

# Classes of a video in the table of predictions, as benchmarks ask for.
_SUBMITTED = 5
# Numbers of an evaluation, and what they are called.
CALLED = {**MEASURES, "top5": "top-5", "mean_class_accuracy": "mean class accuracy"}
_OF_CLASSES = "per_class", "precision", "recall"


def numbers_of(result: VideoScores, class_names: Sequence[str]) -> dict:
    """The metrics of scores, of classes as class name -> number; empty without labels.

    Raises:
        ValueError: some videos have labels and some have not, or a score is no number.
    """
    if not _is_labelled(result):
        return {}
    several = result.labels.ndim == 2
    of = metrics.multi_label_metrics if several else metrics.video_metrics
    found = of(result.scores, result.labels)
    named = {
        name: dict(zip(class_names, found[name], strict=True))
        for name in _OF_CLASSES
        if name in found
    }
    return found | named


def _is_labelled(result: VideoScores) -> bool:
    """Whether the videos have labels; ValueError if some have and some have not.

    Where a video may have several classes, one without is one of none, if others have some.
    """
    if result.labels.ndim == 2:
        return bool(result.labels.any())
    without = np.flatnonzero(result.labels == tfrecord.UNLABELLED)
    if 0 < len(without) < len(result.labels):
        raise ValueError(
            "`split` must have a label for every video, or for none. Received: "
            f"{len(without)} of {len(result.labels)} without, such as "
            f"{result.filenames[without[0]]!r}. Convert them into splits of their own."
        )
    return not len(without)


def write_results(
    folder: pathlib.Path, numbers: Mapping, result: VideoScores, class_names: Sequence[str]
) -> None:
    """Writes ``metrics.json``, ``scores.csv``, and pictures or ``predictions.csv``.

    Args:
        folder: made if it is not there.
        numbers: what ``metrics.json`` is to hold, with those of :func:`numbers_of`.
        result: the scores.
        class_names: of the columns of the scores.
    """
    whole_files.make_folder(folder, "output_dir")
    write_scores(folder / files.SCORES, result, class_names)
    if "mean_ap" in numbers:
        path = folder / files.AVERAGE_PRECISION
        plots.save_average_precision(numbers["per_class"], numbers["mean_ap"], path)
    elif "top1" in numbers:
        matrix = metrics.confusion_matrix(result.scores, result.labels)
        plots.save_confusion_matrix(matrix, class_names, folder / files.CONFUSION)
        plots.save_reliability(numbers["calibration"], folder / files.RELIABILITY)
    else:
        _write_predictions(folder / files.PREDICTIONS, result, class_names)
    whole_files.write_json(folder / files.METRICS, numbers)


def _write_predictions(path: pathlib.Path, result: VideoScores, class_names: Sequence[str]) -> None:
    number = min(_SUBMITTED, len(class_names))
    best = np.argsort(-result.scores, axis=1, kind="stable")[:, :number]
    whole_files.write_rows(
        path,
        ["file", *(f"top{place}" for place in range(1, number + 1))],
        (
            [filename, *(class_names[c] for c in classes)]
            for filename, classes in zip(result.filenames, best, strict=True)
        ),
    )


def describe(numbers: Mapping) -> str:
    """What an evaluation found, as lines of text.

    Args:
        numbers: as :func:`evaluate` returns them.
    """
    lines = [
        f"{name:>30}  {'no videos' if accuracy is None else f'{accuracy:.1%}'}"
        for name, accuracy in numbers.get("per_class", {}).items()
    ]
    for name, called in CALLED.items():
        if name in numbers:
            interval = numbers["intervals"][name]
            told = "too few videos for an interval"
            if interval is not None:
                told = "95 % interval {:.1%} to {:.1%}".format(*interval)
            lines.append(f"{called} {numbers[name]:.1%} ({told})")
    if "calibration" in numbers:
        lines.append(f"expected calibration error {numbers['calibration']['ece']:.1%}")
    without = "" if numbers.keys() & CALLED.keys() else "no labels, so no accuracy "
    lines.append(f"{without}over {', '.join(protocol_of(numbers).values())}")
    return "\n".join(lines)


def protocol_of(numbers: Mapping) -> dict[str, str]:
    """What numbers are of: videos, views of each, and how these become a score.

    Args:
        numbers: as :func:`evaluate` returns them.

    Returns:
        What is told -> in words.
    """
    told = {"videos": f"{numbers['num_videos']} videos"}
    if "num_clips" in numbers:
        told["views"] = f"{numbers['num_clips']} clips x {numbers['num_crops']} crops of each"
    if "image_size" in numbers:
        told["size"] = f"{numbers['num_frames']} x {numbers['image_size']}²"
    if "average" in numbers:
        softmax = "sigmoid" if "mean_ap" in numbers else "softmax"
        told["average"] = f"mean of {numbers['average'].replace('softmax', softmax)}"
    if "frame_order" in numbers:
        told["order"] = f"frames {numbers['frame_order']}"
    return told
