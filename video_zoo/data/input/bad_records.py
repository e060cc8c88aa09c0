"""What is wrong with a record: found and told in one way, whoever reads shards.

TensorFlow's own errors say neither shard nor record. So inside a graph a record is only found to be
unusable, by an error that tells its place; :func:`why_unusable` then says why, from the record.
"""

import codecs
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from ..format import manifests, tfrecord
from . import transforms

REMEDY = (
    "Copy the shard again, convert the videos again, or pass over such records with "
    "`on_bad_record` 'skip'."
)
_PLACE = re.compile(r"record (?P<index>\d+) of shard (?P<shard>.+) cannot be used", re.DOTALL)
_PICTURES = {
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"RIFF": "a WebP picture",
    transforms.JPEG_BEGINS: "a JPEG that is cut off, or damaged inside",
}


def attempt(function: Callable, *arguments: tf.Tensor) -> tuple[tf.Tensor, object]:
    """Runs a function that may fail, inside a graph.

    Args:
        function: of tensors; gives a tensor or a nest of them.
        arguments: its arguments.

    Returns:
        Whether it ran (bool scalar), and its result; zeros where it failed, of size 0 in every
        dimension that is not known beforehand.
    """
    tried = tf.data.Dataset.from_tensors(arguments).map(function)

    def blank(spec: tf.TensorSpec) -> tf.Tensor:
        return tf.zeros([0 if side is None else side for side in spec.shape], spec.dtype)

    failed = tf.data.Dataset.from_tensors(tf.nest.map_structure(blank, tried.element_spec))
    result = tf.data.Dataset.zip(tried.ignore_errors(), tf.data.Dataset.from_tensors(True))
    result = result.concatenate(tf.data.Dataset.zip(failed, tf.data.Dataset.from_tensors(False)))
    found, ran = result.take(1).get_single_element()
    return ran, found


def check(condition: tf.Tensor, *words: str | tf.Tensor) -> tf.Operation:
    """Fails, when run, unless ``condition`` holds, with ``words``; :func:`message` gets them."""
    texts = [
        word if isinstance(word, str) or word.dtype == tf.string else tf.strings.as_string(word)
        for word in words
    ]
    return tf.debugging.Assert(condition, [tf.strings.join(texts, " ")])


def check_usable(usable: tf.Tensor, shard: tf.Tensor, index: tf.Tensor) -> tf.Operation:
    """Fails, when run, unless ``usable`` holds, with the place of the record."""
    return check(usable, "record", index, "of shard", shard, "cannot be used")


def message(error: tf.errors.OpError) -> str | None:
    """The words of the :func:`check` that failed; None if the error is another."""
    _, found, rest = error.message.partition("assertion failed: [")
    if not found:
        return None
    escaped = rest.splitlines()[0].rpartition("]")[0]  # TensorFlow escapes what is no ASCII
    return codecs.escape_decode(escaped.encode())[0].decode("utf-8", "surrogateescape")


def place(words: str) -> tuple[str, int] | None:
    """Shard and record that the words of :func:`check_usable` name; None of others."""
    match = _PLACE.fullmatch(words)
    return match and (match["shard"], int(match["index"]))


def error_of(shard: str, index: int, reason: str) -> ValueError:
    """The error that everybody gets for this record."""
    return ValueError(f"record {index} of shard {shard} cannot be used: {reason}. {REMEDY}")


def why_unusable(
    record: bytes, class_names: Sequence[str] | None = None, multi_label: bool = False
) -> str | None:
    """Why no clip can be made of a record; None if it can, as far as can be told.

    Args:
        record: as it stands in the shard.
        class_names: the label map, which its label is held against. Defaults to None: its label is
            not looked at.
        multi_label: whether it may have several classes, or none. Defaults to False.
    """
    try:
        example = tf.train.SequenceExample.FromString(record)
    except DecodeError:
        return "it is no tf.train.SequenceExample"
    reasons = [*_why_context(example, multi_label), *_why_frames(example)]
    if class_names is not None and not reasons:
        parsed = tfrecord.parse_example(record, class_names, multi_label)
        reasons = why_labels(parsed, class_names)
    return reasons[0] if reasons else None


def why_labels(
    example: Mapping[str, tf.Tensor | np.ndarray], class_names: Sequence[str]
) -> list[str]:
    """What is wrong with the labels of an example, as ``tfrecord.parse_example`` gave it."""
    indices, names = np.asarray(example["label"]), np.asarray(example["texts"])
    if indices.ndim and len(names) not in (0, len(indices)):
        return [f"its labels and class names are not as many: {len(indices)} and {len(names)}"]
    found = tfrecord.labels_of(example)
    return [r for label, texts in found for r in _why_label(label, texts, class_names)]


def _why_label(index: int, texts: Sequence[str], class_names: Sequence[str]) -> list[str]:
    """What is wrong with one label.

    Args:
        index: of its class, -1 where neither an index nor a known text tells it.
        texts: names of its class, without empty ones.
        class_names: the label map.
    """
    if index == tfrecord.UNLABELLED and not texts:
        return ["it has no label"]
    if not 0 <= index < len(class_names):
        named = f" ({', '.join(sorted(set(texts)))})" * bool(texts)
        return [f"label {index}{named} outside the label map of {len(class_names)} classes"]
    expected = class_names[index]
    wrong = sorted({*texts} - {expected})
    return [f"label {index} is {expected!r} in the label map, its text is {t!r}" for t in wrong]


def _why_context(example: tf.train.SequenceExample, multi_label: bool) -> Iterator[str]:
    for name, wanted in tfrecord.CONTEXT_FEATURES.items():
        if name not in example.context.feature:
            continue
        feature = example.context.feature[name]
        kind = feature.WhichOneof("kind")
        needed = {tf.int64: "int64_list", tf.float32: "float_list"}.get(wanted.dtype, "bytes_list")
        if kind is None:
            continue  # as if it were absent
        if kind != needed:
            yield f"its {name!r} is of type {kind}, and must be {needed}"
        elif (count := len(getattr(feature, kind).value)) != 1:
            several = name in tfrecord.LABEL_FEATURES
            if not (several and multi_label):
                hint = f", unless the manifest says {manifests.MULTI_LABEL!r}" if several else ""
                yield f"its {name!r} has {count} values, and must have one{hint}"


def _why_frames(example: tf.train.SequenceExample) -> Iterator[str]:
    if tfrecord.ENCODED not in example.feature_lists.feature_list:
        if tfrecord.ENCODED in example.context.feature:
            yield "it is a tf.train.Example, and must be a tf.train.SequenceExample"
        else:
            yield f"it is no SequenceExample with a list {tfrecord.ENCODED!r} of frames"
        return
    features = example.feature_lists.feature_list[tfrecord.ENCODED].feature
    if not features:
        yield "it has no frames"
    sizes = set()
    for number, feature in enumerate(features):
        values = feature.bytes_list.value
        name = f"frame {number} of {len(features)}"
        if len(values) != 1:
            yield f"{name} has {len(values)} pictures, and must have one"
            continue
        try:
            sizes.add(tuple(transforms.decoded_size(values[0]).numpy().tolist()))
        except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError):
            yield f"{name} is {_what(values[0])}"
    if len(sizes) > 1:
        smallest, largest = ("x".join(map(str, size)) for size in (min(sizes), max(sizes)))
        yield f"its frames have several sizes, from {smallest} to {largest}"


def _what(picture: bytes) -> str:
    """What stands in place of a JPEG that decodes."""
    if not picture:
        return "empty, and must be a JPEG"
    for begin, kind in _PICTURES.items():
        if picture.startswith(begin):
            if begin != transforms.JPEG_BEGINS:
                return f"{kind}, and must be a JPEG"
            try:
                height, width, _ = tf.io.extract_jpeg_shape(picture).numpy().tolist()
            except tf.errors.InvalidArgumentError:
                return kind
            too_large = height * width > transforms.MAX_PIXELS
            return f"{height}x{width} pixels, which is too large" if too_large else kind
    return "no JPEG"
