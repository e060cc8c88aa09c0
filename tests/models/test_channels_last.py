"""Networks take channels last, whatever `~/.keras/keras.json` says of images."""

import keras
import numpy as np
import pytest

import video_zoo


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def check_same(made, again, clip):
    again.set_weights(made.get_weights())
    expected, found = (keras.tree.flatten(model(clip)) for model in (made, again))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("name", video_zoo.list_models())
def test_every_network_is_the_same_with_channels_first_in_the_settings(
    name, small, clips, sizes, request
):
    options = {"s3d_v1": {"padding": "symmetric", "gating": True}, "s3d_v3": {"aux_logits": True}}
    made = small(name, **options.get(name, {}))
    request.getfixturevalue("channels_first")
    check_same(made, small(name, **options.get(name, {})), clips(sizes[name]))


def test_pools_of_features_are_channels_last(small, channels_first):
    network = small("s3d_v1")
    extractor = video_zoo.feature_extractor(network, "Mixed_4f", pooling="avg")
    assert extractor.output_shape == (None, network.get_layer("Mixed_4f").output.shape[-1])
    bare = small("s3d_v1", include_top=False, pooling="max")
    assert bare.output_shape == (None, network.get_layer("Mixed_5c").output.shape[-1])


@pytest.mark.usefixtures("fresh_names")
@pytest.mark.parametrize("mode", ["separable", "full"])
def test_inflated_networks_are_channels_last(mode, clips, request):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, dilation_rate=2, activation="gelu", name="conv")(image)
    x = keras.layers.SeparableConv2D(4, 1)(keras.layers.UpSampling2D(2)(x))
    image_model = keras.Model(image, x)

    def inflated():
        options = {"num_classes": 5, "convolution": mode, "temporal_strides": {"conv": 2}}
        return video_zoo.inflate(image_model, 4, **options)

    made = inflated()
    request.getfixturevalue("channels_first")
    check_same(made, inflated(), clips((4, 8, 8, 3)))
