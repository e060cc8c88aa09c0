"""Shards -> ``tf.data`` batches of clips.

The phases are parse, sample frames, decode only those, crop and resize, flip, augment, batch,
prefetch, normalise. What is random is a function of the seed and of the place in the stream alone,
so that a run that starts at step n sees what the whole run would have seen there.
"""

import dataclasses
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
from .stream import ALL, Share, TrainingStream, fold_seed, reader
from .transforms import to_bytes

# Batches made ahead: a fixed few, since clips are large.
PREFETCHED = 2
# Number of a video that is none.
_BLANK = -1
DEFAULT_CLIP = ClipConfig()
_NO_AUGMENTATION = AugmentationConfig()


def _augmented(frames: tf.data.Dataset, clip: ClipConfig, augmentation: AugmentationConfig):
    """Frames, (pixels, about), with the colours of each clip changed; about has a "seed"."""

    def change(pixels: tf.Tensor, about: dict) -> tuple[tf.Tensor, dict]:
        changed = augment.augment_clip(
            augmentation, tf.cast(pixels[0], tf.float32), about["seed"][0]
        )
        return to_bytes(changed), {name: value[0] for name, value in about.items()}

    clips = gather_clips(frames, clip.num_frames, 1, drop_remainder=True)
    return clips.map(change, num_parallel_calls=parallel_calls(), deterministic=True)


def _labels(source: Split, augmentation: AugmentationConfig) -> Callable:
    """A function (clips, about) -> (clips, labels), mixed where the augmentation says so."""

    def labels(clips: tf.Tensor, about: dict):
        targets = about["label"]
        if not augmentation.mixes:
            return clips, targets
        if not source.multi_label:
            targets = tf.one_hot(targets, source.num_classes)
        # Another seed than that of the first clip's own colours.
        seed = tf.random.experimental.stateless_fold_in(about["seed"][0], 1)
        mixed, targets = augment.mix_batch(augmentation, tf.cast(clips, tf.float32), targets, seed)
        return to_bytes(mixed), targets

    return labels


def _filled_up(dataset: tf.data.Dataset, length: int | None) -> tf.data.Dataset:
    """(pixels, about), with zeros of video ``_BLANK`` after them, up to ``length`` elements."""
    if length is None:
        return dataset
    pixels, about = tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), dataset.element_spec
    )
    blank = pixels, about | {"video": tf.constant(_BLANK, tf.int64)}
    return dataset.concatenate(tf.data.Dataset.from_tensors(blank).repeat()).take(length)


@dataclasses.dataclass(frozen=True)
class Clips:
    """The videos of a split that is open, as batches of clips to train on, or of views to score.

    Args:
        split: the split.
        clip: frames, stride, size and frame order of a clip.
        batch_size: clips per batch, of all workers together.
        seed: of all that is random.
        skipped: passes over bad records, and keeps which they were; None where they are errors.
        data_service: address of a tf.data service that makes the clips.
        dtype: "float32", normalised, or "uint8".
        share: what this worker gets of each batch.

    Raises:
        ValueError: an argument is out of range.
        ConnectionError: nothing listens at ``data_service``.
    """

    split: Split
    clip: ClipConfig = DEFAULT_CLIP
    batch_size: int = 5
    seed: int = 0
    skipped: records.SkippedRecords | None = None
    data_service: str | None = None
    dtype: str = "float32"
    share: Share = ALL

    def __post_init__(self) -> None:
        errors.check("batch_size", self.batch_size)
        errors.check_choice("dtype", self.dtype, DTYPES)
        service.check(self.data_service, self.skipped)
        self.share.check(self.batch_size, self.data_service)

    @property
    def own_size(self) -> int:
        """Clips of a batch that are this worker's."""
        return self.batch_size // self.share.count

    def training(
        self,
        first_step: int = 0,
        *,
        random_flip: bool = True,
        augmentation: AugmentationConfig = _NO_AUGMENTATION,
        balanced: bool = False,
    ) -> tf.data.Dataset:
        """Endless batches of random clips; the arguments are those of :func:`training_dataset`."""
        split, clip = self.split, self.clip
        augmentation.check(split.channels, clip.frame_stride)
        if split.num_examples < self.batch_size:
            number = f"{split.num_examples} in split {split.name!r}"
            allowed = f"at most the number of examples, {number}"
            raise errors.refusal("batch_size", allowed, self.batch_size)
        stream = TrainingStream(
            split, self.batch_size, self.seed, balanced, self.skipped, self.share
        )
        numbered = stream.endless(first_step) if self.data_service else stream.epochs(first_step)
        parse = records.parser(split.class_names, multi_label=split.multi_label)

        def select(clip_seed: tf.Tensor, record):
            """One draw of frames, crop box and flip of a clip for all its frames."""
            seeds = tf.random.split(clip_seed, 6)
            example = parse(*record)
            frames = example["frames"]
            stride = augment.frame_stride(augmentation, clip.frame_stride, seeds[4])
            indices = sampling.random_clip(tf.shape(frames)[0], clip.num_frames, stride, seeds[0])
            indices = sampling.order_frames(indices, clip.frame_order, seeds[1])
            box = augment.crop_box(augmentation, *tf.unstack(example["size"]), seeds[2])
            flip = tf.logical_and(random_flip, tf.random.stateless_uniform([], seeds[3]) < 0.5)
            about = {"label": example["label"], "seed": seeds[5]}
            return tf.gather(frames, indices), box, flip, record[:2], about

        selected = numbered.map(select, num_parallel_calls=parallel_calls(), deterministic=True)
        frames = decode_clips(selected, clip, split.channels)
        if augmentation.color_jitter > 0 or augmentation.rand_augment > 0:
            clips = _augmented(frames, clip, augmentation)
            dataset = clips.batch(self.own_size, drop_remainder=True)
        else:
            dataset = gather_clips(frames, clip.num_frames, self.own_size, drop_remainder=True)
        dataset = dataset.map(_labels(split, augmentation))
        if self.data_service:
            dataset = service.distribute(dataset, self.data_service)
        else:
            endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            dataset = dataset.apply(endless)
        return in_dtype(dataset, self.dtype).prefetch(PREFETCHED)

    def views(
        self,
        num_clips: int = 1,
        num_crops: int = 1,
        *,
        details: bool = False,
        weights: bool = False,
        unlabelled: bool = False,
    ) -> tf.data.Dataset:
        """Batches of all videos' views; the arguments are those of :func:`evaluation_dataset`."""
        errors.check("num_clips", num_clips)
        errors.check("num_crops", num_crops)
        if self.share.count > 1 and not weights:
            allowed = "True with several workers, which all need as many batches"
            place = f" with worker={tuple(self.share)!r}"
            raise errors.refusal("weights", allowed, weights, place=place)
        views = self._numbered_views(num_clips, num_crops, unlabelled)
        frames = decode_clips(views, self.clip, self.split.channels)
        num_views = self.split.num_examples * num_clips * num_crops
        num_batches = -(-num_views // self.batch_size)
        total = num_batches * self.own_size if weights else None
        length = self.clip.num_frames
        if self.data_service:
            clips = service.distribute(gather_clips(frames, length, 1), self.data_service)
            filled = _filled_up(clips.unbatch(), total)
            dataset = filled.batch(self.batch_size, drop_remainder=weights)
        else:
            frames = _filled_up(frames, total and total * length)
            dataset = gather_clips(frames, length, self.own_size, drop_remainder=weights)

        def arranged(clips: tf.Tensor, about: dict):
            label = about.pop("label")
            if weights:
                weight = tf.constant(num_batches * self.batch_size / num_views, tf.float32)
                return clips, label, tf.where(about["video"] == _BLANK, 0.0, weight)
            return (clips, label, about) if details else (clips, label)

        dataset = dataset.map(arranged)
        if self.skipped is None:
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
        return in_dtype(dataset, self.dtype).prefetch(PREFETCHED)

    def _numbered_views(self, num_clips: int, num_crops: int, unlabelled: bool) -> tf.data.Dataset:
        """The worker's share of all views, as :func:`decode_clips` takes them."""
        split = self.split
        parse = records.parser(split.class_names, unlabelled, split.multi_label)
        read = reader(split, self.skipped, unlabelled)
        first = np.cumsum([0, *split.sizes[:-1]])  # number of the first video of each shard

        def views_of_shard(shard: tf.Tensor, size: tf.Tensor, first_video: tf.Tensor):
            def views_of_record(shard: tf.Tensor, index: tf.Tensor, record: tf.Tensor):
                example = parse(shard, index, record)
                video = first_video + index
                about = {"video": video, "filename": example["filename"], "label": example["label"]}
                seed, place = fold_seed(self.seed, video), (shard, index)
                return views(example["frames"], self.clip, num_clips, num_crops, seed, place, about)

            return read(shard, size).flat_map(views_of_record)

        found = split.places(first).flat_map(views_of_shard)
        numbered = self.share.of(found.enumerate(), self.batch_size)
        return numbered.map(lambda _position, view: view)


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
        data_dir: shard folder, as ``video-zoo convert`` writes it.
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
        A dataset of (float32 [batch, time, height, width, 3] in [-1, 1], int32 [batch]). Where
        clips have several classes the labels are float32 [batch, num_classes], 1 for each of them;
        with mixup or cutmix they are shares of classes, in the same form. From shards of
        optical flow, the clips have 2 channels: displacement to the right and downwards, divided by
        the bound of the conversion.

    Raises:
        ValueError: an argument is out of range; there are fewer examples than ``batch_size``.
        FileNotFoundError: the folder, or a shard of it, is missing.
        tf.errors.InvalidArgumentError: while iterating, no clip can be made of a record; within
            :func:`video_zoo.data.records.named_errors` it is a ValueError with shard, record and
            reason.
    """
    opened = Split.open(data_dir, split, check_sizes=skipped is None)
    clips = Clips(opened, clip, batch_size, seed, skipped, data_service, dtype, Share(*worker))
    return clips.training(
        first_step, random_flip=random_flip, augmentation=augmentation, balanced=balanced
    )


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
        skipped: as in :func:`training_dataset`.
        data_service: likewise.
        dtype: likewise.
        worker: (index, number of workers): this worker's equal share of each batch alone is decoded
            and returned. Several need ``weights``, which give all of them as many batches. Defaults
            to (0, 1).

    Returns:
        A finite dataset of (float32 [batch, time, height, width, 3] in [-1, 1], int32 [batch]);
        several classes and the channels of optical flow as in :func:`training_dataset`.

    Raises:
        ValueError, FileNotFoundError, tf.errors.InvalidArgumentError: as
            :func:`training_dataset`.
    """
    opened = Split.open(data_dir, split, check_sizes=skipped is None)
    clips = Clips(opened, clip, batch_size, seed, skipped, data_service, dtype, Share(*worker))
    return clips.views(
        num_clips, num_crops, details=details, weights=weights, unlabelled=unlabelled
    )
