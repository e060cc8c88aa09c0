"""I3D and S3D-v1 written a second time, with TensorFlow's own operations, from their papers.

They take tensors as the published files name them, so that a mistake of names, padding, epsilon or
head in the package cannot be repeated here. Nothing of the package is used.
"""

import numpy as np
import tensorflow as tf

# block: b0, b1a, b1b, b2a, b2b, b3 (Carreira & Zisserman 2017, Figure 3)
BLOCKS = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}
STEM_OUT = 192


def widths_in(block: str) -> int:
    names = list(BLOCKS)
    before = names[: names.index(block)]
    if not before:
        return STEM_OUT
    b0, _, b1, _, b2, b3 = BLOCKS[before[-1]]
    return b0 + b1 + b2 + b3


class Random:
    """Draws tensors that keep activations at about one, with statistics of their own."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def kernel(self, *shape: int) -> np.ndarray:
        # With the variances below, a unit keeps the size of what passes: then offsets count.
        scale = np.sqrt(0.6 / np.prod(shape[:-1]))
        return self.rng.normal(0, scale, shape).astype("float32")

    def vector(self, size: int, low: float = -0.3, high: float = 0.3) -> np.ndarray:
        return self.rng.uniform(low, high, size).astype("float32")


def clips(channels: int = 3) -> np.ndarray:
    """Two clips of odd and even sizes, three steps of time for the head."""
    return np.random.default_rng(5).uniform(-1, 1, (2, 20, 64, 47, channels)).astype("float32")


def for_torchvision(clips: np.ndarray) -> np.ndarray:
    """Clips in [-1, 1] as torchvision's transforms give them."""
    mean, deviation = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
    return (((clips + 1) / 2 - mean) / deviation).astype("float32")


def facts(values: np.ndarray) -> dict[str, float | list[float]]:
    """What is kept of an array to compare it with another."""
    flat = values.ravel()
    first = flat[:: max(1, flat.size // 8)][:8]
    return {"mean": float(flat.mean()), "spread": float(flat.std()), "first": first.tolist()}


# --- I3D, in DeepMind's names -------------------------------------------------------------------


def deepmind_units() -> dict[str, tuple[int, int, int]]:
    """Unit of the checkpoint -> (kernel, channels in, channels out). Channels in 0: the clip's."""
    units = {
        "Conv3d_1a_7x7": (7, 0, 64),
        "Conv3d_2b_1x1": (1, 64, 64),
        "Conv3d_2c_3x3": (3, 64, 192),
    }
    for block, (b0, b1a, b1b, b2a, b2b, b3) in BLOCKS.items():
        into = widths_in(block)
        last = "Conv3d_0a_3x3" if block == "5b" else "Conv3d_0b_3x3"
        units |= {
            f"Mixed_{block}/Branch_0/Conv3d_0a_1x1": (1, into, b0),
            f"Mixed_{block}/Branch_1/Conv3d_0a_1x1": (1, into, b1a),
            f"Mixed_{block}/Branch_1/Conv3d_0b_3x3": (3, b1a, b1b),
            f"Mixed_{block}/Branch_2/Conv3d_0a_1x1": (1, into, b2a),
            f"Mixed_{block}/Branch_2/{last}": (3, b2a, b2b),
            f"Mixed_{block}/Branch_3/Conv3d_0b_1x1": (1, into, b3),
        }
    return units


def random_i3d(num_classes: int, channels: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    draw, tensors = Random(seed), {}
    for unit, (k, into, out) in deepmind_units().items():
        tensors[f"{unit}/conv_3d/w"] = draw.kernel(k, k, k, into or channels, out)
        tensors[f"{unit}/batch_norm/beta"] = draw.vector(out)
        tensors[f"{unit}/batch_norm/moving_mean"] = draw.vector(out)
        # Some near the epsilon, so that a wrong one shows.
        tensors[f"{unit}/batch_norm/moving_variance"] = draw.vector(out, 0.01, 1.5)
    tensors["Logits/Conv3d_0c_1x1/conv_3d/w"] = draw.kernel(1, 1, 1, 1024, num_classes)
    tensors["Logits/Conv3d_0c_1x1/conv_3d/b"] = draw.vector(num_classes)
    return tensors


def i3d(tensors: dict[str, np.ndarray], clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(last feature map, logits) of DeepMind's network."""

    def unit(name: str, x, stride: int = 1):
        strides = [1, stride, stride, stride, 1]
        x = tf.nn.conv3d(x, tensors[f"{name}/conv_3d/w"], strides, "SAME")
        mean = tensors[f"{name}/batch_norm/moving_mean"].reshape(-1)
        variance = tensors[f"{name}/batch_norm/moving_variance"].reshape(-1)
        beta = tensors[f"{name}/batch_norm/beta"].reshape(-1)
        gamma = tensors.get(f"{name}/batch_norm/gamma", 1.0)  # PyTorch's files have one
        return tf.nn.relu((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta)

    def pool(x, size, strides):
        return tf.nn.max_pool3d(x, [1, *size, 1], [1, *strides, 1], "SAME")

    x = pool(unit("Conv3d_1a_7x7", clips, 2), (1, 3, 3), (1, 2, 2))
    x = unit("Conv3d_2c_3x3", unit("Conv3d_2b_1x1", x))
    x = pool(x, (1, 3, 3), (1, 2, 2))
    for block in BLOCKS:
        if block == "4b":
            x = pool(x, (3, 3, 3), (2, 2, 2))
        if block == "5b":
            x = pool(x, (2, 2, 2), (2, 2, 2))
        at = f"Mixed_{block}/Branch"
        last = "Conv3d_0a_3x3" if block == "5b" else "Conv3d_0b_3x3"
        b1 = unit(f"{at}_1/Conv3d_0b_3x3", unit(f"{at}_1/Conv3d_0a_1x1", x))
        b2 = unit(f"{at}_2/{last}", unit(f"{at}_2/Conv3d_0a_1x1", x))
        b3 = unit(f"{at}_3/Conv3d_0b_1x1", pool(x, (3, 3, 3), (1, 1, 1)))
        x = tf.concat([unit(f"{at}_0/Conv3d_0a_1x1", x), b1, b2, b3], axis=-1)
    w, b = (tensors[f"Logits/Conv3d_0c_1x1/conv_3d/{part}"] for part in "wb")
    return x.numpy(), _pairs(x, w[0, 0, 0], b.reshape(-1))


def _pairs(x, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The published head: a (2, height, width) VALID average pool, logits, the mean over time."""
    _, _, height, width, _ = x.shape
    x = tf.nn.avg_pool3d(x, [1, 2, height, width, 1], 1, "VALID")
    return np.mean(np.asarray(x)[:, :, 0, 0] @ weight + bias, axis=1)


# --- S3D-v1, in torchvision's names -------------------------------------------------------------


def random_s3d(num_classes: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A state dict: kernels [out, in, time, height, width], batch norm with a factor."""
    draw, state = Random(seed), {}

    def unit(name: str, into: int, out: int, kernel=(1, 1, 1)):
        state[f"{name}.0.weight"] = draw.kernel(*kernel, into, out).transpose(4, 3, 0, 1, 2).copy()
        state[f"{name}.1.weight"] = draw.vector(out, 0.5, 1.5)
        state[f"{name}.1.bias"] = draw.vector(out)
        state[f"{name}.1.running_mean"] = draw.vector(out)
        state[f"{name}.1.running_var"] = draw.vector(out, 0.01, 1.5)
        state[f"{name}.1.num_batches_tracked"] = np.array(7, "int64")

    def separable(name: str, into: int, out: int, k: int):
        unit(f"{name}.0", into, out, (1, k, k))
        unit(f"{name}.1", out, out, (k, 1, 1))

    separable("features.0", 3, 64, 7)
    unit("features.2", 64, 64)
    separable("features.3", 64, 192, 3)
    for number, block in zip((5, 6, 8, 9, 10, 11, 12, 14, 15), BLOCKS, strict=True):
        b0, b1a, b1b, b2a, b2b, b3 = BLOCKS[block]
        into, at = widths_in(block), f"features.{number}.branch"
        unit(f"{at}0", into, b0)
        unit(f"{at}1.0", into, b1a)
        separable(f"{at}1.1", b1a, b1b, 3)
        unit(f"{at}2.0", into, b2a)
        separable(f"{at}2.1", b2a, b2b, 3)
        unit(f"{at}3.1", into, b3)
    kernel = draw.kernel(1, 1, 1, 1024, num_classes).transpose(4, 3, 0, 1, 2)
    state["classifier.1.weight"] = kernel.copy()
    state["classifier.1.bias"] = draw.vector(num_classes)
    return state


def s3d(state: dict[str, np.ndarray], clips: np.ndarray) -> np.ndarray:
    """Logits of torchvision's network: explicit padding, the factor where PyTorch has it."""

    def unit(name: str, x, stride=(1, 1, 1)):
        kernel = state[f"{name}.0.weight"].transpose(2, 3, 4, 1, 0)
        around = [[0, 0], *([n // 2, n // 2] for n in kernel.shape[:3]), [0, 0]]
        x = tf.nn.conv3d(tf.pad(x, around), kernel, [1, *stride, 1], "VALID")
        parts = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (state[f"{name}.1.{part}"] for part in parts)
        return tf.nn.relu(gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta)

    def separable(name: str, x, stride: int = 1):
        return unit(f"{name}.1", unit(f"{name}.0", x, (1, stride, stride)), (stride, 1, 1))

    def pool(x, size, strides, padding=None):
        around = [[0, 0], *([p, p] for p in padding or [n // 2 for n in size]), [0, 0]]
        x = tf.pad(x, around, constant_values=-np.inf)
        return tf.nn.max_pool3d(x, [1, *size, 1], [1, *strides, 1], "VALID")

    x = pool(separable("features.0", clips, 2), (1, 3, 3), (1, 2, 2))
    x = separable("features.3", unit("features.2", x))
    x = pool(x, (1, 3, 3), (1, 2, 2))
    for number in (5, 6, 8, 9, 10, 11, 12, 14, 15):
        if number == 8:
            x = pool(x, (3, 3, 3), (2, 2, 2))
        if number == 14:
            x = pool(x, (2, 2, 2), (2, 2, 2), (0, 0, 0))
        at = f"features.{number}.branch"
        b1 = separable(f"{at}1.1", unit(f"{at}1.0", x))
        b2 = separable(f"{at}2.1", unit(f"{at}2.0", x))
        b3 = unit(f"{at}3.1", pool(x, (3, 3, 3), (1, 1, 1)))
        x = tf.concat([unit(f"{at}0", x), b1, b2, b3], axis=-1)
    weight = state["classifier.1.weight"][:, :, 0, 0, 0].T
    return _pairs(x, weight, state["classifier.1.bias"])
