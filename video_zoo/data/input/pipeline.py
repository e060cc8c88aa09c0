"""Shards -> ``tf.data`` batches of clips.

The phases are parse, sample frames, decode only those, crop and resize, flip, augment, batch,
prefetch, normalise. What is random is a function of the seed and of the place in the stream alone,
so that a run that starts at step n sees what the whole run would have seen there.
"""

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from video_zoo import errors

from . import augmentation as augment
from . import records, sampling, service
from .augmentation_config import AugmentationConfig
from .clips import DTYPES, ClipConfig, decode_clips, gather_clips, in_dtype, parallel_calls, views
from .source import Split
from .stream import TrainingStream, check_worker, fold_seed, reader, worker_share

# Batches made ahead: a fixed few, since clips are large.
PREFETCHED = 2
# Number of a video that is none.
_BLANK = -1
DEFAULT_CLIP = ClipConfig()
_NO_AUGMENTATION = AugmentationConfig()


def _training_selection(
    example: dict[str, tf.Tensor],
    clip: ClipConfig,
    augmentation: AugmentationConfig,
    random_flip: bool,
    seeds: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Frames, crop box and flip of a training clip: one draw of each for all its frames."""
    frames = example["frames"]
    stride = augment.frame_stride(augmentation, clip.frame_stride, seeds[4])
    indices = sampling.random_clip(tf.shape(frames)[0], clip.num_frames, stride, seeds[0])
    indices = sampling.order_frames(indices, clip.frame_order, seeds[1])
    box = augment.crop_box(augmentation, *tf.unstack(example["size"]), seeds[2])
    flip = tf.random.stateless_uniform([], seeds[3]) < 0.5 if random_flip else tf.constant(False)
    return tf.gather(frames, indices), box, flip


def _augmented(frames: tf.data.Dataset, clip: ClipConfig, augmentation: AugmentationConfig):
    """Frames, (pixels, about), with the colours of each clip changed; about has a "seed"."""

    def change(pixels: tf.Tensor, about: dict) -> tuple[tf.Tensor, dict]:
        changed = augment.augment_clip(
            augmentation, tf.cast(pixels[0], tf.float32), about["seed"][0]
        )
        return _to_bytes(changed), {name: value[0] for name, value in about.items()}

    clips = gather_clips(frames, clip.num_frames, 1, drop_remainder=True)
    return clips.map(change, num_parallel_calls=parallel_calls(), deterministic=True)


def _to_bytes(pixels: tf.Tensor) -> tf.Tensor:
    return tf.saturate_cast(tf.round(pixels), tf.uint8)


def training_dataset(
    data_dir: str | os.PathLike,
    *,
    split: str = "train",
    batch_size: int = 5,
    clip: ClipConfig = DEFAULT_CLIP,
    random_flip: bool = True,
    augmentation: AugmentationConfig = _NO_AUGMENTATION,
    balanced: bool = False,
    skipped: records.SkippedRecords | None = None,
    data_service: str | None = None,
    dtype: str = "float32",
    seed: int = 0,
    first_step: int = 0,
    worker: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Endless batches of random clips: random start, crop and flip, one draw for all frames.

    An epoch takes every video once, in an order of its own; what does not fill a batch at the end
    of an epoch is left out of that epoch. Pass ``steps_per_epoch=num_examples // batch_size`` to
    ``fit``, and ``shuffle=False``: without it Keras warns that it shuffles no dataset.

    Args:
        data_dir: shard folder, as ``tools/make_tfrecords.py`` writes it.
        split: name of the split. Defaults to "train".
        batch_size: clips per batch. Defaults to 5.
        clip: frames, stride, size and frame order of a clip.
        random_flip: whether clips are mirrored at random. Turn it off where left and right are
            classes. Defaults to True.
        augmentation: what else is done to clips. Defaults to nothing.
        balanced: whether videos of rare classes are repeated in an epoch, and some of frequent ones
            left out, so that all classes are equally frequent. Defaults to False.
        skipped: passes over bad records, and keeps which they were. Defaults to None: a bad record
            is an error.
        data_service: address of a tf.data service, ``grpc://HOST:PORT``, whose workers make the
            clips. The order is then theirs: ``first_step`` only chooses other draws. Defaults to
            None.
        dtype: "float32", normalised, or "uint8", a quarter of the memory and of the time to move
            it, for :func:`video_zoo.data.input.transforms.normalise` on the device. Defaults to
            "float32".
        seed: of all that is random. Defaults to 0.
        first_step: batch to begin with, to continue an interrupted run. Defaults to 0.
        worker: (index, number of workers): this worker's equal share of each batch alone is decoded
            and returned, ``batch_size`` being that of all together. Put side by side, the shares
            are the batches of a single worker; only mixup and cutmix find their partners within a
            share. Defaults to (0, 1).

    Returns:
        A dataset of (float32 [batch, time, height, width, 3] in [-1, 1], int32 [batch]); with mixup
        or cutmix the labels are float32 [batch, num_classes], shares of classes. From shards of
        optical flow, the clips have 2 channels: displacement to the right and downwards, divided by
        the bound of the conversion.

    Raises:
        ValueError: an argument is out of range; there are fewer examples than ``batch_size``.
        FileNotFoundError: the folder, or a shard of it, is missing.
        tf.errors.InvalidArgumentError: while iterating, no clip can be made of a record; within
            :func:`video_zoo.data.records.named_errors` it is a ValueError with shard, record and
            reason.
    """
    errors.check("batch_size", batch_size)
    errors.check_choice("dtype", dtype, DTYPES)
    service.check(data_service, skipped)
    check_worker(worker, batch_size, data_service)
    source = Split.open(data_dir, split, check_sizes=skipped is None)
    augmentation.check(source.channels, clip.frame_stride)
    if source.num_examples < batch_size:
        raise ValueError(
            f"`batch_size` must be at most the number of examples, {source.num_examples} in split "
            f"{split!r}. Received: batch_size={batch_size}"
        )
    stream = TrainingStream(source, batch_size, seed, balanced, skipped, worker)
    numbered = stream.endless(first_step) if data_service else stream.epochs(first_step)
    parse = records.parser(source.class_names)

    def select(clip_seed: tf.Tensor, record):
        seeds = tf.random.split(clip_seed, 6)
        example = parse(*record)
        selected = _training_selection(example, clip, augmentation, random_flip, seeds)
        return *selected, record[:2], {"label": example["label"], "seed": seeds[5]}

    selected = numbered.map(select, num_parallel_calls=parallel_calls(), deterministic=True)
    frames = decode_clips(selected, clip, source.channels)
    share = batch_size // worker[1]
    if augmentation.color_jitter > 0 or augmentation.rand_augment > 0:
        dataset = _augmented(frames, clip, augmentation).batch(share, drop_remainder=True)
    else:
        dataset = gather_clips(frames, clip.num_frames, share, drop_remainder=True)
    dataset = dataset.map(_labels(source, augmentation))
    if data_service:
        dataset = service.distribute(dataset, data_service)
    else:
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        dataset = dataset.apply(endless)
    return in_dtype(dataset, dtype).prefetch(PREFETCHED)


def _labels(source: Split, augmentation: AugmentationConfig) -> Callable:
    """A function (clips, about) -> (clips, labels), mixed where the augmentation says so."""

    def labels(clips: tf.Tensor, about: dict):
        if not augmentation.mixes:
            return clips, about["label"]
        targets = tf.one_hot(about["label"], source.num_classes)
        # Another seed than that of the first clip's own colours.
        seed = tf.random.experimental.stateless_fold_in(about["seed"][0], 1)
        mixed, targets = augment.mix_batch(augmentation, tf.cast(clips, tf.float32), targets, seed)
        return _to_bytes(mixed), targets

    return labels


def evaluation_dataset(
    data_dir: str | os.PathLike,
    *,
    split: str = "val",
    batch_size: int = 5,
    clip: ClipConfig = DEFAULT_CLIP,
    num_clips: int = 1,
    num_crops: int = 1,
    seed: int = 0,
    details: bool = False,
    weights: bool = False,
    unlabelled: bool = False,
    skipped: records.SkippedRecords | None = None,
    data_service: str | None = None,
    dtype: str = "float32",
    worker: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Batches of the views of every video, each exactly once, the last batch included.

    The views of a video follow one another: ``num_clips`` clips evenly spaced in time, of each
    ``num_crops`` crops. (With a data service they may come between those of other videos.)

    Args:
        data_dir: shard folder.
        split: name of the split. Defaults to "val".
        batch_size: views per batch. Defaults to 5.
        clip: frames, stride, size and frame order of a clip.
        num_clips: clips per video. Defaults to 1, the middle.
        num_crops: 1 for the centre, 3 along the long side. Defaults to 1.
        seed: for ``frame_order="shuffled"``. Defaults to 0.
        details: whether to add, third, a dict of "video" (int64 [batch], number of the video in the
            split) and "filename" (string [batch]). Defaults to False.
        weights: whether to add, third, float32 [batch] weights, and to fill the last batch up with
            views of weight 0: replicas of a distribution strategy need full batches. The others
            have one weight that keeps the mean over batches exact. Defaults to False.
        unlabelled: whether videos may have no label; theirs is -1. Defaults to False: one without
            is a bad record.
        skipped, data_service, dtype: as in :func:`training_dataset`.
        worker: (index, number of workers): this worker's equal share of each batch alone is decoded
            and returned. Several need ``weights``, which give all of them as many batches. Defaults
            to (0, 1).

    Returns:
        A finite dataset of (float32 [batch, time, height, width, 3] in [-1, 1], int32 [batch]);
        2 channels from shards of optical flow, as in :func:`training_dataset`.

    Raises:
        ValueError, FileNotFoundError, tf.errors.InvalidArgumentError: as
            :func:`training_dataset`.
    """
    errors.check("batch_size", batch_size)
    errors.check_choice("dtype", dtype, DTYPES)
    errors.check("num_clips", num_clips)
    errors.check("num_crops", num_crops)
    service.check(data_service, skipped)
    check_worker(worker, batch_size, data_service)
    if worker[1] > 1 and not weights:
        raise ValueError(
            "`weights` must be True with several workers, which all need as many batches. "
            f"Received: weights={weights} with worker={worker!r}"
        )
    source = Split.open(data_dir, split, check_sizes=skipped is None)
    parse = records.parser(source.class_names, unlabelled)
    read = reader(source, skipped, unlabelled)
    first = np.cumsum([0, *source.sizes[:-1]])  # number of the first video of each shard

    def views_of_shard(shard: tf.Tensor, size: tf.Tensor, first_video: tf.Tensor):
        def views_of_record(shard: tf.Tensor, index: tf.Tensor, record: tf.Tensor):
            example = parse(shard, index, record)
            video = first_video + index
            about = {"video": video, "filename": example["filename"], "label": example["label"]}
            video_seed = fold_seed(seed, video)
            place = shard, index
            return views(example["frames"], clip, num_clips, num_crops, video_seed, place, about)

        return read(shard, size).flat_map(views_of_record)

    shards = tf.data.Dataset.from_tensor_slices((source.shards, source.sizes, first))
    numbered = worker_share(shards.flat_map(views_of_shard).enumerate(), worker, batch_size)
    frames = decode_clips(numbered.map(lambda _position, view: view), clip, source.channels)
    num_views = source.num_examples * num_clips * num_crops
    num_batches = -(-num_views // batch_size)
    share = batch_size // worker[1]
    total = num_batches * share if weights else None
    if data_service:
        clips = service.distribute(gather_clips(frames, clip.num_frames, 1), data_service).unbatch()
        dataset = _filled_up(clips, total).batch(batch_size, drop_remainder=weights)
    else:
        frames = _filled_up(frames, total and total * clip.num_frames)
        dataset = gather_clips(frames, clip.num_frames, share, drop_remainder=weights)

    def arranged(clips: tf.Tensor, about: dict):
        label = about.pop("label")
        if weights:
            weight = tf.constant(num_batches * batch_size / num_views, tf.float32)
            return clips, label, tf.where(about["video"] == _BLANK, 0.0, weight)
        return (clips, label, about) if details else (clips, label)

    dataset = dataset.map(arranged)
    if skipped is None:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    return in_dtype(dataset, dtype).prefetch(PREFETCHED)


def _filled_up(dataset: tf.data.Dataset, length: int | None) -> tf.data.Dataset:
    """(pixels, about), with zeros of video ``_BLANK`` after them, up to ``length`` elements."""
    if length is None:
        return dataset
    pixels, about = tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), dataset.element_spec
    )
    blank = pixels, about | {"video": tf.constant(_BLANK, tf.int64)}
    return dataset.concatenate(tf.data.Dataset.from_tensors(blank).repeat()).take(length)
