"""S3D-G of MIL-NCE and of CoCLR against a second implementation, and what its files need."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
import s3dg_reference
from test_checkpoints import agrees, write_safetensors

import video_zoo
from video_zoo.models.convert_weights import convert_weights
from video_zoo.models.weights.download import cache_folder
from video_zoo.models.weights.load import find, load
from video_zoo.published import COCLR, MILNCE, RemoteFile, list_weights

CLIPS = s3dg_reference.clips()
SHAPE = CLIPS.shape[1:]


@pytest.fixture(scope="module")
def milnce_state():
    return s3dg_reference.random_milnce()


@pytest.fixture(scope="module")
def milnce_file(milnce_state, tmp_path_factory):
    path = tmp_path_factory.mktemp("milnce") / "s3d.safetensors"
    return write_safetensors(path, {f"module.{k}": v for k, v in milnce_state.items()})


def pretrained(state: dict) -> dict:
    """A file of CoCLR's pretraining: stages name layers again, and other networks stand beside."""
    other = {name: np.zeros_like(value) for name, value in state.items()}
    return {
        **{f"module.encoder_q.0.{name}": value for name, value in state.items()},
        "module.encoder_q.0.block1.0.conv1.weight": state["Conv_1a.conv1.weight"],
        "module.encoder_q.2.weight": np.zeros((4, 4, 1, 1, 1), "float32"),
        **{f"module.encoder_k.0.{name}": value for name, value in other.items()},
        **{f"module.sampler.0.{name}": value for name, value in other.items()},
        "module.queue": np.zeros((4, 4), "float32"),
        "module.queue_ptr": np.zeros(1, "int64"),
    }


def gates(model) -> int:
    return sum(layer.name.endswith("_gate") for layer in model.layers)


def epsilons(model) -> set[float]:
    norms = (x for x in model.layers if isinstance(x, keras.layers.BatchNormalization))
    return {layer.epsilon for layer in norms}


def test_milnce(milnce_state, milnce_file):
    assert len(milnce_state) == 537
    features, embedding = s3dg_reference.milnce(milnce_state, (CLIPS + 1) / 2)
    model = video_zoo.s3d_milnce(input_shape=SHAPE, weights=milnce_file)
    agrees(model, CLIPS, embedding)
    assert (gates(model), epsilons(model)) == (37, {1e-5})
    bare = {"include_top": False, "pooling": "avg"}
    agrees(video_zoo.s3d_milnce(input_shape=SHAPE, weights=milnce_file, **bare), CLIPS, features)
    info = video_zoo.weights_info("s3d_milnce", milnce_file)
    assert (info.num_classes, info.channels, info.padding) == (512, 3, "same")
    assert (info.gating, info.epsilon, info.embedding) == ("released", 1e-5, True)
    assert info.convention == MILNCE


def test_the_comparison_would_tell_another_range_or_epsilon(milnce_state, monkeypatch):
    expected = s3dg_reference.milnce(milnce_state, (CLIPS + 1) / 2)[1]
    tolerance = 1e-4 * np.abs(expected).max()
    found = s3dg_reference.milnce(milnce_state, CLIPS)[1]
    assert np.abs(found - expected).max() > 10 * tolerance
    monkeypatch.setattr(s3dg_reference, "EPSILON", 1e-3)
    found = s3dg_reference.milnce(milnce_state, (CLIPS + 1) / 2)[1]
    assert np.abs(found - expected).max() > 10 * tolerance


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("wrap", [pretrained, lambda state: state])
def test_coclr(gated, wrap, tmp_path):
    state = s3dg_reference.random_coclr(gated)
    path = write_safetensors(tmp_path / "a.safetensors", wrap(state))
    fed = s3dg_reference.normalised(CLIPS, *s3dg_reference.IMAGENET)
    expected = s3dg_reference.coclr(state, fed)
    model = video_zoo.s3d_v1(include_top=False, input_shape=SHAPE, weights=path)
    agrees(model, CLIPS, expected)
    assert (gates(model), epsilons(model)) == (36 if gated else 0, {1e-5})
    info = video_zoo.weights_info("s3d_v1", path)
    assert (info.num_classes, info.channels, info.padding) == (None, 3, "symmetric")
    assert info.gating == ("blocks" if gated else False)
    assert info.convention == COCLR
    with pytest.raises(ValueError, match="`include_top` must be False: the weights have no class"):
        video_zoo.s3d_v1(input_shape=SHAPE, weights=path)


def test_what_a_file_needs_is_said(milnce_file, milnce_state, tmp_path):
    options = {"input_shape": SHAPE, "weights": milnce_file}
    for gating in ("paper", "blocks", True, False):
        with pytest.raises(ValueError, match="`gating` must be None or 'released', as in the w"):
            video_zoo.s3d_milnce(gating=gating, **options)
    with pytest.raises(ValueError, match="`num_classes` must be 512, as in the weights"):
        video_zoo.s3d_milnce(400, **options)
    with pytest.raises(ValueError, match=r"in \d+ places: missing .*as it was published"):
        video_zoo.s3d_v1(512, **options)
    state = {**milnce_state, "text.weight": np.zeros(3, "float32")}
    del state["mixed_4d.gating_b2.fc.bias"]
    path = write_safetensors(tmp_path / "a.safetensors", state)
    with pytest.raises(ValueError, match="in 2 places: missing Mixed_4d_Branch_2.*_gate/bias") as e:
        video_zoo.s3d_milnce(input_shape=SHAPE, weights=path)
    assert "in the file: mixed_4d.gating_b2.fc.bias" in str(e.value)
    assert "unexpected text.weight (3,)" in str(e.value)


def test_names_of_no_known_network_are_told_with_the_nearest(milnce_state, tmp_path):
    near = {name: v for name, v in milnce_state.items() if not name.startswith("conv1.")}
    path = write_safetensors(tmp_path / "near.safetensors", near)
    told = r"MIL-NCE's S3D_HowTo100M \(conv1.conv1.…\).* are among the 456 of MIL-NCE's S3D_HowTo"
    with pytest.raises(ValueError, match=told):
        video_zoo.s3d_milnce(input_shape=SHAPE, weights=path)


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_converted_files_go_on_telling_gates_epsilon_and_embedding(
    ending, milnce_state, milnce_file, tmp_path
):
    output = str(tmp_path / f"milnce{ending}")
    convert_weights("s3d_milnce", milnce_file, output)
    info = video_zoo.weights_info("s3d_milnce", output)
    assert info.padding == "same"
    assert (info.gating, info.epsilon, info.embedding) == ("released", 1e-5, True)
    expected = s3dg_reference.milnce(milnce_state, (CLIPS + 1) / 2)[1]
    agrees(video_zoo.s3d_milnce(input_shape=SHAPE, weights=output), CLIPS, expected)
    state = s3dg_reference.random_coclr(gated=True)
    path = write_safetensors(tmp_path / "a.safetensors", state)
    output = str(tmp_path / f"coclr{ending}")
    convert_weights("s3d_v1", path, output)
    info = video_zoo.weights_info("s3d_v1", output)
    assert (info.padding, info.gating, info.epsilon) == ("symmetric", "blocks", 1e-5)
    model = video_zoo.s3d_v1(include_top=False, input_shape=SHAPE, weights=output)
    fed = s3dg_reference.normalised(CLIPS, *s3dg_reference.IMAGENET)
    agrees(model, CLIPS, s3dg_reference.coclr(state, fed))
    other = video_zoo.s3d_v1(
        include_top=False, input_shape=SHAPE, padding="symmetric", gating="blocks"
    )
    with pytest.raises(ValueError, match="a normalised input: True, and it has False"):
        load(other, find(None, output))


@pytest.mark.parametrize("gating", [False, "paper", "released", "blocks"])
def test_a_saved_network_tells_where_its_gates_are(gating, small, randomize, clips, tmp_path):
    model = randomize(small("s3d_v1", gating=gating))
    model.save(tmp_path / "a.keras")
    assert video_zoo.weights_info("s3d_v1", tmp_path / "a.keras").gating == gating
    again = small("s3d_v1", weights=tmp_path / "a.keras")
    x = clips(model.input_shape[1:])
    np.testing.assert_allclose(np.asarray(again(x)), np.asarray(model(x)), atol=1e-5)


def test_an_epsilon_is_part_of_a_saved_network(small, tmp_path):
    model = small("s3d_v1")
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = 1e-5
    model.save(tmp_path / "a.keras")
    assert epsilons(small("s3d_v1", weights=tmp_path / "a.keras")) == {1e-5}
    with pytest.raises(ValueError, match="with an epsilon: 1e-05, and it has 0.001"):
        load(small("s3d_v1"), find(None, tmp_path / "a.keras"))


def test_published_rows_need_no_options(milnce_file, home):
    """The entry alone, whose file was put into the cache by hand."""
    (entry,) = list_weights("s3d_milnce")
    file = RemoteFile("s3d.safetensors", "https://127.0.0.1/s3d.safetensors")
    folder = cache_folder("s3d_milnce")
    folder.mkdir(parents=True)
    shutil.copy(milnce_file, folder / file.name)
    here = dataclasses.replace(entry, files=(file,))
    model = video_zoo.s3d_milnce(weights=here, include_top=False)
    assert model.output_shape == (None, 4, 7, 7, 1024)
    assert (gates(model), epsilons(model)) == (37, {1e-5})
    rescaling = model.get_layer("input_normalization")
    assert (list(rescaling.scale), list(rescaling.offset)) == ([0.5] * 3, [0.5] * 3)
    assert video_zoo.s3d_milnce(weights=here).output_shape == (None, 512)
