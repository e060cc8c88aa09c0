"""evaluate(config): every video of a split once, from many views; numbers, scores and pictures."""

import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from video_zoo.data.format import tfrecord
from video_zoo.data.input.pipeline import Clips
from video_zoo.data.input.records import SkippedRecords, check_shards
from video_zoo.data.input.source import Split
from video_zoo.errors import shown
from video_zoo.files import whole_files
from video_zoo.run import files, plots
from video_zoo.run.trained import TrainedNetwork, load_network

from . import metrics
from .config import EvaluationConfig, TwoStreamConfig
from .views import VideoScores, score_videos

# Classes of a video in the table of predictions, as benchmarks ask for.
_SUBMITTED = 5


def evaluate(config: EvaluationConfig) -> dict:
    """Evaluates a trained network.

    Writes ``metrics.json``, ``scores.csv`` (a row per video) and ``confusion_matrix.png``; of a
    split without labels, as the test sets of some benchmarks are, ``predictions.csv`` (the most
    probable classes of each video) in place of the matrix.

    Returns:
        What ``metrics.json`` holds: "top1" and "per_class" (class name -> top-1), with more than
        five classes "top5", none of them without labels; "num_videos", "num_clips", "num_crops",
        "frame_order", "split", "checkpoint".

    Raises:
        ValueError: a setting is out of range, the data is damaged, or the network and the data
            have different classes.
        FileNotFoundError: the run, the file or the shards are missing.
    """
    config.check_files()
    network = load_network(
        **config.network, frame_order=config.frame_order, image_size=config.image_size
    )
    data_dir = network.data_dir(config.data_dir)
    skipped = SkippedRecords() if config.on_bad_record == "skip" else None
    source = Split.open(data_dir, config.split, check_sizes=skipped is None)
    check_data(network, source, data_dir)
    if skipped is None:
        check_shards(source, unlabelled=True)
    clips = Clips(
        source,
        network.clip,
        config.batch_size,
        config.seed,
        skipped,
        config.data_service,
        dtype="uint8",
    )
    dataset = clips.views(config.num_clips, config.num_crops, details=True, unlabelled=True)
    about = {
        "frame_order": config.frame_order,
        "checkpoint": network.checkpoint,
        "data_dir": str(data_dir),
    }
    return score_and_write(config, network, dataset, [source], about, skipped)


def score_and_write(
    config: EvaluationConfig | TwoStreamConfig,
    network: TrainedNetwork,
    dataset: tf.data.Dataset,
    sources: Sequence[Split],
    about: dict,
    skipped: SkippedRecords | None = None,
) -> dict:
    """Scores all views, and writes what :func:`evaluate` says.

    Args:
        config: which views, and where to write.
        network: scores the clips.
        dataset: of the views, as :func:`score_videos` takes it.
        sources: the splits that are read, of the same classes.
        about: what ``metrics.json`` says of the evaluation beside its numbers.
        skipped: bad records that were passed over; None where they are errors.

    Returns:
        What ``metrics.json`` holds.
    """
    config.folder().mkdir(parents=True, exist_ok=True)  # fails before the work, if it does
    result = score_videos(network, dataset, config.num_clips * config.num_crops, sources)
    class_names = sources[0].class_names
    numbers = {}
    if _is_labelled(result):
        numbers = metrics.video_metrics(result.scores, result.labels)
        numbers["per_class"] = dict(zip(class_names, numbers["per_class"], strict=True))
    numbers |= {
        "num_videos": len(result.labels),
        "num_clips": config.num_clips,
        "num_crops": config.num_crops,
        "skipped_records": [] if skipped is None else skipped.rows(),
        "split": config.split,
        **about,
    }
    _write(config.folder(), numbers, result, class_names)
    return numbers


def _is_labelled(result: VideoScores) -> bool:
    """Whether the videos have labels; ValueError if some have and some have not."""
    without = np.flatnonzero(result.labels == tfrecord.UNLABELLED)
    if 0 < len(without) < len(result.labels):
        raise ValueError(
            "`split` must have a label for every video, or for none. Received: "
            f"{len(without)} of {len(result.labels)} without, such as "
            f"{result.filenames[without[0]]!r}. Convert them into splits of their own."
        )
    return not len(without)


def describe(numbers: dict) -> str:
    """What an evaluation found, as lines of text.

    Args:
        numbers: as :func:`evaluate` returns them.
    """
    lines = [
        f"{name:>30}  {'no videos' if accuracy is None else f'{accuracy:.1%}'}"
        for name, accuracy in numbers.get("per_class", {}).items()
    ]
    shown = {"top1": "top-1", "top5": "top-5"}
    found = [f"{text} {numbers[key]:.1%}" for key, text in shown.items() if key in numbers]
    order = f", frames {numbers['frame_order']}" if "frame_order" in numbers else ""
    lines.append(
        f"{', '.join(found) or 'no labels, so no accuracy'} over {numbers['num_videos']} videos, "
        f"{numbers['num_clips']} clips x {numbers['num_crops']} crops of each{order}"
    )
    return "\n".join(lines)


def check_data(network: TrainedNetwork, source: Split, data_dir: str) -> None:
    """Refuses shards that ``network`` cannot be evaluated on.

    Tells of videos that are stored otherwise than the network knows them.

    Args:
        network: of videos.
        source: the shards.
        data_dir: their folder.

    Raises:
        ValueError: the network is no classifier, or the shards have other classes or channels.
    """
    network.check_classifier()
    names = source.class_names
    if network.class_names is not None and names != network.class_names:
        raise ValueError(
            "`data_dir` must have the label map that the network was trained with: "
            f"{shown(network.class_names)}. Received: data_dir={str(data_dir)!r} with "
            f"{shown(names)}. Choose the shards that belong to the network."
        )
    if len(names) != network.num_classes:
        raise ValueError(
            f"`data_dir` must have as many classes as the network, {network.num_classes}. "
            f"Received: data_dir={str(data_dir)!r} with {len(names)}. Choose the shards that "
            "belong to the network."
        )
    network.check_channels(source.channels, "`data_dir` must hold clips")
    stored = {} if source.manifest is None else source.manifest.settings
    other = [
        f"{key} {stored[key]} in place of {network.data[key]}"
        for key in ("fps", "short_side")
        if {key} <= stored.keys() & network.data.keys() and stored[key] != network.data[key]
    ]
    if other:
        logging.warning(
            "the videos in %s are stored with %s: accuracy may be lower", data_dir, ", ".join(other)
        )


def _write(
    folder: pathlib.Path, numbers: dict, result: VideoScores, class_names: list[str]
) -> None:
    labelled = "top1" in numbers
    videos = zip(result.filenames, result.labels, result.scores, strict=True)
    whole_files.write_rows(
        folder / files.SCORES,
        ["file", "label", "predicted", *class_names],
        (
            [
                filename,
                class_names[label] if labelled else "",
                class_names[scores.argmax()],
                *(f"{score:.6f}" for score in scores),
            ]
            for filename, label, scores in videos
        ),
    )
    if labelled:
        matrix = metrics.confusion_matrix(result.scores, result.labels)
        plots.save_confusion_matrix(matrix, class_names, folder / files.CONFUSION)
    else:
        number = min(_SUBMITTED, len(class_names))
        best = np.argsort(-result.scores, axis=1, kind="stable")[:, :number]
        whole_files.write_rows(
            folder / files.PREDICTIONS,
            ["file", *(f"top{place}" for place in range(1, number + 1))],
            (
                [filename, *(class_names[c] for c in classes)]
                for filename, classes in zip(result.filenames, best, strict=True)
            ),
        )
    whole_files.write_json(folder / files.METRICS, numbers)
