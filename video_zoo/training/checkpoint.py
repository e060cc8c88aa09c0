"""The files that a run continues from: network, optimizer and position, all in one."""

import dataclasses
import json
import os
import pathlib
import sys
import warnings
from collections.abc import Mapping

import keras

from video_zoo.errors import at_home, shown
from video_zoo.files import whole_files
from video_zoo.models.weights import network_files, saved
from video_zoo.run.files import CHECKPOINTS

from .optimizer import global_dtype, spare_from_decay

# Keras reads its own members of the archive only, so the rest can travel in the same file:
# weights and position are never of two different steps.
_MEMBER = "video_zoo.json"


@dataclasses.dataclass(frozen=True)
class Position:
    """How far a run is, and all of its state that Keras does not save.

    Args:
        step: number of steps done.
        seconds: of work, over all calls.
        seeds: layer name -> state of its random generator; filled in when it is saved.
        metrics: values of the variables of all metrics, in Keras's order, over the part of the
            epoch that is done; empty if none is.
    """

    step: int = 0
    seconds: float = 0.0
    seeds: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    metrics: list[float | list] = dataclasses.field(default_factory=list)


def _generators(model: keras.Model) -> dict[str, keras.random.SeedGenerator]:
    found = {layer.name: getattr(layer, "seed_generator", None) for layer in model.layers}
    return {name: generator for name, generator in found.items() if generator is not None}


def metrics_of(model: keras.Model) -> list[float | list]:
    """What the metrics of ``model`` have counted; with several workers, all have to ask."""
    return [variable.numpy().tolist() for variable in model.metrics_variables]


def save_checkpoint(
    model: keras.Model,
    path: pathlib.Path,
    position: Position,
    class_names: list[str],
    convention: Mapping | None = None,
    multi_label: bool = False,
) -> None:
    """Saves ``model``, and how far its run is, to ``path``: whole or not at all.

    Args:
        model: compiled.
        path: the new file.
        position: how far the run is.
        class_names: of the data.
        convention: the clips that the network takes, as :func:`workdir.convention_of` gives them;
            None if unknown.
        multi_label: whether a clip may have several classes. Defaults to False.
    """
    seeds = {name: g.state.numpy().tolist() for name, g in _generators(model).items()}
    position = dataclasses.replace(position, seeds=seeds)
    with whole_files.atomic_write(path, ".keras") as temporary:  # Keras insists on its ending
        model.save(temporary)
        network_files.write_member(temporary, _MEMBER, dataclasses.asdict(position))
        provenance = {"class_names": class_names, "convention": convention}
        provenance |= {"multi_label": True} if multi_label else {}
        saved.write_provenance(temporary, provenance)


def path_of_step(workdir: str | os.PathLike, step: int) -> pathlib.Path:
    """Where the checkpoint of a step lies."""
    return pathlib.Path(workdir, CHECKPOINTS, f"step_{step:08d}.keras")


def checkpoints(workdir: str | os.PathLike) -> list[pathlib.Path]:
    """All checkpoints of a run but the best, the oldest first."""
    return sorted(pathlib.Path(at_home(workdir), CHECKPOINTS).glob("step_*.keras"))


def latest_checkpoint(workdir: str | os.PathLike) -> pathlib.Path | None:
    """The checkpoint that a run would continue from; None if there is none.

    One that is damaged is passed over for the one before, and a line on stderr says so.

    Args:
        workdir: folder of the run.

    Raises:
        ValueError: there are checkpoints, and all are damaged.
    """
    found = checkpoints(workdir)
    for path in reversed(found):
        problem = _damage(path)
        if problem is None:
            return path
        print(f"warning: {path} cannot be continued from: {problem}", file=sys.stderr, flush=True)
    if found:
        raise ValueError(
            f"`workdir` must have a checkpoint that is whole. Received: workdir={str(workdir)!r}, "
            "where all are damaged. Copy one back, or remove the folder to start anew."
        )
    return None


def _damage(path: pathlib.Path) -> str | None:
    """Why a run cannot continue from a file; None if it can."""
    try:
        if "optimizer" not in network_files.check_network(path, "checkpoint"):
            return "it has no state of an optimizer"
        load_position(path)
        saved.read_provenance(str(path), "checkpoint")
    except network_files.UnreadableFileError as error:
        return error.cause
    return None


def remove_all_but(workdir: pathlib.Path, number: int) -> None:
    """Removes the oldest checkpoints."""
    for path in checkpoints(workdir)[:-number]:
        path.unlink(missing_ok=True)


def load_position(path: pathlib.Path | None) -> Position:
    """The position of a checkpoint; the start if there is none.

    Raises:
        UnreadableFileError: (a ValueError) the file is damaged, or was not written by a run.
    """
    if path is None:
        return Position()
    value = network_files.read_member(path, _MEMBER, "checkpoint")
    with network_files.reading(path, "checkpoint", "checkpoint of a run"):
        if value is None:
            raise ValueError("it was not written by a run")
        position = Position(**value)
        fits = isinstance(position.step, int) and isinstance(position.seconds, float | int)
        if not (fits and isinstance(position.seeds, dict) and isinstance(position.metrics, list)):
            raise ValueError(f"{_MEMBER} in it does not say how far the run was")
        return position


def check_class_names(path: pathlib.Path, class_names: list[str]) -> None:
    """Raises ValueError if a checkpoint is of other classes."""
    known = saved.read_provenance(str(path)).get("class_names", class_names)
    if known != class_names:
        raise ValueError(
            "`data_dir` must have the label map of the run. Received: classes "
            f"{shown(class_names)}, where {path} knows {shown(known)}. Choose another "
            "`workdir`, or the data of this one."
        )


def _load(path: pathlib.Path) -> keras.Model:
    """The compiled network of a file, of which as much is frozen as when it was saved.

    Keras hands down no flag to what is within a frozen layer, such as the cell of a recurrent one,
    when it loads it; the optimizer would then miss state of weights that are not trained.
    """
    config = network_files.read_config(str(path), "checkpoint")
    if '"trainable": false' not in json.dumps(config):
        return network_files.load(path, "checkpoint", compile=True)
    model = network_files.load(path, "checkpoint")
    for layer in model._flatten_layers(include_self=False):
        if not layer.trainable:
            layer.trainable = True  # an assignment that changes nothing is not handed down
            layer.trainable = False
    reading = network_files.reading(path, "checkpoint", "checkpoint of a run")
    with reading, warnings.catch_warnings():
        warnings.filterwarnings("error", "Skipping variable loading for optimizer")
        model.compile_from_config(config["compile_config"])
        model.load_weights(path)
    return model


def load_checkpoint(path: pathlib.Path, dtype: str = "float32") -> keras.Model:
    """The compiled network of a checkpoint, ready to train on.

    Args:
        path: the checkpoint.
        dtype: of the run. With "mixed_float16" Keras saves the optimizer without the scaling of the
            loss that is around it, and puts that back only where the policy says so.

    Raises:
        UnreadableFileError: (a ValueError) the file is damaged, or lacks something.
    """
    with global_dtype(dtype):
        model = _load(path)
    spare_from_decay(model.optimizer)
    seeds = load_position(path).seeds
    with network_files.reading(path, "checkpoint", "checkpoint of a run"):
        for name, generator in _generators(model).items():
            generator.state.assign(seeds[name])
    return model
