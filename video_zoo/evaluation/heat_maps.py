"""Grad-CAM over time and space (Selvaraju et al. 2017): where in a clip a class is seen."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from video_zoo import errors
from video_zoo.data.input import transforms
from video_zoo.models.elsewhere import with_logits
from video_zoo.models.maps import last_maps
from video_zoo.models.transfer import find_layer, is_functional

# Float16 has no gradients below 6e-8. They are only compared, and a power of two changes none.
_SCALE = 1024.0


@dataclasses.dataclass(frozen=True)
class HeatMaps:
    """Where a network sees a class in each of several clips.

    Args:
        values: float32 [clips, time, height, width] of the clips, in [0, 1]: 1 where most. All 0
            for a clip in which nothing speaks for the class.
        classes: int [clips], the class of each.
        layer: name of the layer whose maps were weighted.
    """

    values: np.ndarray
    classes: np.ndarray
    layer: str


def grad_cam(
    model: keras.Model,
    clips: np.ndarray | tf.Tensor,
    class_index: int | Sequence[int] | None = None,
    layer: str | keras.Operation | None = None,
) -> HeatMaps:
    """Grad-CAM: what in the clips speaks for a class.

    The maps of a layer are summed, each weighted by the mean gradient of the class's logit over it;
    what is negative becomes 0, and the rest is resized to the clips, linearly in time and space.

    Args:
        model: a classifier of clips: the zoo's, inflated, loaded, or nested. A softmax or a sigmoid
            at its end is left out.
        clips: float [batch, time, height, width, channels] in [-1, 1], or uint8.
        class_index: the class, or that of each clip. Defaults to None: the top class of each.
        layer: name of a layer, or the layer, whose output is [batch, time, height, width,
            channels]. Defaults to None: the last such one before the pooling.

    Raises:
        ValueError: an argument is wrong, the network has no such layer, or Keras's backend is not
            TensorFlow.

    Example:
        >>> model = video_zoo.i3d(5, input_shape=(16, 64, 64, 3), width_multiplier=0.1)
        >>> heat = video_zoo.grad_cam(model, np.zeros((2, 16, 64, 64, 3)))
        >>> heat.values.shape, heat.layer
        ((2, 16, 64, 64), 'Mixed_5c')
    """
    maps, classes, name = class_maps(model, clips, class_index, layer)
    values = resized(maps, np.shape(clips)[1:4])
    highest = values.max(axis=(1, 2, 3), keepdims=True)
    values = np.divide(values, highest, out=np.zeros_like(values), where=highest > 0)
    return HeatMaps(values, classes, name)


def class_maps(
    model: keras.Model,
    clips: np.ndarray | tf.Tensor,
    class_index: int | Sequence[int] | None = None,
    layer: str | keras.Operation | None = None,
) -> tuple[np.ndarray, np.ndarray, str]:
    """The heat as the layer has it, which can be compared between clips; as :func:`grad_cam`.

    Returns:
        Float32 [clips, time, height, width] of the layer, at least 0; int [clips], the classes; the
        name of the layer.
    """
    clips = _checked_clips(clips)
    operation = find_maps(model, layer)
    network = logits_of(model)
    with (
        tf.GradientTape(watch_accessed_variables=False) as tape,
        _watched(operation, tape) as outputs,
    ):
        logits = tf.cast(tf.nest.flatten(network(clips, training=False))[0], tf.float32)
        _check_outputs(operation, outputs, logits)
        classes = _classes(class_index, logits.numpy())
        scores = tf.gather(logits, classes, batch_dims=1) * _SCALE
    gradients = tape.gradient(scores, outputs[-1])
    if gradients is None:
        raise _no_way(operation)
    maps = tf.cast(outputs[-1], tf.float32).numpy()
    weights = tf.cast(gradients, tf.float32).numpy().mean(axis=(1, 2, 3)) / _SCALE
    heat = np.maximum(np.einsum("bthwc,bc->bthw", maps, weights), 0)
    if not np.isfinite(heat).all():
        raise ValueError(
            f"the maps of a clip must be finite, and those of the layer {operation.name!r} are "
            "not. Received: NaN or infinite values or gradients. The clip, or weights, have such "
            "values, or they are too large for float16: take float32."
        )
    return heat, classes, operation.name


def find_maps(
    model: keras.Model, layer: str | keras.Operation | None = None, argument: str = "layer"
) -> keras.Operation:
    """The layer whose maps tell where: the one that is asked for, or the last before the pooling.

    Args:
        model: the network.
        layer: as :func:`grad_cam` takes it.
        argument: what it was given as, for the messages.

    Raises:
        ValueError: there is none; Keras's backend is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise errors.refusal(
            "KERAS_BACKEND", "'tensorflow', whose gradients are taken", keras.backend.backend()
        )
    if isinstance(layer, keras.Operation):
        return layer
    remedy = f"Pass one of its layers as `{argument}`: model.some_layer, say."
    if not is_functional(model):
        raise ValueError(
            "`model` must be a functional keras.Model, which knows its graph. Received: "
            f"model={errors.shown(model)}. {remedy}"
        )
    if layer is not None:
        return find_layer(model, layer, argument)
    found = last_maps(model)
    if found is None:
        raise ValueError(
            "`model` must have a layer whose output is [batch, time, height, width, channels], "
            "with several positions in time or space. Received: "
            f"model={model.name!r}, which has none in its graph. {remedy}"
        )
    return found


def logits_of(model: keras.Model) -> keras.Model:
    """The network without a softmax or sigmoid at its end, where its graph tells that."""
    return with_logits(model)[0] if is_functional(model) else model


@contextlib.contextmanager
def _watched(operation: keras.Operation, tape: tf.GradientTape) -> Iterator[list[tf.Tensor]]:
    """Lets ``tape`` record what is computed from the layer's output, wherever the layer lies.

    Only that: what comes before costs no memory. Gives the outputs of its calls.
    """
    outputs, call = [], operation.call

    def watched_call(*args, **kwargs):
        output = call(*args, **kwargs)
        if isinstance(output, tf.Tensor):
            tape.watch(output)
        outputs.append(output)
        return output

    operation.call = watched_call
    try:
        yield outputs
    finally:
        del operation.call


def _checked_clips(clips: np.ndarray | tf.Tensor) -> tf.Tensor:
    shape = np.shape(clips)
    if len(shape) != 5 or not shape[0]:
        remedy = "One clip alone is `clips[None]`." if len(shape) == 4 else ""
        allowed = "an array [batch, time, height, width, channels] of one clip or more"
        raise errors.refusal("clips", allowed, f"array of shape {shape}", remedy)
    clips = tf.convert_to_tensor(clips)
    return transforms.normalise(clips) if clips.dtype == tf.uint8 else tf.cast(clips, tf.float32)


def _check_outputs(operation: keras.Operation, outputs: list, logits: tf.Tensor) -> None:
    if not outputs:
        raise _no_way(operation)
    shape = tuple(getattr(outputs[-1], "shape", ()))
    if len(shape) != 5:
        allowed = "a layer whose output is [batch, time, height, width, channels]"
        raise errors.refusal("layer", allowed, operation.name, place=f" with output {shape}")
    if len(logits.shape) != 2:
        raise ValueError(
            "`model` must be a classifier, whose output is [batch, classes]. Received: one with "
            f"output {tuple(logits.shape)}. Take a network with its classifier."
        )


def _no_way(operation: keras.Operation) -> ValueError:
    allowed = "a layer that the scores of the first output are computed from"
    return errors.refusal("layer", allowed, operation.name)


def _classes(class_index: int | Sequence[int] | None, logits: np.ndarray) -> np.ndarray:
    number, count = logits.shape
    if class_index is None:
        return logits.argmax(axis=-1)
    classes = np.asarray(class_index)
    fits = np.issubdtype(classes.dtype, np.integer) and classes.shape in ((), (number,))
    if not fits or classes.min() < 0 or classes.max() >= count:
        allowed = f"None, an integer from 0 to {count - 1}, or one for each of the {number} clips"
        raise errors.refusal("class_index", allowed, class_index)
    return np.broadcast_to(classes, number).copy()


def resized(maps: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Maps [maps, time, height, width] at other ``sizes`` of the last three, linearly."""
    for axis, size in enumerate(sizes, start=1):
        weights = linear_weights(maps.shape[axis], size)
        maps = np.moveaxis(np.tensordot(maps, weights, axes=(axis, 1)), -1, axis)
    return maps


def linear_weights(before: int, after: int) -> np.ndarray:
    """Float32 [after, before]: what each of ``after`` positions takes from ``before`` ones.

    Both share a span evenly, each position standing for its middle; beyond the outer middles the
    outer value stays.
    """
    places = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(before))).astype(np.float32)
