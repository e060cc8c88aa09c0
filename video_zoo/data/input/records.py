"""The records of shards, each with its place, so that a bad one is named or passed over."""

import contextlib
import os
import struct
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from ..format import manifests, tfrecord
from . import bad_records, transforms
from .source import Split

# A record in a file: its length in 8 bytes, 4 of checksum, the contents, 4 of checksum.
_HEADER, _FOOTER = 12, 4
DAMAGED = "damaged in the file"


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
        words = ["shard", shard, "is damaged at record", index, "of", size]
        with tf.control_dependencies([bad_records.check(whole, *words)]):
            return shard, index, tf.identity(record)

    return marked.map(check).filter(lambda _shard, _index, record: record != "")


class SkippedRecords:
    """Reads shards and passes over bad records; keeps which they were, and says so once each.

    Attributes:
        reasons: (shard, record index) -> reason. An index with ``"-"`` after it stands for
            all records from there to the end of the shard.
    """

    def __init__(self) -> None:
        self.reasons: dict[tuple[str, str], str] = {}
        # To decode every frame is dear, so each record is looked at once.
        self._usable: set[tuple[bytes, int]] = set()

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

    def read_shard(
        self,
        shard: tf.Tensor,
        size: tf.Tensor,
        class_names: Sequence[str],
        unlabelled: bool,
        multi_label: bool = False,
    ) -> tf.data.Dataset:
        """As :func:`read_shard`, without the records that cannot be used.

        Args:
            shard: string scalar, path.
            size: int64 scalar, number of records that it should have.
            class_names: the label map.
            unlabelled: whether a record may have no label.
            multi_label: whether it may have several classes, or none. Defaults to False.
        """
        offsets = tf.numpy_function(self._offsets, [shard, size], tf.int64)
        verify = verifier(class_names, unlabelled, multi_label)

        def judge(index: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
            def look() -> tf.Tensor:
                usable, _ = bad_records.attempt(verify, record)
                arguments = [shard, index, record, usable, list(class_names), multi_label]
                return tf.numpy_function(self._judge, arguments, tf.bool)

            known = tf.numpy_function(self._is_known, [shard, index], tf.bool)
            known &= record != ""
            return tf.ensure_shape(tf.cond(known, lambda: True, look), [])

        found = read_places(shard, offsets).filter(judge)
        return found.map(lambda index, record: (shard, index, record))

    def _is_known(self, shard: bytes, index: np.int64) -> bool:
        return (shard, int(index)) in self._usable

    def _judge(
        self,
        shard: bytes,
        index: np.int64,
        record: bytes,
        usable: bool,
        names: np.ndarray,
        multi_label: bool,
    ) -> bool:
        if usable:
            self._usable.add((shard, int(index)))
            return True
        class_names = [name.decode() for name in names]
        reason = reason_of(record, class_names, bool(multi_label))
        self.add(os.fsdecode(shard), str(index), reason)
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
    return record_bounds(path)[0]


def record_bounds(path: str) -> tuple[np.ndarray, bool]:
    """As :func:`record_offsets`, and whether they reach to the end of the file."""
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
    return np.array(offsets, np.int64), offset == total


def read_places(shard: tf.Tensor, offsets: tf.Tensor) -> tf.data.Dataset:
    """The records of a shard as (index, record), each read by itself; "" for a damaged one.

    TensorFlow gives up a file at the first damage.

    Args:
        shard: string scalar, path.
        offsets: int64 [number], where its records begin.
    """
    places = tf.data.Dataset.from_tensor_slices(tf.ensure_shape(offsets, [None])).enumerate()

    def read(index: tf.Tensor, offset: tf.Tensor) -> tf.data.Dataset:
        blank = tf.data.Dataset.from_tensors("")
        record = _records_from(shard, offset).ignore_errors().concatenate(blank).take(1)
        return record.map(lambda found: (index, found))

    return places.flat_map(read)


def _records_from(shard: tf.Tensor, offset: tf.Tensor) -> tf.data.Dataset:
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=shard[tf.newaxis],
        compression_type="",
        buffer_size=tf.constant(256 * 1024, tf.int64),
        byte_offsets=offset[tf.newaxis],
    )
    return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))


def _usable_example(
    record: tf.Tensor, class_names: Sequence[str], unlabelled: bool, multi_label: bool
) -> dict[str, tf.Tensor]:
    """An example of which clips can be made, but for its pictures; fails, when run, if it is not.

    Beside what :func:`tfrecord.parse_example` gives, it has the "size" of the first frame.
    """
    example = tfrecord.parse_example(record, class_names, multi_label)
    label, texts = example["label"], example["texts"]
    inside = tf.logical_and(label >= 0, label < len(class_names))
    expected = tf.gather(tf.constant(class_names), tf.where(inside, label, 0))
    if multi_label:
        named = tf.cond(tf.size(texts) > 0, lambda: texts, lambda: expected)
        right = tf.reduce_all(inside) & tf.equal(tf.size(named), tf.size(label))
        same = tf.cond(right, lambda: (named == "") | (named == expected), lambda: inside)
        right &= tf.reduce_all(same)
        found = tf.minimum(tf.reduce_sum(tf.one_hot(label, len(class_names)), axis=0), 1.0)
    else:
        agree = tf.reduce_all(tf.logical_or(texts == "", texts == expected))
        right, found = tf.logical_and(inside, agree), tf.cast(label, tf.int32)
        if unlabelled:
            right |= tf.logical_and(label == tfrecord.UNLABELLED, tf.reduce_all(texts == ""))
    with tf.control_dependencies([tf.debugging.Assert(right, ["wrong label"])]):
        size = transforms.frame_size(example["frames"][0])
    with tf.control_dependencies([transforms.check_room(size)]):
        return {**example, "label": found, "size": tf.identity(size)}


def parser(
    class_names: Sequence[str], unlabelled: bool = False, multi_label: bool = False
) -> Callable:
    """A function (shard, index, record) -> example, as :func:`tfrecord.parse_example` gives it.

    The label becomes an int32 index into ``class_names``; with ``multi_label`` it becomes float32
    [num_classes], 1 for each class that the clip has. The example also has "size", int32 [2],
    height and width of its first frame in pixels. A record that cannot be used is an error, when
    run, that tells its place.

    Args:
        class_names: the label map; a class name in the record must agree with its label.
        unlabelled: whether a record may have no label; its label is -1. Defaults to False.
        multi_label: whether it may have several classes, or none. Defaults to False.
    """

    def parse(shard: tf.Tensor, index: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
        usable, example = bad_records.attempt(
            lambda found: _usable_example(found, class_names, unlabelled, multi_label), record
        )
        with tf.control_dependencies([bad_records.check_usable(usable, shard, index)]):
            return tf.nest.map_structure(tf.identity, example)

    return parse


def verifier(
    class_names: Sequence[str], unlabelled: bool = False, multi_label: bool = False
) -> Callable:
    """A function record -> label that fails, when run, for every record that cannot be used.

    Unlike :func:`parser` it decodes all frames.
    """

    def verify(record: tf.Tensor) -> tf.Tensor:
        example = _usable_example(record, class_names, unlabelled, multi_label)
        sizes = transforms.decoded_sizes(example["frames"])
        same = tf.reduce_all(sizes == sizes[0])
        with tf.control_dependencies([tf.debugging.Assert(same, ["several sizes"])]):
            return tf.identity(example["label"])

    return verify


def reason_of(record: bytes, class_names: Sequence[str] | None, multi_label: bool = False) -> str:
    """Why a record cannot be used; an empty one was damaged."""
    if not record:
        return DAMAGED
    reason = bad_records.why_unusable(record, class_names, multi_label)
    return reason or "no clip can be made of it"


@contextlib.contextmanager
def named_errors(*sources: Split) -> Iterator[None]:
    """Within it, what is wrong with shards of ``sources`` is told with shard, record and reason.

    Raises:
        ValueError: a record cannot be used, or a shard is damaged.
        FileNotFoundError, PermissionError: a shard cannot be opened.
    """
    try:
        yield
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.NotFoundError,
        tf.errors.PermissionDeniedError,
    ) as error:
        raise data_error(error, *sources) from error


def data_error(error: tf.errors.OpError, *sources: Split) -> Exception:
    """What a user can mend, if the error is about shards; otherwise the error itself.

    Args:
        error: what iterating a dataset of clips raised.
        sources: what may have been read. They are searched for a frame that begins and ends as a
            JPEG does and still does not decode, since only such a one is told without its place.
    """
    if isinstance(error, tf.errors.NotFoundError):
        return FileNotFoundError(f"a shard cannot be opened: {error.message}")
    if isinstance(error, tf.errors.PermissionDeniedError):
        return PermissionError(f"a shard cannot be opened: {error.message}")
    words = bad_records.message(error)
    place = words and bad_records.place(words)
    if place:
        return _error_at(*place)
    if words:
        return ValueError(f"{words}. {bad_records.REMEDY}")
    if "JPEG" in error.message:
        return next(filter(None, map(_search, sources)), error)
    return error


def _error_at(shard: str, index: int) -> ValueError:
    place = record_offsets(shard)[index : index + 1]
    ((_, record),) = read_places(tf.constant(shard), tf.constant(place)).as_numpy_iterator()
    folder = os.path.dirname(shard)
    class_names, manifest = manifests.load_label_map(folder), manifests.load_manifest(folder)
    multi_label = manifest is not None and manifest.multi_label
    return bad_records.error_of(shard, index, reason_of(record, class_names, multi_label))


def _search(source: Split) -> ValueError | None:
    """The error of the first record of a split that cannot be used."""
    verify = verifier(source.class_names, unlabelled=True, multi_label=source.multi_label)
    found = source.places().flat_map(read_shard)
    found = found.map(
        lambda shard, index, record: (shard, index, bad_records.attempt(verify, record)[0]),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    for shard, index, usable in found.as_numpy_iterator():
        if not usable:
            return _error_at(os.fsdecode(shard), int(index))
    return None


def check_shards(source: Split, unlabelled: bool = False) -> None:
    """Opens every shard and looks at its first record.

    Args:
        source: the shards.
        unlabelled: whether a record may have no label. Defaults to False.

    Raises:
        ValueError: one is damaged there, or no clip can be made of it.
        FileNotFoundError: one cannot be opened.
    """
    first = source.places().filter(lambda _shard, size: size > 0)
    first = first.interleave(
        lambda shard, size: read_shard(shard, size).take(1),
        cycle_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    parse = parser(source.class_names, unlabelled, source.multi_label)
    with named_errors(source):
        for _ in first.map(lambda shard, index, record: parse(shard, index, record)["label"]):
            pass
