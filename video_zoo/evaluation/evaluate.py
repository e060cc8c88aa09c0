"""evaluate(config): every video of a split once, from many views; numbers, scores and pictures."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from absl import logging

from video_zoo.data.input.pipeline import Clips
from video_zoo.data.input.records import SkippedRecords, check_shards
from video_zoo.data.input.source import Split
from video_zoo.errors import refusal, shown
from video_zoo.files import whole_files
from video_zoo.models.weights.labels import same_classes
from video_zoo.run.devices import find_devices
from video_zoo.run.trained import TrainedNetwork, load_network

from .config import EvaluationConfig
from .joint_config import TwoStreamConfig
from .results import numbers_of, write_results
from .views import score_videos


def evaluate(config: EvaluationConfig) -> dict:
    """Evaluates a trained network.

    Writes ``metrics.json``, ``scores.csv`` (a row per video) and ``confusion_matrix.png``; of a
    split without labels, as the test sets of some benchmarks are, ``predictions.csv`` (the most
    probable classes of each video) in place of the matrix. Where videos have several classes there
    is no matrix, and ``average_precision.png`` in its place.

    Returns:
        What ``metrics.json`` holds: "top1" and "per_class" (class name -> top-1), with more than
        five classes "top5", none of them without labels; where videos have several classes
        "mean_ap" and "per_class" (class name -> average precision); "num_videos", "num_clips",
        "num_crops", "frame_order", "split", "checkpoint".

    Raises:
        ValueError: a setting is out of range, the data is damaged, or the network and the data
            have different classes.
        FileNotFoundError: the run, the file or the shards are missing.
    """
    config.check_files()
    devices = devices_of(config.virtual_devices)  # before TensorFlow starts
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
    return score_and_write(config, network, dataset, [source], about, skipped, devices)


def devices_of(virtual_devices: int) -> list[str]:
    """The devices to evaluate on; none where Keras's backend has its own.

    Raises:
        ValueError: TensorFlow has already started with fewer logical CPU devices.
    """
    if keras.backend.backend() == "tensorflow":
        return find_devices(virtual_devices)
    if virtual_devices:
        raise refusal("virtual_devices", "0 but on the TensorFlow backend", virtual_devices)
    return []


def score_and_write(
    config: EvaluationConfig | TwoStreamConfig,
    network: TrainedNetwork,
    dataset: tf.data.Dataset,
    sources: Sequence[Split],
    about: dict,
    skipped: SkippedRecords | None = None,
    devices: Sequence[str] = (),
) -> dict:
    """Scores all views, and writes what :func:`evaluate` says.

    Args:
        config: which views, and where to write.
        network: scores the clips.
        dataset: of the views, as :func:`score_videos` takes it.
        sources: the splits that are read, of the same classes.
        about: what ``metrics.json`` says of the evaluation beside its numbers.
        skipped: bad records that were passed over; None where they are errors.
        devices: to run on.

    Returns:
        What ``metrics.json`` holds.
    """
    whole_files.make_folder(config.folder(), "output_dir")
    num_views = config.num_clips * config.num_crops
    result = score_videos(network, dataset, num_views, sources, config.average, devices)
    class_names = sources[0].class_names
    numbers = numbers_of(result, class_names) | {
        "num_videos": len(result.labels),
        "num_clips": config.num_clips,
        "num_crops": config.num_crops,
        "num_frames": network.clip.num_frames,
        "image_size": network.clip.image_size,
        "average": config.average,
        "skipped_records": [] if skipped is None else skipped.rows(),
        "split": config.split,
        **about,
    }
    write_results(config.folder(), numbers, result, class_names)
    return numbers


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
    if network.multi_label != source.multi_label:
        kinds = "one class each", "several classes each"
        raise ValueError(
            f"`data_dir` must hold clips of {kinds[network.multi_label]}, as the network was "
            f"trained on. Received: data_dir={str(data_dir)!r} with {kinds[source.multi_label]}. "
            "Train a network on this data; the weights of the other may be its start."
        )
    known = network.class_names
    if known is not None and not same_classes(names, known):
        raise ValueError(
            "`data_dir` must have the label map that the network was trained with: "
            f"{shown(known)}. Received: data_dir={str(data_dir)!r} with "
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
