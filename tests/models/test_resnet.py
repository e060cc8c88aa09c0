"""The three video ResNets: their size, and their outputs against a second implementation."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import references
import resnet_reference

import video_zoo

# Of torchvision's own networks, written where PyTorch is installed: `tools/dev.py test_peers`.
EXPECTED = json.loads(Path(__file__).with_name("torchvision_resnets.json").read_text())
ENDPOINTS = {
    "stem": "stem",
    **{stage: f"{stage}_1" for stage in resnet_reference.STAGES},
    "fc": "Logits",
}
NETWORKS = ("r3d_18", "mc3_18", "r2plus1d_18")


def loaded(network: str, path, num_classes: int, shape: tuple) -> keras.Model:
    """The network of the zoo with the weights of a file, which gives the stages' outputs."""
    model = video_zoo.models.get_model(network, num_classes, input_shape=shape, weights=path)
    return keras.Model(model.input, [model.get_layer(end).output for end in ENDPOINTS.values()])


@pytest.fixture(scope="module", params=NETWORKS)
def outputs(request, tmp_path_factory):
    """(network, state dict, clips as torchvision gets them, the zoo's outputs of all stages)."""
    save_file = pytest.importorskip("safetensors.numpy", reason="safetensors is missing").save_file
    network, drawn = request.param, EXPECTED["drawn"]
    state = resnet_reference.random_state(network, drawn["num_classes"], drawn["seed"])
    path = tmp_path_factory.mktemp("weights") / f"{network}.safetensors"
    save_file(state, path)
    clips = references.clips()[:, :9, :33, :32]
    model = loaded(network, path, drawn["num_classes"], clips.shape[1:])
    found = dict(zip(ENDPOINTS, map(np.asarray, model(clips)), strict=True))
    return network, state, references.for_torchvision(clips), found


def test_all_stages_and_the_logits_are_those_of_a_second_implementation(outputs):
    network, state, clips, found = outputs
    for stage, expected in resnet_reference.stages(network, state, clips).items():
        size = np.abs(expected).max()
        np.testing.assert_allclose(found[stage], expected, rtol=0, atol=1e-4 * size, err_msg=stage)
    assert np.abs(expected - expected.mean()).max() > 0.1


def test_all_stages_and_the_logits_are_torchvisions(outputs):
    """Mean, spread and first values of each, as its own networks gave them."""
    network, _, _, found = outputs
    for stage, expected in EXPECTED[network].items():
        size = abs(expected["mean"]) + expected["spread"]
        facts = references.facts(found[stage])
        for name, value in expected.items():
            np.testing.assert_allclose(facts[name], value, rtol=0, atol=1e-4 * size, err_msg=stage)


@pytest.mark.parametrize(
    ("network", "parameters", "gmacs"),
    [
        ("r3d_18", 33_371_472, 40.697),
        ("mc3_18", 11_695_440, 43.343),
        ("r2plus1d_18", 31_505_325, 40.519),
    ],
)
def test_parameters_and_cost_are_those_that_torchvision_states(network, parameters, gmacs):
    model = video_zoo.models.get_model(network)
    assert video_zoo.count_parameters(model) == parameters
    assert video_zoo.count_macs(model) / 1e9 == pytest.approx(gmacs, abs=5e-4)


def test_a_split_convolution_is_as_wide_as_its_parameters_allow():
    model = video_zoo.r2plus1d_18(5)
    widths = {"layer1_0": 144, "layer2_0": 230, "layer2_1": 288, "layer4_1": 1152}
    for block, width in widths.items():
        for number in (1, 2):
            assert model.get_layer(f"{block}_conv{number}_spatial_conv").filters == width


def test_a_block_adds_before_its_last_relu_and_not_after():
    model = video_zoo.r3d_18(5, width_multiplier=0.125)
    config = {layer["name"]: layer for layer in model.get_config()["layers"]}
    (inbound,) = config["layer2_0_add"]["inbound_nodes"]
    before = [tensor["config"]["keras_history"][0] for tensor in inbound["args"][0]]
    assert before == ["layer2_0_conv2_bn", "layer2_0_shortcut_bn"]
    (inbound,) = config["layer1_0_add"]["inbound_nodes"]
    before = [tensor["config"]["keras_history"][0] for tensor in inbound["args"][0]]
    assert before == ["layer1_0_conv2_bn", "stem"]
    assert model.get_layer("layer2_0").get_config()["activation"] == "relu"


def test_files_tell_the_width_of_their_network(tmp_path):
    model = video_zoo.mc3_18(5, input_shape=(4, 32, 32, 3), width_multiplier=0.25)
    model.save(tmp_path / "a.keras")
    assert video_zoo.weights_info("mc3_18", tmp_path / "a.keras").width_multiplier == 0.25


def test_the_weights_of_another_of_them_are_refused(tmp_path):
    save_file = pytest.importorskip("safetensors.numpy", reason="safetensors is missing").save_file
    save_file(resnet_reference.random_state("mc3_18", 5), tmp_path / "mc3.safetensors")
    with pytest.raises(ValueError, match=r"`weights` do not fit the network 'r3d_18' in .* places"):
        video_zoo.r3d_18(5, weights=tmp_path / "mc3.safetensors")
