"""What scores clips is the network that is optimised, where it can be."""

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo.data.input.clips import ClipConfig
from video_zoo.run.devices import OnDevices
from video_zoo.run.trained import TrainedNetwork, load_network

NORM = keras.layers.BatchNormalization
SHAPE = (4, 32, 32, 3)


def has_norms(model: keras.Model) -> bool:
    return any(isinstance(layer, NORM) for layer in model.layers)


def inflated() -> keras.Model:
    image_model = keras.applications.MobileNet(
        (32, 32, 3), alpha=0.25, weights=None, classes=3, classifier_activation=None
    )
    return video_zoo.inflate(image_model, 4)


def of_the_zoo() -> keras.Model:
    return video_zoo.r3d_18(3, input_shape=SHAPE, width_multiplier=0.0625)


@pytest.mark.parametrize("build", [of_the_zoo, inflated])
def test_logits_of_a_loaded_network_are_of_a_folded_copy(build, tmp_path):
    model = build()
    model.save(tmp_path / "a.keras")
    network = load_network(checkpoint=tmp_path / "a.keras")
    assert has_norms(network.model)
    assert not has_norms(network.fast)
    assert network.fast is network.fast
    clips = np.random.default_rng(0).uniform(-1, 1, (2, *SHAPE)).astype("float32")
    expected = np.asarray(model.predict_on_batch(clips))
    tolerance = 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(network.logits(clips), expected, rtol=0, atol=tolerance)
    devices = OnDevices(network, ["CPU:0", "CPU:0"])
    np.testing.assert_allclose(devices.logits(clips), expected, rtol=0, atol=tolerance)


class Scaled(keras.layers.Layer):
    """Cannot be copied: it does not tell its argument."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor


def test_a_network_that_cannot_be_copied_is_used_as_it_is_and_that_is_told(caplog):
    inputs = keras.Input(SHAPE)
    pooled = keras.layers.GlobalAveragePooling3D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(Scaled(2.0)(pooled)))
    network = TrainedNetwork(model, "a.keras", ClipConfig(4, 1, 32), None, {}, {})
    assert network.logits(np.ones((1, *SHAPE), "float32")).shape == (1, 2)
    assert network.fast is model
    (told,) = [record.getMessage() for record in caplog.records if record.name == "absl"]
    assert "as it is" in told
    assert "the class Scaled" in told
