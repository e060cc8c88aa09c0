"""PyTorch's own files, and its own forward pass. Skipped where PyTorch is not installed."""

import importlib.util
import pickle
import subprocess
import sys

import numpy as np
import pytest
import references

import video_zoo
from video_zoo.models.weights.formats import read

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.peers

CLASSES = 7
TORCHVISION, KYLEMIN = "torchvision", "kylemin"


def unit(into, out, kernel, stride, padding):
    conv = torch.nn.Conv3d(into, out, kernel, stride, padding, bias=False)
    return conv, torch.nn.BatchNorm3d(out, eps=0.001)


class Named(torch.nn.Module):
    """A convolution, or the two of a separable one, in kylemin's names."""

    def __init__(self, pairs, ends):
        super().__init__()
        self.ends = ends
        for end, (conv, norm) in zip(ends, pairs, strict=True):
            setattr(self, f"conv{end}", conv)
            setattr(self, f"bn{end}", norm)

    def forward(self, x):
        for end in self.ends:
            x = torch.relu(getattr(self, f"bn{end}")(getattr(self, f"conv{end}")(x)))
        return x


def plain(style, into, out):
    pair = unit(into, out, 1, 1, 0)
    return Named([pair], [""]) if style == KYLEMIN else torch.nn.Sequential(*pair, torch.nn.ReLU())


def separable(style, into, out, k, stride=1):
    p = k // 2
    pairs = [
        unit(into, out, (1, k, k), (1, stride, stride), (0, p, p)),
        unit(out, out, (k, 1, 1), (stride, 1, 1), (p, 0, 0)),
    ]
    if style == KYLEMIN:
        return Named(pairs, ["_s", "_t"])
    return torch.nn.Sequential(*(torch.nn.Sequential(*pair, torch.nn.ReLU()) for pair in pairs))


class Block(torch.nn.Module):
    def __init__(self, style, into, b0, b1a, b1b, b2a, b2b, b3):
        super().__init__()
        first = plain(style, into, b0)
        self.branch0 = torch.nn.Sequential(first) if style == KYLEMIN else first
        self.branch1 = torch.nn.Sequential(plain(style, into, b1a), separable(style, b1a, b1b, 3))
        self.branch2 = torch.nn.Sequential(plain(style, into, b2a), separable(style, b2a, b2b, 3))
        self.branch3 = torch.nn.Sequential(torch.nn.MaxPool3d(3, 1, 1), plain(style, into, b3))

    def forward(self, x):
        branches = (self.branch0, self.branch1, self.branch2, self.branch3)
        return torch.cat([branch(x) for branch in branches], 1)


class S3D(torch.nn.Module):
    """S3D-v1 as Xie et al. 2017 describe it, under the names of either file."""

    def __init__(self, style):
        super().__init__()
        halve = torch.nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        parts = [
            separable(style, 3, 64, 7, 2),
            halve,
            plain(style, 64, 64),
            separable(style, 64, 192, 3),
            halve,
        ]
        for block, widths in references.BLOCKS.items():
            if block == "4b":
                parts.append(torch.nn.MaxPool3d(3, 2, 1))
            if block == "5b":
                parts.append(torch.nn.MaxPool3d(2, 2))
            parts.append(Block(style, references.widths_in(block), *widths))
        body, head = torch.nn.Sequential(*parts), torch.nn.Conv3d(1024, CLASSES, 1)
        if style == KYLEMIN:
            self.base, self.fc = body, torch.nn.Sequential(head)
        else:
            self.features, self.classifier = body, torch.nn.Sequential(torch.nn.Dropout(), head)

    def forward(self, x):
        body, head = self.children()
        x = body(x)
        x = torch.nn.functional.avg_pool3d(x, (2, *x.shape[3:]), 1)
        return head(x).mean((2, 3, 4))


def randomised(network):
    draw = references.Random(6)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.ndim == 5:
                shape = (*value.shape[2:], value.shape[1], value.shape[0])
                new = draw.kernel(*shape).transpose(4, 3, 0, 1, 2)
            elif value.ndim == 1:
                positive = "var" in name or (".bn" in name or ".1.weight" in name)
                low, high = (0.1, 1.5) if positive and "bias" not in name else (-0.3, 0.3)
                new = draw.vector(len(value), low, high)
            else:
                continue
            value.copy_(torch.from_numpy(new.copy()))
    return network.eval()


def logits(network, clips):
    with torch.no_grad():
        return network(torch.from_numpy(clips.transpose(0, 4, 1, 2, 3).copy())).numpy()


def assert_agree(path, clips, expected):
    model = video_zoo.s3d_v1(CLASSES, input_shape=clips.shape[1:], weights=path)
    found = model.predict(clips, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("style", [TORCHVISION, KYLEMIN])
def test_logits_agree(style, tmp_path):
    network, clips = randomised(S3D(style)), references.clips()
    state = network.state_dict()
    if style == KYLEMIN:
        state = {f"module.{name}": value for name, value in state.items()}
    torch.save(state, tmp_path / "s3d.pth")
    fed = clips if style == KYLEMIN else references.for_torchvision(clips)
    assert_agree(tmp_path / "s3d.pth", clips, logits(network, fed))


# In a process of its own: PyTorch's CUDA build crashes if torchvision comes after TensorFlow.
TORCHVISION_SCRIPT = """
import sys
import numpy as np
import torch
from torchvision.models.video import s3d

weights, clips, logits = sys.argv[1:]
state = torch.load(weights, weights_only=True)
network = s3d(num_classes=len(state["classifier.1.bias"])).eval()
network.load_state_dict(state)
with torch.no_grad():
    np.save(logits, network(torch.from_numpy(np.load(clips))).numpy())
"""


@pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed"
)
def test_torchvisions_own_network(tmp_path):
    weights, fed, found = (tmp_path / name for name in ("s3d.pth", "clips.npy", "logits.npy"))
    torch.save(randomised(S3D(TORCHVISION)).state_dict(), weights)
    # Its head pools 7x7 positions: the size that 224 pixels leave, and no other.
    rng = np.random.default_rng(5)
    clips = rng.uniform(-1, 1, (1, 20, 224, 224, 3)).astype("float32")
    np.save(fed, references.for_torchvision(clips).transpose(0, 4, 1, 2, 3))
    subprocess.run([sys.executable, "-c", TORCHVISION_SCRIPT, weights, fed, found], check=True)
    assert_agree(weights, clips, np.load(found))


class Malicious:
    """What unpickling would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_nothing_in_a_file_is_run(tmp_path):
    target = tmp_path / "run"
    torch.save({"features.0.0.0.weight": Malicious(target)}, tmp_path / "a.pth")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Malicious(target), protocol=2))
    for name in ("a.pth", "b.pt"):
        with pytest.raises(ValueError, match="`weights` must be a whole file that holds tensors"):
            video_zoo.weights_info("s3d_v1", tmp_path / name)
    assert not target.exists()


def test_a_file_of_something_else(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="does not map names to tensors"):
        video_zoo.weights_info("s3d_v1", tmp_path / "list.pt")


@pytest.fixture
def tensors():
    return {
        "features.0.0.0.weight": torch.ones(64, 3, 1, 7, 7),
        "features.0.0.1.bias": torch.ones(9),
    }


def damage(path, content: bytes) -> None:
    """Flips a bit within the first of ``content`` in a file."""
    changed = bytearray(path.read_bytes())
    changed[changed.index(content) + len(content) // 2] ^= 1
    path.write_bytes(changed)


def test_one_flipped_bit_is_found_where_the_file_has_checksums(tensors, tmp_path):
    torch.save(tensors, tmp_path / "a.pth")
    damage(tmp_path / "a.pth", torch.ones(50).numpy().tobytes())
    with pytest.raises(ValueError, match=r"must be a whole file.*data/0 in it is damaged\)"):
        read(tmp_path / "a.pth")


def test_a_file_that_was_written_without_checksums_is_read(tensors, tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(tensors, tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert read(tmp_path / "a.pth").values


def test_parameters_that_ask_for_gradients_are_read(tensors, tmp_path):
    torch.save({n: torch.nn.Parameter(t) for n, t in tensors.items()}, tmp_path / "a.pth")
    values = read(tmp_path / "a.pth").values
    torch.save(tensors, tmp_path / "b.pth")
    assert values.keys() == read(tmp_path / "b.pth").values.keys()


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (lambda state: {"model": state, "epoch": 3, "args": {"lr": 0.1}}, "torchvision.pth"),
        (lambda state: {"state_dict": state, "best_acc1": 0.5}, "imagenet.pth.tar"),
        (lambda state: {"network": {"state_dict": state}}, "twice.pt"),
        (lambda state: {f"model.encoder.{k}": v for k, v in state.items()}, "lightning.pt"),
    ],
)
def test_what_training_scripts_wrap_around_a_network_is_taken_off(wrap, name, tmp_path):
    state = randomised(S3D(TORCHVISION)).state_dict()
    torch.save(state, tmp_path / "plain.pth")
    torch.save(wrap(state), tmp_path / name)
    plain, wrapped = read(tmp_path / "plain.pth"), read(tmp_path / name)
    assert plain.values.keys() == wrapped.values.keys()
    assert all(np.array_equal(plain.values[path], wrapped.values[path]) for path in plain.values)


def test_tensors_without_names_are_refused(tmp_path):
    torch.save({0: torch.ones(3)}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="does not map names to tensors"):
        read(tmp_path / "a.pth")


def test_a_number_that_is_repeated_endlessly_is_not_unpacked(tmp_path):
    torch.save({"features.0": torch.ones(1).expand(1 << 40)}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="bytes that become .* when they are unpacked"):
        read(tmp_path / "a.pth")
