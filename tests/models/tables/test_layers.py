"""Units, pools, gates and I3D's head against plain NumPy (and TensorFlow's pool)."""

import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import video_zoo
from video_zoo.models.tables import layers
from video_zoo.models.tables.spec import Conv, Pool

_AUX = ("AuxLogits_Conv3d_1b_1x1", "AuxLogits_Conv3d_2a_3x3")


def padded(x: np.ndarray, kernel, strides, value: float = 0.0) -> np.ndarray:
    """As SAME pads: the odd one goes after."""
    widths = [(0, 0)]
    for size, k, s in zip(x.shape[1:4], kernel, strides, strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        widths.append((total // 2, total - total // 2))
    return np.pad(x, [*widths, (0, 0)], constant_values=value)


def windows(x: np.ndarray, kernel, strides) -> np.ndarray:
    found = sliding_window_view(x, kernel, axis=(1, 2, 3))
    return found[:, :: strides[0], :: strides[1], :: strides[2]]


def unit(x, model, name, strides, padding):
    """Convolution, batch normalisation without scale, ReLU."""
    kernel = np.asarray(model.get_layer(f"{name}_conv").kernel)
    if padding == "symmetric":
        x = np.pad(x, [(0, 0), *((k // 2, k // 2) for k in kernel.shape[:3]), (0, 0)])
    x = padded(x, kernel.shape[:3], strides) if padding == "same" else x
    x = np.einsum("bthwcijk,ijkcd->bthwd", windows(x, kernel.shape[:3], strides), kernel)
    bn = model.get_layer(f"{name}_bn")
    mean, variance, beta = (np.asarray(v) for v in (bn.moving_mean, bn.moving_variance, bn.beta))
    return np.maximum((x - mean) / np.sqrt(variance + 1e-3) + beta, 0)


def chain(convs, names, mode, shape, randomize, gating=False):
    inputs = keras.Input(shape)
    style = layers.Style(mode, gating=gating)
    return randomize(
        keras.Model(inputs, layers.conv_chain(inputs, convs, names, style, names[-1])), seed=3
    )


@pytest.mark.parametrize("padding", ["same", "valid", "symmetric"])
@pytest.mark.parametrize("mode", ["full", "separable", "2d"])
@pytest.mark.parametrize(
    ("shape", "strides"),
    [((6, 7, 8, 2), (2, 2, 2)), ((7, 8, 5, 2), (2, 2, 2)), ((7, 8, 6, 2), (2, 1, 3))],
)
def test_a_strided_unit_in_every_mode(mode, padding, shape, strides, randomize, clips):
    conv = Conv(3, (3, 3, 3), strides, padding)
    model = chain((conv,), ["unit"], mode, shape, randomize)
    x = clips(shape)
    if mode == "full":
        expected = unit(x, model, "unit", strides, padding)
    elif mode == "separable":
        expected = unit(x, model, "unit_spatial", (1, *strides[1:]), padding)
        expected = unit(expected, model, "unit_temporal", (strides[0], 1, 1), padding)
    else:
        kept = x[:, 1:-1] if padding == "valid" else x
        expected = unit(kept, model, "unit", strides, padding)
    assert model.output_shape[1:] == expected.shape[1:]
    np.testing.assert_allclose(np.asarray(model(x)), expected, atol=1e-5)


def test_a_factorized_pair_and_its_temporal_convolution(randomize, clips):
    convs = (Conv(3, (7, 1, 7)), Conv(4, (7, 7, 1)))
    shape = (5, 6, 7, 2)
    model = chain(convs, ["a", "b"], "separable", shape, randomize)
    expected = clips(shape)
    for name in ("a_spatial", "b_spatial", "b_temporal"):
        expected = unit(expected, model, name, (1, 1, 1), "same")
    np.testing.assert_allclose(np.asarray(model(clips(shape))), expected, atol=1e-5)
    gated = chain(convs, ["a", "b"], "separable", shape, randomize, gating=True)
    assert [x.name for x in gated.layers if x.name.endswith("_gate")] == ["b_gate"]


def test_self_gating(randomize, clips):
    shape = (4, 5, 6, 2)
    model = chain((Conv(3, (3, 1, 1)),), ["unit"], "full", shape, randomize, gating=True)
    x = unit(clips(shape), model, "unit", (1, 1, 1), "same")
    kernel, bias = model.get_layer("unit_gate").get_weights()
    gate = 1 / (1 + np.exp(-(x.mean(axis=(1, 2, 3), keepdims=True) @ kernel + bias)))
    assert model.layers[-1].name == "unit"
    np.testing.assert_allclose(np.asarray(model(clips(shape))), x * gate, atol=1e-5)


@pytest.mark.parametrize("window", [(3, 3, 3), (2, 4, 5)])
@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 1, 2)])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 6, 6), (2, 1, 5), (2, 2, 2), (3, 13, 2), (5, 4, 3)]
)
def test_an_average_pool_counts_no_padding(shape, strides, window, clips):
    inputs = keras.Input((*shape, 2))
    model = keras.Model(inputs, layers.average_pool(inputs, window, strides, "same", "pool"))
    x = clips((*shape, 2))
    values = padded(x, window, strides, value=np.nan)
    expected = np.nanmean(windows(values, window, strides), axis=(-3, -2, -1))
    assert model.output_shape[1:] == expected.shape[1:]
    np.testing.assert_allclose(np.asarray(model(x)), expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_no_average_window_is_larger_than_its_map(size):
    """PyTorch refuses such a one; the zoo's are 3x3x3."""
    inputs = keras.Input((size, size, size, 2))
    model = keras.Model(inputs, layers.average_pool(inputs, (3, 3, 3), (1, 1, 1), "same", "pool"))
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.AveragePooling3D)]
    assert pools and all(each.pool_size[0] <= each.input.shape[1] for each in pools)


def test_an_average_pool_without_padding_has_whole_windows_only(clips):
    inputs = keras.Input((2, 5, 4, 2))
    model = keras.Model(inputs, layers.average_pool(inputs, (2, 3, 4), (1, 1, 1), "valid", "pool"))
    x = clips((2, 5, 4, 2))
    expected = windows(x, (2, 3, 4), (1, 1, 1)).mean(axis=(-3, -2, -1))
    assert model.output_shape[1:] == (1, 3, 1, 2)
    np.testing.assert_allclose(np.asarray(model(x)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "strides", "window"),
    [
        ("full", (2, 2, 2), (3, 3, 3)),
        ("2d", (2, 2, 2), (3, 3, 3)),  # it strides time, so it looks at several frames
        ("2d", (1, 2, 2), (1, 3, 3)),
        ("separable", (1, 2, 2), (3, 3, 3)),
    ],
)
@pytest.mark.parametrize("padding", ["same", "symmetric"])
def test_a_max_pool_in_every_mode(padding, mode, strides, window, clips):
    inputs = keras.Input((6, 7, 8, 2))
    row = Pool("max", (3, 3, 3), strides, padding)
    model = keras.Model(inputs, layers.pool(inputs, row, layers.Style(mode), "pool"))
    x = np.maximum(clips((6, 7, 8, 2)), 0)
    if padding == "symmetric":
        values = np.pad(x, [(0, 0), *((k // 2, k // 2) for k in window), (0, 0)])
    else:
        values = padded(x, window, strides)
    expected = windows(values, window, strides).max(axis=(-3, -2, -1))
    np.testing.assert_array_equal(np.asarray(model(x)), expected)


def head(small, randomize, shape):
    """I3D's classifier alone, on a feature map; its kernel and bias."""
    model = randomize(small("i3d", input_shape=shape))
    alone = keras.Model(model.get_layer("Mixed_5c").output, model.output)
    kernel, bias = model.get_layer("Logits_Conv3d_0c_1x1").get_weights()
    return alone, kernel[0, 0, 0], bias


def test_the_head_is_the_published_one_at_64x224x224(small, randomize, clips):
    tf = pytest.importorskip("tensorflow")
    alone, kernel, bias = head(small, randomize, (64, 224, 224, 3))
    features = clips((8, 7, 7, 128))
    pooled = tf.nn.avg_pool3d(features, [1, 2, 7, 7, 1], [1] * 5, "VALID").numpy()
    assert pooled.shape[1:4] == (7, 1, 1)
    expected = (pooled @ kernel + bias)[:, :, 0, 0].mean(axis=1)
    np.testing.assert_allclose(np.asarray(alone(features)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("frames", "weights"),
    [(32, [1 / 6, 1 / 3, 1 / 3, 1 / 6]), (16, [1 / 2, 1 / 2]), (8, [1.0])],
)
def test_the_two_end_steps_weigh_half_at_any_size(frames, weights, small, randomize, clips):
    alone, kernel, bias = head(small, randomize, (frames, 64, 96, 3))
    features = clips((len(weights), 2, 3, 128))
    mean = np.tensordot(weights, features.mean(axis=(2, 3)), axes=(0, 1))
    np.testing.assert_allclose(np.asarray(alone(features)), mean @ kernel + bias, atol=1e-5)


def test_s3d_v3_averages_over_everything(small, randomize, clips):
    model = randomize(small("s3d_v3", input_shape=(81, 97, 97, 3)))
    alone = keras.Model(model.get_layer("Mixed_7c").output, model.output)
    features = clips(model.get_layer("Mixed_7c").output.shape[1:])
    kernel, bias = model.get_layer("Logits").get_weights()
    expected = features.mean(axis=(1, 2, 3)) @ kernel + bias
    np.testing.assert_allclose(np.asarray(alone(features)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "kept", "padding"),
    [
        ((64, 224, 224, 3), (1, 3, 3), "valid"),
        ((49, 160, 224, 3), (1, 2, 3), "same"),
        ((49, 224, 160, 3), (1, 3, 2), "same"),
    ],
)
def test_the_auxiliary_classifier(shape, kept, padding, small, randomize, clips):
    """An average of 3x5x5 in steps of 3, or of a smaller map; 1x1x1, 1x3x3, mean, classifier."""
    model = randomize(small("s3d_v3", input_shape=shape, aux_logits=True), seed=4)
    features = model.get_layer("Mixed_6e").output
    size = tuple(map(min, features.shape[1:4], (3, 5, 5)))
    x = clips(features.shape[1:])
    expected = windows(x, size, (3, 3, 3)).mean(axis=(-3, -2, -1))
    assert expected.shape[1:4] == kept
    for name, width, around in ((_AUX[0], 16, "same"), (_AUX[1], 96, padding)):
        expected = unit(expected, model, name, (1, 1, 1), around)
        assert expected.shape[-1] == width  # an eighth of 128 and 768
    kernel, bias = model.get_layer("AuxLogits").get_weights()
    expected = expected.mean(axis=(1, 2, 3)) @ kernel + bias
    alone = keras.Model(features, model.outputs[1])
    np.testing.assert_allclose(np.asarray(alone(x)), expected, atol=1e-5)


def test_units_have_no_bias_and_no_scale():
    model = video_zoo.s3d_v1(5, width_multiplier=0.05)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.scale, layer.center, layer.epsilon) == (False, True, 1e-3)
            assert layer.momentum == 0.9
        elif isinstance(layer, keras.layers.Conv3D):
            assert layer.use_bias == layer.name.startswith("Logits")
