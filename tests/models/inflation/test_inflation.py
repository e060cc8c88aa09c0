"""Image networks as video networks: what a still video gives, kernels, strides, errors."""

import keras
import numpy as np
import pytest
from inflation_networks import (
    FRAMES,
    MODES,
    check_gradients,
    check_saved,
    check_still_video,
    everything,
    layer_names,
    outputs,
    sees_the_image,
    small_network,
    temporal_layers,
)

import video_zoo
from video_zoo.benchmarks import inflation as benchmark
from video_zoo.models.inflation import Setting, VideoLayer, rules

pytestmark = pytest.mark.usefixtures("fresh_names")


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_layer_keeps_a_still_video(mode):
    image_model = everything()
    before = image_model.get_config()
    assert sees_the_image(image_model)
    check_still_video(image_model, convolution=mode)
    check_still_video(image_model, convolution=mode, temporal_kernel=5)
    assert image_model.get_config() == before


def test_in_2d_each_frame_is_seen_as_an_image():
    image_model = small_network("relu")
    video_model = video_zoo.inflate(image_model, FRAMES, convolution="2d", include_top=False)
    features = keras.Model(image_model.input, image_model.get_layer("pointwise").output)
    frames = benchmark.random_images(FRAMES, (8, 8, 3))
    expected = outputs(features, frames)
    received = outputs(video_model, frames[np.newaxis])[0]
    np.testing.assert_allclose(received, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("mode", ["separable", "full"])
def test_a_temporal_kernel_reaches_the_neighbouring_frames_and_no_further(mode):
    video_model = video_zoo.inflate(
        small_network("relu"), 5, convolution=mode, include_top=False, weights=False
    )
    frames = benchmark.random_images(5, (8, 8, 3))
    changed = frames.copy()
    changed[0] += 50
    first, second = outputs(video_model, np.stack([frames, changed]))
    differs = [np.abs(first[i] - second[i]).max() > 0 for i in range(5)]
    assert differs == [True, True, False, False, False]


def test_after_a_relu_the_temporal_half_is_a_unit_of_its_own():
    model = video_zoo.inflate(small_network("relu"), FRAMES)
    assert layer_names(model)[1:7] == [
        "conv",
        "bn",
        "act_spatial",
        "conv_temporal",
        "conv_temporal_bn",
        "act",
    ]
    assert model.get_layer("conv").kernel.shape == (1, 3, 3, 3, 4)
    assert model.get_layer("conv_temporal").kernel.shape == (3, 1, 1, 4, 4)
    assert model.get_layer("pointwise").kernel.shape == (1, 1, 1, 4, 6)
    norm = model.get_layer("conv_temporal_bn")
    variance = keras.ops.convert_to_numpy(norm.moving_variance)
    np.testing.assert_array_equal(variance, np.float32(1) - np.float32(norm.epsilon))


def test_before_any_other_activation_the_temporal_half_is_linear():
    model = video_zoo.inflate(small_network("gelu"), FRAMES)
    assert layer_names(model)[1:5] == ["conv", "conv_temporal", "bn", "act"]
    assert not model.get_layer("conv_temporal").use_bias


def test_kernels_stand_at_the_centre_tap():
    image_model = small_network("relu")
    kernel = image_model.get_layer("conv").get_weights()[0]
    model = video_zoo.inflate(image_model, FRAMES, convolution="full", temporal_kernel=5)
    expected = np.zeros((5, *kernel.shape), np.float32)
    expected[2] = kernel
    np.testing.assert_array_equal(model.get_layer("conv").get_weights()[0], expected)
    model = video_zoo.inflate(image_model, FRAMES, temporal_kernel=5)
    identity = np.zeros((5, 1, 1, 4, 4), np.float32)
    identity[2, 0, 0] = np.eye(4)
    np.testing.assert_array_equal(model.get_layer("conv_temporal").get_weights()[0], identity)


def test_kernels_repeated_in_time_as_in_i3d():
    image_model = small_network("relu", norm=False)
    kernel = image_model.get_layer("conv").get_weights()[0]
    options = {"convolution": "full", "initialization": "average"}
    model = video_zoo.inflate(image_model, 7, include_top=False, **options)
    inflated = model.get_layer("conv").get_weights()[0]
    np.testing.assert_allclose(inflated, np.stack([kernel / 3] * 3), rtol=1e-6)
    # Frames that see no padding are the image's; both ends are not.
    frame = benchmark.random_images(1, (8, 8, 3))
    features = keras.Model(image_model.input, image_model.get_layer("pointwise").output)
    expected = outputs(features, frame)[0]
    received = outputs(model, np.repeat(frame[:, np.newaxis], 7, axis=1))[0]
    for index in range(1, 6):
        np.testing.assert_allclose(received[index], expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(received[0] - expected).max() > 0.01 * np.abs(expected).max()


def test_parameters_and_macs():
    image_model = small_network("relu")
    image = 3 * 3 * 3 * 4 + 2 * 4 + (4 * 6 + 6) + (6 * 5 + 5)
    temporal = 3 * 4 * 4 + 2 * 4
    expected = {"2d": image, "separable": image + temporal, "full": image + 2 * 3 * 3 * 3 * 4}
    pixels = 7 * 8 * 8
    macs = {"2d": 3 * 3 * 3 * 4, "separable": 3 * 3 * 3 * 4 + 3 * 4 * 4, "full": 3 * 3 * 3 * 3 * 4}
    for mode in MODES:
        model = video_zoo.inflate(image_model, 7, convolution=mode)
        assert video_zoo.count_parameters(model) == expected[mode]
        assert video_zoo.count_macs(model) == pixels * (macs[mode] + 4 * 6) + 6 * 5
    model = video_zoo.inflate(image_model, None)
    macs_of_any_size = video_zoo.count_macs(model, (7, 8, 8, 3))
    assert macs_of_any_size == pixels * (macs["separable"] + 4 * 6) + 6 * 5


def test_gates_see_the_whole_clip():
    model = video_zoo.inflate(everything(), FRAMES)
    assert model.get_layer("reshape").output.shape == (None, 1, 1, 1, 8)


def test_temporal_from_a_nested_model():
    model = video_zoo.inflate(everything(), FRAMES, temporal_from="nested")
    names = temporal_layers(model)
    assert "fused_relu_temporal" not in names and "grouped_temporal" not in names
    assert {"shared_temporal", "depthwise_temporal", "strided_temporal"} <= names


@pytest.mark.parametrize("mode", MODES)
def test_temporal_strides(mode):
    image_model = everything()
    model = video_zoo.inflate(
        image_model,
        9,
        convolution=mode,
        temporal_strides={"dilated": 2, "depthwise": 2, "max_pooling2d": 3, "average_pooling2d": 3},
    )
    assert model.get_layer("dilated_relu").output.shape[1] == 5
    assert model.get_layer("separable").output.shape[1] == 3
    assert model.get_layer("concatenate").output.shape[1] == 1
    assert benchmark.still_video_difference(image_model, model) < 1e-4


def test_branches_must_stride_alike():
    image = keras.Input((8, 8, 3))
    shortcut = keras.layers.Conv2D(4, 1, name="shortcut")(image)
    x = keras.layers.Conv2D(4, 3, padding="same", name="main")(image)
    model = keras.Model(image, keras.layers.Add(name="sum")([shortcut, x]))
    with pytest.raises(ValueError) as error:
        video_zoo.inflate(model, 8, temporal_strides={"main": 2})
    assert str(error.value) == (
        "`temporal_strides` must be the same on all branches that meet in 'sum'. Received: inputs "
        "of 4 and 8 frames there. Stride a layer of each branch."
    )
    strides = {"main": 2, "shortcut": 2}
    assert video_zoo.inflate(model, 8, temporal_strides=strides).output_shape[1] == 4


@pytest.mark.parametrize("mode", MODES)
def test_every_trainable_weight_gets_a_finite_gradient(mode):
    model = video_zoo.inflate(everything(), FRAMES, convolution=mode)
    check_gradients(model)


@pytest.mark.parametrize("mode", MODES)
def test_saved_and_loaded_again(mode, tmp_path):
    model = video_zoo.inflate(everything(), FRAMES, convolution=mode)
    check_saved(model, tmp_path)


@pytest.mark.parametrize("pooling", [None, keras.layers.GlobalMaxPooling2D])
def test_a_classifier_for_an_image_network_without_one(pooling):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(image)
    image_model = keras.Model(image, x if pooling is None else pooling()(x))
    assert video_zoo.inflate(image_model, FRAMES, num_classes=5).output_shape == (None, 5)
    expected = (None, FRAMES, 6, 6, 4) if pooling is None else (None, 4)
    assert video_zoo.inflate(image_model, FRAMES).output_shape == expected


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: small_network("relu"), (None, FRAMES, 8, 8, 6)),
        (everything, (None, FRAMES, 5, 4, 8)),
    ],
    ids=["pool", "flatten"],
)
def test_without_its_top_a_network_ends_at_the_last_map(make, expected):
    assert video_zoo.inflate(make(), FRAMES, include_top=False).output_shape == expected


def test_a_network_that_begins_with_its_pool_has_a_classifier():
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(image)
    image_model = keras.Model(image, keras.layers.Dense(4, name="dense")(x))
    check_still_video(image_model)
    model = video_zoo.inflate(image_model, FRAMES, num_classes=5)
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [5]


def test_any_number_of_frames():
    # TensorFlow loses the sizes of dilated 3D convolutions over any number of frames.
    model = video_zoo.inflate(everything(dilation=1), None)
    for frames in (1, 4):
        clip = benchmark.random_images(frames, (12, 12, 3))[np.newaxis]
        assert model.predict_on_batch(clip).shape == outputs(model, clip).shape == (1, 7)


class Doubling(keras.layers.Layer):
    """A layer that no rule knows."""

    def call(self, inputs):
        return inputs * 2


class StandardizedConv2D(keras.layers.Conv2D):
    """A convolution that is not what its base class is."""


@pytest.mark.parametrize("layer_class", [Doubling, StandardizedConv2D])
def test_an_unknown_layer_is_named_with_the_remedy(layer_class):
    image = keras.Input((8, 8, 3))
    layer = Doubling(name="odd") if layer_class is Doubling else layer_class(3, 3, name="odd")
    model = keras.Model(image, layer(image))
    with pytest.raises(ValueError) as error:
        video_zoo.inflate(model, FRAMES)
    assert str(error.value) == (
        f"`image_model` has a layer 'odd' of the class {layer_class.__name__}, for which there is "
        "no rule of inflation. Register one with "
        f"`video_zoo.register_inflation({layer_class.__name__})`."
    )


def test_a_registered_rule_is_used(monkeypatch):
    monkeypatch.setattr(rules, "_RULES", dict(rules._RULES))

    @video_zoo.register_inflation(Doubling)
    def rule(layer, setting: Setting) -> VideoLayer:
        assert setting.input_shape == (None, FRAMES, 8, 8, 3)
        return VideoLayer(Doubling(name=setting.name))

    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(Doubling(name="odd")(image))
    check_still_video(keras.Model(image, keras.layers.Dense(4)(x)))


def test_operations_that_are_not_elementwise_are_named():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.ops.sum(image, axis=1))
    with pytest.raises(ValueError, match="of the class Sum, for which there is no rule"):
        video_zoo.inflate(model, FRAMES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"convolution": "3d"},
            r"`convolution` must be one of 'separable', 'full', '2d'. Received",
        ),
        ({"initialization": "zeros"}, r"`initialization` must be one of 'center', 'average'. Rec"),
        ({"num_frames": 0}, r"`num_frames` must be a positive integer or None. Received: num_f"),
        ({"temporal_kernel": 4}, r"`temporal_kernel` must be an odd integer of at least 3. Receiv"),
        ({"num_classes": 0}, r"`num_classes` must be a positive integer or None. Received: num"),
        ({"num_classes": 5, "include_top": False}, r"`num_classes` must be None when `include_"),
        ({"temporal_from": "Mixed"}, r"`temporal_from` must be the name of a layer of `image_mod"),
        ({"temporal_strides": {"act": 2}}, r"`temporal_strides` must be of convolutions and pools"),
        ({"temporal_strides": {"conv": 0}}, r"`temporal_strides` must be layer -> positive integ"),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        video_zoo.inflate(small_network("relu"), **{"num_frames": FRAMES, **options})


def test_only_functional_models_of_one_image():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match="`image_model` must be a built functional"):
        video_zoo.inflate(Subclassed(), FRAMES)
    with pytest.raises(ValueError, match="`image_model` must be a built functional"):
        video_zoo.inflate(keras.Sequential([keras.layers.Conv2D(3, 3)]), FRAMES)
    first, second = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    model = keras.Model([first, second], keras.layers.Add()([first, second]))
    with pytest.raises(ValueError, match="`image_model` must have one input"):
        video_zoo.inflate(model, FRAMES)
