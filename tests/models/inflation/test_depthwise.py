"""The depthwise 3D convolution, which Keras lacks."""

import keras
import numpy as np
import pytest

from video_zoo.models.inflation.depthwise import DepthwiseConv3D


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 1, 1), (2, 2, 2)])
@pytest.mark.parametrize("kernel", [(3, 1, 1), (1, 3, 3), (3, 3, 3)])
def test_a_depthwise_convolution_is_one_convolution_per_channel(kernel, strides, padding):
    random = np.random.default_rng(0)
    clips = random.normal(size=(2, 5, 7, 6, 3)).astype(np.float32)
    layer = DepthwiseConv3D(kernel, strides, padding, depth_multiplier=2, use_bias=True)
    layer.build(clips.shape)
    values = [random.normal(size=w.shape).astype(np.float32) for w in layer.weights]
    layer.set_weights(values)
    received = keras.ops.convert_to_numpy(layer(clips))
    assert received.shape == layer.compute_output_shape(clips.shape)
    # Time is padded to SAME, whatever space is.
    steps = -(-5 // strides[0])
    missing = max((steps - 1) * strides[0] + kernel[0] - 5, 0)
    padded = np.pad(clips, [(0, 0), (missing // 2, missing - missing // 2), *[(0, 0)] * 3])
    for channel in range(3):
        one = keras.ops.conv(
            np.repeat(padded[..., channel : channel + 1], 1, axis=-1)
            if padding == "valid"
            else _padded_in_space(padded[..., channel : channel + 1], kernel, strides),
            values[0][:, :, :, channel : channel + 1, :],
            strides=strides,
            padding="valid",
        )
        expected = keras.ops.convert_to_numpy(one) + values[1][2 * channel : 2 * channel + 2]
        np.testing.assert_allclose(
            received[..., 2 * channel : 2 * channel + 2], expected, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_dilated_kernel_is_one_with_gaps(padding):
    clips = np.random.default_rng(0).normal(size=(2, 5, 9, 8, 3)).astype(np.float32)
    dilated = DepthwiseConv3D((3, 3, 2), padding=padding, dilation_rate=(2, 3), use_bias=False)
    dilated.build(clips.shape)
    wide = DepthwiseConv3D((3, 5, 4), padding=padding, use_bias=False)
    wide.build(clips.shape)
    kernel = np.zeros((3, 5, 4, 3, 1), np.float32)
    kernel[:, ::2, ::3] = keras.ops.convert_to_numpy(dilated.kernel)
    wide.set_weights([kernel])
    expected = keras.ops.convert_to_numpy(wide(clips))
    received = keras.ops.convert_to_numpy(dilated(clips))
    np.testing.assert_allclose(received, expected, atol=1e-5)
    assert dilated.compute_output_shape(clips.shape) == expected.shape
    unknown = dilated.compute_output_shape((None, None, None, None, 3))
    assert unknown == (None, None, None, None, 3)


def test_all_settings_come_back_from_a_saved_one():
    settings = {
        "kernel_size": (3, 5, 1),
        "strides": (2, 1, 1),
        "padding": "same",
        "depth_multiplier": 2,
        "dilation_rate": (2, 2),
        "activation": "relu",
        "use_bias": False,
        "depthwise_initializer": "he_normal",
        "bias_initializer": "ones",
        "depthwise_regularizer": "l2",
    }
    config = DepthwiseConv3D(**settings, name="odd", trainable=False).get_config()
    plain = DepthwiseConv3D((1, 1, 1)).get_config()
    assert [key for key in settings if config[key] == plain[key]] == []
    again = DepthwiseConv3D.from_config(config)
    assert again.get_config() == config
    assert (again.name, again.trainable) == ("odd", False)


def test_new_weights_are_those_of_the_initializers():
    layer = DepthwiseConv3D(
        (3, 2, 1),
        depth_multiplier=2,
        depthwise_initializer=keras.initializers.Constant(0.5),
        bias_initializer="ones",
        depthwise_regularizer=keras.regularizers.L2(0.1),
        name="odd",
    )
    layer.build((None, 5, 6, 7, 4))
    shapes = {weight.path: tuple(weight.shape) for weight in layer.weights}
    assert shapes == {"odd/kernel": (3, 2, 1, 4, 2), "odd/bias": (8,)}  # so files name them
    kernel, bias = layer.get_weights()
    assert (np.unique(kernel), np.unique(bias)) == (0.5, 1)
    (loss,) = layer.losses
    assert float(loss) == pytest.approx(0.1 * 48 * 0.25)


def _padded_in_space(clips, kernel, strides):
    sides = [(0, 0), (0, 0)]
    for axis in (2, 3):
        size, step, window = clips.shape[axis], strides[axis - 1], kernel[axis - 1]
        missing = max((-(-size // step) - 1) * step + window - size, 0)
        sides.append((missing // 2, missing - missing // 2))
    return np.pad(clips, [*sides, (0, 0)])
