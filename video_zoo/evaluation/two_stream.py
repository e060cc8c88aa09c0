"""Two runs as one: every video of a split from its RGB and its flow clips, logits added."""

import dataclasses

import tensorflow as tf

from video_zoo import models
from video_zoo.data.input import bad_records
from video_zoo.data.input.pipeline import Clips
from video_zoo.data.input.records import check_shards
from video_zoo.data.input.source import Split
from video_zoo.errors import shown
from video_zoo.run.trained import TrainedNetwork, load_network

from .evaluate import check_data, score_and_write
from .joint_config import TwoStreamConfig


def evaluate_two_stream(config: TwoStreamConfig) -> dict:
    """Evaluates two trained networks as one, as Carreira & Zisserman (2017) do.

    Logits are added view by view; a video's score is the mean over its views of the probabilities
    that follow. Writes ``metrics.json``, ``scores.csv`` and ``confusion_matrix.png``.

    Returns:
        What ``metrics.json`` holds, as :func:`evaluate` says, with both "checkpoints" and
        "data_dirs".

    Raises:
        ValueError: a setting is out of range, the data is damaged, the networks or the data have
            different classes, or the shards do not hold the same videos in the same order.
        FileNotFoundError: a run or shards are missing.
    """
    config.check_files()
    networks, data_dirs, sources = {}, {}, {}
    for stream in ("rgb", "flow"):
        networks[stream] = load_network(**config.network(stream))
        argument = f"{stream}_data_dir"
        data_dirs[stream] = networks[stream].data_dir(getattr(config, argument), argument)
        sources[stream] = Split.open(data_dirs[stream], config.split)
        check_data(networks[stream], sources[stream], data_dirs[stream])
    if networks["rgb"].class_names != networks["flow"].class_names:
        raise ValueError(
            "the networks of RGB and of flow must have the same classes. Received: "
            f"{shown(networks['rgb'].class_names)} and {shown(networks['flow'].class_names)}. "
            "Take runs, or weights, of one label map."
        )
    model = models.two_stream(networks["rgb"].model, networks["flow"].model)
    for source in sources.values():
        check_shards(source, unlabelled=True)
    about = {
        "checkpoints": {stream: network.checkpoint for stream, network in networks.items()},
        "data_dirs": data_dirs,
    }
    dataset = _joint_views(config, networks, sources)
    joint = dataclasses.replace(networks["rgb"], model=model)
    return score_and_write(config, joint, dataset, list(sources.values()), about)


def _joint_views(
    config: TwoStreamConfig,
    networks: dict[str, TrainedNetwork],
    sources: dict[str, Split],
) -> tf.data.Dataset:
    """The same views of the same videos from both folders of shards, side by side."""
    counts = {stream: source.num_examples for stream, source in sources.items()}
    if counts["rgb"] != counts["flow"]:
        raise ValueError(
            "`rgb_data_dir` and `flow_data_dir` must hold the same videos. Received: "
            f"{counts['rgb']} and {counts['flow']} examples in split {config.split!r}. Convert the "
            "same input with the same settings twice, but for `modality`."
        )
    views = [
        Clips(sources[stream], network.clip, config.batch_size, dtype="uint8").views(
            config.num_clips, config.num_crops, details=True, unlabelled=True
        )
        for stream, network in networks.items()
    ]

    def join(rgb: tuple, flow: tuple) -> tuple:
        names = rgb[2]["filename"], flow[2]["filename"]
        rgb_names, flow_names = (tf.strings.reduce_join(each, separator=", ") for each in names)
        words = ["the shards of RGB hold the videos", rgb_names, "where those of flow hold"]
        same = tf.reduce_all(names[0] == names[1])
        with tf.control_dependencies([bad_records.check(same, *words, flow_names)]):
            return {"rgb": tf.identity(rgb[0]), "flow": flow[0]}, rgb[1], rgb[2]

    return tf.data.Dataset.zip(*views).map(join)
