"""The TFRecord format: feature names, encoding, parsing.

This one module both writes and reads the format, so the two cannot drift apart. An example is one
``tf.train.SequenceExample`` per clip with the keys that DMVR, the TensorFlow Model Garden and
MediaPipe's MediaSequence read; ``docs/data_format.md`` lists them with types and units.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from .encoding import EncodedClip

# Context features (one value per clip).
LABEL_INDEX = "clip/label/index"
UNLABELLED = -1
LABEL_TEXT = "clip/label/text"  # DMVR's key for the class name ...
LABEL_STRING = "clip/label/string"  # ... and MediaSequence's
FILENAME = "video/filename"
START_TIMESTAMP = "clip/start/timestamp"
END_TIMESTAMP = "clip/end/timestamp"
DATA_PATH = "clip/data_path"
MEDIA_ID = "clip/media_id"
EXAMPLE_ID = "example/id"
FORMAT = "image/format"
HEIGHT = "image/height"
WIDTH = "image/width"
CHANNELS = "image/channels"
FRAME_RATE = "image/frame_rate"
# Feature lists (one value per frame).
ENCODED = "image/encoded"
TIMESTAMP = "image/timestamp"


def _int64(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _float(value: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def _bytes(value: str | bytes) -> tf.train.Feature:
    if isinstance(value, str):
        # A file name need not be UTF-8; surrogateescape gives its own bytes back.
        value = value.encode("utf-8", "surrogateescape")
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def encode_example(
    encoded: EncodedClip,
    *,
    label_index: int,
    label: str,
    filename: str,
    media_id: str | None = None,
) -> bytes:
    """Serializes one clip as a ``tf.train.SequenceExample``.

    Args:
        encoded: the clip's JPEG frames with their times and size.
        label_index: line number of ``label`` in the label map, from 0.
        label: class name.
        filename: path of the video relative to the input folder.
        media_id: identifier of the source video, such as a YouTube id. Defaults to ``filename``.

    Raises:
        ValueError: ``encoded`` holds no frames.
    """
    if not encoded.frames:
        raise ValueError(
            "`encoded` must hold at least one frame. Received: no frames. "
            "Skip videos that decode to nothing instead of writing them."
        )
    context = {
        LABEL_INDEX: _int64(label_index),
        LABEL_TEXT: _bytes(label),
        LABEL_STRING: _bytes(label),
        FILENAME: _bytes(filename),
        START_TIMESTAMP: _int64(encoded.start_us),
        END_TIMESTAMP: _int64(encoded.end_us),
        DATA_PATH: _bytes(filename),
        MEDIA_ID: _bytes(filename if media_id is None else media_id),
        EXAMPLE_ID: _bytes(f"{filename}:{encoded.start_us}-{encoded.end_us}"),
        FORMAT: _bytes(b"jpeg"),
        HEIGHT: _int64(encoded.height),
        WIDTH: _int64(encoded.width),
        CHANNELS: _int64(3),
        FRAME_RATE: _float(encoded.frame_rate),
    }
    example = tf.train.SequenceExample(context=tf.train.Features(feature=context))
    # Filled in place: a list of features would be copied twice, with all the pictures in it.
    frames = example.feature_lists.feature_list[ENCODED].feature
    times = example.feature_lists.feature_list[TIMESTAMP].feature
    for frame, time in zip(encoded.frames, encoded.timestamps_us, strict=True):
        frames.add().bytes_list.value.append(frame)
        times.add().int64_list.value.append(time)
    # Protobuf maps have no order of their own: without this, equal clips may differ in bytes.
    return example.SerializeToString(deterministic=True)


def parse_example(
    serialized: tf.Tensor, class_names: Sequence[str] | None = None
) -> dict[str, tf.Tensor]:
    """Parses one serialized example inside a ``tf.data`` graph; the frames stay encoded.

    Only the frames and the label, as an index or as a class name, are required, so shards made by
    other tools (DMVR, the TensorFlow Model Garden, MediaSequence) parse too.

    Args:
        serialized: string scalar tensor, one serialized ``tf.train.SequenceExample``.
        class_names: the label map, for examples that name their class and have no index. Defaults
            to None: such have the label -1.

    Returns:
        ``"frames"`` (string ``[num_frames]``, encoded JPEGs) and the scalars ``"label"`` (int64, -1
        for an example without a label), ``"filename"`` (string, ``""`` when absent), ``"height"``
        and ``"width"`` (int64, pixels, 0 when absent) and ``"frame_rate"`` (float32, frames per
        second, 0 when absent); and ``"texts"`` (string ``[2]``, its class name under either key,
        ``""`` when absent).

    Raises:
        tf.errors.InvalidArgumentError: when run, the example is not a ``SequenceExample`` or has
            no frames.
    """
    context, feature_lists = tf.io.parse_single_sequence_example(
        serialized,
        context_features=CONTEXT_FEATURES,
        sequence_features={ENCODED: tf.io.FixedLenSequenceFeature([], tf.string)},
    )
    return {
        "frames": feature_lists[ENCODED],
        "label": _label(context, class_names),
        "texts": tf.stack([context[LABEL_TEXT], context[LABEL_STRING]]),
        "filename": context[FILENAME],
        "height": context[HEIGHT],
        "width": context[WIDTH],
        "frame_rate": context[FRAME_RATE],
    }


def label_of(example: Mapping[str, tf.Tensor | np.ndarray]) -> tuple[int, list[str]]:
    """Label and class names, without empty ones, of what :func:`parse_example` gave eagerly."""
    texts = np.asarray(example["texts"]).tolist()
    return int(example["label"]), [text.decode("utf-8", "replace") for text in texts if text]


def parse_label(serialized: tf.Tensor, class_names: Sequence[str] | None = None) -> tf.Tensor:
    """The label alone (int64 scalar), as :func:`parse_example` gives it."""
    context, _ = tf.io.parse_single_sequence_example(serialized, context_features=_LABEL_FEATURES)
    return _label(context, class_names)


_LABEL_FEATURES = {
    LABEL_INDEX: tf.io.FixedLenFeature([], tf.int64, default_value=UNLABELLED),
    LABEL_TEXT: tf.io.FixedLenFeature([], tf.string, default_value=""),
    LABEL_STRING: tf.io.FixedLenFeature([], tf.string, default_value=""),
}
# All of the context that is read.
CONTEXT_FEATURES = {
    **_LABEL_FEATURES,
    FILENAME: tf.io.FixedLenFeature([], tf.string, default_value=""),
    HEIGHT: tf.io.FixedLenFeature([], tf.int64, default_value=0),
    WIDTH: tf.io.FixedLenFeature([], tf.int64, default_value=0),
    FRAME_RATE: tf.io.FixedLenFeature([], tf.float32, default_value=0.0),
}


def _label(context: Mapping[str, tf.Tensor], class_names: Sequence[str] | None) -> tf.Tensor:
    index = context[LABEL_INDEX]
    if class_names is None:
        return index
    text = tf.where(context[LABEL_TEXT] == "", context[LABEL_STRING], context[LABEL_TEXT])
    # Compared one by one, as a lookup table could not move to the workers of a data service.
    places = tf.where(tf.constant(class_names) == text)[:, 0]
    named = tf.reduce_max(tf.concat([[tf.constant(UNLABELLED, tf.int64)], places], axis=0))
    return tf.where(index == UNLABELLED, named, index)
