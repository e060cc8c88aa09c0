"""Depthwise convolution over time and space, which Keras does not have."""

import keras
from keras import ops

Triple = tuple[int, int, int]


@keras.saving.register_keras_serializable("video_zoo")
class DepthwiseConv3D(keras.layers.Layer):
    """Convolves every channel by itself, over time, height and width.

    Each tap in time is one spatial depthwise convolution of all frames, for which every backend has
    fast code; a 3D convolution with as many groups as channels has none on CPUs.

    Args:
        kernel_size: (time, height, width).
        strides: (time, height, width). Defaults to 1 in all axes.
        padding: "same" or "valid", in space; time is always padded to SAME.
        depth_multiplier: outputs per channel. Defaults to 1.
        dilation_rate: (height, width). Defaults to 1.
        activation: as in Keras' layers. Defaults to None.
        use_bias: whether to add a bias. Defaults to True.
        depthwise_initializer: of the kernel. Defaults to "glorot_uniform".
        bias_initializer: of the bias. Defaults to "zeros".
        depthwise_regularizer: of the kernel. Defaults to None.

    Input:
        float [batch, time, height, width, channels].

    Output:
        [batch, ceil(time / stride), new height, new width, channels * depth_multiplier].
    """

    def __init__(
        self,
        kernel_size: Triple,
        strides: Triple = (1, 1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        dilation_rate: tuple[int, int] = (1, 1),
        activation=None,
        use_bias: bool = True,
        depthwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)
        self.padding = padding
        self.depth_multiplier = depth_multiplier
        self.dilation_rate = tuple(dilation_rate)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.depthwise_initializer = keras.initializers.get(depthwise_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.depthwise_regularizer = keras.regularizers.get(depthwise_regularizer)
        self.input_spec = keras.InputSpec(ndim=5)

    def build(self, input_shape) -> None:
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels, self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
        )
        self.bias = None
        if self.use_bias:
            width = channels * self.depth_multiplier
            self.bias = self.add_weight(
                name="bias", shape=(width,), initializer=self.bias_initializer
            )

    def call(self, inputs):
        # Keras pads time as it pads any axis: less before than after.
        duration, step = self.kernel_size[0], self.strides[0]
        time = ops.shape(inputs)[1]
        steps = -(-time // step)
        missing = (steps - 1) * step + duration - time
        missing = max(missing, 0) if isinstance(missing, int) else ops.maximum(missing, 0)
        x = inputs
        if duration > 1:
            before = missing // 2
            x = ops.pad(x, [[0, 0], [before, missing - before], [0, 0], [0, 0], [0, 0]])
        taps = [x[:, tap : tap + (steps - 1) * step + 1 : step] for tap in range(duration)]
        outputs = sum(self._spatial(frames, tap) for tap, frames in enumerate(taps))
        if self.bias is not None:
            outputs = outputs + ops.cast(self.bias, outputs.dtype)
        return self.activation(outputs)

    def _spatial(self, frames, tap: int):
        """One tap: the same spatial depthwise convolution for each frame."""
        kernel = self.kernel[tap]
        if (*self.kernel_size[1:], *self.strides[1:], self.depth_multiplier) == (1,) * 5:
            return frames * kernel[0, 0, :, 0]
        shape = ops.shape(frames)
        images = ops.reshape(frames, (-1, *shape[2:]))
        images = ops.depthwise_conv(
            images,
            kernel,
            strides=self.strides[1:],
            padding=self.padding,
            data_format="channels_last",
            dilation_rate=self.dilation_rate,
        )
        return ops.reshape(images, (-1, shape[1], *ops.shape(images)[1:]))

    def compute_output_shape(self, input_shape):
        batch, time, *space, channels = input_shape
        sizes = [None if time is None else -(-time // self.strides[0])]
        for n, k, s, d in zip(
            space, self.kernel_size[1:], self.strides[1:], self.dilation_rate, strict=True
        ):
            window = 1 if self.padding == "same" else d * (k - 1) + 1
            sizes.append(None if n is None else (n - window) // s + 1)
        return (batch, *sizes, channels * self.depth_multiplier)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "depth_multiplier": self.depth_multiplier,
            "dilation_rate": self.dilation_rate,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "depthwise_initializer": keras.initializers.serialize(self.depthwise_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "depthwise_regularizer": keras.regularizers.serialize(self.depthwise_regularizer),
        }
