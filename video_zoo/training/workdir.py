"""The folder of a run: that it can be used, and the file that tells what the run is."""

import dataclasses
import json
import math
import pathlib
import platform
import tempfile

import keras
import tensorflow as tf

import video_zoo
from video_zoo import data, models
from video_zoo.data import whole_files
from video_zoo.evaluation.run import CONFIG, read_config

from .config import TrainingConfig


def prepare_workdir(config: TrainingConfig) -> pathlib.Path:
    """Makes the folder of the run, and refuses one that holds another run."""
    workdir = pathlib.Path(config.workdir)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=workdir):
            pass
    except OSError as error:
        raise ValueError(
            "`workdir` must be a folder that can be written to. Received: "
            f"workdir={str(workdir)!r} ({error.strerror})"
        ) from error
    if (workdir / CONFIG).exists():
        earlier = read_config(workdir)
        differences = config.differences(dict(earlier.training))
        class_names = data.load_label_map(config.data_dir)
        if class_names != earlier.class_names:
            differences.append(f"classes were {earlier.class_names} and are {class_names}")
        if differences:
            raise ValueError(
                "`workdir` must be new, or hold a run with the same settings. Received: "
                f"workdir={str(workdir)!r}, where {'; '.join(differences)}. Choose another folder, "
                "or the settings of the run to continue it."
            )
    return workdir


def sizes(model: keras.Model) -> tuple[int, int]:
    """Parameters that are trained, and frozen ones, without those of an auxiliary classifier."""
    network = keras.Model(model.inputs, model.outputs[0])
    trained = models.count_parameters(network)
    statistics = ("moving_mean", "moving_variance")
    frozen = [w for w in network.non_trainable_weights if not w.path.endswith(statistics)]
    return trained, sum(math.prod(weight.shape) for weight in frozen)


def write_config(config: TrainingConfig, model: keras.Model) -> None:
    """Everything that tells later what this run was, and how to feed its network."""
    manifest = data.load_manifest(config.data_dir)
    network = keras.Model(model.inputs, model.outputs[0])  # without an auxiliary classifier
    trained, frozen = sizes(model)
    content = {
        "training": dataclasses.asdict(config),
        "class_names": data.load_label_map(config.data_dir),
        "data": None if manifest is None else dict(manifest.settings),
        "trainable_parameters": trained,
        "frozen_parameters": frozen,
        "gmacs": models.count_macs(network) / 1e9,
        "versions": {
            "video_zoo": video_zoo.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
        },
    }
    path = pathlib.Path(config.workdir, CONFIG)
    whole_files.write_text(path, json.dumps(content, indent=2) + "\n")
