"""Which frames of a video make a clip. Index arithmetic in TensorFlow; knows nothing of pixels.

A clip of ``num_frames`` frames at ``frame_stride`` spans ``(num_frames - 1) * frame_stride + 1``
frames of the video. A video shorter than that is looped.
"""

import tensorflow as tf


def _last_start(length: tf.Tensor, num_frames: int, frame_stride: int) -> tf.Tensor:
    span = (num_frames - 1) * frame_stride + 1
    return tf.maximum(length - span, 0)


def _looped(start: tf.Tensor, length: tf.Tensor, num_frames: int, frame_stride: int) -> tf.Tensor:
    return (start[..., tf.newaxis] + tf.range(num_frames) * frame_stride) % length


def random_clip(
    length: tf.Tensor, num_frames: int, frame_stride: int, seed: tf.Tensor
) -> tf.Tensor:
    """Frame indices (int32 [num_frames]) from a start drawn uniformly.

    Args:
        length: int32 scalar, number of frames of the video, at least 1.
        num_frames: frames of the clip.
        frame_stride: step between sampled frames.
        seed: int [2], a stateless seed.
    """
    starts = _last_start(length, num_frames, frame_stride) + 1
    start = tf.random.stateless_uniform([], seed, maxval=starts, dtype=tf.int32)
    return _looped(start, length, num_frames, frame_stride)


def even_clips(length: tf.Tensor, num_frames: int, frame_stride: int, num_clips: int) -> tf.Tensor:
    """Frame indices (int32 [num_clips, num_frames]) of clips spread evenly over the video.

    One clip sits in the middle; of several, the first starts at the start and the last ends at the
    end.
    """
    last = tf.cast(_last_start(length, num_frames, frame_stride), tf.float32)
    if num_clips == 1:
        starts = last[tf.newaxis] / 2
    else:
        starts = tf.range(num_clips, dtype=tf.float32) * last / (num_clips - 1)
    return _looped(tf.cast(tf.floor(starts + 0.5), tf.int32), length, num_frames, frame_stride)


def order_frames(indices: tf.Tensor, frame_order: str, seed: tf.Tensor) -> tf.Tensor:
    """The frame indices of one clip in the order that the network sees.

    ``"shuffled"`` permutes them at random, as the paper's text says (section 4); ``"sequential"``
    leaves them, as the procedure that it cites does. ``"reversed"`` is backwards, ``"frozen"`` the
    middle frame again and again, ``"half_speed"`` the middle half with each frame twice.
    """
    count = indices.shape[0]
    if frame_order == "shuffled":
        return tf.random.experimental.stateless_shuffle(indices, seed)
    if frame_order == "reversed":
        return indices[::-1]
    if frame_order == "frozen":
        return tf.fill([count], indices[count // 2])
    if frame_order == "half_speed":
        return tf.gather(indices, [count // 4 + place // 2 for place in range(count)])
    return indices
