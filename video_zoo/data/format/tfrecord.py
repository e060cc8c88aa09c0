"""The TFRecord format: feature names, encoding, parsing.

This one module both writes and reads the format, so the two cannot drift apart. An example is one
``tf.train.SequenceExample`` per clip with the keys that DMVR, the TensorFlow Model Garden and
MediaPipe's MediaSequence read; ``docs/data_format.md`` lists them with types and units.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from .encoding import EncodedClip

# Context features (one value per clip; of the label, one per class where it may have several).
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


def _bytes(*values: str | bytes) -> tf.train.Feature:
    # A file name need not be UTF-8; surrogateescape gives its own bytes back.
    raw = [v.encode("utf-8", "surrogateescape") if isinstance(v, str) else v for v in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=raw))


def encode_example(
    encoded: EncodedClip,
    *,
    label_index: int | Sequence[int],
    label: str | Sequence[str],
    filename: str,
    media_id: str | None = None,
) -> bytes:
    """Serializes one clip as a ``tf.train.SequenceExample``.

    Args:
        encoded: the clip's JPEG frames with their times and size.
        label_index: line number of ``label`` in the label map, from 0; a sequence of them, perhaps
            empty, where a clip may have several classes.
        label: class name; as many names likewise.
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
    indices = [label_index] if isinstance(label_index, int) else label_index
    names = [label] if isinstance(label, str) else label
    context = {
        LABEL_INDEX: _int64(*indices),
        LABEL_TEXT: _bytes(*names),
        LABEL_STRING: _bytes(*names),
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
    serialized: tf.Tensor, class_names: Sequence[str] | None = None, multi_label: bool = False
) -> dict[str, tf.Tensor]:
    """Parses one serialized example inside a ``tf.data`` graph; the frames stay encoded.

    Only the frames and the label, as an index or as a class name, are required, so shards made by
    other tools (DMVR, the TensorFlow Model Garden, MediaSequence) parse too.

    Args:
        serialized: string scalar tensor, one serialized ``tf.train.SequenceExample``.
        class_names: the label map, for examples that name their class and have no index. Defaults
            to None: such have the label -1.
        multi_label: whether it may have several classes, or none. Defaults to False.

    Returns:
        ``"frames"`` (string ``[num_frames]``, encoded JPEGs) and the scalars ``"label"`` (int64, -1
        for an example without a label), ``"filename"`` (string, ``""`` when absent), ``"height"``
        and ``"width"`` (int64, pixels, 0 when absent) and ``"frame_rate"`` (float32, frames per
        second, 0 when absent); and ``"texts"`` (string ``[2]``, its class name under either key,
        ``""`` when absent). With ``multi_label``, ``"label"`` is int64 ``[labels]`` and ``"texts"``
        string ``[labels]``, or ``[0]`` where there are indices alone.

    Raises:
        tf.errors.InvalidArgumentError: when run, the example is not a ``SequenceExample`` or has
            no frames.
    """
    context, feature_lists = tf.io.parse_single_sequence_example(
        serialized,
        context_features=CONTEXT_FEATURES | _label_features(multi_label),
        sequence_features={ENCODED: tf.io.FixedLenSequenceFeature([], tf.string)},
    )
    return {
        "frames": feature_lists[ENCODED],
        "label": _label(context, class_names),
        "texts": _texts(context),
        "filename": context[FILENAME],
        "height": context[HEIGHT],
        "width": context[WIDTH],
        "frame_rate": context[FRAME_RATE],
    }


def labels_of(example: Mapping[str, tf.Tensor | np.ndarray]) -> list[tuple[int, list[str]]]:
    """Each label with its class names, of what :func:`parse_example` gave eagerly.

    Of a clip without a label it is -1 without names, or, where it may have several, there is none.
    """
    label, texts = np.asarray(example["label"]), np.asarray(example["texts"]).tolist()
    names = [text.decode("utf-8", "replace") for text in texts]
    if not label.ndim:
        return [(int(label), [name for name in names if name])]
    pairs = itertools.zip_longest(label.tolist(), ([name] if name else [] for name in names))
    return [(UNLABELLED if index is None else index, each or []) for index, each in pairs]


def parse_label(
    serialized: tf.Tensor, class_names: Sequence[str] | None = None, multi_label: bool = False
) -> tf.Tensor:
    """The label alone (int64 scalar or ``[labels]``), as :func:`parse_example` gives it."""
    features = _label_features(multi_label)
    context, _ = tf.io.parse_single_sequence_example(serialized, context_features=features)
    return _label(context, class_names)


LABEL_FEATURES = {
    LABEL_INDEX: tf.io.FixedLenFeature([], tf.int64, default_value=UNLABELLED),
    LABEL_TEXT: tf.io.FixedLenFeature([], tf.string, default_value=""),
    LABEL_STRING: tf.io.FixedLenFeature([], tf.string, default_value=""),
}
# All of the context that is read.
CONTEXT_FEATURES = {
    **LABEL_FEATURES,
    FILENAME: tf.io.FixedLenFeature([], tf.string, default_value=""),
    HEIGHT: tf.io.FixedLenFeature([], tf.int64, default_value=0),
    WIDTH: tf.io.FixedLenFeature([], tf.int64, default_value=0),
    FRAME_RATE: tf.io.FixedLenFeature([], tf.float32, default_value=0.0),
}


def _label_features(multi_label: bool) -> dict[str, object]:
    if not multi_label:
        return LABEL_FEATURES
    return {name: tf.io.RaggedFeature(one.dtype) for name, one in LABEL_FEATURES.items()}


def _texts(context: Mapping[str, tf.Tensor]) -> tf.Tensor:
    first, second = context[LABEL_TEXT], context[LABEL_STRING]
    if first.shape.rank == 0:
        return tf.stack([first, second])
    return tf.cond(tf.size(first) > 0, lambda: first, lambda: second)


def _label(context: Mapping[str, tf.Tensor], class_names: Sequence[str] | None) -> tf.Tensor:
    index = context[LABEL_INDEX]
    if class_names is None:
        return index
    if index.shape.rank == 1:
        same = _texts(context)[:, tf.newaxis] == tf.constant(class_names)
        places = tf.where(tf.reduce_any(same, axis=1), tf.argmax(same, axis=1), UNLABELLED)
        return tf.cond(tf.size(index) > 0, lambda: index, lambda: places)
    text = tf.where(context[LABEL_TEXT] == "", context[LABEL_STRING], context[LABEL_TEXT])
    # Compared one by one, as a lookup table could not move to the workers of a data service.
    places = tf.where(tf.constant(class_names) == text)[:, 0]
    named = tf.reduce_max(tf.concat([[tf.constant(UNLABELLED, tf.int64)], places], axis=0))
    return tf.where(index == UNLABELLED, named, index)
