"""What becomes of each layer of an image network in a video network: one rule per layer class."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import keras
import numpy as np

from video_zoo import errors

from .graph import copy_of

Convolution = Literal["separable", "full", "2d"]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a rule is told about one layer.

    Args:
        name: for the new layer; further ones extend it (``name_temporal``).
        convolution: "separable", "full" or "2d".
        temporal_kernel: extent in time of what gets one.
        stride: in time.
        initialization: "center" or "average", of kernels in time.
        unit: whether the temporal half comes after the activation that follows; then the rule
            leaves it out.
        input_shape: (batch, frames, height, width, channels) of the video layer's first input, or
            its (batch, channels) after a global pool.
    """

    name: str
    convolution: Convolution = "2d"
    temporal_kernel: int = 3
    stride: int = 1
    initialization: Literal["center", "average"] = "center"
    unit: bool = False
    input_shape: tuple[int | None, ...] = ()


@dataclasses.dataclass(frozen=True)
class VideoLayer:
    """A layer of the video network and its weights.

    Args:
        layer: called with the output of the one before.
        weights: arrays for ``layer.set_weights``; None leaves the initial ones.
    """

    layer: Callable
    weights: list[np.ndarray] | None = None


Rule = Callable[[keras.layers.Layer, Setting], "VideoLayer | list[VideoLayer]"]
_RULES: dict[type, Rule] = {}

# Classes of keras.applications that are not public; they treat every value or channel alike.
_PRIVATE_ELEMENTWISE = {"LayerScale", "StochasticDepth", "CustomScaleLayer"}
# Operations between layers, as in `x + 3.0`, by the name of their class.
_ELEMENTWISE_OPERATIONS = {
    *("Abs", "Add", "Clip", "Divide", "Exp", "Log", "Maximum", "Minimum", "Multiply", "Negative"),
    *("Power", "Reciprocal", "Rsqrt", "Sqrt", "Square", "Subtract", "Tanh", "TrueDivide"),
    *("Cast", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSilu", "LeakyRelu", "Relu", "Relu6"),
    *("Selu", "Sigmoid", "Silu", "Softplus", "Softsign"),
}


def register_inflation(layer_class: type) -> Callable[[Rule], Rule]:
    """Registers, as a decorator, how a class of image layers becomes layers for videos.

    The rule gets the image layer and a :class:`Setting`. It returns a :class:`VideoLayer`, or a
    list of them that are called one after another: layers for [batch, time, height, width,
    channels], with their weights. It applies to this class, not to subclasses.

    Args:
        layer_class: subclass of ``keras.layers.Layer``.

    Example:
        >>> @video_zoo.register_inflation(MyScale)  # works on any rank
        ... def inflate_my_scale(layer, setting):
        ...     new = MyScale.from_config({**layer.get_config(), "name": setting.name})
        ...     return VideoLayer(new, layer.get_weights())

    Raises:
        ValueError: ``layer_class`` is no class of layers.
    """
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.layers.Layer)):
        raise errors.refusal("layer_class", "a subclass of keras.layers.Layer", layer_class)

    def register(rule: Rule) -> Rule:
        _RULES[layer_class] = rule
        return rule

    return register


def _rules_for(*layer_classes: type) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        for layer_class in layer_classes:
            register_inflation(layer_class)(rule)
        return rule

    return register


def find_rule(operation: keras.Operation) -> Rule:
    """The rule for a layer; ValueError names one that has none, and the remedy."""
    kind = type(operation)
    if kind in _RULES:
        return _RULES[kind]
    if kind.__module__.startswith("keras."):
        is_layer = isinstance(operation, keras.layers.Layer)
        if kind.__name__ in (_PRIVATE_ELEMENTWISE if is_layer else _ELEMENTWISE_OPERATIONS):
            return _copy if is_layer else _operation
    raise ValueError(
        f"`image_model` has a layer {operation.name!r} of the class {kind.__name__}, for which "
        "there is no rule of inflation. Register one with "
        f"`video_zoo.register_inflation({kind.__name__})`."
    )


def assign(made: list[VideoLayer]) -> None:
    """Gives the layers of a network their weights, once all have been called."""
    for video_layer in made:
        if video_layer.weights:
            video_layer.layer.set_weights(video_layer.weights)
        if isinstance(video_layer.layer, keras.layers.Normalization):
            video_layer.layer.finalize_state()  # takes up the statistics just set


def _copy(layer: keras.layers.Layer, setting: Setting, **changes) -> VideoLayer:
    """The layer again, with the changes of its config."""
    return VideoLayer(copy_of(layer, setting.name, **changes), layer.get_weights())


def _operation(operation: keras.Operation, setting: Setting) -> VideoLayer:
    # The operation itself belongs to the image network's graph.
    return VideoLayer(copy_of(operation, setting.name))


# Each value, or the channels of one position, by themselves.
_rules_for(
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Dense,
    keras.layers.ELU,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.GroupNormalization,
    keras.layers.Identity,
    keras.layers.LeakyReLU,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.Subtract,
)(_copy)


def _shifted(axis: int) -> int:
    """An axis of an image tensor as an axis of the video tensor: time comes after the batch."""
    return axis + 1 if axis > 0 else axis


@_rules_for(
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.LayerNormalization,
    keras.layers.Normalization,
    keras.layers.Softmax,
)
def _along_an_axis(layer: keras.layers.Layer, setting: Setting) -> VideoLayer:
    axis = layer.get_config()["axis"]
    if len(setting.input_shape) != 5:
        return _copy(layer, setting)
    axes = [_shifted(a) for a in axis] if isinstance(axis, (list, tuple)) else _shifted(axis)
    return _copy(layer, setting, axis=axes)


@_rules_for(keras.layers.Dropout, keras.layers.AlphaDropout)
def _dropout(layer: keras.layers.Layer, setting: Setting) -> VideoLayer:
    noise = layer.get_config().get("noise_shape")
    if noise is not None and len(noise) == 4:  # such as stochastic depth: one draw for the clip
        return _copy(layer, setting, noise_shape=(noise[0], 1, *noise[1:]))
    return _copy(layer, setting)


def _to_3d(layer: keras.layers.Layer, setting: Setting, **changes) -> VideoLayer:
    """A layer without weights as the class that does the same in three dimensions."""
    video_class = getattr(keras.layers, type(layer).__name__.replace("2D", "3D"))
    config = {**layer.get_config(), **changes, "name": setting.name}
    return VideoLayer(video_class.from_config(config), [])


_rules_for(
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.SpatialDropout2D,
)(_to_3d)


@_rules_for(keras.layers.ZeroPadding2D, keras.layers.Cropping2D)
def _border(layer: keras.layers.Layer, setting: Setting) -> VideoLayer:
    key = "padding" if isinstance(layer, keras.layers.ZeroPadding2D) else "cropping"
    return _to_3d(layer, setting, **{key: ((0, 0), *layer.get_config()[key])})


@register_inflation(keras.layers.UpSampling2D)
def _upsampling(layer: keras.layers.UpSampling2D, setting: Setting) -> VideoLayer:
    if layer.interpolation != "nearest":
        raise ValueError(
            f"`image_model` has a layer {layer.name!r} that upsamples by {layer.interpolation!r}; "
            "Keras has only 'nearest' in three dimensions. Register a rule with "
            "`video_zoo.register_inflation(keras.layers.UpSampling2D)`."
        )
    config = layer.get_config()
    new = keras.layers.UpSampling3D(
        (1, *config["size"]), data_format="channels_last", name=setting.name, dtype=config["dtype"]
    )
    return VideoLayer(new, [])


@_rules_for(keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
def _pool(layer: keras.layers.Layer, setting: Setting) -> VideoLayer:
    # A window as long as its stride leaves no frame out and, unlike a longer one, needs no padding.
    config = layer.get_config()
    return _to_3d(
        layer,
        setting,
        pool_size=(setting.stride, *config["pool_size"]),
        strides=(setting.stride, *config["strides"]),
    )


@register_inflation(keras.layers.Flatten)
def _flatten(layer: keras.layers.Flatten, setting: Setting) -> list[VideoLayer]:
    """The mean over time, then all values of the map, so that the dense layers after it fit."""
    if len(setting.input_shape) != 5:
        return [_copy(layer, setting)]
    return [VideoLayer(lambda x: keras.ops.mean(x, axis=1)), _copy(layer, setting)]


@register_inflation(keras.layers.Reshape)
def _reshape(layer: keras.layers.Reshape, setting: Setting) -> list[VideoLayer]:
    target, video = layer.get_config()["target_shape"], len(setting.input_shape) == 5
    if len(target) == 3:  # a map, or the one position of a squeeze-and-excitation block
        time = (setting.input_shape[1] or -1) if video else 1
        return [_copy(layer, setting, target_shape=(time, *target))]
    if len(target) == 1:
        mean = [VideoLayer(lambda x: keras.ops.mean(x, axis=1))] if video else []
        return [*mean, _copy(layer, setting)]
    raise ValueError(
        f"`image_model` has a layer {layer.name!r} that reshapes to {target}: with a time axis, "
        "its meaning is open. Register a rule with "
        "`video_zoo.register_inflation(keras.layers.Reshape)`."
    )
