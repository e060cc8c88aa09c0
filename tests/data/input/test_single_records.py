"""Shards of a few records, written without a conversion: places, offsets, labels, what is bad."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from video_zoo.data.format import tfrecord
from video_zoo.data.format.encoding import EncodedClip
from video_zoo.data.input.records import (
    SkippedRecords,
    data_error,
    parser,
    read_shard,
    reason_of,
    record_offsets,
    verifier,
)


def example(label=0, sizes=((16, 16), (16, 16)), name=None):
    frames = [tf.io.encode_jpeg(np.zeros((*size, 3), np.uint8)).numpy() for size in sizes]
    clip = EncodedClip(frames, list(range(len(frames))), 16, 16, 25.0, 0, 1)
    name = {0: "a", 1: "b"}.get(label, "x") if name is None else name
    return tfrecord.encode_example(clip, label_index=label, label=name, filename="a.mp4")


@pytest.fixture
def write_shard(tmp_path):
    """A function (*records) -> the path of a shard of them."""

    def write(*records):
        path = str(tmp_path / "train-00000-of-00001.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for record in records:
                writer.write(record)
        return path

    return write


def places_and_records(shard, size):
    dataset = read_shard(tf.constant(shard), tf.constant(size, tf.int64))
    return [tuple(each) for each in dataset.as_numpy_iterator()]


def test_records_come_with_their_place(write_shard):
    shard = write_shard(b"one", b"two", b"three")
    path = shard.encode()
    expected = [(path, 0, b"one"), (path, 1, b"two"), (path, 2, b"three")]
    assert places_and_records(shard, 3) == expected


@pytest.mark.parametrize("size", [2, 4])
def test_a_shard_has_as_many_records_as_are_known_of(size, write_shard):
    shard = write_shard(b"one", b"two", b"three")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        places_and_records(shard, size)
    words = str(data_error(caught.value))
    assert words.startswith(f"shard {shard} is damaged at record 3 of {size}. Copy the shard again")


def test_a_shard_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(tf.errors.NotFoundError, match="nowhere"):
        places_and_records(str(tmp_path / "nowhere"), 1)


@pytest.mark.parametrize(("cut", "left"), [(0, 3), (1, 2), (15, 2), (16, 2), (17, 1), (45, 0)])
def test_a_record_counts_where_all_of_its_bytes_are_there(cut, left, write_shard):
    shard = write_shard(b"abc", b"twelve bytes", b"")  # of 19, 28 and 16 bytes
    path = pathlib.Path(shard)
    path.write_bytes(path.read_bytes()[: 63 - cut])
    assert record_offsets(shard).tolist() == [0, 19, 47][:left]


def in_a_pipeline(function, *arguments):
    """What a function of records gives for one."""
    return next(tf.data.Dataset.from_tensors(arguments).map(function).as_numpy_iterator())


@pytest.mark.parametrize("label", [0, 1])
def test_a_label_is_a_line_of_the_label_map(label):
    place = tf.constant("some shard"), tf.constant(7, tf.int64)
    found = in_a_pipeline(parser(["a", "b"]), *place, example(label))
    assert (found["label"].dtype, found["label"]) == (np.int32, label)
    assert found["size"].tolist() == [16, 16]


def test_a_record_has_a_label_unless_it_need_not():
    place = tf.constant("some shard"), tf.constant(7, tf.int64)
    record = example(tfrecord.UNLABELLED, name="")
    for function, arguments in ((parser, (*place, record)), (verifier, (record,))):
        with pytest.raises(tf.errors.InvalidArgumentError):
            in_a_pipeline(function(["a", "b"]), *arguments)
    assert in_a_pipeline(parser(["a", "b"], unlabelled=True), *place, record)["label"] == -1
    assert in_a_pipeline(verifier(["a", "b"], unlabelled=True), record) == -1


@pytest.mark.parametrize("sizes", [[(16, 16), (16, 24)], [(16, 16), (24, 16)]])
def test_the_frames_of_an_example_have_one_size(sizes):
    assert in_a_pipeline(verifier(["a", "b"]), example(1)) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="several sizes"):
        in_a_pipeline(verifier(["a", "b"]), example(1, sizes))


def usable(skipped, shard, size):
    """Indices of the records that are not passed over."""
    shards = tf.data.Dataset.from_tensors((shard, tf.constant(size, tf.int64)))
    records = shards.flat_map(
        lambda path, number: skipped.read_shard(path, number, ["a", "b"], False)
    )
    return [int(index) for _, index, _ in records]


def test_every_bad_record_has_a_row_in_order(write_shard, tmp_path):
    shard = write_shard(example(0), example(2), b"text", example(1), example(1))
    content = bytearray(pathlib.Path(shard).read_bytes())
    content[20] ^= 1
    pathlib.Path(shard).write_bytes(content)
    skipped = SkippedRecords()
    assert usable(skipped, shard, 6) == [3, 4]
    missing = str(tmp_path / "a shard that is not there")
    assert usable(skipped, missing, 1) == []
    assert len(skipped) == 5
    rows = skipped.rows()
    places = [(missing, "0-"), *((shard, record) for record in ("0", "1", "2", "5-"))]
    assert [(row["shard"], row["record"]) for row in rows] == places
    beginnings = [
        "the shard cannot be read: ",
        "damaged in the file",
        "label 2 (x) outside the label map of 2 classes",
        "it is no tf.train.SequenceExample",
        "the shard ends early: 6 were expected",
    ]
    for row, beginning in zip(rows, beginnings, strict=True):
        assert row["reason"].startswith(beginning)


def of_several(label, names):
    frame = tf.io.encode_jpeg(np.zeros((16, 16, 3), np.uint8)).numpy()
    clip = EncodedClip([frame], [0], 16, 16, 25.0, 0, 1)
    return tfrecord.encode_example(clip, label_index=label, label=names, filename="a.mp4")


NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("label", "names", "expected"),
    [
        ([2, 0], ["c", "a"], [1, 0, 1]),
        ([1], ["b"], [0, 1, 0]),
        ([], [], [0, 0, 0]),
        ([1, 1], [], [0, 1, 0]),  # indices alone, one of them twice
        ([], ["c", "b"], [0, 1, 1]),  # names alone
        ([2, 0], ["c", ""], [1, 0, 1]),  # one of them without a name
    ],
)
def test_several_labels_become_a_one_for_each_class(label, names, expected):
    record = of_several(label, names)
    parse = parser(NAMES, multi_label=True)
    dataset = tf.data.Dataset.from_tensors(("a", 0, record)).map(parse)
    (found,) = dataset.as_numpy_iterator()
    assert found["label"].dtype == np.float32
    np.testing.assert_array_equal(found["label"], expected)


@pytest.mark.parametrize(
    ("label", "names", "reason"),
    [
        ([0, 3], ["a", "d"], r"label 3 \(d\) outside the label map of 3 classes"),
        ([0, 1], ["a", "c"], "label 1 is 'b' in the label map, its text is 'c'"),
        ([0, 1], ["a"], "its labels and class names are not as many: 2 and 1"),
        ([0], ["a", "b"], "its labels and class names are not as many: 1 and 2"),
        ([0, -1], [], "it has no label"),
        ([], ["a", "x"], r"label -1 \(x\) outside the label map"),
    ],
)
def test_several_labels_that_contradict_the_label_map(label, names, reason):
    record = of_several(label, names)
    with pytest.raises(tf.errors.InvalidArgumentError):
        in_a_pipeline(verifier(NAMES, multi_label=True), record)
    assert re.search(reason, reason_of(record, NAMES, multi_label=True))


def test_two_labels_where_one_is_expected_tell_how_several_are_declared():
    reason = reason_of(of_several([0, 1], ["a", "b"]), NAMES)
    assert "has 2 values, and must have one, unless the manifest says 'multi_label'" in reason
