"""Bad records are passed over one by one, and named; the stream stays a function of the seed."""

import dataclasses
import pathlib
import shutil
import struct

import numpy as np
import pytest
import tensorflow as tf

from video_zoo.benchmarks.config import InputConfig
from video_zoo.benchmarks.input import measure_input
from video_zoo.data.format import tfrecord
from video_zoo.data.input import pipeline
from video_zoo.data.input.clips import ClipConfig
from video_zoo.data.input.records import (
    SkippedRecords,
    check_shards,
    data_error,
    named_errors,
    record_offsets,
)
from video_zoo.data.input.source import Split

CLIP = ClipConfig(num_frames=2, image_size=28)


@pytest.fixture
def copied(grey_shards, tmp_path):
    return pathlib.Path(shutil.copytree(grey_shards, tmp_path / "copy"))


def shard_of(folder, index):
    return sorted(folder.glob("train-*"))[index]


def flip_byte(shard, record, offset):
    content = bytearray(shard.read_bytes())
    content[record_offsets(str(shard))[record] + offset] ^= 1
    shard.write_bytes(content)


def evaluated(folder, skipped):
    """The brightness of the videos that an evaluation sees, as their numbers."""
    dataset = pipeline.evaluation_dataset(folder, split="train", clip=CLIP, skipped=skipped)
    clips = np.concatenate([clips for clips, _ in dataset])
    return np.round((clips.mean(axis=(1, 2, 3, 4)) + 1) * 127.5 / 20).astype(int).tolist()


def test_offsets_are_where_records_begin(grey_shards):
    shard = str(shard_of(grey_shards, 0))
    lengths = [len(record) for record in tf.data.TFRecordDataset(shard).as_numpy_iterator()]
    expected = np.cumsum([0] + [12 + length + 4 for length in lengths[:-1]])
    np.testing.assert_array_equal(record_offsets(shard), expected)


def test_without_damage_nothing_is_skipped(grey_shards):
    skipped = SkippedRecords()
    assert evaluated(grey_shards, skipped) == evaluated(grey_shards, None)
    assert not skipped


def test_one_record_with_a_flipped_byte_is_skipped_alone(copied, capsys):
    whole = evaluated(copied, None)
    shard = shard_of(copied, 0)
    flip_byte(shard, 2, 500)
    skipped = SkippedRecords()
    assert evaluated(copied, skipped) == whole[:2] + whole[3:]
    assert skipped.rows() == [{"shard": str(shard), "record": "2", "reason": "damaged in the file"}]
    evaluated(copied, skipped)  # another epoch tells it not again
    told = capsys.readouterr().err.splitlines()
    assert told.count(f"skipped: record 2 of {shard}: damaged in the file") == 1


def test_a_shard_that_was_cut_short_keeps_its_first_records(copied):
    whole = evaluated(copied, None)
    shard = shard_of(copied, 1)
    shard.write_bytes(shard.read_bytes()[:-10])
    skipped = SkippedRecords()
    assert evaluated(copied, skipped) == whole[:-1]
    assert list(skipped.reasons) == [(str(shard), "5-")]
    assert skipped.reasons[str(shard), "5-"] == "the shard ends early: 6 were expected"


def test_a_damaged_length_loses_the_rest_of_its_shard_only(copied):
    whole = evaluated(copied, None)
    flip_byte(shard_of(copied, 0), 3, 6)  # the length becomes far larger than the file
    skipped = SkippedRecords()
    assert evaluated(copied, skipped) == whole[:3] + whole[6:]
    assert list(skipped.reasons) == [(str(shard_of(copied, 0)), "3-")]


def changed(record, frame=None, picture=None, **context):
    """A record with another frame, and other values of the context: key -> a tf.train.Feature."""
    example = tf.train.SequenceExample.FromString(record)
    frames = example.feature_lists.feature_list[tfrecord.ENCODED].feature
    if frame is not None:
        frames[frame].bytes_list.value[0] = picture(frames[frame].bytes_list.value[0])
    for key, feature in context.items():
        example.context.feature[getattr(tfrecord, key)].CopyFrom(feature)
    return example.SerializeToString()


def int64s(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def without_frames(record):
    example = tf.train.SequenceExample.FromString(record)
    del example.feature_lists.feature_list[tfrecord.ENCODED].feature[:]
    return example.SerializeToString()


def as_example(record):
    """One tf.train.Example in place of a SequenceExample."""
    sequence = tf.train.SequenceExample.FromString(record)
    pictures = [
        feature.bytes_list.value[0]
        for feature in sequence.feature_lists.feature_list[tfrecord.ENCODED].feature
    ]
    example = tf.train.Example(features=sequence.context)
    example.features.feature[tfrecord.ENCODED].bytes_list.value[:] = pictures
    return example.SerializeToString()


def huge(jpeg):
    """The same JPEG, whose header says 60000 x 60000 pixels."""
    start = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:start] + struct.pack(">HH", 60000, 60000) + jpeg[start + 4 :]


def broken_inside(jpeg):
    """Begins and ends as a JPEG, and has a Huffman table that is none."""
    start = jpeg.index(b"\xff\xc4") + 5
    return jpeg[:start] + b"\xff" * 16 + jpeg[start + 16 :]


def png(jpeg):
    return tf.io.encode_png(tf.io.decode_jpeg(jpeg)).numpy()


TEXT = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"b"]))
NO_TEXT = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b""]))
# What stands in place of a record -> why it cannot be used. The records are of class a.
BAD_RECORDS = [
    (lambda record: b"no example", "it is no tf.train.SequenceExample"),
    (as_example, "it is a tf.train.Example, and must be a tf.train.SequenceExample"),
    (without_frames, "it has no frames"),
    (lambda r: changed(r, LABEL_INDEX=int64s(7)), "label 7 (a) outside the label map of 2 classes"),
    (lambda r: changed(r, LABEL_INDEX=int64s(0, 1)), "its 'clip/label/index' has 2 values, and"),
    (
        lambda r: changed(r, FRAME_RATE=int64s(25)),
        "its 'image/frame_rate' is of type int64_list, and must be float_list",
    ),
    (
        lambda r: changed(r, LABEL_INDEX=int64s(-1), LABEL_TEXT=NO_TEXT, LABEL_STRING=NO_TEXT),
        "it has no label",
    ),
    (lambda r: changed(r, LABEL_TEXT=TEXT), "label 0 is 'a' in the label map, its text is 'b'"),
    (lambda r: changed(r, 0, png), "frame 0 of 4 is a PNG picture, and must be a JPEG"),
    (lambda r: changed(r, 2, lambda jpeg: b""), "frame 2 of 4 is empty, and must be a JPEG"),
    (lambda r: changed(r, 2, lambda jpeg: b"GIF89a"), "frame 2 of 4 is a GIF picture, and must"),
    (lambda r: changed(r, 2, lambda jpeg: b"RIFF0000WEBP"), "frame 2 of 4 is a WebP picture, and"),
    (lambda r: changed(r, 2, lambda jpeg: b"no picture"), "frame 2 of 4 is no JPEG"),
    (lambda r: changed(r, 2, lambda jpeg: jpeg[:-100]), "frame 2 of 4 is a JPEG that is cut off"),
    (lambda r: changed(r, 2, broken_inside), "frame 2 of 4 is a JPEG that is cut off, or damaged"),
    (lambda r: changed(r, 0, huge), "frame 0 of 4 is 60000x60000 pixels, which is too large"),
    (lambda r: changed(r, 2, huge), "frame 2 of 4 is 60000x60000 pixels, which is too large"),
]


def a_shard_of(folder, records):
    """A folder of one shard without a manifest."""
    folder.mkdir()
    (folder / "label_map.txt").write_text("a\nb\n")
    shard = folder / "train-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records:
            writer.write(record)
    return shard


@pytest.fixture(scope="module")
def record(grey_shards):
    """A whole record of class a."""
    for shard in sorted(grey_shards.glob("train-*")):
        for found in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
            if tfrecord.parse_label(found) == 0:
                return found
    raise AssertionError("no record of class a")


def test_bad_records_of_every_kind_are_skipped_with_their_reason(record, tmp_path):
    bad = [make(record) for make, _ in BAD_RECORDS]
    shard = a_shard_of(tmp_path / "bad", [record, *bad, record])
    skipped = SkippedRecords()
    assert len(evaluated(shard.parent, skipped)) == 2
    assert [place for place, _ in skipped.reasons] == [str(shard)] * len(bad)
    found = [skipped.reasons[str(shard), str(index + 1)] for index in range(len(bad))]
    for reason, (_, expected) in zip(found, BAD_RECORDS, strict=True):
        assert reason.startswith(expected)


@pytest.mark.parametrize("kind", range(len(BAD_RECORDS)))
def test_bad_records_of_every_kind_are_named_with_their_reason(record, tmp_path, kind):
    make, expected = BAD_RECORDS[kind]
    shard = a_shard_of(tmp_path / "bäd [1]", [record, record, make(record)])
    source = Split.open(shard.parent, "train")
    with pytest.raises(ValueError, match="cannot be used") as caught, named_errors(source):
        evaluated(shard.parent, None)
    assert f"record 2 of shard {shard} cannot be used: {expected}" in str(caught.value)


def test_training_names_a_bad_record_too(record, tmp_path):
    shard = a_shard_of(tmp_path / "bad", [record, changed(record, 1, png), record])
    source = Split.open(shard.parent, "train")
    with pytest.raises(ValueError, match="frame 1 of 4 is a PNG picture"), named_errors(source):
        list(pipeline.training_dataset(shard.parent, clip=CLIP, batch_size=3).take(20))


def test_the_benchmark_of_the_input_names_a_bad_record_too(record, tmp_path):
    config = InputConfig(str(tmp_path / "bad"), num_frames=4, image_size=32, batch_size=1, steps=0)
    shard = a_shard_of(tmp_path / "bad", [record, changed(record, 1, png), record])
    with pytest.raises(ValueError, match=rf"record 1 of shard {shard} cannot be used: frame 1 of"):
        measure_input(config)
    shard.unlink()
    a_shard_of(tmp_path / "other", [record, without_frames(record)])
    with pytest.raises(ValueError, match=r"record 1 of shard .* cannot be used: it has no frames"):
        measure_input(dataclasses.replace(config, data_dir=str(tmp_path / "other")))


def test_a_jpeg_with_bytes_after_its_end_is_one(record, tmp_path):
    shard = a_shard_of(tmp_path / "padded", [changed(record, 1, lambda jpeg: jpeg + b"\0\0")])
    assert len(evaluated(shard.parent, None)) == 1


def test_a_label_map_in_another_order_is_found_at_the_start(copied):
    (copied / "label_map.txt").write_text("b\nc\na\n")
    message = r"record 0 of shard .*train-0000\d.*: label \d is '[abc]' in the label map, its "
    with pytest.raises(ValueError, match=message):
        check_shards(Split.open(copied, "train"))


def test_a_shard_of_another_conversion_is_found_by_its_size(copied, record):
    shard = shard_of(copied, 1)
    size = shard.stat().st_size
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for _ in range(6):  # as many as before
            writer.write(record)
    wanted = f"{shard.name} of {shard.stat().st_size} bytes, where the manifest says {size}"
    with pytest.raises(ValueError, match=wanted):
        Split.open(copied, "train")
    with pytest.raises(ValueError, match=wanted):
        pipeline.evaluation_dataset(copied, split="train", clip=CLIP)


def training_batches(folder, count, **arguments):
    dataset = pipeline.training_dataset(
        folder, clip=CLIP, batch_size=4, skipped=SkippedRecords(), **arguments
    )
    return [(clips.numpy(), labels.numpy()) for clips, labels in dataset.take(count)]


def test_a_run_continues_exactly_over_skipped_records(copied):
    flip_byte(shard_of(copied, 0), 1, 500)
    flip_byte(shard_of(copied, 1), 5, 500)
    whole = training_batches(copied, 7)  # three steps an epoch
    rest = training_batches(copied, 3, first_step=4)
    for (clips, labels), (other_clips, other_labels) in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(clips, other_clips)
        np.testing.assert_array_equal(labels, other_labels)


def test_when_most_is_damaged_training_ends(copied):
    for index in range(2):
        for record in range(6):
            flip_byte(shard_of(copied, index), record, 500)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        training_batches(copied, 1)
    assert "more than half of the records cannot be used" in str(data_error(caught.value))
