"""Batch normalisation beyond Keras's: over all devices, and with precise statistics."""

import keras
import tensorflow as tf

from video_zoo import errors
from video_zoo.data.input import transforms


def layers_of(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Its layers of batch normalisation that are trained, those of nested models and wrappers too.

    A layer that is called several times is there once.
    """
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


def check_precise(model: keras.Model, num_batches: int) -> None:
    """Raises ValueError unless precise statistics can be taken of ``model``, where they are asked
    for: what a layer within a nested model sees is not known.
    """
    own = {id(layer) for layer in model.layers}
    nested = [layer.name for layer in layers_of(model) if id(layer) not in own]
    if num_batches and nested:
        allowed = f"0 for a network with batch normalisation in nested models, such as {nested[0]}"
        raise errors.refusal("precise_bn_steps", allowed, num_batches)


def set_constants(model: keras.Model, momentum: float | None, epsilon: float | None) -> None:
    """Sets momentum and epsilon of all trained batch normalisation, where given; saved with it."""
    for layer in layers_of(model):
        layer.momentum = layer.momentum if momentum is None else momentum
        layer.epsilon = layer.epsilon if epsilon is None else epsilon


def synchronise(model: keras.Model) -> None:
    """Lets batch normalisation take its statistics over the clips of all devices; saved with it."""
    for layer in layers_of(model):
        layer.synchronized = True


def set_precise_statistics(model: keras.Model, batches: tf.data.Dataset, num_batches: int) -> None:
    """Replaces the moving statistics of batch normalisation by those of the weights as they are.

    Moving averages mix statistics of earlier weights, and of few clips each. Here all batches
    count alike: mean and variance over all of their clips, layer by layer, as the layers see
    them in training (Wu & Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3).

    Args:
        model: the network.
        batches: dataset whose elements begin with clips, uint8 [batch, time, height, width,
            channels], as large as one device's share of a training batch.
        num_batches: number of them to take.
    """
    # A copy outside of any distribution strategy.
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layers = layers_of(model)
    inputs = [copy.get_layer(layer.name).input for layer in layers]
    probe = keras.Model(copy.inputs, inputs)

    @tf.function
    def moments(clips: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        found = tf.nest.flatten(probe(transforms.normalise(clips), training=True))
        axes = list(range(found[0].shape.rank - 1))
        values = [tf.cast(each, tf.float32) for each in found]
        return [(tf.reduce_mean(v, axes), tf.reduce_mean(v * v, axes)) for v in values]

    total = None
    for clips, *_rest in batches.take(num_batches):
        found = moments(clips)
        total = found if total is None else tf.nest.map_structure(tf.add, total, found)
    for layer, (mean, square) in zip(layers, total, strict=True):
        mean, square = mean / num_batches, square / num_batches
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(tf.maximum(square - mean * mean, 0.0))
