"""What a clip is, and how encoded frames become batches of clips.

Frames are decoded one by one and gathered into batches as bytes: whole clips in float32 are four
times as large, and to copy them takes longer than to decode them.
"""

import dataclasses
import os

import tensorflow as tf

from video_zoo import errors

from . import bad_records, sampling, transforms

DTYPES = ("float32", "uint8")
# Shard and record of frames that come from no shard.
NO_PLACE = ("", -1)


def parallel_calls() -> int:
    """Frames, or clips, in the making: more than CPUs, so that none idles while a batch is made.

    A fixed number. ``AUTOTUNE`` takes a while to find it, and some memory.
    """
    return 2 * (os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class ClipConfig:
    """What one clip is.

    Args:
        num_frames: frames of a clip.
        frame_stride: step between sampled frames, in stored frames.
        image_size: height and width in pixels.
        frame_order: ``"sequential"``, ``"shuffled"``, ``"reversed"``, ``"frozen"`` or
            ``"half_speed"``, see :func:`video_zoo.data.input.sampling.order_frames`.
        crop_fraction: side of the crops of an evaluation, as a part of the frames' short side.
    """

    num_frames: int = 64
    frame_stride: int = 1
    image_size: int = 224
    frame_order: str = "sequential"
    crop_fraction: float = transforms.CROP_FRACTION

    def __post_init__(self) -> None:
        errors.check_settings(self)


def views(
    frames: tf.Tensor,
    clip: ClipConfig,
    num_clips: int,
    num_crops: int,
    seed: tf.Tensor,
    place: tuple = NO_PLACE,
    about=(),
) -> tf.data.Dataset:
    """The views of one video: evenly spaced clips x crops.

    Args:
        frames: string [length], all frames of the video as JPEGs.
        clip: what one clip is.
        num_clips: clips, spread evenly in time.
        num_crops: 1 (centre) or 3 (along the long side).
        seed: int64 [2], for ``frame_order="shuffled"``.
        place: shard and record that the video comes from. Defaults to none.
        about: tensor or nest of tensors that goes with each view.

    Returns:
        A dataset for :func:`decode_clips`.
    """
    indices = sampling.even_clips(
        tf.shape(frames)[0], clip.num_frames, clip.frame_stride, num_clips
    )
    seeds = tf.random.split(seed, num_clips)
    indices = tf.stack(
        [sampling.order_frames(indices[i], clip.frame_order, seeds[i]) for i in range(num_clips)]
    )
    size = tf.unstack(transforms.frame_size(frames[0]))
    boxes = transforms.even_crop_boxes(*size, num_crops, clip.crop_fraction)
    chosen = tf.data.Dataset.from_tensor_slices(
        (
            tf.repeat(tf.gather(frames, indices), num_crops, axis=0),
            tf.tile(boxes, [num_clips, 1]),
        )
    )
    place = tf.convert_to_tensor(place[0]), tf.cast(place[1], tf.int64)
    return chosen.map(lambda encoded, box: (encoded, box, False, place, about))


def decode_clips(selected: tf.data.Dataset, clip: ClipConfig, channels: int) -> tf.data.Dataset:
    """Decodes the frames of clips, one by one and side by side.

    Args:
        selected: dataset of (frames, box, flip, place, about): string [num_frames], JPEGs of one
            size; int32 [4], top, left, height, width in pixels; bool, whether to mirror; (string,
            int64), shard and record, for the error of a frame that is no whole JPEG; a tensor or
            nest of tensors that stays with the clip.
        clip: what a clip is.
        channels: 3, or 2 for flow.

    Returns:
        A dataset of single frames in order, (uint8 [image_size, image_size, channels], about). Clip
        for clip, ``num_frames`` of them follow one another.
    """

    def frames_of_clip(frames: tf.Tensor, box: tf.Tensor, flip: tf.Tensor, place, about):
        def repeated(value: tf.Tensor) -> tf.Tensor:
            return tf.repeat(value[tf.newaxis], clip.num_frames, axis=0)

        frames = tf.ensure_shape(frames, [clip.num_frames])
        rest = tf.nest.map_structure(repeated, (box, flip, place, about))
        return tf.data.Dataset.from_tensor_slices((frames, *rest))

    def decode(frame: tf.Tensor, box: tf.Tensor, flip: tf.Tensor, place, about):
        def decoded() -> tf.Tensor:
            return transforms.decode_frame(frame, box, clip.image_size, channels)

        def carefully() -> tf.Tensor:
            usable, pixels = bad_records.attempt(lambda _box: decoded(), box)
            with tf.control_dependencies([bad_records.check_usable(usable, *place)]):
                return tf.identity(pixels)

        # To expect an error of each frame would take half as long as decoding it.
        pixels = tf.cond(transforms.looks_whole(frame), decoded, carefully)
        return tf.cond(flip, lambda: transforms.mirror(pixels), lambda: pixels), about

    frames = selected.flat_map(frames_of_clip)
    return frames.map(decode, num_parallel_calls=parallel_calls(), deterministic=True)


def gather_clips(
    frames: tf.data.Dataset, num_frames: int, batch_size: int, drop_remainder: bool = False
) -> tf.data.Dataset:
    """Batches of clips, (uint8 [batch, time, height, width, channels], about [batch, ...])."""

    def as_clips(pixels: tf.Tensor, about):
        shape = [batch_size if drop_remainder else -1, num_frames, *pixels.shape[1:]]
        return tf.reshape(pixels, shape), tf.nest.map_structure(lambda v: v[::num_frames], about)

    return frames.batch(batch_size * num_frames, drop_remainder).map(as_clips)


def in_dtype(dataset: tf.data.Dataset, dtype: str) -> tf.data.Dataset:
    """The first tensor of each element as ``dtype``: normalised float32, or bytes as they are."""
    if dtype == "uint8":
        return dataset
    return dataset.map(lambda clips, *rest: (transforms.normalise(clips), *rest))
