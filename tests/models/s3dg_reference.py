"""S3D-G of MIL-NCE and of CoCLR written a second time, in NumPy and TensorFlow's operations.

They take tensors as the published files name them, on clips as their networks are fed them:
channels last here, colours in [0, 1] or of ImageNet's mean and deviation. Nothing of the package is
used; the stem of MIL-NCE's takes blocks of 2x2x2 positions as channels, as its paper says.
"""

import numpy as np
import tensorflow as tf
from references import BLOCKS, STEM_OUT, Random, widths_in

EPSILON = 1e-5
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
EMBEDDING = 512


class State(dict):
    """A state dict that is being drawn: kernels [out, in, time, height, width]."""

    def __init__(self, seed: int):
        super().__init__()
        self.draw = Random(seed)

    def unit(self, conv: str, norm: str, into: int, out: int, kernel=(1, 1, 1)):
        weight = self.draw.kernel(*kernel, into, out).transpose(4, 3, 0, 1, 2)
        self[f"{conv}.weight"] = np.ascontiguousarray(weight)
        self[f"{norm}.weight"] = self.draw.vector(out, 0.5, 1.5)
        self[f"{norm}.bias"] = self.draw.vector(out)
        self[f"{norm}.running_mean"] = self.draw.vector(out)
        # Some so small that an epsilon of 1e-3 would show.
        self[f"{norm}.running_var"] = self.draw.vector(out, 0.002, 1.5)
        self[f"{norm}.num_batches_tracked"] = np.array(7, "int64")

    def dense(self, name: str, into: int, out: int):
        self[f"{name}.weight"] = np.ascontiguousarray(self.draw.kernel(into, out).T)
        self[f"{name}.bias"] = self.draw.vector(out)

    def separable(self, name: str, into: int, out: int, k: int):
        self.unit(f"{name}.conv1", f"{name}.bn1", into, out, (1, k, k))
        self.unit(f"{name}.conv2", f"{name}.bn2", out, out, (k, 1, 1))


def random_milnce(seed: int = 0) -> dict[str, np.ndarray]:
    """All of MIL-NCE's file: the network of videos, and that of texts."""
    state = State(seed)
    state.unit("conv1.conv1", "conv1.bn1", 24, 64, (2, 4, 4))
    state.unit("conv_2b.conv1", "conv_2b.bn1", 64, 64)
    state.separable("conv_2c", 64, STEM_OUT, 3)
    state.dense("gating.fc", STEM_OUT, STEM_OUT)
    for block, (b0, b1a, b1b, b2a, b2b, b3) in BLOCKS.items():
        into, at = widths_in(block), f"mixed_{block}"
        for name, out in (("b0", b0), ("b1_a", b1a), ("b2_a", b2a), ("b3_b", b3)):
            state.unit(f"{at}.conv_{name}.conv1", f"{at}.conv_{name}.bn1", into, out)
        state.separable(f"{at}.conv_b1_b", b1a, b1b, 3)
        state.separable(f"{at}.conv_b2_b", b2a, b2b, 3)
        for index, out in enumerate((b0, b1b, b2b, b3)):
            state.dense(f"{at}.gating_b{index}.fc", out, out)
    state.dense("fc", 1024, EMBEDDING)
    state["text_module.word_embd.weight"] = np.zeros((9, 300), "float32")
    state.dense("text_module.fc1", 300, 20)
    state.dense("text_module.fc2", 20, EMBEDDING)
    return dict(state)


def random_coclr(gated: bool = False, seed: int = 0, root: str = "") -> dict[str, np.ndarray]:
    """The network alone, below ``root``, named once: not by its stages too."""
    state = State(seed)
    state.separable(f"{root}Conv_1a", 3, 64, 7)
    state.unit(f"{root}Conv_2b.conv", f"{root}Conv_2b.bn", 64, 64)
    state.separable(f"{root}Conv_2c", 64, STEM_OUT, 3)
    for block, (b0, b1a, b1b, b2a, b2b, b3) in BLOCKS.items():
        into, at = widths_in(block), f"{root}Mixed_{block}"
        for name, out in (("0.0", b0), ("1.0", b1a), ("2.0", b2a), ("3.1", b3)):
            state.unit(f"{at}.branch{name}.conv", f"{at}.branch{name}.bn", into, out)
        state.separable(f"{at}.branch1.1", b1a, b1b, 3)
        state.separable(f"{at}.branch2.1", b2a, b2b, 3)
        for index, out in enumerate((b0, b1b, b2b, b3) if gated else ()):
            state.dense(f"{at}.gating_b{index}.fc", out, out)
    return dict(state)


class Forward:
    """The parts of both networks, on the tensors of a file."""

    def __init__(self, state: dict[str, np.ndarray]):
        self.state = state

    def unit(self, conv: str, norm: str, x, strides=(1, 1, 1)):
        kernel = self.state[f"{conv}.weight"].transpose(2, 3, 4, 1, 0)
        around = [[0, 0], *([n // 2, n // 2] for n in kernel.shape[:3]), [0, 0]]
        x = tf.nn.conv3d(tf.pad(x, around), kernel, [1, *strides, 1], "VALID")
        return self.norm(norm, x)

    def norm(self, name: str, x):
        parts = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (self.state[f"{name}.{part}"] for part in parts)
        return tf.nn.relu(gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta)

    def separable(self, name: str, x, stride: int = 1):
        x = self.unit(f"{name}.conv1", f"{name}.bn1", x, (1, stride, stride))
        return self.unit(f"{name}.conv2", f"{name}.bn2", x, (stride, 1, 1))

    def gate(self, name: str, x):
        if f"{name}.weight" not in self.state:
            return x
        context = np.asarray(tf.reduce_mean(x, (1, 2, 3)))
        context = context @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]
        return x * tf.sigmoid(context)[:, None, None, None]


def _blocks_as_channels(clips: np.ndarray) -> np.ndarray:
    count, frames, height, width, colours = clips.shape
    x = clips.reshape(count, frames // 2, 2, height // 2, 2, width // 2, 2, colours)
    x = x.transpose(0, 1, 3, 5, 2, 4, 6, 7)
    return np.ascontiguousarray(x.reshape(*x.shape[:4], 8 * colours))


def milnce(state: dict[str, np.ndarray], clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean of the last feature map, embedding) of clips in [0, 1] of even sizes."""
    run = Forward(state)

    def pool(x, size, strides):
        # SAME of TensorFlow, on even sizes: what is missing goes after.
        around = [[0, 0], *([0, n - s] for n, s in zip(size, strides, strict=True)), [0, 0]]
        return tf.nn.max_pool3d(tf.pad(x, around), [1, *size, 1], [1, *strides, 1], "VALID")

    x = _blocks_as_channels(clips)
    # Padded by one block in time and two in space on either side, of which the first is dropped.
    kernel = state["conv1.conv1.weight"].transpose(2, 3, 4, 1, 0)
    x = tf.pad(x, [[0, 0], [1, 1], [2, 2], [2, 2], [0, 0]])
    x = tf.nn.conv3d(x, kernel, [1] * 5, "VALID")[:, 1:, 1:, 1:]
    x = pool(run.norm("conv1.bn1", x), (1, 3, 3), (1, 2, 2))
    x = run.separable("conv_2c", run.unit("conv_2b.conv1", "conv_2b.bn1", x))
    x = pool(run.gate("gating.fc", x), (1, 3, 3), (1, 2, 2))
    for block in BLOCKS:
        if block == "4b":
            x = pool(x, (3, 3, 3), (2, 2, 2))
        if block == "5b":
            x = pool(x, (2, 2, 2), (2, 2, 2))
        at = f"mixed_{block}"

        def plain(name, x, at=at):
            return run.unit(f"{at}.conv_{name}.conv1", f"{at}.conv_{name}.bn1", x)

        pooled = tf.nn.max_pool3d(x, [1, 3, 3, 3, 1], [1] * 5, "SAME")
        branches = (
            plain("b0", x),
            run.separable(f"{at}.conv_b1_b", plain("b1_a", x)),
            run.separable(f"{at}.conv_b2_b", plain("b2_a", x)),
            plain("b3_b", pooled),
        )
        gated = [run.gate(f"{at}.gating_b{i}.fc", y) for i, y in enumerate(branches)]
        x = tf.concat(gated, axis=-1)
    x = np.asarray(tf.reduce_mean(x, (1, 2, 3)))
    return x, x @ state["fc.weight"].T + state["fc.bias"]


def coclr(state: dict[str, np.ndarray], clips: np.ndarray) -> np.ndarray:
    """The last feature map of clips that are normalised already."""
    run = Forward(state)

    def pool(x, size, strides, padding):
        around = [[0, 0], *([p, p] for p in padding), [0, 0]]
        x = tf.pad(x, around, constant_values=-np.inf)
        return tf.nn.max_pool3d(x, [1, *size, 1], [1, *strides, 1], "VALID")

    x = pool(run.separable("Conv_1a", clips, 2), (1, 3, 3), (1, 2, 2), (0, 1, 1))
    x = run.separable("Conv_2c", run.unit("Conv_2b.conv", "Conv_2b.bn", x))
    x = pool(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for block in BLOCKS:
        if block == "4b":
            x = pool(x, (3, 3, 3), (2, 2, 2), (1, 1, 1))
        if block == "5b":
            x = pool(x, (2, 2, 2), (2, 2, 2), (0, 0, 0))
        at = f"Mixed_{block}"

        def plain(number, x, at=at):
            return run.unit(f"{at}.branch{number}.conv", f"{at}.branch{number}.bn", x)

        branches = (
            plain("0.0", x),
            run.separable(f"{at}.branch1.1", plain("1.0", x)),
            run.separable(f"{at}.branch2.1", plain("2.0", x)),
            plain("3.1", pool(x, (3, 3, 3), (1, 1, 1), (1, 1, 1))),
        )
        gated = [run.gate(f"{at}.gating_b{i}.fc", y) for i, y in enumerate(branches)]
        x = tf.concat(gated, axis=-1)
    return x.numpy()


def clips() -> np.ndarray:
    """Two clips in [-1, 1] whose sizes are even, before every pool too."""
    return np.random.default_rng(5).uniform(-1, 1, (2, 16, 64, 96, 3)).astype("float32")


def normalised(clips: np.ndarray, mean, deviation) -> np.ndarray:
    return (((clips + 1) / 2 - np.array(mean)) / np.array(deviation)).astype("float32")
