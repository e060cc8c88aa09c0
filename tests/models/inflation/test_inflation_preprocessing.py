"""What a video network does to clips in [-1, 1] before the image network's layers see them."""

import sys

import keras
import numpy as np
import pytest
from inflation_networks import FRAMES, check_saved, outputs, small_network

import video_zoo
from video_zoo.benchmarks import inflation as benchmark
from video_zoo.models.inflation.graph import Graph
from video_zoo.models.inflation.preprocessing import find_preprocessing, preprocess

pytestmark = pytest.mark.usefixtures("fresh_names")

LIGHT = ("VGG16", "MobileNet", "MobileNetV3Small")


def named(name: str) -> keras.Model:
    model = small_network("gelu")
    return keras.Model(model.input, model.output, name=name)


def pixels(size: int, seed: int = 0) -> np.ndarray:
    """RGB in [0, 255] of one image, so that its colours differ."""
    colours = np.array([1.0, 0.6, 0.3])
    return np.random.default_rng(seed).uniform(0, 255, (1, size, size, 3)) * colours


def as_clip(images: np.ndarray) -> np.ndarray:
    return np.repeat(images[:, np.newaxis] / 127.5 - 1, FRAMES, axis=1).astype("float32")


def keras_own(name: str):
    """What Keras itself does to the pixels of images before its network ``name``."""
    builder = getattr(keras.applications, name)
    return lambda images: sys.modules[builder.__module__].preprocess_input(images.copy())


@pytest.mark.parametrize(
    ("name", "builder"),
    [
        ("resnet50", "ResNet50"),
        ("vgg16", "VGG16"),
        ("densenet121", "DenseNet121"),
        ("resnet50v2", "ResNet50V2"),
        ("a_network_of_my_own", "MobileNet"),
    ],
)
def test_a_still_video_gives_what_the_image_network_gives_its_prepared_image(name, builder):
    image_model = named(name)
    expected = outputs(image_model, keras_own(builder)(pixels(8)))
    found = outputs(video_zoo.inflate(image_model, FRAMES), as_clip(pixels(8)))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_network_that_scales_pixels_itself_gets_pixels():
    image = keras.Input((8, 8, 3))
    scaled = keras.layers.Rescaling(1 / 255)(image)
    image_model = keras.Model(image, named("resnet50")(scaled))
    found = outputs(video_zoo.inflate(image_model, FRAMES), as_clip(pixels(8)))
    expected = outputs(image_model, pixels(8))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_nested_network_is_known_by_its_name():
    image_model = keras.Sequential([keras.Input((8, 8, 3)), named("resnet50")])
    assert find_preprocessing(image_model, Graph(image_model)) == "caffe"


def test_the_argument_comes_before_the_name():
    image_model = named("resnet50")
    found = outputs(
        video_zoo.inflate(image_model, FRAMES, preprocessing="torch"), as_clip(pixels(8))
    )
    expected = outputs(image_model, keras_own("DenseNet121")(pixels(8)))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_means_of_three_colours_fit_no_other_channels():
    image = keras.Input((8, 8, 2))
    image_model = keras.Model(image, keras.layers.Conv2D(3, 3)(image), name="resnet50")
    assert video_zoo.inflate(image_model, FRAMES).layers[1].name == image_model.layers[1].name
    with pytest.raises(ValueError, match="`preprocessing` must be 'auto', 'pixels' or 'none' with"):
        video_zoo.inflate(image_model, FRAMES, preprocessing="caffe")


@pytest.mark.parametrize("mode", ["caffe", "pixels"])
def test_the_layers_are_saved_and_loaded_again(mode, tmp_path):
    check_saved(video_zoo.inflate(small_network(), FRAMES, preprocessing=mode), tmp_path)


def check_real_network(name):
    size = max(32, benchmark.smallest_image(name))
    image_model = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(size, size, 3)
    )
    mode = find_preprocessing(image_model, Graph(image_model))
    found = keras.ops.convert_to_numpy(preprocess(as_clip(pixels(size)), mode))[0, 0]
    expected = keras_own(name)(pixels(size))[0]
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("name", LIGHT)
def test_clips_become_what_keras_makes_of_images(name):
    check_real_network(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", benchmark.image_networks())
def test_clips_become_what_keras_makes_of_images_for_every_network(name):
    check_real_network(name)


@pytest.mark.parametrize("fused", [True, False])
def test_a_new_classifier_gives_logits(fused):
    image_model = small_network()
    x = image_model.get_layer("global_average_pooling2d").output
    x = keras.layers.Dense(7, activation="softmax" if fused else None, name="predictions")(x)
    x = x if fused else keras.layers.Softmax()(x)
    model = video_zoo.inflate(keras.Model(image_model.input, x), FRAMES, num_classes=5)
    logits = outputs(model, as_clip(pixels(8)))
    assert logits.shape == (1, 5)
    assert abs(logits.sum() - 1) > 1e-3 and logits.min() < 0


def test_a_nested_functional_network_before_the_head():
    image = keras.Input((8, 8, 3))
    inner = keras.Model(image, keras.layers.Conv2D(4, 3, activation="relu")(image), name="inner")
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inner(inputs))
    image_model = keras.Model(inputs, keras.layers.Dense(2)(pooled))
    found = outputs(video_zoo.inflate(image_model, FRAMES), as_clip(pixels(8)))
    expected = outputs(image_model, pixels(8) / 127.5 - 1)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
