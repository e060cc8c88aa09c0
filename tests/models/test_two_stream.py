"""The sum of two networks: outputs, training, files, errors."""

import keras
import numpy as np
import pytest

import video_zoo

RGB, FLOW = (9, 32, 32, 3), (8, 32, 32, 2)  # clips of different lengths, too


@pytest.fixture(scope="module")
def networks(small, randomize):
    """A ResNet each: all their layers, and the models, have the same names."""
    nets = [small("r3d_18", 3, input_shape=s, width_multiplier=0.0625) for s in (RGB, FLOW)]
    return [randomize(net, seed) for seed, net in enumerate(nets)]


@pytest.fixture(scope="module")
def batch(clips):
    return {"rgb": clips(RGB), "flow": clips(FLOW)}


def test_logits_are_added(networks, batch):
    rgb, flow = networks
    model = video_zoo.two_stream(rgb, flow)
    assert model.name == "two_stream"
    wanted = rgb.predict_on_batch(batch["rgb"]) + flow.predict_on_batch(batch["flow"])
    np.testing.assert_allclose(model.predict_on_batch(batch), wanted, rtol=1e-5, atol=1e-5)


def test_it_costs_what_both_cost(networks):
    model = video_zoo.two_stream(*networks)
    for count in (video_zoo.count_parameters, video_zoo.count_macs):
        assert count(model) == sum(map(count, networks))


def test_what_streams_of_any_size_cost_is_not_known(small):
    nets = [small("r3d_18", 3, input_shape=(None, None, None, c)) for c in (3, 2)]
    message = "`model` must be built for a fixed size where it has several inputs"
    for shape in (None, RGB):
        with pytest.raises(ValueError, match=message):
            video_zoo.count_macs(video_zoo.two_stream(*nets), shape)


def test_the_published_size():
    nets = [video_zoo.i3d(400, input_shape=(None, None, None, c)) for c in (3, 2)]
    assert video_zoo.count_parameters(video_zoo.two_stream(*nets)) == 25_358_016


def test_it_trains_both_and_survives_its_file(networks, batch, tmp_path):
    model = video_zoo.two_stream(*[keras.models.clone_model(net) for net in networks])
    before = [np.array(weight.numpy()) for weight in model.trainable_weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    model.fit(batch, np.array([0, 2]), verbose=0)
    after = [np.array(weight.numpy()) for weight in model.trainable_weights]
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict_on_batch(batch), model.predict_on_batch(batch), rtol=1e-5, atol=1e-5
    )
    assert loaded.get_layer("flow_stream").get_layer("layer4_1") is not None


def test_an_auxiliary_classifier_is_left_out(networks, small):
    rgb = small("s3d_v3", 3, aux_logits=True, width_multiplier=0.0625)
    model = video_zoo.two_stream(rgb, networks[1])
    assert model.output_shape == (None, 3)
    assert not any("Aux" in layer.name for layer in model.get_layer("rgb_stream").layers)


def test_logits_are_float32_under_mixed_precision(policy, small):
    policy("mixed_bfloat16")
    nets = [small("r3d_18", 3, input_shape=s, width_multiplier=0.0625) for s in (RGB, FLOW)]
    assert video_zoo.two_stream(*nets).outputs[0].dtype == "float32"


@pytest.mark.parametrize(
    ("stream", "kwargs", "message"),
    [
        ("rgb", {"classifier_activation": "softmax"}, "`rgb` must give logits.*'Predictions'"),
        ("flow", {"classifier_activation": "softmax"}, "`classifier_activation=None`"),
        ("rgb", {"include_top": False}, "`rgb` must be a network from one input to logits"),
        ("flow", {"input_shape": RGB}, "2 channels. .* input shape \\(9, 32, 32, 3\\)"),
        ("flow", {"num_classes": 4}, "must have the same classes.*3 classes, flow with 4"),
    ],
)
def test_what_does_not_fit_is_refused(networks, small, stream, kwargs, message):
    shape = RGB if stream == "rgb" else FLOW
    odd = small(
        "r3d_18", **{"num_classes": 3, "input_shape": shape, "width_multiplier": 0.0625, **kwargs}
    )
    pair = {"rgb": networks[0], "flow": networks[1], stream: odd}
    with pytest.raises(ValueError, match=message):
        video_zoo.two_stream(pair["rgb"], pair["flow"])


def test_a_softmax_layer_is_refused_too():
    inputs = keras.Input((2, 4, 4, 3))
    x = keras.layers.GlobalAveragePooling3D()(inputs)
    net = keras.Model(inputs, keras.layers.Softmax(name="p")(keras.layers.Dense(3)(x)))
    with pytest.raises(ValueError, match="`rgb` must give logits.*'p' of Softmax"):
        video_zoo.two_stream(net, net)
