"""Augmentation of training clips: which box, which stride, which colours, which mixture.

Every draw is a function of a stateless seed and holds for the whole clip. The pictures are changed
by Keras's layers (``docs/augmentation.md`` says which); here is what they lack: one transformation
for all frames of a clip, and a seed instead of a state.
"""

import functools
import math
from collections.abc import Callable

import keras
import tensorflow as tf

from . import transforms
from .augmentation_config import AugmentationConfig

# What comes into a picture from beyond its border: 0 once normalised.
_GREY = 127.5
# Boxes drawn before one that is too large for the picture is cut down to it.
_ATTEMPTS = 10


def crop_box(
    config: AugmentationConfig, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """The box of a training clip; where no option is on, that of ``transforms.random_crop_box``.

    Args:
        config: the options.
        height: int32 scalar, of the stored picture, in pixels.
        width: int32 scalar.
        seed: int [2], a stateless seed.

    Returns:
        int32 [4]: top, left, height and width in pixels, inside the picture.
    """
    if config.random_resized_crop:
        return _random_resized_box(config, height, width, seed)
    if config.scale_jitter > 1:
        return _scale_jittered_box(config, height, width, seed)
    return transforms.random_crop_box(height, width, seed)


def _random_resized_box(
    config: AugmentationConfig, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    seeds = tf.random.split(seed, 3)
    shares = tf.random.stateless_uniform([_ATTEMPTS], seeds[0], config.min_area, config.max_area)
    logs = math.log(config.min_aspect), math.log(config.max_aspect)
    aspects = tf.exp(tf.random.stateless_uniform([_ATTEMPTS], seeds[1], *logs))
    size = tf.cast(tf.stack([height, width]), tf.float32)
    # The largest box of an aspect that fits takes this share of the picture.
    largest = tf.minimum(aspects * size[0] / size[1], size[1] / (aspects * size[0]))
    chosen = tf.argmax(shares <= largest)
    area = tf.minimum(shares, largest)[chosen] * size[0] * size[1]
    root = tf.sqrt(aspects[chosen])
    box = tf.sqrt(area) * tf.stack([1 / root, root])
    return transforms.placed(tf.clip_by_value(tf.round(box), 1.0, size), size, seeds[2])


def _scale_jittered_box(
    config: AugmentationConfig, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    seeds = tf.random.split(seed, 2)
    scale = tf.random.stateless_uniform([], seeds[0], 1.0, config.scale_jitter)
    size = tf.cast(tf.stack([height, width]), tf.float32)
    side = tf.round(tf.reduce_min(size) * transforms.CROP_FRACTION / scale)
    return transforms.placed(tf.fill([2], tf.maximum(side, 1.0)), size, seeds[1])


def frame_stride(config: AugmentationConfig, base: int, seed: tf.Tensor) -> tf.Tensor:
    """The step between the frames of a clip: int32 scalar, from ``base`` to the largest allowed."""
    if config.max_frame_stride is None:
        return tf.constant(base)
    return tf.random.stateless_uniform(
        [], seed, minval=base, maxval=config.max_frame_stride + 1, dtype=tf.int32
    )


class _Seeds(keras.random.SeedGenerator):
    """Hands Keras's layers seeds that are a function of one seed: no state, so no variable."""

    def __init__(self, seed: tf.Tensor) -> None:
        self._seed = seed
        self._count = 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        self._count += 1
        return tf.random.experimental.stateless_fold_in(self._seed, self._count)


def augment_clip(config: AugmentationConfig, clip: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Changes colours and geometry of a clip, in the same way in all of its frames.

    Args:
        config: the options.
        clip: float32 [time, height, width, 3] in [0, 255].
        seed: int64 [2], a stateless seed.

    Returns:
        float32 [time, height, width, 3] in [0, 255]; ``clip`` itself where no option is on.
    """
    seeds = tf.random.split(seed, 2)
    if config.color_jitter:
        drawn = _Seeds(seeds[0])
        for layer in _color_layers(config.color_jitter):
            clip = _transform(layer, clip, drawn, as_one_picture=True)
    if config.rand_augment:
        operation = _rand_augment_operation(config.rand_augment_magnitude / 10)
        for seed_of_one in tf.unstack(tf.random.split(seeds[1], config.rand_augment)):
            clip = operation(clip, seed_of_one)
    return clip


def _transform(
    layer: keras.Layer, clip: tf.Tensor, drawn: _Seeds, *, as_one_picture: bool
) -> tf.Tensor:
    """Applies a layer of images to a clip, with one draw.

    Args:
        layer: an image preprocessing layer.
        clip: float32 [time, height, width, 3].
        drawn: the seeds.
        as_one_picture: whether the layer sees all frames as one tall picture, and takes mean or
            histogram over the clip; a frame's own would make the clip flicker. Not for layers that
            move pixels.
    """
    shape = tf.shape(clip)
    images = tf.reshape(clip, [1, -1, shape[2], shape[3]]) if as_one_picture else clip
    transformation = layer.get_random_transformation(images[:1], training=True, seed=drawn)
    images = layer.transform_images(images, transformation, training=True)
    return tf.ensure_shape(tf.reshape(images, shape), clip.shape)


def _outside_of_graphs(make: Callable) -> Callable:
    """Keeps what ``make`` returns: layers have variables, which no graph of ``tf.data`` may own."""

    @functools.cache
    def made(*arguments):
        with tf.init_scope():
            return make(*arguments)

    return made


# Whatever policy and data format are set for networks, clips are float32 and channels come last.
_KIND = {"dtype": "float32", "data_format": "channels_last"}


@_outside_of_graphs
def _color_layers(strength: float) -> list[keras.Layer]:
    """What ``keras.layers.RandomColorJitter`` is made of; it cannot be given a seed or a dtype."""
    layers = keras.layers
    return [
        layers.RandomBrightness(strength / 2, **_KIND),
        layers.RandomContrast((strength, strength), **_KIND),
        # The layer multiplies by f / (1 - f), and keeps the saturation within `value_range`.
        layers.RandomSaturation(
            ((1 - strength) / (2 - strength), (1 + strength) / (2 + strength)),
            value_range=(0, 1),
            **_KIND,
        ),
        layers.RandomHue((0.0, strength / 2), **_KIND),
    ]


@_outside_of_graphs
def _rand_augment_layers(strength: float) -> list[tuple[keras.Layer, bool]]:
    """RandAugment's operations with their ranges at ``strength`` 0 to 1: (layer, as one picture).

    The ranges are the paper's (Cubuk et al. 2020, as torchvision and timm have them); a draw is
    uniform up to them.
    """
    layers = keras.layers
    beyond = {"fill_mode": "constant", "fill_value": _GREY, **_KIND}
    bits = 8 - round(4 * strength)
    return [
        (layers.RandomShear(x_factor=0.3 * strength, **beyond), False),
        (layers.RandomShear(y_factor=0.3 * strength, **beyond), False),
        (layers.RandomTranslation(0.0, 0.45 * strength, **beyond), False),
        (layers.RandomTranslation(0.45 * strength, 0.0, **beyond), False),
        (layers.RandomRotation(30 / 360 * strength, **beyond), False),
        (layers.RandomBrightness(0.45 * strength, **_KIND), True),
        (layers.RandomColorDegeneration((0.0, 0.9 * strength), **_KIND), True),
        (layers.RandomContrast((0.9 * strength, 0.9 * strength), **_KIND), True),
        (layers.RandomSharpness((0.5 - 0.45 * strength, 0.5 + 0.45 * strength), **_KIND), False),
        (layers.RandomPosterization((bits, bits), **_KIND), True),
        (_solarization(strength), True),
        (layers.AutoContrast(**_KIND), True),
        (layers.Equalization(**_KIND), True),
    ]


def _solarization(strength: float) -> keras.Layer:
    """Inverts what is brighter than a threshold; Keras's layer draws the threshold from 0 up."""

    class Solarization(keras.layers.Solarization):
        def get_random_transformation(self, *arguments, **keywords):
            drawn = super().get_random_transformation(*arguments, **keywords)
            return {**drawn, "thresholds": 255 - strength * drawn["thresholds"]}

    return Solarization(addition_factor=0.0, threshold_factor=1.0, **_KIND)


@_outside_of_graphs
def _rand_augment_operation(strength: float) -> Callable:
    """A function (clip, seed) that puts a clip through one operation, drawn by the seed.

    ``keras.layers.RandAugment`` computes all operations to keep one; here one alone runs.
    """
    operations = _rand_augment_layers(strength)

    @tf.function(autograph=False)  # traced once, however many operations follow one another
    def operation(clip: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seeds = tf.random.split(seed, 2)
        chosen = tf.random.stateless_uniform([], seeds[0], 0, len(operations), tf.int32)
        branches = [
            functools.partial(_transform, layer, clip, _Seeds(seeds[1]), as_one_picture=tall)
            for layer, tall in operations
        ]
        return tf.switch_case(chosen, branches)

    return operation


def mix_batch(
    config: AugmentationConfig, clips: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes the clips of a batch, and their labels by the same shares.

    Args:
        config: the options; with both alphas above 0, a draw decides between them per batch.
        clips: float32 [batch, time, height, width, channels].
        labels: float32 [batch, num_classes], one-hot or shares.
        seed: int64 [2], a stateless seed.

    Returns:
        Clips and labels of the same shapes. A clip's label is the mean of the labels of its two
        parts, weighted by their shares; with cutmix, exactly the shares of the pixels.
    """
    seeds = tf.random.split(seed, 2)
    mixup = functools.partial(_mixup, config.mixup_alpha, clips, labels, seeds[1])
    cutmix = functools.partial(_cutmix, config.cutmix_alpha, clips, labels, seeds[1])
    if config.mixup_alpha and config.cutmix_alpha:
        return tf.cond(tf.random.stateless_uniform([], seeds[0]) < 0.5, mixup, cutmix)
    if config.mixup_alpha:
        return mixup()
    return cutmix() if config.cutmix_alpha else (clips, labels)


@_outside_of_graphs
def _mixing_layer(kind: str, alpha: float | tuple[float, float]) -> keras.Layer:
    return getattr(keras.layers, kind)(alpha, **_KIND)


def _mixup(
    alpha: float, clips: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    layer = _mixing_layer("MixUp", alpha)
    shape = tf.shape(clips)
    images = tf.reshape(clips, [shape[0], -1, shape[3], shape[4]])  # the layer takes no clips
    transformation = layer.get_random_transformation(images, training=True, seed=_Seeds(seed))
    mixed = layer.transform_images(images, transformation, training=True)
    mixed = tf.ensure_shape(tf.reshape(mixed, shape), clips.shape)
    return mixed, layer.transform_labels(labels, transformation, training=True)


def _cutmix(
    alpha: float, clips: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    layer = _mixing_layer("CutMix", (alpha, alpha))
    drawn = layer.get_random_transformation(clips[:, 0], training=True, seed=_Seeds(seed))
    boxes = drawn["batch_masks"]  # bool [batch, height, width, channels], the same for all frames
    mixed = layer.transform_images(
        clips, {**drawn, "batch_masks": boxes[:, tf.newaxis]}, training=True
    )
    # The layer's own share is that of the box before its corners are rounded to pixels.
    pasted = tf.reduce_mean(tf.cast(boxes, labels.dtype), axis=[1, 2, 3])
    labels = layer.transform_labels(labels, {**drawn, "mix_weight": 1 - pasted}, training=True)
    return mixed, labels
