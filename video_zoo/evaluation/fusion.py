"""Numbers from score files alone: of one again, and of several runs as one."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from scipy import special

from video_zoo import errors

from .joint_config import FusionConfig
from .results import numbers_of, write_results
from .score_files import find_scores, read_protocol, read_scores
from .views import VideoScores

# The least probability whose logarithm is taken: that of a score that was rounded to 0.
_LEAST = 1e-9


def recompute(
    path: str | os.PathLike, split: str = "val", output_dir: str | os.PathLike | None = None
) -> dict:
    """The numbers of an evaluation, from its ``scores.csv`` alone.

    Args:
        path: the file, or the folder of an evaluation or of a run.
        split: of the run's evaluation. Defaults to "val".
        output_dir: gets what :func:`evaluate` writes: all numbers, and the pictures. None for no
            files. Defaults to None.

    Returns:
        What :func:`video_zoo.evaluation.video_metrics` gives, or ``multi_label_metrics`` where
        videos have several classes, with class names; "num_videos", "scores" (the file); and the
        views that they are of, where a ``metrics.json`` beside the file tells them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no file of scores, or it lies in ``output_dir``.
    """
    found = find_scores(path, split)
    result, class_names = read_scores(found)
    about = {"num_videos": len(result.filenames), **read_protocol(found), "scores": str(found)}
    numbers = numbers_of(result, class_names) | about
    if output_dir is not None:
        folder = pathlib.Path(errors.at_home(output_dir))
        if folder.resolve() == found.parent.resolve():
            allowed = "another folder than that of the scores"
            raise errors.refusal("output_dir", allowed, str(output_dir))
        write_results(folder, numbers, result, class_names)
    return numbers


def fuse(inputs: Sequence[str | os.PathLike], config: FusionConfig) -> dict:
    """The mean of the scores of several evaluations of the same videos, evaluated.

    An ensemble of runs, or two streams. Writes what :func:`evaluate` writes.

    Args:
        inputs: two or more ``scores.csv``, or folders of evaluations or runs.
        config: how the scores become one, and where to write.

    Returns:
        What ``metrics.json`` holds: the numbers, "num_videos", "average", "fused" (the files); and
        the views that they are of, where those of all are alike.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: there is only one, they are not of the same videos and classes, or one of them
            would be replaced.
    """
    if len(inputs) < 2:
        allowed = "two or more evaluations"
        raise errors.refusal("FILE...", allowed, [os.fspath(each) for each in inputs])
    paths = [find_scores(each, config.split) for each in inputs]
    if any(path.parent.resolve() == config.folder().resolve() for path in paths):
        allowed, remedy = "another folder than those of the evaluations", "Name a new folder."
        raise errors.refusal("output_dir", allowed, config.output_dir, remedy)
    read = [read_scores(path) for path in paths]
    (first, class_names), *others = read
    for path, (result, names) in zip(paths[1:], others, strict=True):
        check_same(paths[0], first, class_names, path, result, names)
    scores = np.stack([result.scores for result, _ in read])
    several = first.labels.ndim == 2
    mean = scores.mean(axis=0) if config.average == "softmax" else _of_logits(scores, several)
    fused = VideoScores(first.filenames, first.labels, mean)
    views = [read_protocol(path) for path in paths]
    numbers = numbers_of(fused, class_names) | {
        "num_videos": len(fused.filenames),
        **(views[0] if all(each == views[0] for each in views) else {}),
        "average": config.average,
        "fused": [str(path) for path in paths],
    }
    write_results(config.folder(), numbers, fused, class_names)
    return numbers


def _of_logits(scores: np.ndarray, several: bool) -> np.ndarray:
    """Probabilities of the mean logits, which the logarithms of probabilities are but for a sum."""
    logs = np.log(np.maximum(scores, _LEAST))
    if not several:
        return special.softmax(logs.mean(axis=0), axis=1)
    return special.expit((logs - np.log(np.maximum(1 - scores, _LEAST))).mean(axis=0))


def check_same(
    first_path: os.PathLike,
    first: VideoScores,
    first_names: Sequence[str],
    path: os.PathLike,
    result: VideoScores,
    names: Sequence[str],
    argument: str = "FILE...",
) -> None:
    """Refuses scores of other classes, videos or labels, which were given as ``argument``."""
    alike = {
        "classes": names == first_names,
        "videos": result.filenames == first.filenames,
        "labels": result.labels.shape == first.labels.shape
        and bool((result.labels == first.labels).all()),
    }
    other = next((what for what, same in alike.items() if not same), None)
    if other is not None:
        allowed = f"evaluations of the same {other}, in the same order"
        remedy = "Evaluate the runs on the same shards and split."
        raise errors.refusal(argument, allowed, [str(first_path), str(path)], remedy)
