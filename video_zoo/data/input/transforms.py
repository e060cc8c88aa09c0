"""Crop, decode, resize, flip, normalise: one draw for all frames of a clip."""

import tensorflow as tf

# I3D stores videos with a short side of 256 pixels and crops 224 (Carreira & Zisserman 2017): the
# crop takes this share of the short side, whatever sizes are stored and wanted.
CROP_FRACTION = 224 / 256
JPEG_BEGINS, JPEG_ENDS = b"\xff\xd8\xff", b"\xff\xd9"
# TensorFlow decodes no picture of 2**29 bytes and more.
MAX_PIXELS = 2**29 // 3


def frame_size(encoded: tf.Tensor) -> tf.Tensor:
    """Height and width (int32 [2], pixels) of an encoded JPEG."""
    return tf.io.extract_jpeg_shape(encoded)[:2]


def looks_whole(encoded: tf.Tensor) -> tf.Tensor:
    """Whether bytes (string scalar) begin and end as a JPEG does (bool scalar); never fails."""
    end = tf.maximum(tf.strings.length(encoded) - len(JPEG_ENDS), 0)
    begins = tf.strings.substr(encoded, 0, len(JPEG_BEGINS)) == JPEG_BEGINS
    return tf.logical_and(begins, tf.strings.substr(encoded, end, len(JPEG_ENDS)) == JPEG_ENDS)


def decoded_size(encoded: tf.Tensor) -> tf.Tensor:
    """Height and width (int32 [2], pixels) of a JPEG; fails, when run, if it does not decode.

    All of its data are read, and a picture of an eighth of the size is made of them.
    """
    size = frame_size(encoded)
    with tf.control_dependencies([check_room(size)]):
        small = tf.io.decode_jpeg(encoded, channels=3, ratio=8)
    with tf.control_dependencies([small]):
        return tf.identity(size)


def decoded_sizes(frames: tf.Tensor) -> tf.Tensor:
    """As :func:`decoded_size` (int32 [number, 2]), of each of several JPEGs."""
    return tf.map_fn(decoded_size, frames, fn_output_signature=tf.TensorSpec([2], tf.int32))


def check_room(size: tf.Tensor) -> tf.Operation:
    """Fails, when run, if a picture (int32 [2]: height, width) is too large to be decoded."""
    room = tf.reduce_prod(tf.cast(size, tf.int64)) <= MAX_PIXELS
    return tf.debugging.Assert(room, ["too large"])


def _crop_side(height: tf.Tensor, width: tf.Tensor, fraction: float = CROP_FRACTION) -> tf.Tensor:
    short = tf.cast(tf.minimum(height, width), tf.float32)
    return tf.maximum(tf.cast(tf.round(short * fraction), tf.int32), 1)


def random_crop_box(height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A square box (int32 [4]: top, left, height, width) at a place drawn uniformly."""
    side = _crop_side(height, width)
    return placed(tf.stack([side, side]), tf.stack([height, width]), seed)


def placed(box: tf.Tensor, size: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A box ([2]: height, width) at a place, drawn uniformly, of a picture of a ``size`` ([2])."""
    box, size = tf.cast(box, tf.float32), tf.cast(size, tf.float32)
    corner = tf.floor(tf.random.stateless_uniform([2], seed) * (size - box + 1))
    return tf.cast(tf.concat([corner, box], axis=0), tf.int32)


def even_crop_boxes(
    height: tf.Tensor, width: tf.Tensor, num_crops: int, fraction: float = CROP_FRACTION
) -> tf.Tensor:
    """Square boxes (int32 [num_crops, 4]): one in the centre, or three along the long side.

    Their side is ``fraction`` of the short side.
    """
    side = _crop_side(height, width, fraction)
    room = tf.stack([height, width]) - side
    corners = room[tf.newaxis] // 2
    if num_crops > 1:
        along = tf.stack([height > width, width >= height])
        steps = room * tf.range(num_crops)[:, tf.newaxis] // (num_crops - 1)
        corners = tf.where(along, steps, corners)
    return tf.concat([corners, tf.fill([num_crops, 2], side)], axis=1)


def decode_box(frame: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Decodes only the ``box`` of an encoded frame; the one place that chooses how.

    Args:
        frame: string scalar, a JPEG.
        box: int32 [4]: top, left, height, width in pixels.

    Returns:
        uint8 [height, width, 3].
    """
    # TensorFlow's default is a fast and inexact transform, which makes pictures darker.
    return tf.io.decode_and_crop_jpeg(frame, box, channels=3, dct_method="INTEGER_ACCURATE")


def decode_frame(frame: tf.Tensor, box: tf.Tensor, image_size: int, channels: int = 3) -> tf.Tensor:
    """Decodes only the ``box`` of an encoded frame, and resizes it.

    Args:
        frame: string scalar, a JPEG.
        box: int32 [4]: top, left, height, width in pixels.
        image_size: side of the result, in pixels.
        channels: 3, or 2 for flow, which leaves the third channel of its JPEGs unused. Resizing
            does not touch the values of flow: they stay in pixels of the stored picture.

    Returns:
        uint8 [image_size, image_size, channels].
    """
    pixels = decode_box(frame, box)[..., :channels]

    def resized() -> tf.Tensor:
        size = (image_size, image_size)
        return to_bytes(tf.image.resize(pixels, size, antialias=True))

    fits = tf.reduce_all(tf.shape(pixels)[:2] == image_size)
    return tf.ensure_shape(
        tf.cond(fits, lambda: pixels, resized), [image_size, image_size, channels]
    )


def to_bytes(pixels: tf.Tensor) -> tf.Tensor:
    """Values around [0, 255] as the nearest uint8."""
    return tf.saturate_cast(tf.round(pixels), tf.uint8)


def mirror(frame: tf.Tensor) -> tf.Tensor:
    """Mirrors left and right of a frame (uint8 [height, width, channels]).

    In a frame of 2 channels, which is flow, motion to the right becomes motion to the left.
    """
    mirrored = tf.reverse(frame, axis=[1])
    if frame.shape[-1] != 2:
        return mirrored
    # 127.5 is no motion, so that 255 - x is the opposite of x.
    right, down = tf.unstack(mirrored, axis=-1)
    return tf.stack([255 - right, down], axis=-1)


def normalise(clips: tf.Tensor) -> tf.Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1], the range of the zoo's networks."""
    return tf.cast(clips, tf.float32) / 127.5 - 1.0
