"""The rules of the convolutions: what gets an extent in time, and how a still video stays the same.

A convolution over more than one pixel becomes, ``"full"``, one kernel in time and space;
``"separable"``, a spatial half with the 2D kernel and a temporal half of the same width that starts
as identity. The temporal half stands

* after the ReLU or ReLU6 that follows (directly or after a batch normalisation), with a batch
  normalisation and a ReLU of its own: the unit of S3D. A ReLU changes nothing the second time,
  and the new batch normalisation starts with mean 0, variance ``1 - epsilon``, gamma 1 and beta 0,
  which divides by exactly 1;
* directly after the spatial half otherwise, without an activation between: any other activation
  would change what it is applied to twice, and a residual or dense connection has none.

Depthwise convolutions get a depthwise temporal half.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from .depthwise import DepthwiseConv3D
from .rules import Setting, VideoLayer, register_inflation

# Activations that, applied twice, give what they give once.
_IDEMPOTENT = (keras.activations.relu, keras.activations.relu6)


@dataclasses.dataclass(frozen=True)
class ImageConvolution:
    """What the rules need to know of a convolution, whatever its class.

    Args:
        layer: the image layer.
        kernel: [height, width, in, out], or [height, width, channels, multiplier] if depthwise.
        bias: the bias, or nothing.
        depthwise: whether each channel is convolved by itself.
        activation: the layer's own.
        make: function (kernel size, strides, name, activation) -> the video layer.
    """

    layer: keras.layers.Layer
    kernel: np.ndarray
    bias: list[np.ndarray]
    depthwise: bool
    activation: Callable
    make: Callable[..., keras.layers.Layer]

    @property
    def can_stride(self) -> bool:
        """Whether Keras strides it in time, which it does not beside a dilation."""
        return self.depthwise or max(self.layer.dilation_rate) == 1

    @property
    def width(self) -> int:
        """Number of outputs."""
        *_, before, last = self.kernel.shape
        return before * last if self.depthwise else last


def is_spatial(operation: keras.Operation) -> bool:
    """Whether a layer is a convolution over more than one pixel, which gets an extent in time."""
    return type(operation) in _CONVOLUTIONS and max(operation.kernel_size) > 1


def can_stride(operation: keras.Operation) -> bool:
    """Whether a layer can stride time: convolutions and pools."""
    pools = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
    return type(operation) in (*_CONVOLUTIONS, *pools)


def ends_unit(operation: keras.Operation) -> bool:
    """Whether a layer is an activation after which a temporal half can stand: ReLU, ReLU6."""
    if type(operation) is keras.layers.ReLU:
        return operation.negative_slope == 0 and operation.threshold == 0
    return type(operation) is keras.layers.Activation and operation.activation in _IDEMPOTENT


def starts_unit(operation: keras.Operation) -> bool:
    """Whether a layer is a convolution whose temporal half can stand after its activation."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    linear = getattr(operation, "activation", None) is keras.activations.linear
    return type(operation) in kinds and is_spatial(operation) and linear


def temporal_unit(
    convolution: keras.layers.Layer,
    normalisation: keras.layers.BatchNormalization | None,
    activation: keras.layers.Layer,
    setting: Setting,
    activation_name: str,
) -> list[VideoLayer]:
    """The temporal half after an activation: convolution, batch normalisation, activation."""
    image = _describe(convolution)
    bias = normalisation is None and bool(image.bias)
    chain = [_temporal_half(image, setting, use_bias=bias)]
    if normalisation is not None:
        config = normalisation.get_config()
        config |= {"axis": -1, "name": f"{setting.name}_temporal_bn", "trainable": True}
        new = keras.layers.BatchNormalization.from_config(config)
        chain.append(VideoLayer(new, identity_norm(normalisation, image.width)))
    config = {**activation.get_config(), "name": activation_name}
    chain.append(VideoLayer(type(activation).from_config(config), []))
    return chain


def identity_norm(norm: keras.layers.BatchNormalization, width: int) -> list[np.ndarray]:
    """Weights of a batch normalisation like ``norm`` that leaves ``width`` channels as they are."""
    ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
    learnt = [ones] * norm.scale + [zeros] * norm.center
    return [*learnt, zeros, ones - np.float32(norm.epsilon)]


def _temporal_half(
    image: ImageConvolution, setting: Setting, *, use_bias: bool, activation: Callable | None = None
) -> VideoLayer:
    arguments = {
        "kernel_size": (setting.temporal_kernel, 1, 1),
        "strides": (setting.stride, 1, 1),
        "padding": "same",
        "use_bias": use_bias,
        "activation": activation,
        "name": f"{setting.name}_temporal",
        "dtype": image.layer.dtype_policy,
    }
    if image.depthwise:
        new = DepthwiseConv3D(**arguments)
        kernel = _over_time(np.ones((1, 1, image.width, 1), np.float32), setting)
    else:
        new = keras.layers.Conv3D(image.width, data_format="channels_last", **arguments)
        kernel = _over_time(np.eye(image.width, dtype=np.float32), setting)
    return VideoLayer(new, [kernel, *[np.zeros(image.width, np.float32)] * use_bias])


def over_time(kernel: np.ndarray, duration: int, initialization: str = "center") -> np.ndarray:
    """An image kernel, or the identity of its channels, as a kernel with an extent in time.

    Either the centre alone has a weight, or all have the same (Carreira & Zisserman 2017).
    """
    taps = np.eye(duration, dtype=np.float32)[duration // 2]
    if initialization == "average":
        taps = np.full(duration, 1 / duration, np.float32)
    return taps.reshape(-1, 1, 1, 1, 1) * kernel


def _over_time(kernel: np.ndarray, setting: Setting) -> np.ndarray:
    return over_time(kernel, setting.temporal_kernel, setting.initialization)


def _convolve(image: ImageConvolution, setting: Setting) -> list[VideoLayer]:
    """The chain of layers that a convolution becomes."""
    layer, name = image.layer, setting.name
    temporal = is_spatial(layer) and setting.convolution != "2d"
    if temporal and setting.convolution == "full":
        return _full(image, setting)
    half = temporal and not setting.unit
    repeats = image.activation in _IDEMPOTENT
    inside = image.activation if repeats or not half else keras.activations.linear
    step = 1 if temporal else setting.stride
    chain = []
    if step > 1 and not image.can_stride:
        chain, step = [_every(step, name)], 1
    new = image.make((1, *layer.kernel_size), (step, *layer.strides), name, inside)
    chain.append(VideoLayer(new, [image.kernel[np.newaxis], *image.bias]))
    if half and repeats:
        bias = bool(image.bias)
        chain.append(_temporal_half(image, setting, use_bias=bias, activation=image.activation))
    elif half:
        chain.append(_temporal_half(image, setting, use_bias=False))
        if image.activation is not keras.activations.linear:
            outside = keras.layers.Activation(
                image.activation, name=f"{name}_activation", dtype=layer.dtype_policy
            )
            chain.append(VideoLayer(outside, []))
    return chain


def _full(image: ImageConvolution, setting: Setting) -> list[VideoLayer]:
    layer, duration = image.layer, setting.temporal_kernel
    chain = []
    if layer.padding == "valid" and not image.depthwise:
        # Keras has one padding for all axes; time is always padded to SAME.
        sides = ((duration // 2, duration // 2), (0, 0), (0, 0))
        pad = keras.layers.ZeroPadding3D(
            sides, data_format="channels_last", name=f"{setting.name}_time_pad"
        )
        chain.append(VideoLayer(pad, []))
    step = setting.stride if image.can_stride else 1
    size, strides = (duration, *layer.kernel_size), (step, *layer.strides)
    new = image.make(size, strides, setting.name, image.activation)
    chain.append(VideoLayer(new, [_over_time(image.kernel, setting), *image.bias]))
    return chain if step == setting.stride else [*chain, _every(setting.stride, setting.name)]


def _every(stride: int, name: str) -> VideoLayer:
    """Every ``stride``-th frame: Keras strides no dilated convolution."""
    pool = keras.layers.MaxPooling3D(
        1, (stride, 1, 1), "same", data_format="channels_last", name=f"{name}_stride"
    )
    return VideoLayer(pool, [])


def _describe(layer: keras.layers.Layer) -> ImageConvolution:
    """A Conv2D, DepthwiseConv2D, or the depthwise half of a SeparableConv2D."""
    config, (kernel, *rest) = layer.get_config(), layer.get_weights()
    if type(layer) is keras.layers.Conv2D:
        if layer.groups == 1 or kernel.shape[-2] > 1:
            make = _conv_3d(config)
            return ImageConvolution(layer, kernel, rest, False, layer.activation, make)
        kernel = kernel.reshape(*kernel.shape[:2], layer.groups, -1)
        names = ("kernel_initializer", "kernel_regularizer")
    else:
        names = ("depthwise_initializer", "depthwise_regularizer")
    separable = type(layer) is keras.layers.SeparableConv2D
    bias = [] if separable else rest
    activation = keras.activations.linear if separable else layer.activation

    def make(size, strides, name, activation):
        return DepthwiseConv3D(
            size,
            strides,
            padding=layer.padding,
            depth_multiplier=kernel.shape[-1],
            dilation_rate=layer.dilation_rate,
            activation=activation,
            use_bias=bool(bias),
            depthwise_initializer=config[names[0]],
            depthwise_regularizer=config[names[1]],
            name=name,
            dtype=config["dtype"],
            trainable=config["trainable"],
        )

    return ImageConvolution(layer, kernel, bias, True, activation, make)


def _conv_3d(config: dict) -> Callable[..., keras.layers.Conv3D]:
    def make(size, strides, name, activation):
        changes = {
            "kernel_size": size,
            "strides": strides,
            "dilation_rate": (1, *config["dilation_rate"]),
            "activation": keras.activations.serialize(activation),
            "name": name,
        }
        return keras.layers.Conv3D.from_config({**config, **changes})

    return make


@register_inflation(keras.layers.DepthwiseConv2D)
@register_inflation(keras.layers.Conv2D)
def _convolution(layer: keras.layers.Layer, setting: Setting) -> list[VideoLayer]:
    return _convolve(_describe(layer), setting)


@register_inflation(keras.layers.SeparableConv2D)
def _separable(layer: keras.layers.SeparableConv2D, setting: Setting) -> list[VideoLayer]:
    """Depthwise in space, and then in time; pointwise last."""
    _, pointwise, *bias = layer.get_weights()
    config = layer.get_config()
    depthwise = dataclasses.replace(setting, name=f"{setting.name}_depthwise")
    new = keras.layers.Conv3D(
        layer.filters,
        1,
        activation=layer.activation,
        use_bias=layer.use_bias,
        kernel_initializer=config["pointwise_initializer"],
        kernel_regularizer=config["pointwise_regularizer"],
        data_format="channels_last",
        name=setting.name,
        dtype=config["dtype"],
        trainable=config["trainable"],
    )
    weights = [pointwise[np.newaxis], *bias]
    return [*_convolve(_describe(layer), depthwise), VideoLayer(new, weights)]


_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
