"""The networks of keras.applications as video networks."""

from pathlib import Path

import numpy as np
import pytest
from inflation_networks import (
    FRAMES,
    MODES,
    check_gradients,
    check_saved,
    check_still_video,
    sees_the_image,
    temporal_layers,
)

import video_zoo
from video_zoo.benchmarks import inflation as benchmark

pytestmark = pytest.mark.usefixtures("fresh_names")

# One of each family whose layers need rules of their own, for every run of the tests.
CHOSEN = (
    "InceptionV3",
    "ResNet50V2",
    "DenseNet121",
    "EfficientNetB0",
    "MobileNetV3Small",
    "ConvNeXtTiny",
)


def named(name: str, image_size: int = 0):
    size = max(image_size, benchmark.smallest_image(name))
    return benchmark.random_image_network(name, size)


def documented_parameters(name: str) -> list[int]:
    """Trainable parameters of a network as docs/inflation.md has them: 2D, separable, full."""
    text = (Path(__file__).parents[3] / "docs" / "inflation.md").read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [int(cell.replace(",", "")) for cell in row.split("|")[2:5]]


@pytest.mark.parametrize("name", CHOSEN)
def test_a_still_video_gives_the_logits_of_the_image(name):
    image_model = named(name)
    assert sees_the_image(image_model)
    models = [check_still_video(image_model, convolution=mode) for mode in MODES]
    assert [video_zoo.count_parameters(model) for model in models] == documented_parameters(name)


def test_every_network_of_keras_is_documented():
    assert all(len(documented_parameters(name)) == 3 for name in benchmark.image_networks())


@pytest.mark.slow
@pytest.mark.parametrize("name", benchmark.image_networks())
def test_a_still_video_gives_the_logits_of_the_image_for_every_network_of_keras(name):
    image_model = named(name, 64)  # as docs/inflation.md has them
    assert sees_the_image(image_model)
    for mode in MODES:
        check_still_video(image_model, convolution=mode)


@pytest.mark.slow
def test_temporal_from_a_named_layer():
    image_model = named("ResNet50V2")
    every = temporal_layers(video_zoo.inflate(image_model, FRAMES))
    model = check_still_video(image_model, temporal_from="conv4_block1_preact_bn")
    upper = {x for x in every if x.startswith(("conv4", "conv5"))}
    assert temporal_layers(model) == upper
    assert len(upper) == 6 + 3 < len(every)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("mode", MODES)
def test_every_trainable_weight_of_a_large_network_gets_a_finite_gradient(name, mode):
    check_gradients(video_zoo.inflate(named(name), FRAMES, convolution=mode))


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_keras_own_layers_are_saved_and_loaded_again(name, tmp_path):
    check_saved(video_zoo.inflate(named(name), FRAMES), tmp_path)


def test_a_new_classifier_takes_the_place_of_the_old_one():
    image_model = named("MobileNetV3Small")
    model = video_zoo.inflate(image_model, FRAMES, num_classes=5)
    assert model.output_shape == (None, 5)
    kernel = image_model.get_layer("conv").get_weights()[0]
    np.testing.assert_array_equal(model.get_layer("conv").get_weights()[0][0], kernel)


def test_without_its_top_a_network_ends_at_the_last_map():
    """This one has convolutions after its pool."""
    model = video_zoo.inflate(named("MobileNetV3Small"), FRAMES, include_top=False)
    assert model.output_shape == (None, FRAMES, 1, 1, 576)
