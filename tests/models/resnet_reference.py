"""torchvision's video ResNets written a second time, with TensorFlow's own operations.

Tensors have torchvision's names. Nothing of the package is used.
"""

import numpy as np
import references
import tensorflow as tf

STAGES = {"layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512}


def random_state(network: str, num_classes: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A state dict of `r3d_18`, `mc3_18` or `r2plus1d_18`, with random values."""
    draw, state = references.Random(seed), {}

    def unit(conv: str, norm: str, into: int, out: int, kernel: tuple):
        weight = draw.kernel(*kernel, into, out)
        state[f"{conv}.weight"] = weight.transpose(4, 3, 0, 1, 2).copy()
        state[f"{norm}.weight"] = draw.vector(out, 0.5, 1.0)
        state[f"{norm}.bias"] = draw.vector(out)
        state[f"{norm}.running_mean"] = draw.vector(out)
        # Some near the epsilon, so that a wrong one shows.
        state[f"{norm}.running_var"] = draw.vector(out, 1e-4, 1.5)
        state[f"{norm}.num_batches_tracked"] = np.array(7, "int64")

    def conv(name: str, into: int, out: int, middle: int, stage: str):
        if network == "r2plus1d_18":
            unit(f"{name}.0.0", f"{name}.0.1", into, middle, (1, 3, 3))
            unit(f"{name}.0.3", f"{name}.1", middle, out, (3, 1, 1))
        else:
            flat = network == "mc3_18" and stage != "layer1"
            unit(f"{name}.0", f"{name}.1", into, out, (1 if flat else 3, 3, 3))

    if network == "r2plus1d_18":
        unit("stem.0", "stem.1", 3, 45, (1, 7, 7))
        unit("stem.3", "stem.4", 45, 64, (3, 1, 1))
    else:
        unit("stem.0", "stem.1", 3, 64, (3, 7, 7))
    into = 64
    for stage, width in STAGES.items():
        for block in range(2):
            at = f"{stage}.{block}"
            middle = into * width * 27 // (into * 9 + 3 * width)
            conv(f"{at}.conv1", into, width, middle, stage)
            conv(f"{at}.conv2", width, width, middle, stage)
            if into != width:
                unit(f"{at}.downsample.0", f"{at}.downsample.1", into, width, (1, 1, 1))
            into = width
    state["fc.weight"] = draw.kernel(512, num_classes).T.copy()
    state["fc.bias"] = draw.vector(num_classes)
    return state


def stages(network: str, state: dict[str, np.ndarray], clips: np.ndarray) -> dict[str, np.ndarray]:
    """The output of the stem, of each stage, and the logits under "fc"."""

    def unit(conv: str, norm: str, x, strides=(1, 1, 1)):
        kernel = state[f"{conv}.weight"].transpose(2, 3, 4, 1, 0)
        around = [[0, 0], *([n // 2, n // 2] for n in kernel.shape[:3]), [0, 0]]
        x = tf.nn.conv3d(tf.pad(x, around), kernel, [1, *strides, 1], "VALID")
        parts = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (state[f"{norm}.{part}"] for part in parts)
        return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta

    def conv(name: str, x, step: int, in_time: int):
        if network == "r2plus1d_18":
            x = tf.nn.relu(unit(f"{name}.0.0", f"{name}.0.1", x, (1, step, step)))
            return unit(f"{name}.0.3", f"{name}.1", x, (in_time, 1, 1))
        return unit(f"{name}.0", f"{name}.1", x, (in_time, step, step))

    x = tf.nn.relu(unit("stem.0", "stem.1", clips, (1, 2, 2)))
    if network == "r2plus1d_18":
        x = tf.nn.relu(unit("stem.3", "stem.4", x))
    found = {"stem": x}
    for stage in STAGES:
        for block in range(2):
            at = f"{stage}.{block}"
            step = 2 if stage != "layer1" and block == 0 else 1
            in_time = 1 if network == "mc3_18" else step
            y = tf.nn.relu(conv(f"{at}.conv1", x, step, in_time))
            y = conv(f"{at}.conv2", y, 1, 1)
            if step == 2:
                strides = (in_time, step, step)
                x = unit(f"{at}.downsample.0", f"{at}.downsample.1", x, strides)
            x = tf.nn.relu(x + y)
        found[stage] = x
    logits = tf.reduce_mean(x, axis=(1, 2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    return {name: np.asarray(value) for name, value in (found | {"fc": logits}).items()}
