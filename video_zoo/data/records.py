"""The records of shards, each with its place, so that a bad one is named or passed over."""

import os
import struct
import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from . import tfrecord

# A record in a file: its length in 8 bytes, 4 of checksum, the contents, 4 of checksum.
_HEADER, _FOOTER = 12, 4
DAMAGED = "damaged in the file"
UNUSABLE = "no example that can be used: it does not parse, or its label or a picture is wrong"


def read_shard(shard: tf.Tensor, size: tf.Tensor) -> tf.data.Dataset:
    """The records of one shard as (shard, index, record), and an error that names it if one fails.

    TensorFlow's own error for a damaged record does not say in which file. So reading stops
    quietly at the damage, and an end mark finds out that records are missing.

    Args:
        shard: string scalar, path.
        size: int64 scalar, number of records that it must have.
    """
    # `ignore_errors` would try a file that cannot be opened for ever, so its first byte is read
    # before; that error names the file.
    probe = tf.data.FixedLengthRecordDataset(shard, 1).take(1).filter(lambda _byte: False)
    records = probe.concatenate(tf.data.TFRecordDataset(shard).ignore_errors())
    marked = records.concatenate(tf.data.Dataset.from_tensors("")).enumerate()

    def check(index: tf.Tensor, record: tf.Tensor):
        whole = tf.logical_or(record != "", index == size)
        message = ["shard", shard, "is damaged at record", index, "of", size]
        with tf.control_dependencies([tf.debugging.Assert(whole, message)]):
            return shard, index, tf.identity(record)

    return marked.map(check).filter(lambda _shard, _index, record: record != "")


class SkippedRecords:
    """Reads shards and passes over bad records; keeps which they were, and says so once each.

    Attributes:
        reasons: dict of (shard, record index) -> reason. An index with ``"-"`` behind it stands for
            all records from there to the end of the shard.
    """

    def __init__(self) -> None:
        self.reasons: dict[tuple[str, str], str] = {}

    def __len__(self) -> int:
        return len(self.reasons)

    def rows(self) -> list[dict[str, str]]:
        """One dict for each: "shard", "record" and "reason"."""
        return [
            {"shard": shard, "record": index, "reason": reason}
            for (shard, index), reason in sorted(self.reasons.items())
        ]

    def add(self, shard: str, index: str, reason: str) -> None:
        """Notes a bad record, and prints it the first time."""
        if (shard, index) not in self.reasons:
            self.reasons[shard, index] = reason
            print(f"skipped: record {index} of {shard}: {reason}", file=sys.stderr, flush=True)

    def read_shard(self, shard: tf.Tensor, size: tf.Tensor, verify: Callable) -> tf.data.Dataset:
        """As :func:`read_shard`, without the records that cannot be used.

        Each record is read by itself from its own place in the file, since TensorFlow gives up a
        file at the first damage.

        Args:
            shard: string scalar, path.
            size: int64 scalar, number of records that it should have.
            verify: function (shard, index, record) that fails, when run, for an unusable record.
        """
        offsets = tf.numpy_function(self._offsets, [shard, size], tf.int64)
        places = tf.data.Dataset.from_tensor_slices(tf.ensure_shape(offsets, [None])).enumerate()

        def read(index: tf.Tensor, offset: tf.Tensor) -> tf.data.Dataset:
            blank = tf.data.Dataset.from_tensors("")
            record = _records_from(shard, offset).ignore_errors().concatenate(blank).take(1)
            usable = record.map(lambda found: verify(shard, index, found)).ignore_errors()
            usable = usable.map(lambda _example: True).concatenate(
                tf.data.Dataset.from_tensors(False)
            )
            return tf.data.Dataset.zip((record, usable.take(1))).map(
                lambda found, fits: (shard, index, found, fits)
            )

        def judge(shard: tf.Tensor, index: tf.Tensor, record: tf.Tensor, fits: tf.Tensor):
            fits = tf.cond(
                fits,
                lambda: True,
                lambda: tf.numpy_function(self._refuse, [shard, index, record], tf.bool),
            )
            return shard, index, record, tf.ensure_shape(fits, [])

        judged = places.flat_map(read).map(judge)
        judged = judged.filter(lambda _shard, _index, _record, fits: fits)
        return judged.map(lambda shard, index, record, _fits: (shard, index, record))

    def _refuse(self, shard: bytes, index: np.int64, record: bytes) -> bool:
        self.add(os.fsdecode(shard), str(index), UNUSABLE if record else DAMAGED)
        return False

    def _offsets(self, shard: bytes, size: np.int64) -> np.ndarray:
        path = os.fsdecode(shard)
        try:
            offsets = record_offsets(path)
        except (tf.errors.OpError, OSError) as error:
            offsets = np.zeros(0, np.int64)
            self.add(path, "0-", f"the shard cannot be read: {getattr(error, 'message', error)}")
        else:
            if len(offsets) < size:
                self.add(path, f"{len(offsets)}-", f"the shard ends early: {size} were expected")
        return offsets


def record_offsets(path: str) -> np.ndarray:
    """Where the records of a shard begin (int64 [number], bytes), as far as their lengths tell."""
    offsets = []
    total = tf.io.gfile.stat(path).length
    with tf.io.gfile.GFile(path, "rb") as file:
        offset = 0
        while offset + _HEADER + _FOOTER <= total:
            file.seek(offset)
            (length,) = struct.unpack("<Q", file.read(8))
            # A length that points beyond the file is damaged, or its record was cut short.
            if offset + _HEADER + length + _FOOTER > total:
                break
            offsets.append(offset)
            offset += _HEADER + length + _FOOTER
    return np.array(offsets, np.int64)


def _records_from(shard: tf.Tensor, offset: tf.Tensor) -> tf.data.Dataset:
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=shard[tf.newaxis],
        compression_type="",
        buffer_size=tf.constant(256 * 1024, tf.int64),
        byte_offsets=offset[tf.newaxis],
    )
    return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))


def parser(class_names: list[str]) -> Callable:
    """A function (shard, index, record) -> example, as :func:`tfrecord.parse_example` gives it.

    The label becomes an int32 index into ``class_names``; one outside of them is an error, when
    run, that names shard and record.
    """
    num_classes = len(class_names)

    def parse(shard: tf.Tensor, index: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
        example = tfrecord.parse_example(record, class_names)
        label = example["label"]
        message = ["label", label, "outside the label map of", num_classes, "classes in shard"]
        message += [shard, "at record", index]
        inside = tf.logical_and(label >= 0, label < num_classes)
        with tf.control_dependencies([tf.debugging.Assert(inside, message)]):
            example["label"] = tf.cast(tf.identity(label), tf.int32)
        return example

    return parse


def verifier(class_names: list[str]) -> Callable:
    """As :func:`parser`, and an error too, when run, if the header of a frame is no JPEG's."""
    parse = parser(class_names)

    def verify(shard: tf.Tensor, index: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        example = parse(shard, index, record)
        shapes = tf.map_fn(
            tf.io.extract_jpeg_shape,
            example["frames"],
            fn_output_signature=tf.TensorSpec([3], tf.int32),
        )
        same = tf.reduce_all(shapes[:, :2] == shapes[0, :2])
        with tf.control_dependencies([tf.debugging.Assert(same, ["frames of several sizes"])]):
            return tf.identity(example["label"])

    return verify


def data_error(error: tf.errors.InvalidArgumentError) -> Exception:
    """The pipeline's own message, if it is one of its checks that failed."""
    _, found, message = error.message.partition("assertion failed: ")
    if not found:
        return error
    words = message.splitlines()[0].replace("[", "").replace("]", "")
    return ValueError(
        f"{words}. Copy the shard again, convert the videos again, or pass over such records with "
        "`on_bad_record` 'skip'."
    )
