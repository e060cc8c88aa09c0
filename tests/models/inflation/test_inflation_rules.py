"""What becomes of single layers of an image network: exact numbers, kept settings, refusals."""

import keras
import numpy as np
import pytest
from inflation_networks import FRAMES, check_still_video, layer_names, outputs, small_network

import video_zoo
from video_zoo.models.inflation.depthwise import DepthwiseConv3D

pytestmark = pytest.mark.usefixtures("fresh_names")


def network(*layers, size=8, channels=4) -> keras.Model:
    image = x = keras.Input((size, size, channels))
    for layer in layers:
        x = layer(x)
    return keras.Model(image, x, name="image")


def inflated(*layers, **options) -> keras.Model:
    return video_zoo.inflate(network(*layers), FRAMES, preprocessing="none", **options)


@pytest.mark.parametrize(
    ("activation", "ends"),
    [
        (lambda: keras.layers.ReLU(), True),
        (lambda: keras.layers.ReLU(6.0), True),
        (lambda: keras.layers.Activation("relu6"), True),
        (lambda: keras.layers.ReLU(negative_slope=0.1), False),
        (lambda: keras.layers.ReLU(threshold=1.0), False),
        (lambda: keras.layers.LeakyReLU(), False),
        (lambda: keras.layers.Activation("sigmoid"), False),
    ],
)
def test_a_unit_ends_at_what_changes_nothing_the_second_time(activation, ends):
    layer = activation()
    layer.name = "act"
    conv = keras.layers.Conv2D(4, 3, padding="same", name="conv")
    names = layer_names(inflated(conv, layer))[1:]
    after = ["conv", "act_spatial", "conv_temporal", "act"]
    assert names == (after if ends else ["conv", "conv_temporal", "act"])


def test_a_convolution_that_is_an_output_itself_keeps_its_temporal_half_before_it():
    image = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    model = keras.Model(image, [keras.layers.ReLU(name="act")(x), x])
    video = video_zoo.inflate(model, FRAMES)
    assert layer_names(video)[1:] == ["conv", "conv_temporal", "act"]
    assert video.outputs[1] is video.get_layer("conv_temporal").output


@pytest.mark.parametrize("norm", [True, False])
def test_a_temporal_half_has_a_bias_where_no_normalisation_follows(norm):
    video = video_zoo.inflate(small_network("relu", norm=norm), FRAMES)
    assert video.get_layer("conv_temporal").use_bias is not norm


def test_of_a_frozen_network_the_temporal_halves_alone_are_trained():
    image_model = small_network("relu")
    image_model.trainable = False
    video = video_zoo.inflate(image_model, FRAMES)
    assert {weight.path for weight in video.trainable_weights} == {
        *("conv_temporal/kernel", "conv_temporal_bn/gamma", "conv_temporal_bn/beta")
    }


def test_temporal_halves_compute_in_the_dtype_of_their_layer(policy):
    policy("mixed_bfloat16")
    image_model = small_network("relu")
    policy("float32")
    video = video_zoo.inflate(image_model, FRAMES)
    for name in ("conv", "conv_temporal", "conv_temporal_bn", "act"):
        assert video.get_layer(name).compute_dtype == "bfloat16", name


@pytest.mark.parametrize("mode", ["2d", "separable", "full"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("groups", "kind"),
    [(1, keras.layers.Conv3D), (2, keras.layers.Conv3D), (4, DepthwiseConv3D)],
)
def test_one_group_per_channel_is_a_depthwise_convolution(groups, kind, padding, mode):
    conv = keras.layers.Conv2D(8, 3, groups=groups, padding=padding, name="grouped")
    conv.build((None, 8, 8, 4))
    conv.bias.assign(np.arange(8))
    pool = keras.layers.GlobalAveragePooling2D()
    video = check_still_video(network(conv, pool), convolution=mode)
    assert type(video.get_layer("grouped")) is kind


@pytest.mark.parametrize("noise_shape", [(None, 1, 1, 1), None])
def test_stochastic_depth_is_one_draw_for_the_whole_clip(noise_shape):
    video = inflated(keras.layers.Dropout(0.5, noise_shape=noise_shape))
    clips = np.ones((32, FRAMES, 8, 8, 4), np.float32)
    dropped = keras.ops.convert_to_numpy(video(clips, training=True)).reshape(32, -1)
    assert set(np.unique(dropped)) == {0, 2}
    assert (np.ptp(dropped, axis=1) == 0).all() == (noise_shape is not None)


def test_spatial_dropout_drops_a_channel_of_all_frames():
    video = inflated(keras.layers.SpatialDropout2D(0.5))
    clips = np.ones((16, FRAMES, 8, 8, 4), np.float32)
    dropped = keras.ops.convert_to_numpy(video(clips, training=True))
    assert set(np.unique(dropped)) == {0, 2}
    assert (np.ptp(dropped, axis=(1, 2, 3)) == 0).all()


@pytest.mark.parametrize("layer", [keras.layers.Flatten, lambda: keras.layers.Reshape((256,))])
def test_a_flat_map_is_the_mean_over_time(layer):
    clips = np.random.default_rng(0).normal(size=(2, FRAMES, 8, 8, 4)).astype(np.float32)
    found = outputs(inflated(layer()), clips)
    np.testing.assert_allclose(found, clips.mean(axis=1).reshape(2, -1), atol=1e-6)


@pytest.mark.parametrize("frames", [FRAMES, None])
def test_a_map_of_another_shape_has_it_in_each_frame(frames):
    image_model = network(keras.layers.Reshape((4, 16, 4)))
    video = video_zoo.inflate(image_model, frames, preprocessing="none")
    clips = np.random.default_rng(0).normal(size=(2, FRAMES, 8, 8, 4)).astype(np.float32)
    np.testing.assert_array_equal(outputs(video, clips), clips.reshape(2, FRAMES, 4, 16, 4))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            keras.layers.UpSampling2D(2, interpolation="bilinear", name="odd"),
            "`image_model` has a layer 'odd' that upsamples by 'bilinear'; Keras has only",
        ),
        (
            keras.layers.Reshape((16, 16), name="odd"),
            r"`image_model` has a layer 'odd' that reshapes to \(16, 16\)",
        ),
    ],
)
def test_what_has_no_meaning_with_a_time_axis_is_named(layer, message):
    with pytest.raises(ValueError, match=message):
        inflated(layer)


class LayerScale(keras.layers.Layer):
    """Of the name of a class that Keras has too, and that has a rule."""

    def call(self, inputs):
        return inputs


def test_a_layer_of_a_known_name_that_is_not_of_keras_is_unknown():
    with pytest.raises(ValueError, match="'odd' of the class LayerScale, for which there is no ru"):
        inflated(LayerScale(name="odd"))


def test_upsampling_keeps_its_dtype_and_leaves_time_alone():
    video = inflated(keras.layers.UpSampling2D((2, 3), dtype="bfloat16", name="up"))
    assert video.get_layer("up").compute_dtype == "bfloat16"
    assert video.output_shape == (None, FRAMES, 16, 24, 4)


@pytest.mark.parametrize("layer_class", [keras.layers.ReLU(), int])
def test_rules_are_for_classes_of_layers(layer_class):
    with pytest.raises(ValueError, match="`layer_class` must be a subclass of keras.layers.Layer"):
        video_zoo.register_inflation(layer_class)


def test_a_network_is_named_after_its_image_network():
    relu = keras.layers.ReLU()
    assert inflated(relu).name == "inflated_image"
    assert inflated(relu, name="mine").name == "mine"


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("temporal_kernel", (1, -3, True, 3.0)),
        ("num_frames", (True, 2.0, -1)),
        ("num_classes", (True, 2.0, -1)),
    ],
)
def test_counts_are_positive_integers(argument, values):
    model = small_network("relu")
    for value in values:
        with pytest.raises(
            ValueError, match=f"`{argument}` must be .* Received: {argument}={value}"
        ):
            video_zoo.inflate(model, **{"num_frames": FRAMES, argument: value})
