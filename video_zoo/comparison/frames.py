"""The videos on which networks disagree, with some of their frames."""

import base64
import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from video_zoo.data.format import tfrecord
from video_zoo.data.input.records import read_shard
from video_zoo.data.input.source import Split

from .contestants import Contestant

_MOST_VIDEOS = 12
_FRAMES, _HEIGHT = 4, 96
# Below this, the networks agree: each is right about as often as the others.
_LEAST_SPREAD = 0.5


@dataclasses.dataclass(frozen=True)
class Disagreement:
    """A video about which some networks are right and others wrong.

    Args:
        filename: as the shards have it.
        label: its class.
        answers: (network, its class, whether that is right), of the mean scores of its runs.
        strip: some frames side by side, as the address of a JPEG; None where no shards are there.
    """

    filename: str
    label: str
    answers: Sequence[tuple[str, str, bool]]
    strip: str | None = None


def disagreements(contestants: Sequence[Contestant]) -> list[Disagreement]:
    """The videos on which the networks are furthest apart; none where a video has many classes."""
    run = contestants[0].runs[0]
    result, names = run.result, run.class_names
    if result.labels.ndim == 2:
        return []
    hits = np.stack([each.hits for each in contestants])
    spread = hits.max(axis=0) - hits.min(axis=0)
    order = np.argsort(-spread, kind="stable")[:_MOST_VIDEOS]
    chosen = [int(video) for video in order if spread[video] >= _LEAST_SPREAD]
    strips = _strips(contestants[0], chosen) if chosen else {}
    found = []
    for video in chosen:
        label = int(result.labels[video])
        best = [(each.name, int(each.scores[video].argmax())) for each in contestants]
        answers = [(name, names[seen], seen == label) for name, seen in best]
        found.append(
            Disagreement(result.filenames[video], names[label], answers, strips.get(video))
        )
    return found


def _strips(contestant: Contestant, videos: Sequence[int]) -> dict[int, str]:
    """Number of a video -> its frames; nothing where its shards are not there any more."""
    training = contestant.runs[0].training
    filenames = contestant.runs[0].result.filenames
    try:
        split = Split.open(str(training.get("data_dir")), str(training.get("val_split", "val")))
    except (OSError, ValueError):
        return {}
    if split.num_examples != len(filenames):
        return {}  # videos were left out, so that numbers are others
    found, wanted = {}, set(videos)
    records = split.places().flat_map(read_shard).enumerate()
    records = records.filter(
        lambda number, _record: tf.reduce_any(number == tf.constant(sorted(wanted), tf.int64))
    )
    for number, (_shard, _index, record) in records:
        example = tfrecord.parse_example(record)
        name = example["filename"].numpy().decode("utf-8", "surrogateescape")
        if name == filenames[int(number)]:
            found[int(number)] = _strip(example["frames"])
    return found


def _strip(frames: tf.Tensor) -> str:
    places = np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int)
    pictures = [tf.io.decode_jpeg(frames[place], channels=3) for place in places]
    height, width = pictures[0].shape[:2]
    size = _HEIGHT, max(1, round(_HEIGHT * width / height))
    small = [tf.image.resize(each, size, antialias=True) for each in pictures]
    strip = tf.cast(tf.clip_by_value(tf.concat(small, axis=1) + 0.5, 0, 255), tf.uint8)
    jpeg = tf.io.encode_jpeg(strip, quality=80).numpy()
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
