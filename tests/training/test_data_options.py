"""What the options of the input do to a run."""

import csv
import dataclasses
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from video_zoo.data import AugmentationConfig
from video_zoo.data.input import transforms
from video_zoo.data.input.balance import class_weights
from video_zoo.data.input.records import record_offsets
from video_zoo.data.input.source import Split
from video_zoo.training import TrainingConfig, train
from video_zoo.training.batches import Batches
from video_zoo.training.checks import open_splits
from video_zoo.training.initial import Task, compiled_model
from video_zoo.training.trainer import Trainer, build_from_one_clip


@pytest.fixture
def config(motion_shards, tiny_run, tmp_path):
    return TrainingConfig(
        data_dir=str(motion_shards), workdir=str(tmp_path / "run"), steps=4, **tiny_run
    )


def batches(config, **changes):
    config = dataclasses.replace(config, **changes)
    return Batches(config, open_splits(config), num_replicas=1)


def first_batches(config, count=4, **changes):
    dataset = batches(config, **changes).training(0).take(count)
    return [[part.numpy() for part in batch] for batch in dataset]


@pytest.mark.slow
def test_clips_travel_as_bytes_and_train_as_floats(config):
    """The loss of a step on bytes is that on normalised clips."""
    losses = []
    for on_device in (True, False):
        keras.utils.set_random_seed(0)
        dataset = batches(config).training(0)
        assert dataset.element_spec[0].dtype == tf.uint8
        model = compiled_model(config, Task(5, list("abcde"), 3))
        if on_device:
            build_from_one_clip(model, dataset)
            model = Trainer(model, config, 5)
        else:
            dataset = dataset.map(lambda clips, *rest: (transforms.normalise(clips), *rest))
        history = model.fit(dataset, steps_per_epoch=1, verbose=0, shuffle=False)
        losses += history.history["loss"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_class_weights_multiply_the_weights_of_clips(config):
    by_class = class_weights(Split.open(config.data_dir, "train"))
    assert by_class.min() < by_class.max()
    plain = first_batches(config)
    for (clips, targets, ones), (same, same_targets, weights) in zip(
        plain, first_batches(config, class_balance="weights"), strict=True
    ):
        np.testing.assert_array_equal(clips, same)
        np.testing.assert_array_equal(targets, same_targets)
        np.testing.assert_array_equal(ones, 1)
        np.testing.assert_allclose(weights, by_class[targets.argmax(axis=1)], rtol=1e-6)


@pytest.mark.parametrize("option", ["mixup_alpha", "cutmix_alpha"])
def test_mixed_clips_have_shares_of_classes(config, option):
    mixed = first_batches(config, augmentation=AugmentationConfig(**{option: 1.0}))
    plain = first_batches(config)
    targets = np.concatenate([batch[1] for batch in mixed])
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    assert np.any((targets > 0.01) & (targets < 0.99))
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(mixed, plain, strict=True))


def test_augmented_batches_continue_exactly(config):
    augmentation = AugmentationConfig(
        random_resized_crop=True, rand_augment=1, mixup_alpha=0.5, max_frame_stride=2
    )
    made = batches(config, augmentation=augmentation, class_balance="sampling")
    whole = list(made.training(0).take(6).as_numpy_iterator())
    rest = list(made.training(4).take(2).as_numpy_iterator())
    for batch, other in zip(whole[4:], rest, strict=True):
        for part, other_part in zip(batch, other, strict=True):
            np.testing.assert_array_equal(part, other_part)


def test_the_order_of_examples_is_that_of_any_number_of_devices(config):
    """A run may continue on others: clip for clip, from any step."""
    splits = open_splits(config)
    whole = [clips for clips, *_ in Batches(config, splits, 1).training(0).take(6)]
    for devices in (2, 3):
        rest = Batches(config, splits, devices).training(3).take(3)
        for (clips, *_), expected in zip(rest, whole[3:], strict=True):
            np.testing.assert_array_equal(clips, expected)


def test_a_run_passes_over_bad_records_and_lists_them(config, motion_shards, tmp_path):
    shards = shutil.copytree(motion_shards, tmp_path / "shards")
    shard = sorted(shards.glob("train-*"))[0]
    content = bytearray(shard.read_bytes())
    content[record_offsets(str(shard))[1] + 300] ^= 1
    shard.write_bytes(content)
    damaged = dataclasses.replace(config, data_dir=str(shards), steps=None, epochs=1)
    with pytest.raises(ValueError, match=f"shard {shard} is damaged at record 1.*on_bad_record"):
        train(damaged)
    skipping = dataclasses.replace(
        damaged, on_bad_record="skip", workdir=str(tmp_path / "skipping")
    )
    assert train(skipping).finished
    with open(tmp_path / "skipping" / "skipped_records.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"shard": str(shard), "record": "1", "reason": "damaged in the file"}]


@pytest.mark.parametrize("setting", ["class_balance", "on_bad_record"])
def test_unknown_settings_are_refused(config, setting):
    with pytest.raises(ValueError, match=f"`{setting}` must be one of .*{setting}='often'"):
        dataclasses.replace(config, **{setting: "often"})


def test_other_augmentation_is_another_run(config):
    earlier = dataclasses.asdict(config)
    del earlier["augmentation"]  # a run of an earlier version
    assert config.differences(earlier) == []
    other = dataclasses.replace(config, augmentation=AugmentationConfig(color_jitter=0.4))
    assert other.differences(earlier) == ["color_jitter was 0.0 and is 0.4"]
