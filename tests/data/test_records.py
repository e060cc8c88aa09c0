"""Bad records are passed over one by one, and named; the stream stays a function of the seed."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from video_zoo.data import ConversionConfig, EncodingConfig, convert, pipeline, tfrecord
from video_zoo.data.clips import ClipConfig
from video_zoo.data.records import SkippedRecords, data_error, record_offsets

CLIP = ClipConfig(num_frames=2, image_size=28)
NUM_VIDEOS = 12


@pytest.fixture(scope="module")
def shards(tmp_path_factory, write_video):
    """Two shards of six videos, of which each has a brightness of its own."""
    folder = tmp_path_factory.mktemp("records")
    for number in range(NUM_VIDEOS):
        frames = np.full((4, 32, 32, 3), 20 * number, np.uint8)
        write_video(folder / "videos" / "train" / "ab"[number % 2] / f"{number}.mp4", frames)
    convert(
        ConversionConfig(
            input_dir=str(folder / "videos"),
            output_dir=str(folder / "shards"),
            encoding=EncodingConfig(short_side=32),
            num_shards=2,
            workers=1,
        ),
        progress=False,
    )
    return folder / "shards"


@pytest.fixture
def copied(shards, tmp_path):
    return pathlib.Path(shutil.copytree(shards, tmp_path / "copy"))


def shard_of(folder, index):
    return sorted(folder.glob("train-*"))[index]


def flip_byte(shard, record, offset):
    content = bytearray(shard.read_bytes())
    content[record_offsets(str(shard))[record] + offset] ^= 1
    shard.write_bytes(content)


def replace_record(shard, record, example):
    records = list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
    records[record] = example
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for content in records:
            writer.write(content)


def evaluated(folder, skipped):
    """The brightness of the videos that an evaluation sees, as their numbers."""
    dataset = pipeline.evaluation_dataset(folder, split="train", clip=CLIP, skipped=skipped)
    clips = np.concatenate([clips for clips, _ in dataset])
    return np.round((clips.mean(axis=(1, 2, 3, 4)) + 1) * 127.5 / 20).astype(int).tolist()


def test_offsets_are_where_records_begin(shards):
    shard = str(shard_of(shards, 0))
    lengths = [len(record) for record in tf.data.TFRecordDataset(shard).as_numpy_iterator()]
    expected = np.cumsum([0] + [12 + length + 4 for length in lengths[:-1]])
    np.testing.assert_array_equal(record_offsets(shard), expected)


def test_without_damage_nothing_is_skipped(shards):
    skipped = SkippedRecords()
    assert evaluated(shards, skipped) == evaluated(shards, None)
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


def unusable_examples(shard):
    """Records that are whole in the file and cannot be used."""
    record = next(iter(tf.data.TFRecordDataset(str(shard)))).numpy()
    wrong_label = tf.train.SequenceExample.FromString(record)
    wrong_label.context.feature[tfrecord.LABEL_INDEX].int64_list.value[:] = [7]
    no_jpeg = tf.train.SequenceExample.FromString(record)
    frames = no_jpeg.feature_lists.feature_list[tfrecord.ENCODED].feature
    frames[3].bytes_list.value[0] = b"no picture"
    return {
        "text": b"no example",
        "label": wrong_label.SerializeToString(),
        "picture": no_jpeg.SerializeToString(),
    }


@pytest.mark.parametrize("kind", ["text", "label", "picture"])
def test_unusable_examples_are_skipped(copied, kind):
    whole = evaluated(copied, None)
    shard = shard_of(copied, 0)
    replace_record(shard, 4, unusable_examples(shard)[kind])
    skipped = SkippedRecords()
    assert evaluated(copied, skipped) == whole[:4] + whole[5:]
    ((place, reason),) = skipped.reasons.items()
    assert place == (str(shard), "4")
    assert reason.startswith("no example that can be used")


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
