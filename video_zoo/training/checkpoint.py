"""One file that a run continues from: network, optimizer, position and the state of its dropout."""

import dataclasses
import pathlib

import keras

from video_zoo.data.whole_files import atomic_write
from video_zoo.models import saved

from .optimizer import spare_from_decay

# Keras reads its own members of the archive only, so the rest can travel in the same file:
# weights and position are never of two different steps.
_MEMBER = "video_zoo.json"


@dataclasses.dataclass(frozen=True)
class Position:
    """How far a run is.

    Args:
        step: number of steps done.
        seconds: of work, over all calls.
        seeds: layer name -> state of its random generator, which Keras does not save.
    """

    step: int = 0
    seconds: float = 0.0
    seeds: dict[str, list[int]] = dataclasses.field(default_factory=dict)


def _generators(model: keras.Model) -> dict[str, keras.random.SeedGenerator]:
    found = {layer.name: getattr(layer, "seed_generator", None) for layer in model.layers}
    return {name: generator for name, generator in found.items() if generator is not None}


def save_checkpoint(
    model: keras.Model, path: pathlib.Path, step: int, seconds: float, class_names: list[str]
) -> None:
    """Saves ``model``, its classes, and how far its run is, to ``path``: whole or not at all."""
    seeds = {name: g.state.numpy().tolist() for name, g in _generators(model).items()}
    position = Position(step, seconds, seeds)
    with atomic_write(path) as temporary:
        unfinished = pathlib.Path(f"{temporary}.keras")  # Keras insists on its ending
        try:
            model.save(unfinished)
            saved.write_member(unfinished, _MEMBER, dataclasses.asdict(position))
            saved.write_provenance(str(unfinished), {"class_names": class_names})
            unfinished.replace(temporary)
        finally:
            unfinished.unlink(missing_ok=True)


def load_position(path: pathlib.Path) -> Position:
    """The position of a checkpoint; the start if there is none."""
    if not path.exists():
        return Position()
    return Position(**saved.read_member(path, _MEMBER))


def load_checkpoint(path: pathlib.Path) -> keras.Model:
    """The compiled network of a checkpoint, ready to train on."""
    model = keras.saving.load_model(path)
    spare_from_decay(model.optimizer)
    seeds = load_position(path).seeds
    for name, generator in _generators(model).items():
        generator.state.assign(seeds[name])
    return model
