"""What to compare, as settings, and the runs that follow. Loads no framework."""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Mapping, Sequence

from video_zoo import errors, known_names
from video_zoo.run.files import check_run
from video_zoo.settings import make_config
from video_zoo.training.config import TrainingConfig

# A run has its own of these.
OWN_SETTINGS = ("model", "workdir", "seed")
_RUNS = "runs"


@dataclasses.dataclass(frozen=True)
class ComparisonConfig:
    """Which networks to compare, and how.

    Args:
        output_dir: folder of the comparison: its pages, and a folder for each run.
        models: networks to train, with commas between, as ``train`` takes them.
        seeds: runs of each network and recipe, with seeds that follow one another.
        first_seed: seed of the first of them, and of a search.
        trials: runs of each network and recipe in a search over settings; None for no search.
        runs: folders of runs that are there already, with commas between; besides ``models``, or in
            place of them.
        num_clips: clips per video in the evaluation, evenly spaced in time.
        num_crops: 1 (centre) or 3 (along the long side) of each.
        devices: numbers of GPUs with commas between: a run on each at a time. None for one run at a
            time, on all devices.
        estimate: whether a few steps of each network are tried first, to tell how long it will be.

    Raises:
        ValueError: a value is out of range, or there is nothing to compare.
    """

    output_dir: str
    models: str | None = None
    seeds: int = 1
    first_seed: int = 0
    trials: int | None = None
    runs: str | None = None
    num_clips: int = 1
    num_crops: int = 1
    devices: str | None = None
    estimate: bool = True

    def __post_init__(self) -> None:
        errors.check_settings(self)
        if not self.model_names and not self.run_folders:
            allowed = "networks to train, with commas between, unless `runs` are given"
            raise errors.refusal("models", allowed, self.models)
        for name in self.model_names:
            known_names.check_any_network(name)
        for place in self.device_numbers:
            if not place.isdecimal():
                raise errors.refusal("devices", "numbers such as '0,1'", self.devices)

    @property
    def model_names(self) -> list[str]:
        """The networks, one by one."""
        return _split(self.models)

    @property
    def run_folders(self) -> list[str]:
        """The folders of ``runs``, one by one."""
        return [errors.at_home(each) for each in _split(self.runs)]

    @property
    def device_numbers(self) -> list[str]:
        """The devices, one by one."""
        return _split(self.devices)

    def check_files(self) -> None:
        """Raises FileNotFoundError if one of ``runs`` is no folder of a run."""
        for folder in self.run_folders:
            check_run("runs", folder)


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of the grid.

    Args:
        name: of its folder.
        contestant: what the page calls its network, the same for all seeds.
        settings: of ``train``, by their names.
        folder: of the run.
    """

    name: str
    contestant: str
    settings: Mapping[str, object]
    folder: pathlib.Path


def cells_of(config: ComparisonConfig, recipes: Mapping[str, Mapping[str, object]]) -> list[Cell]:
    """The runs of the grid: seed by seed, so that all networks have one before any has two.

    Args:
        config: networks and seeds.
        recipes: name -> settings of ``train`` that all its runs have.

    Raises:
        ValueError: two runs would have one name, or a recipe has a setting that is a run's own.
    """
    for name, recipe in recipes.items():
        if own := sorted(recipe.keys() & set(OWN_SETTINGS)):
            allowed = "settings of `train` but for model, workdir and seed, which each run has"
            raise errors.refusal("recipes", allowed, f"{name}: {', '.join(own)}")
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    cells = []
    for seed, model, (recipe, settings) in itertools.product(
        seeds, config.model_names, recipes.items()
    ):
        parts = [model, *([recipe] if len(recipes) > 1 else [])]
        name = re.sub(r"[^\w.=-]+", "_", "-".join([*parts, f"seed{seed}"]))
        folder = pathlib.Path(errors.at_home(config.output_dir), _RUNS, name)
        own = {"model": model, "workdir": str(folder), "seed": seed}
        cells.append(Cell(name, ", ".join(parts), {**settings, **own}, folder))
    _check_names(cells, config.models)
    return cells


def _check_names(cells: Sequence[Cell], models: str | None) -> None:
    names = [cell.name for cell in cells]
    if twice := {name for name in names if names.count(name) > 1}:
        allowed = (
            f"networks and recipes of different letters and digits; {min(twice)!r} is there twice"
        )
        raise errors.refusal("models", allowed, models)


def check_cells(cells: Sequence[Cell]) -> None:
    """Tells what is wrong with one of the runs before the first begins.

    Raises:
        ValueError: a setting of ``train`` is wrong, or ``data_dir`` is missing.
        FileNotFoundError: shards or weights are not there.
    """
    for cell in cells:
        if "data_dir" not in cell.settings:
            raise errors.refusal("data_dir", "given, for the runs of `models`", None)
        make_config(TrainingConfig, cell.settings).check_files()
