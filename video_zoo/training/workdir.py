"""The folder of a run: that it can be used, and the file that tells what the run is."""

import contextlib
import dataclasses
import math
import pathlib
import platform

import keras
import tensorflow as tf

import video_zoo
from video_zoo import models
from video_zoo.data.format.manifests import MULTI_LABEL
from video_zoo.data.input.source import Split
from video_zoo.errors import shown
from video_zoo.files import whole_files
from video_zoo.models.weights import saved
from video_zoo.models.weights.network_files import UnreadableFileError
from video_zoo.run.config import STORAGE, read_config
from video_zoo.run.files import BEST, CHECKPOINTS, CONFIG, HISTORY
from video_zoo.run.history import judged

from .checkpoint import Position, load_position
from .config import TrainingConfig


def make_workdir(config: TrainingConfig) -> pathlib.Path:
    """Makes the folder of the run, and refuses one that cannot be written to."""
    workdir = pathlib.Path(config.workdir)
    whole_files.make_folder(workdir, "workdir")
    return workdir


def check_workdir(workdir: pathlib.Path, config: TrainingConfig, source: Split) -> None:
    """Refuses a folder that holds another run. Only its owner can be sure of the answer.

    Args:
        workdir: folder of the run.
        config: the run.
        source: the data.

    Raises:
        ValueError: it is of other settings or classes, or of data with another number of classes a
            clip.
    """
    if (workdir / CONFIG).exists():
        earlier = read_config(workdir)
        differences = config.differences(dict(earlier.training))
        before, now = earlier.class_names, source.class_names
        if before != now:
            differences.append(f"classes were {shown(before)} and are {shown(now)}")
        if (several := (earlier.data or {}).get(MULTI_LABEL, False)) != source.multi_label:
            kinds = "one class", "several classes"
            was, is_now = kinds[bool(several)], kinds[source.multi_label]
            differences.append(f"a clip had {was} and has {is_now}")
        if differences:
            raise ValueError(
                "`workdir` must be new, or hold a run with the same settings. Received: "
                f"workdir={str(workdir)!r}, where {'; '.join(differences)}. Choose another folder, "
                "or the settings of the run to continue it."
            )


def check_whole(
    workdir: pathlib.Path, rows: list[dict], position: Position | None, steps_per_epoch: int
) -> None:
    """Refuses a folder that contradicts itself, as the files that are left would hide the loss.

    Args:
        workdir: folder of the run.
        rows: of ``history.csv``.
        position: of the newest checkpoint; None if there is none.
        steps_per_epoch: of the run.

    Raises:
        ValueError: files of the run are missing; the message says which.
    """
    missing = []
    if (workdir / BEST).exists() and (lost := _lost_of_best(workdir, rows, steps_per_epoch)):
        missing.append(lost)
    elif position is None:
        # A run that is killed in its first epoch may have a row, and no checkpoint yet.
        if len(rows) > 1 or (rows and not (workdir / CHECKPOINTS).exists()):
            missing.append(f"its checkpoints ({HISTORY} has {len(rows)} epochs)")
    else:
        epochs = (position.step - 1) // steps_per_epoch
        if (known := sum(row["step"] <= position.step for row in rows)) < epochs:
            missing.append(
                f"{epochs - known} epochs in {HISTORY} (the checkpoint is of step {position.step})"
            )
    if rows and not (workdir / BEST).exists() and any(judged(row) >= 0 for row in rows):
        missing.append(BEST)
    if (rows or position is not None) and not (workdir / CONFIG).exists():
        missing.append(CONFIG)
    if missing:
        raise ValueError(
            "`workdir` must be new, or hold a whole run. Received: "
            f"workdir={str(workdir)!r}, which lacks {', '.join(missing)}. Copy back what is "
            "missing, or choose another folder to start anew."
        )


def _lost_of_best(workdir: pathlib.Path, rows: list[dict], steps_per_epoch: int) -> str | None:
    """What must have been there, as ``best.keras`` is of it; None if nothing.

    A run that is killed between the two has one epoch more there than in its history.
    """
    with contextlib.suppress(UnreadableFileError):  # then it tells nothing
        step = load_position(workdir / BEST).step
        known = rows[-1]["step"] if rows else 0
        if step > known + steps_per_epoch:
            return f"the epochs after step {known} in {HISTORY} ({BEST} is of step {step})"
        if not rows and not (workdir / CHECKPOINTS).exists():
            return f"its checkpoints and {HISTORY}"
    return None


def sizes(model: keras.Model) -> tuple[int, int]:
    """Parameters that are trained, and frozen ones, without those of an auxiliary classifier."""
    network = keras.Model(model.inputs, model.outputs[0])
    trained = models.count_parameters(network)
    statistics = ("moving_mean", "moving_variance")
    frozen = [w for w in network.non_trainable_weights if not w.path.endswith(statistics)]
    return trained, sum(math.prod(weight.shape) for weight in frozen)


def storage_of(source: Split) -> dict:
    """The settings with which the videos of shards are stored; empty without a manifest."""
    if source.manifest is None:
        return {}
    settings = {"modality": source.manifest.modality, **source.manifest.settings}
    return {name: settings[name] for name in STORAGE if name in settings}


def convention_of(config: TrainingConfig, model: keras.Model, source: Split) -> dict:
    """The clips that the network of a run takes, as its files tell them.

    How videos are stored is left out where the shards have no manifest.

    Args:
        config: the run.
        model: its network.
        source: the data.
    """
    found = saved.network_of_model(model)
    network = dataclasses.asdict(saved.convention(found, {}))
    told = {name: network[name] for name in ("mean", "deviation")}
    told |= {name: getattr(config, name) for name in ("num_frames", "frame_stride", "image_size")}
    told |= storage_of(source)
    saved.convention(found, {"convention": told})  # a file that it does not fit would not be read
    return told


def write_config(config: TrainingConfig, model: keras.Model, source: Split) -> None:
    """Everything that tells later what this run was, and how to feed its network.

    Args:
        config: the run.
        model: its network.
        source: the data.
    """
    network = keras.Model(model.inputs, model.outputs[0])  # without an auxiliary classifier
    trained, frozen = sizes(model)
    content = {
        "training": dataclasses.asdict(config),
        "class_names": source.class_names,
        "data": source.manifest and dict(source.manifest.settings),
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
    whole_files.write_json(pathlib.Path(config.workdir, CONFIG), content)
