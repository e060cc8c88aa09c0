"""Shards -> batches, on real shards of videos whose frames tell their number."""

import pathlib
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from video_zoo.data.input import pipeline
from video_zoo.data.input.clips import ClipConfig
from video_zoo.data.input.records import data_error
from video_zoo.data.input.source import Split

NUM_TRAIN, NUM_VAL, LENGTH = 9, 5, 12
CLIP = ClipConfig(num_frames=4, image_size=56)


@pytest.fixture(scope="module")
def shards(tmp_path_factory, write_video, make_shards):
    """Videos of a constant hue each, whose brightness is 20 x the number of the frame."""
    folder = tmp_path_factory.mktemp("pipeline")
    for split, count in (("train", NUM_TRAIN), ("val", NUM_VAL)):
        for number in range(count):
            frames = np.zeros((LENGTH, 64, 64, 3), np.uint8)
            frames[..., 1] = (np.arange(LENGTH) * 20)[:, None, None]
            frames[..., 0] = 20 * number
            label = "ab"[number % 2]
            write_video(folder / "videos" / split / label / f"{number}.mp4", frames)
    return make_shards(folder, short_side=64, num_shards=3)


@pytest.fixture
def copied(shards, tmp_path):
    return pathlib.Path(shutil.copytree(shards, tmp_path / "copy"))


def frame_numbers(clip):
    """Which frames of its video a clip holds, read from their brightness."""
    pixels = (np.asarray(clip)[..., 1].mean(axis=(-2, -1)) + 1) * 127.5
    return np.round(pixels / 20).astype(int)


def videos(clips):
    pixels = (np.asarray(clips)[..., 0].mean(axis=(1, 2, 3)) + 1) * 127.5
    return np.round(pixels / 20).astype(int)


def training_batches(shards, count, **arguments):
    dataset = pipeline.training_dataset(shards, clip=CLIP, batch_size=2, **arguments)
    return [(clips.numpy(), labels.numpy()) for clips, labels in dataset.take(count)]


def assert_same_batches(first, second):
    for (clips, labels), (other_clips, other_labels) in zip(first, second, strict=True):
        np.testing.assert_array_equal(clips, other_clips)
        np.testing.assert_array_equal(labels, other_labels)


def test_element_spec(shards):
    clips, labels = pipeline.training_dataset(shards, clip=CLIP, batch_size=2).element_spec
    assert clips == tf.TensorSpec([2, 4, 56, 56, 3], tf.float32)
    assert labels == tf.TensorSpec([2], tf.int32)


def test_training_clips_are_runs_of_frames_with_their_label(shards):
    for clips, labels in training_batches(shards, 8):
        assert clips.min() >= -1 and clips.max() <= 1
        assert np.all(np.diff(frame_numbers(clips), axis=1) == 1)
        np.testing.assert_array_equal(videos(clips) % 2, labels)


def test_every_epoch_takes_each_video_at_most_once_in_another_order(shards):
    batches = training_batches(shards, 8)  # two epochs of four batches
    epochs = [
        np.concatenate([videos(clips) for clips, _ in batches[first : first + 4]]).tolist()
        for first in (0, 4)
    ]
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_training_is_a_function_of_the_seed_alone(shards):
    first = training_batches(shards, 6, seed=1)
    assert_same_batches(first, training_batches(shards, 6, seed=1))
    tf.random.set_seed(0)  # whatever the process's own seed is
    assert_same_batches(first, training_batches(shards, 6, seed=1))
    other = training_batches(shards, 6, seed=2)
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("first_step", [1, 4, 6])
def test_a_stream_that_starts_later_continues_the_whole_one(shards, first_step):
    whole = training_batches(shards, 9)
    rest = training_batches(shards, 9 - first_step, first_step=first_step)
    assert_same_batches(whole[first_step:], rest)


def test_shuffled_frames_are_those_of_the_sequential_clip(shards):
    sequential = pipeline.evaluation_dataset(shards, clip=CLIP, batch_size=5)
    order = ClipConfig(num_frames=4, image_size=56, frame_order="shuffled")
    shuffled = pipeline.evaluation_dataset(shards, clip=order, batch_size=5)
    kept, mixed = (frame_numbers(next(iter(d))[0]) for d in (sequential, shuffled))
    assert kept.tolist() == [[4, 5, 6, 7]] * 5
    assert not np.array_equal(kept, mixed)
    np.testing.assert_array_equal(np.sort(mixed, axis=1), kept)


@pytest.mark.parametrize("num_crops", [1, 3])
def test_evaluation_gives_the_views_of_every_video_once(shards, num_crops):
    dataset = pipeline.evaluation_dataset(
        shards, clip=CLIP, batch_size=4, num_clips=2, num_crops=num_crops, details=True
    )
    batches = list(dataset)
    views = 2 * num_crops
    sizes = [len(labels) for _, labels, _ in batches]
    assert sizes == [4] * (5 * views // 4) + [5 * views % 4] * (5 * views % 4 > 0)
    numbers = np.concatenate([about["video"] for _, _, about in batches])
    np.testing.assert_array_equal(numbers, np.repeat(np.arange(NUM_VAL), views))
    assert len({name for _, _, about in batches for name in about["filename"].numpy()}) == 5
    clips = np.concatenate([clips for clips, _, _ in batches])
    starts = frame_numbers(clips)[:, 0]
    assert starts.tolist() == ([0] * num_crops + [8] * num_crops) * NUM_VAL


def test_padded_batches_are_full_and_weigh_as_much_as_the_videos(shards):
    dataset = pipeline.evaluation_dataset(shards, clip=CLIP, batch_size=4, weights=True)
    weights = np.concatenate([batch[2] for batch in dataset])
    np.testing.assert_allclose(weights, [8 / 5] * 5 + [0] * 3)


def test_three_crops_of_a_wide_video_differ(tmp_path, write_video, make_shards):
    frames = np.zeros((4, 64, 128, 3), np.uint8)
    frames[..., 1] = np.arange(128) * 2
    write_video(tmp_path / "videos" / "val" / "a" / "wide.mp4", frames)
    wide = make_shards(tmp_path, short_side=64)
    (clips, _), *_ = pipeline.evaluation_dataset(wide, clip=CLIP, num_crops=3)
    means = (clips.numpy()[..., 1].mean(axis=(1, 2, 3)) + 1) * 127.5
    np.testing.assert_allclose(means, [55, 127, 199], atol=4)


def test_fit_takes_the_batches_without_a_warning(shards):
    """Warnings are errors in tests."""
    training = pipeline.training_dataset(shards, clip=CLIP, batch_size=2)
    model = keras.Sequential([keras.layers.GlobalAveragePooling3D(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(training, steps_per_epoch=1, shuffle=False, verbose=0)


def test_shards_without_a_manifest_are_counted(copied):
    (copied / "manifest.json").unlink()
    assert Split.open(copied, "train").num_examples == NUM_TRAIN


def test_a_flipped_byte_names_the_shard_and_the_record(copied):
    shard = sorted(copied.glob("train-*"))[1]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        training_batches(copied, 8)
    error = data_error(caught.value)
    assert f"shard {shard} is damaged at record 1 of 3" in str(error)
    (copied / "manifest.json").unlink()
    with pytest.raises(ValueError, match=f"shard {shard} is damaged at record 1"):
        pipeline.training_dataset(copied, clip=CLIP, batch_size=2)


def test_a_shard_that_was_cut_short_is_named(copied):
    shard = sorted(copied.glob("val-*"))[0]
    dataset = pipeline.evaluation_dataset(copied, clip=CLIP)
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(dataset)
    assert str(shard) in str(data_error(caught.value))
    with pytest.raises(ValueError, match=f"{shard.name} of .* bytes, where the manifest says"):
        pipeline.evaluation_dataset(copied, clip=CLIP)


def test_a_shard_that_vanishes_is_named_and_does_not_hang(copied):
    dataset = pipeline.evaluation_dataset(copied, clip=CLIP)
    shard = sorted(copied.glob("val-*"))[0]
    shard.unlink()
    with pytest.raises(tf.errors.NotFoundError, match=shard.name):
        list(dataset)


def test_a_missing_shard_is_named_before_anything_is_read(copied):
    shard = sorted(copied.glob("train-*"))[2]
    shard.unlink()
    with pytest.raises(FileNotFoundError, match=shard.name):
        pipeline.training_dataset(copied, clip=CLIP, batch_size=2)


def test_a_label_outside_the_label_map_names_the_shard(copied):
    (copied / "label_map.txt").write_text("a\n")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(pipeline.evaluation_dataset(copied, clip=CLIP))
    message = str(data_error(caught.value))
    assert re.match(r"record \d of shard .*val-00000-of-", message)
    assert "label 1 (b) outside the label map of 1 classes" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"batch_size": 0},
            "`batch_size` must be an integer from 1 to 100,000. Received: batch",
        ),
        ({"batch_size": 10}, "`batch_size` must be at most the number of examples, 9"),
        ({"split": "test", "batch_size": 2}, r"`split` must be one of \['train', 'val'\]"),
    ],
)
def test_bad_arguments_of_training(shards, arguments, message):
    with pytest.raises(ValueError, match=message):
        pipeline.training_dataset(shards, clip=CLIP, **arguments)


def test_bad_arguments_of_evaluation_and_clips(shards):
    with pytest.raises(ValueError, match="`num_crops` must be one of 1, 3. Received: num_crops=2"):
        pipeline.evaluation_dataset(shards, num_crops=2)
    with pytest.raises(ValueError, match="`frame_order` must be one of 'sequential', 'shuffled'"):
        ClipConfig(frame_order="backwards")
    with pytest.raises(ValueError, match="`frame_stride` must be an integer from 1"):
        ClipConfig(frame_stride=0)


@pytest.mark.parametrize(("count", "balanced"), [(2, False), (3, True)])
def test_the_shares_of_workers_are_the_batches_of_one(shards, count, balanced):
    """From the second step on, over the end of an epoch of a step; clips, order and draws alike."""
    arguments = {"clip": CLIP, "batch_size": 6, "first_step": 1, "balanced": balanced, "seed": 3}
    whole = pipeline.training_dataset(shards, **arguments).take(3)
    shares = [
        pipeline.training_dataset(shards, **arguments, worker=(index, count)).take(3)
        for index in range(count)
    ]
    for (clips, labels), *parts in zip(whole, *shares, strict=True):
        assert [len(part[1]) for part in parts] == [6 // count] * count
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), clips)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), labels)


@pytest.mark.parametrize(("count", "batch_size"), [(2, 2), (2, 4), (3, 3)])
def test_workers_evaluate_every_video_once_in_as_many_batches(shards, count, batch_size):
    seen, weights = [], []
    for index in range(count):
        dataset = pipeline.evaluation_dataset(
            shards, clip=CLIP, batch_size=batch_size, weights=True, worker=(index, count)
        )
        batches = list(dataset)
        assert [len(labels) for _, labels, _ in batches] == [batch_size // count] * len(dataset)
        assert len(batches) == -(-NUM_VAL // batch_size)
        for clips, _, own in batches:
            seen += videos(clips)[own > 0].tolist()
            weights += own.numpy().tolist()
    assert sorted(seen) == list(range(NUM_VAL))
    assert np.mean(weights) == pytest.approx(1)  # the mean over weighted clips is that over videos


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"worker": (2, 2), "batch_size": 4}, r"`worker` must be .* Received: worker=\(2, 2\)"),
        ({"worker": (0, 2), "batch_size": 5}, r"`batch_size` must be a multiple of .* workers, 2"),
    ],
)
@pytest.mark.parametrize("dataset", [pipeline.training_dataset, pipeline.evaluation_dataset])
def test_shares_that_cannot_be_are_refused(shards, arguments, message, dataset):
    with pytest.raises(ValueError, match=message):
        dataset(shards, **arguments)


def test_workers_that_evaluate_need_weights(shards):
    with pytest.raises(ValueError, match=r"`weights` must be True with several workers"):
        pipeline.evaluation_dataset(shards, batch_size=4, worker=(0, 2))
