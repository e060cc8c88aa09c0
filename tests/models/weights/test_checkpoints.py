"""Published checkpoints against a second implementation of their networks, and what is refused."""

import re

import h5py
import keras
import numpy as np
import pytest
import references
import tensorflow as tf

import video_zoo
from video_zoo.models.weights.load import find, load
from video_zoo.models.weights.mapping import places

CLASSES = 7
SHAPE = references.clips().shape[1:]


def write_tf(prefix, tensors: dict) -> str:
    values = [tf.constant(value) for value in tensors.values()]
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=values,
    )
    return str(prefix)


def write_keras_2(path, tensors: dict, top: bool = True) -> str:
    """DeepMind's tensors in the names and the layout of dlpbc's files."""
    with h5py.File(path, "w") as file:
        for name, value in tensors.items():
            unit, kind, part = name.rsplit("/", 2)
            if unit.startswith("Logits") and not top:
                continue
            layer = "Conv3d_6a_1x1" if unit.startswith("Logits") else unit
            if match := re.fullmatch(r"Mixed_(\d\w)/Branch_(\d)/Conv3d_0(\w)_(\dx\d)", unit):
                block, branch, letter, size = match.groups()
                letter = "b" if unit == "Mixed_5b/Branch_2/Conv3d_0a_3x3" else letter
                layer = f"Conv3d_{block}_{branch}{letter}_{size}"
            layer += "_conv" if kind == "conv_3d" else "_bn"
            weight = {"w": "kernel", "b": "bias"}.get(part, part)
            file.create_dataset(f"{layer}/{layer}/{weight}:0", data=value)
    return str(path)


def in_kylemin_names(state: dict) -> dict:
    """torchvision's names -> those of kylemin/S3D, as a network on several GPUs saves them."""
    renamed = {}
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            continue  # his PyTorch had none
        name = name.replace("classifier.1.", "fc.0.").replace("features.", "base.")
        unit, part = re.fullmatch(r"(.*)\.(\w+)", name).groups()
        split = re.fullmatch(r"(base\.[03]|base\.\d+\.branch[12]\.1)\.([01])\.([01])", unit)
        if split:
            kind = ("conv", "bn")[int(split[3])] + ("_s", "_t")[int(split[2])]
            unit = f"{split[1]}.{kind}"
        elif plain := re.fullmatch(r"(base\..*)\.([01])", unit):
            place = re.sub(r"branch0$", "branch0.0", plain[1])
            unit = f"{place}.{('conv', 'bn')[int(plain[2])]}"
        renamed[f"module.{unit}.{part}"] = value
    return renamed


def write_safetensors(path, tensors: dict) -> str:
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    numpy.save_file(tensors, path)
    return str(path)


def agrees(model: keras.Model, clips: np.ndarray, expected: np.ndarray) -> None:
    found = np.asarray(model(clips))
    assert found.shape == expected.shape
    # Neither all alike nor of one clip's: such logits would agree with many networks.
    assert np.abs(expected - expected.mean()).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.fixture(scope="module")
def i3d_tensors():
    return references.random_i3d(CLASSES)


@pytest.fixture(scope="module")
def s3d_state():
    return references.random_s3d(CLASSES)


@pytest.fixture(scope="module")
def deepmind_file(i3d_tensors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deepmind")
    names = {f"RGB/inception_i3d/{name}": value for name, value in i3d_tensors.items()}
    return write_tf(folder / "model.ckpt", names)


@pytest.fixture(scope="module")
def network():
    """One I3D for all the files that it refuses."""
    return video_zoo.i3d(CLASSES, input_shape=(None, None, None, 3))


def test_deepmind(i3d_tensors, deepmind_file):
    assert len(i3d_tensors) == 230
    clips = references.clips()
    model = video_zoo.i3d(CLASSES, input_shape=SHAPE, weights=deepmind_file)
    agrees(model, clips, references.i3d(i3d_tensors, clips)[1])
    info = video_zoo.weights_info("i3d", f"{deepmind_file}.index")
    assert (info.num_classes, info.channels, info.padding) == (CLASSES, 3, "same")
    folder = deepmind_file.removesuffix("/model.ckpt")
    assert video_zoo.weights_info("i3d", folder) == info
    assert video_zoo.weights_info("i3d", f"{deepmind_file}.data-00000-of-00001") == info


def test_deepmind_kinetics_600(tmp_path):
    """No prefix, vectors of five axes, and the state of the optimizer beside the weights."""
    tensors = references.random_i3d(11, seed=3)
    saved = {}
    for name, value in tensors.items():
        saved[name] = value.reshape(1, 1, 1, 1, -1) if "batch_norm" in name else value
        if not name.endswith(("moving_mean", "moving_variance")):
            saved[f"{name}/Momentum"] = np.zeros_like(saved[name])
    assert len(saved) == 346
    path = write_tf(tmp_path / "model.ckpt", saved)
    clips = references.clips()
    model = video_zoo.i3d(11, input_shape=SHAPE, weights=path)
    agrees(model, clips, references.i3d(tensors, clips)[1])


def test_deepmind_flow(tmp_path):
    tensors = references.random_i3d(CLASSES, channels=2, seed=4)
    names = {f"Flow/inception_i3d/{name}": value for name, value in tensors.items()}
    path = write_tf(tmp_path / "model.ckpt", names)
    with pytest.raises(ValueError, match="`input_shape` must end in 2 channels"):
        video_zoo.i3d(CLASSES, input_shape=SHAPE, weights=path)
    assert video_zoo.weights_info("i3d", path).convention.modality == "flow_tvl1"
    clips = references.clips(channels=2)
    model = video_zoo.i3d(CLASSES, input_shape=(*SHAPE[:3], 2), weights=path)
    agrees(model, clips, references.i3d(tensors, clips)[1])


@pytest.mark.parametrize("top", [True, False])
def test_dlpbc(top, i3d_tensors, tmp_path):
    path = write_keras_2(tmp_path / "rgb.h5", i3d_tensors, top)
    clips = references.clips()
    expected = references.i3d(i3d_tensors, clips)[1 if top else 0]
    model = video_zoo.i3d(CLASSES, input_shape=SHAPE, weights=path, include_top=top)
    agrees(model, clips, expected)
    assert video_zoo.weights_info("i3d", path).num_classes == (CLASSES if top else None)


def test_torchvision(s3d_state, tmp_path):
    assert len(s3d_state) == 464
    path = write_safetensors(tmp_path / "s3d.safetensors", s3d_state)
    clips = references.clips()
    model = video_zoo.s3d_v1(CLASSES, input_shape=SHAPE, weights=path)
    agrees(model, clips, references.s3d(s3d_state, references.for_torchvision(clips)))


def test_kylemin(s3d_state, tmp_path):
    path = write_safetensors(tmp_path / "s3d.safetensors", in_kylemin_names(s3d_state))
    clips = references.clips()
    model = video_zoo.s3d_v1(CLASSES, input_shape=SHAPE, weights=path)
    agrees(model, clips, references.s3d(s3d_state, clips))
    with pytest.raises(ValueError, match="`padding` must be None or 'symmetric'"):
        video_zoo.s3d_v1(CLASSES, input_shape=SHAPE, weights=path, padding="same")


def test_the_backbone_of_a_published_file(deepmind_file, i3d_tensors):
    model = video_zoo.i3d(include_top=False, input_shape=SHAPE, weights=deepmind_file)
    clips = references.clips()
    agrees(model, clips, references.i3d(i3d_tensors, clips)[0])


def test_every_convolution_has_its_place():
    found = list(places())
    assert len(found) == len({place.name for place in found}) == len(references.deepmind_units())


# --- refused ------------------------------------------------------------------------------------

LEFT_OUT = "RGB/inception_i3d/Mixed_4d/Branch_1/Conv3d_0b_3x3/batch_norm/moving_mean"


def _without(tensors: dict) -> None:
    del tensors[LEFT_OUT]


def _more(tensors: dict) -> None:
    tensors["RGB/inception_i3d/Conv3d_1a_7x7/batch_norm/gamma"] = np.ones(64, "float32")


def _of_another_shape(tensors: dict) -> None:
    tensors["RGB/inception_i3d/Conv3d_2c_3x3/conv_3d/w"] = np.ones((3, 3, 3, 64, 191), "float32")


def _in_the_expected_name(tensors: dict) -> None:
    trap = "RGB/inception_i3d/Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w"
    tensors[trap.replace("0a_3x3", "0b_3x3")] = tensors.pop(trap)


@pytest.mark.parametrize(
    ("damage", "places_count", "message"),
    [
        (
            _without,
            1,
            "missing Mixed_4d_Branch_1_Conv3d_0b_3x3_bn/moving_mean (in the file: "
            "Mixed_4d/Branch_1/Conv3d_0b_3x3/batch_norm/moving_mean) (256,)",
        ),
        (_more, 1, "unexpected Conv3d_1a_7x7/batch_norm/gamma (64,)"),
        (_of_another_shape, 1, "is (3, 3, 3, 64, 191), the network has (3, 3, 3, 64, 192)"),
        (_in_the_expected_name, 2, "unexpected Mixed_5b/Branch_2/Conv3d_0b_3x3/conv_3d/w"),
    ],
)
def test_a_checkpoint_that_does_not_fit(
    damage, places_count, message, i3d_tensors, network, tmp_path
):
    tensors = {f"RGB/inception_i3d/{name}": value for name, value in i3d_tensors.items()}
    damage(tensors)
    path = write_tf(tmp_path / "model.ckpt", tensors)
    before = network.get_weights()
    with pytest.raises(ValueError) as error:
        load(network, find(None, path))
    told = str(error.value)
    assert f"`weights` do not fit the network 'i3d' in {places_count} places: " in told
    assert message in told
    assert f"Received: weights={path!r}" in told
    for weight, expected in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_a_factor_of_the_wrong_length(s3d_state, tmp_path):
    state = {**s3d_state, "features.2.1.weight": np.ones(63, "float32")}
    path = write_safetensors(tmp_path / "s3d.safetensors", state)
    with pytest.raises(
        ValueError, match=r"in 5 places: .* unexpected features\.2\.1\.weight \(63,\)"
    ):
        video_zoo.s3d_v1(CLASSES, input_shape=(None, None, None, 3), weights=path)


def test_the_network_of_another_format(s3d_state, tmp_path):
    path = write_safetensors(tmp_path / "s3d.safetensors", s3d_state)
    with pytest.raises(ValueError, match=r"in \d+ places: missing .*as it was published"):
        video_zoo.i3d(CLASSES, input_shape=(None, None, None, 3), weights=path)


def test_damaged_files(deepmind_file, tmp_path):
    for end in (".index", ".data-00000-of-00001"):
        with open(f"{deepmind_file}{end}", "rb") as file:
            (tmp_path / f"model.ckpt{end}").write_bytes(file.read())
    cut = tmp_path / "model.ckpt.data-00000-of-00001"
    content = bytearray(cut.read_bytes())
    content[len(content) // 2] ^= 1  # every tensor has its own checksum
    cut.write_bytes(content)
    with pytest.raises(ValueError, match="must be a TensorFlow checkpoint that is whole. Received"):
        video_zoo.weights_info("i3d", tmp_path / "model.ckpt")
    for name, message in (
        ("a.h5", "must be a whole HDF5 file"),
        ("a.safetensors", "must be a whole file that holds tensors alone"),
    ):
        (tmp_path / name).write_bytes(b"<!DOCTYPE html>")
        with pytest.raises(ValueError, match=message):
            video_zoo.weights_info("i3d", tmp_path / name)


def test_names_of_no_known_network(tmp_path):
    path = write_safetensors(tmp_path / "a.safetensors", {"conv1.weight": np.ones(3, "float32")})
    with pytest.raises(ValueError, match="s3d .features.….*Received: .* with conv1.weight"):
        video_zoo.weights_info("s3d_v1", path)


def test_arrays_of_no_known_network(tmp_path):
    write_tf(tmp_path / "slim.ckpt", {"InceptionV1/Conv2d_1a/weights": np.ones(3, "float32")})
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["dense/dense/kernel:0"] = np.ones(3)
    for name, known in (("slim.ckpt", "Conv3d_1a_7x7/conv_3d/w"), ("own.h5", "Conv3d_1a_7x7_conv")):
        with pytest.raises(ValueError, match="None of its 1 names is among the 230") as error:
            video_zoo.i3d(400, weights=str(tmp_path / name))
        assert known in str(error.value) and ".safetensors" in str(error.value)
