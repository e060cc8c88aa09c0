"""Every network of keras.applications as a video network: size, cost, exactness."""

import inspect
import json
import pathlib
import time

import keras
import numpy as np
import tqdm

from video_zoo import models
from video_zoo.files import whole_files
from video_zoo.models.inflation.graph import Graph

from .config import InflationBenchmarkConfig

MODES = ("2d", "separable", "full")
# Of the mean that batch normalisation takes off in a random network. Taking it off whole leaves
# the small differences between images, and multiplies the rounding of float32 with them, layer by
# layer: by thousands in 150 of them.
_MEAN_SHARE = 0.3
_STILL_FRAMES = 3
# What some networks need so that their last map is not empty; the others take 32 pixels.
_SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}


def image_networks() -> list[str]:
    """The names of all network builders in ``keras.applications``."""
    members = inspect.getmembers(keras.applications, inspect.isfunction)
    return sorted(name for name, _ in members)


def smallest_image(name: str) -> int:
    """Height and width in pixels that a network of ``keras.applications`` needs."""
    return _SMALLEST.get(name, 32)


def random_image_network(name: str, image_size: int, seed: int = 0) -> keras.Model:
    """A network of ``keras.applications`` that gives logits, all its weights random.

    At their usual start, ones and zeros, scales and biases would be invisible in the output, and
    deep networks would give the same for any image. So those are drawn too, and the statistics of
    batch normalisation come from random images.
    """
    keras.utils.set_random_seed(seed)
    shape = (image_size, image_size, 3)
    model = getattr(keras.applications, name)(
        weights=None, input_shape=shape, classifier_activation=None
    )
    random = np.random.default_rng(seed)
    norms = []
    calls = Graph(model).calls
    for layer in (c.operation for c in calls if isinstance(c.operation, keras.layers.Layer)):
        if type(layer).__name__ == "LayerScale":
            layer.set_weights([random.uniform(0.1, 0.3, layer.gamma.shape)])
        for weight in layer.trainable_weights:
            if weight.name == "gamma" and len(layer.weights) > 1:
                weight.assign(random.uniform(0.5, 1.0, weight.shape))
            elif weight.name in ("beta", "bias"):
                weight.assign(random.normal(0, 0.1, weight.shape))
        if isinstance(layer, keras.layers.BatchNormalization):
            norms.append((layer, layer.momentum))
            layer.momentum = 0.0
    model(random_images(8, shape, seed), training=True)
    for layer, momentum in norms:
        layer.momentum = momentum
        *rest, mean, variance = layer.get_weights()
        kept = _MEAN_SHARE * mean
        layer.set_weights([*rest, kept, variance + (mean - kept) ** 2])
    return model


def random_images(number: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Float32 [number, height, width, channels] in [-100, 100]: coarse patterns and noise."""
    random = np.random.default_rng(seed)
    height, width, channels = shape
    coarse = random.uniform(-80, 80, (number, -(-height // 16), -(-width // 16), channels))
    coarse = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
    return (coarse + random.uniform(-20, 20, (number, *shape))).astype(np.float32)


def still_video_difference(
    image_model: keras.Model, video_model: keras.Model, seed: int = 0
) -> float:
    """Largest difference of the logits for one image and for its still video.

    Args:
        image_model: the image network.
        video_model: inflated from it with ``preprocessing="none"``.
        seed: of the image.

    Returns:
        The difference, as a share of the image's largest logit.
    """
    frames, *shape = video_model.input_shape[1:]
    image = random_images(1, tuple(shape), seed)
    clip = np.repeat(image[:, np.newaxis], frames, axis=1)
    expected = keras.ops.convert_to_numpy(image_model(image, training=False))
    received = keras.ops.convert_to_numpy(video_model(clip, training=False))
    return float(np.abs(received - expected).max() / np.abs(expected).max())


def measure_inflation(config: InflationBenchmarkConfig) -> str:
    """Measures every network in every mode and writes the results as it goes.

    The file has one dict per network: "network"; "differences" on a still video of ``small_size``,
    by mode; "parameters" of the image network; and "modes": by mode "parameters", "gmacs" and the
    "seconds" of one forward pass of one clip.

    Returns:
        The results as a table in Markdown.
    """
    path = pathlib.Path(config.output)
    rows = {row["network"]: row for row in json.loads(path.read_text())} if path.exists() else {}
    wanted = image_networks() if config.networks is None else config.networks.split(",")
    for measure, key in ((_differences, "differences"), (_costs, "modes")):
        todo = [name for name in wanted if key not in rows.get(name, {})]
        for name in tqdm.tqdm(todo, desc=key, unit="network"):
            rows[name] = {"network": name, **rows.get(name, {}), **measure(name, config)}
            whole_files.write_json(path, sorted(rows.values(), key=str))
            keras.backend.clear_session()
    return _table(sorted(rows.values(), key=str))


def _differences(name: str, config: InflationBenchmarkConfig) -> dict:
    image_model = random_image_network(name, max(config.small_size, smallest_image(name)))
    differences = {}
    for mode in MODES:
        video_model = models.inflate(
            image_model, _STILL_FRAMES, convolution=mode, preprocessing="none"
        )
        differences[mode] = still_video_difference(image_model, video_model)
    return {"differences": differences}


def _costs(name: str, config: InflationBenchmarkConfig) -> dict:
    shape = (config.image_size, config.image_size, 3)
    image_model = getattr(keras.applications, name)(weights=None, input_shape=shape)
    modes = {}
    for mode in MODES:
        video_model = models.inflate(
            image_model, config.num_frames, convolution=mode, weights=False
        )
        modes[mode] = {
            "parameters": models.count_parameters(video_model),
            "gmacs": models.count_macs(video_model) / 1e9,
            "seconds": _seconds(video_model) if config.time else None,
        }
    return {"parameters": models.count_parameters(image_model), "modes": modes}


def _seconds(video_model: keras.Model) -> float:
    frames, *shape = video_model.input_shape[1:]
    clip = random_images(frames, tuple(shape))[np.newaxis]
    started = time.perf_counter()
    video_model(clip, training=False)
    return time.perf_counter() - started


def _table(rows: list[dict]) -> str:
    lines = [
        "| network | 2D parameters | separable | full | GMACs 2D | separable | full "
        "| largest difference | seconds 2D | separable | full |",
        "|---|" + "---|" * 10,
    ]
    for row in rows:
        modes = [row["modes"][mode] for mode in MODES]
        cells = [row["network"], f"{row['parameters']:,}"]
        cells += [f"{mode['parameters']:,}" for mode in modes[1:]]
        cells += [f"{mode['gmacs']:.1f}" for mode in modes]
        cells += [f"{max(row['differences'].values()):.0e}"]
        cells += ["" if mode["seconds"] is None else f"{mode['seconds']:.1f}" for mode in modes]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
