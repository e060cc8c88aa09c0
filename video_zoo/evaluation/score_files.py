"""``scores.csv``: the scores of every video, from which all numbers of an evaluation follow."""

import csv
import io
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from video_zoo import errors
from video_zoo.data.format import tfrecord
from video_zoo.files import file_content, whole_files
from video_zoo.run.files import EVALUATIONS, METRICS, SCORES

from .views import VideoScores

# The second column says whether a video has one class or several.
_ONE, _SEVERAL = "label", "labels"
_PROTOCOL = ("num_clips", "num_crops", "num_frames", "image_size", "average", "frame_order")
_ROUNDING = 1e-5
_REMEDY = "Take the file as an evaluation wrote it."


def write_scores(path: pathlib.Path, result: VideoScores, class_names: Sequence[str]) -> None:
    """Writes a row per video: file, label, most probable class, probability of each class.

    A video of several classes has them as a list in JSON, as names may hold any sign.
    """
    several = result.labels.ndim == 2
    videos = zip(result.filenames, result.labels, result.scores, strict=True)
    whole_files.write_rows(
        path,
        ["file", _SEVERAL if several else _ONE, "predicted", *class_names],
        (
            [
                filename,
                _named(label, class_names),
                class_names[scores.argmax()],
                *(f"{score:.9g}" for score in scores),
            ]
            for filename, label, scores in videos
        ),
    )


def _named(label: np.ndarray, class_names: Sequence[str]) -> str:
    if label.ndim:
        return json.dumps([class_names[c] for c in np.flatnonzero(label)], ensure_ascii=False)
    return "" if label == tfrecord.UNLABELLED else class_names[label]


def find_scores(
    path: str | os.PathLike, split: str = "val", argument: str = "FILE"
) -> pathlib.Path:
    """The ``scores.csv`` that a user means: itself, of an evaluation's folder, or of a run's.

    Args:
        path: a file, the folder of an evaluation, or that of a run.
        split: of the run's evaluation.
        argument: what ``path`` was given as.

    Raises:
        FileNotFoundError: there is none.
    """
    given = pathlib.Path(errors.at_home(path))
    places = [given, given / SCORES, given / EVALUATIONS / split / SCORES]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f"`{argument}` must be a {SCORES}, the folder of an evaluation, or that of a run with "
            f"an evaluation of {split!r}. Received: {os.fspath(path)!r}. Evaluate the run first."
        )
    return found


def read_protocol(path: pathlib.Path) -> dict[str, object]:
    """What ``metrics.json`` beside a ``scores.csv`` tells of the views that the scores are of.

    Returns:
        The settings that it has, by their names; none where there is no such file.
    """
    told = path.parent / METRICS
    if not told.exists():
        return {}
    found = file_content.read_json(told, Mapping[str, object], _REMEDY)
    return {name: found[name] for name in _PROTOCOL if name in found}


def read_scores(path: str | os.PathLike) -> tuple[VideoScores, list[str]]:
    """Reads what :func:`write_scores` wrote: the scores, and the class names.

    Raises:
        ValueError: it is no such file; line and column are named.
    """
    header, *rows = _lines(path) or [[]]
    names = header[3:]
    if len(header) < 4 or header[0] != "file" or header[1] not in (_ONE, _SEVERAL):
        file_content.refuse(path, "line 1", "file,label,predicted and the classes", header, _REMEDY)
    place = {name: index for index, name in enumerate(names)}
    if len(place) < len(names):
        file_content.refuse(path, "line 1", "classes of different names", names, _REMEDY)
    several, labels, scores = header[1] == _SEVERAL, [], []
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            allowed = f"{len(header)} columns"
            file_content.refuse(path, f"line {number}", allowed, len(row), _REMEDY)
        labels.append(_label(path, number, row[1], place, several))
        scores.append(_numbers(path, number, row[3:]))
    if not rows:
        file_content.refuse(path, "line 2", "a video", "none", _REMEDY)
    values = np.array(labels, np.float32 if several else np.int64)
    return VideoScores([row[0] for row in rows], values, np.array(scores)), names


def _lines(path: str | os.PathLike) -> list[list[str]]:
    text = file_content.read_text(path, "surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        return list(reader)
    except csv.Error as error:
        place, allowed = f"line {reader.line_num}", "values with commas between"
        file_content.refuse(path, place, allowed, str(error), _REMEDY)


def _label(
    path: str | os.PathLike, number: int, text: str, place: dict[str, int], several: bool
) -> int | np.ndarray:
    try:
        if not several:
            return place[text] if text else tfrecord.UNLABELLED
        label, found = np.zeros(len(place), np.float32), json.loads(text)
        if not isinstance(found, list):
            raise TypeError
        label[[place[name] for name in found]] = 1
    except (KeyError, TypeError, ValueError):
        allowed = "classes of the header as a list in JSON" if several else "a class of the header"
        file_content.refuse(path, f"line {number}, label", allowed, text, _REMEDY)
    return label


def _numbers(path: str | os.PathLike, number: int, texts: Sequence[str]) -> list[float]:
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = []
    if not values or not np.isfinite(values).all():
        file_content.refuse(path, f"line {number}", "a number for each class", texts[:5], _REMEDY)
    if not all(-_ROUNDING <= value <= 1 + _ROUNDING for value in values):
        file_content.refuse(path, f"line {number}", "probabilities from 0 to 1", values, _REMEDY)
    return values
