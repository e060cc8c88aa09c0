"""Grad-CAM: against a second computation, on networks whose answer is known, and refusals."""

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo.evaluation.heat_maps import linear_weights, resized
from video_zoo.models.maps import last_maps

SHAPE = (8, 32, 32, 3)


@pytest.fixture(scope="module")
def clips():
    return np.random.default_rng(0).uniform(-1, 1, (2, *SHAPE)).astype(np.float32)


def small(activation=None, dtype=None, classes=4):
    """Convolution, pooling over all positions, dense layer."""
    x = inputs = keras.Input(SHAPE)
    x = keras.layers.Conv3D(5, 3, strides=4, activation="relu", name="maps", dtype=dtype)(x)
    x = keras.layers.GlobalAveragePooling3D(dtype=dtype)(x)
    x = keras.layers.Dense(classes, activation=activation, name="Logits", dtype="float32")(x)
    return keras.Model(inputs, x)


def with_weights_of(model, other):
    model.set_weights(other.get_weights())
    return model


def by_hand(model, clips, classes):
    """The maps of a linear head: its weights are the gradients. Resized axis by axis."""
    maps = keras.Model(model.input, model.get_layer("maps").output).predict(clips, verbose=0)
    weights = model.get_layer("Logits").kernel.numpy()[:, classes].T / np.prod(maps.shape[1:4])
    heat = np.maximum((maps * weights[:, None, None, None]).sum(axis=-1), 0)
    for axis, size in enumerate(SHAPE[:3], start=1):
        count = heat.shape[axis]
        at = (np.arange(size) + 0.5) * count / size - 0.5
        heat = np.apply_along_axis(
            lambda row, at=at: np.interp(at, np.arange(len(row)), row), axis, heat
        )
    return heat / heat.max(axis=(1, 2, 3), keepdims=True)


@pytest.mark.parametrize("given", [None, 2, [3, 0]])
def test_of_a_linear_head_it_is_what_numpy_computes(clips, given):
    model = small()
    top = model.predict(clips, verbose=0).argmax(axis=-1)
    classes = top if given is None else np.broadcast_to(given, 2)
    heat = video_zoo.grad_cam(model, clips, given)
    assert heat.values.dtype == np.float32
    assert heat.values.shape == (2, *SHAPE[:3])
    assert heat.layer == "maps"
    np.testing.assert_array_equal(heat.classes, classes)
    np.testing.assert_allclose(heat.values, by_hand(model, clips, classes), atol=1e-5)


@pytest.mark.parametrize("end", ["softmax", "sigmoid", "layer", "nested"])
def test_the_end_of_a_network_changes_nothing(clips, end):
    model = small()
    wanted = video_zoo.grad_cam(model, clips, 1).values
    model.get_layer("Logits").bias.assign([0, 50, 0, 0])  # of a probability of 1 there is no slope
    if end == "layer":
        ended = keras.Model(model.input, keras.layers.Softmax()(model.output))
    elif end == "nested":
        inputs = keras.Input(SHAPE)
        ended = keras.Model(inputs, with_weights_of(small("softmax"), model)(inputs))
    else:
        ended = with_weights_of(small(end), model)
    np.testing.assert_allclose(video_zoo.grad_cam(ended, clips, 1).values, wanted, atol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_sees_the_same(clips, dtype):
    model = small()
    half = with_weights_of(small(dtype=dtype), model)
    wanted = video_zoo.grad_cam(model, clips, 1).values
    np.testing.assert_allclose(video_zoo.grad_cam(half, clips, 1).values, wanted, atol=0.05)


def test_gradients_that_float16_cannot_hold(clips):
    model, half = small(), small(dtype="mixed_float16")
    wanted = video_zoo.grad_cam(model, clips, 1).values
    kernel, bias = model.get_layer("Logits").get_weights()
    model.get_layer("Logits").set_weights([1e-5 * kernel, bias])
    with_weights_of(half, model)
    np.testing.assert_allclose(video_zoo.grad_cam(half, clips, 1).values, wanted, atol=0.05)


def test_the_hottest_place_is_where_the_class_is():
    """Class 1 counts green, and green is at one place and time; class 0 counts red, all over."""
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv3D(2, 4, strides=4, use_bias=False, name="colours")(inputs)
    x = keras.layers.GlobalAveragePooling3D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2, use_bias=False)(x))
    kernel = np.zeros((4, 4, 4, 3, 2), np.float32)
    kernel[..., 0, 0] = kernel[..., 1, 1] = 1
    model.set_weights([kernel, np.eye(2, dtype=np.float32)])
    clip = np.zeros((1, *SHAPE), np.float32)
    clip[..., 0] = 1
    clip[:, 4:8, 20:24, 8:12, 1] = 1
    heat = video_zoo.grad_cam(model, clip, 1).values[0]
    time, top, left = np.unravel_index(heat.argmax(), heat.shape)
    assert (time >= 4, 20 <= top < 24, 8 <= left < 12) == (True, True, True)
    assert heat.max() == 1
    assert not heat[:, :16].any()  # no further than the next position
    assert heat[:, 22, 10].tolist() == sorted(heat[:, 22, 10])  # it comes late
    np.testing.assert_allclose(video_zoo.grad_cam(model, clip, 0).values, 1, atol=1e-6)


def test_what_speaks_against_a_class_is_cold():
    model = small(classes=1)
    model.get_layer("Logits").set_weights([-np.ones((5, 1)), np.zeros(1)])
    heat = video_zoo.grad_cam(model, np.ones((1, *SHAPE)))
    assert not heat.values.any()


def test_bytes_are_normalised(clips):
    model = small()
    pixels = np.rint((clips + 1) * 127.5).astype(np.uint8)
    wanted = video_zoo.grad_cam(model, pixels / 127.5 - 1, 0).values
    np.testing.assert_allclose(video_zoo.grad_cam(model, pixels, 0).values, wanted, atol=1e-5)


def test_networks_are_as_they_were(clips):
    model = small()
    before = model.predict(clips, verbose=0)
    video_zoo.grad_cam(model, clips)
    np.testing.assert_array_equal(model.predict(clips, verbose=0), before)
    assert "call" not in vars(model.get_layer("maps"))


def test_the_layer_lies_before_the_pooling():
    narrow = {"width_multiplier": 0.05}
    i3d = video_zoo.i3d(3, input_shape=(16, 256, 256, 3), **narrow)
    assert last_maps(i3d).name == "Mixed_5c"  # its 7x7 pooling leaves 2x2 positions
    assert last_maps(video_zoo.i3d(3, input_shape=SHAPE, **narrow)).name == "Mixed_4f"  # 1x1 after
    r3d = video_zoo.r3d_18(3, input_shape=SHAPE, **narrow)
    assert last_maps(r3d).name == "layer4_1"
    image = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), alpha=0.35)
    assert last_maps(video_zoo.inflate(image, 8, num_classes=3)).name == "block_13_expand_relu"
    inputs = keras.Input(SHAPE)
    nested = keras.Model(inputs, keras.layers.Softmax()(r3d(keras.layers.Rescaling(0.5)(inputs))))
    assert last_maps(nested) is last_maps(r3d)


def test_the_layer_of_clips_of_any_size_lies_before_the_pooling_too():
    x = inputs = keras.Input((None, None, None, 3))
    x = keras.layers.Conv3D(4, 3, name="maps")(x)
    x = keras.layers.AveragePooling3D(2, strides=1)(x)
    x = keras.layers.GlobalAveragePooling3D()(keras.layers.Conv3D(2, 1)(x))
    assert last_maps(keras.Model(inputs, x)).name == "maps"


def test_frames_that_are_seen_one_by_one_have_maps_too(clips):
    each = keras.layers.TimeDistributed
    x = inputs = keras.Input(SHAPE)
    for layer in (
        keras.layers.Conv2D(4, 3),
        keras.layers.MaxPool2D(),
        keras.layers.Conv2D(4, 3),
        keras.layers.GlobalAveragePooling2D(),
    ):
        x = each(layer)(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.LSTM(5)(x)))
    assert last_maps(model).output.shape[1:] == (8, 13, 13, 4)
    assert video_zoo.grad_cam(model, clips).values.max(axis=(1, 2, 3)).tolist() == [1, 1]


def test_a_layer_may_lie_deep_and_before_branches(clips, tmp_path):
    r3d = video_zoo.r3d_18(3, input_shape=SHAPE, width_multiplier=0.05)
    inputs = keras.Input(SHAPE)
    keras.Model(inputs, r3d(inputs)).save(tmp_path / "nested.keras")
    loaded = keras.models.load_model(tmp_path / "nested.keras")
    for name in ("layer1_0", "layer4_1", "stem_conv"):
        own = video_zoo.grad_cam(r3d, clips, 1, name)
        assert (own.layer, own.values.max()) == (name, 1)
        np.testing.assert_allclose(
            video_zoo.grad_cam(loaded, clips, 1, name).values, own.values, atol=1e-5
        )


def test_a_network_without_a_graph_needs_its_layer(clips):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = keras.layers.Conv3D(5, 3, strides=4, activation="relu")
            self.pool, self.head = keras.layers.GlobalAveragePooling3D(), keras.layers.Dense(4)

        def call(self, inputs):
            return self.head(self.pool(self.conv(inputs)))

    own, model = Own(), small()
    own(clips)
    own.set_weights(model.get_weights())
    wanted = video_zoo.grad_cam(model, clips, 1).values
    np.testing.assert_allclose(video_zoo.grad_cam(own, clips, 1, own.conv).values, wanted)
    with pytest.raises(ValueError, match="`model` must be a functional .* Pass one of its layers"):
        video_zoo.grad_cam(own, clips)
    inputs = keras.Input(SHAPE)
    with pytest.raises(ValueError, match="`model` must have a layer whose .* Pass one of its lay"):
        video_zoo.grad_cam(keras.Model(inputs, own(inputs)), clips)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "map"}, r"`layer` must be the name of a layer .*'maps'.* Received: layer='map'"),
        ({"layer": "Logits"}, r"`layer` must be a layer whose output .* with output \(2, 4\)"),
        ({"class_index": 4}, "`class_index` must be None, an integer from 0 to 3"),
        ({"class_index": -1}, "`class_index` must be None, an integer from 0 to 3"),
        ({"class_index": 0.5}, "`class_index` must be None, an integer from 0 to 3"),
        ({"class_index": [0]}, "or one for each of the 2 clips. Received: class_index=.0."),
        ({"layer": keras.layers.Conv3D(1, 1)}, "`layer` must be a layer that the scores"),
        ({"clips": np.zeros(SHAPE)}, r"`clips` must be an array .* One clip alone is `clips"),
    ],
)
def test_refusals(clips, arguments, message):
    with pytest.raises(ValueError, match=message):
        video_zoo.grad_cam(small(), **{"clips": clips} | arguments)


def test_pixels_are_no_maps(clips):
    inputs = keras.Input(SHAPE)
    x = keras.layers.Flatten()(keras.layers.Rescaling(0.5)(inputs))
    with pytest.raises(ValueError, match="`model` must have a layer whose output is"):
        video_zoo.grad_cam(keras.Model(inputs, keras.layers.Dense(2)(x)), clips)


def test_resizing_is_linear_and_keeps_what_is_even():
    even = resized(np.ones((1, 1, 2, 3)), (4, 5, 6))
    np.testing.assert_allclose(even, np.ones((1, 4, 5, 6)), atol=1e-6)
    np.testing.assert_allclose(linear_weights(2, 4) @ [0.0, 1.0], [0, 0.25, 0.75, 1])
    np.testing.assert_allclose(linear_weights(4, 2) @ [0.0, 1, 2, 3], [0.5, 2.5])
