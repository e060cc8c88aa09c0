"""What a search may try: values of settings of train, checked. Loads no framework."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence

from video_zoo import errors
from video_zoo.settings import setting_fields
from video_zoo.training.config import TrainingConfig

from .config import OWN_SETTINGS, Cell, ComparisonConfig, cells_of, check_cells

# Besides what each run has: what all trials are judged on.
_NOT_SEARCHED = (*OWN_SETTINGS, "data_dir", "val_split")
_RANGE = {"low", "high", "log"}
_FORM = "a list of values, or `{low: L, high: H}`, with `log: true` where factors count"


@dataclasses.dataclass(frozen=True)
class Space:
    """The values that a setting may have.

    Args:
        name: of the setting.
        choices: the values; empty for all numbers from ``low`` to ``high``.
        low, high: ends of a range; they are among its values. Integers for whole numbers.
        log: whether equal factors are as likely as equal steps are otherwise.
    """

    name: str
    choices: tuple = ()
    low: float = 0
    high: float = 0
    log: bool = False

    @property
    def ends(self) -> tuple:
        """Values that are allowed only if all are."""
        return self.choices or (self.low, self.high)

    @property
    def middle(self) -> object:
        """A value that stands for the others where time is estimated."""
        if self.choices:
            return self.choices[0]
        mean = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return round(mean) if isinstance(self.low, int) else mean


def load_optuna() -> types.ModuleType:
    """The module ``optuna``, which from now on tells no more than warnings.

    Raises:
        ImportError: it is not installed; the one-line message tells the remedy.
    """
    try:
        import optuna
        import optuna.storages.journal
    except ImportError as error:
        raise ImportError(
            f"`search` needs Optuna 4 or later, which cannot be loaded ({error}). "
            'Install it: `pip install "video-zoo[tune]"`.'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def check_grid(
    config: ComparisonConfig,
    recipes: Mapping[str, Mapping[str, object]],
    search: Mapping[str, object],
) -> tuple[list[Cell], list[Space]]:
    """Tells what is wrong with a grid, or a search on it, before anything runs.

    Args:
        config: networks and seeds.
        recipes: name -> settings of ``train``.
        search: setting of ``train`` -> its space; empty for none.

    Returns:
        The runs of the grid, or the run of each network and recipe that trials start from; and
        the spaces.

    Raises:
        ValueError: a setting or a space is wrong.
        FileNotFoundError: shards or weights are not there.
        ImportError: a search is asked for, and Optuna is not installed.
    """
    cells = cells_of(config, recipes)
    if not search:
        if config.trials is not None:
            raise errors.refusal("trials", "None without `search` in the grid", config.trials)
        check_cells(cells)
        return cells, []
    spaces = spaces_of(search)
    _check_around(config, recipes, spaces)
    start = {space.name: space.ends[0] for space in spaces}
    for space in spaces:
        tried = [start | {space.name: value} for value in space.ends]
        check_cells(
            [
                dataclasses.replace(cell, settings={**cell.settings, **chosen})
                for cell in cells
                for chosen in tried
            ]
        )
    load_optuna()
    return cells, spaces


def _check_around(
    config: ComparisonConfig,
    recipes: Mapping[str, Mapping[str, object]],
    spaces: Sequence[Space],
) -> None:
    """Whether the settings beside a search go with it."""
    if not config.model_names:
        raise errors.refusal("models", "given with `search`", config.models)
    if config.trials is None:
        raise errors.refusal("trials", "given with `search`: how many of each network", None)
    if config.seeds > 1:
        remedy = "Train the best settings with other seeds afterwards."
        raise errors.refusal("seeds", "1 with `search`", config.seeds, remedy)
    for name, recipe in recipes.items():
        if twice := sorted(recipe.keys() & {space.name for space in spaces}):
            allowed = "settings that no recipe and no flag gives"
            place = f" in recipe {name!r}" if name else ""
            remedy = "Leave them out in one of the two places."
            raise errors.refusal("search", allowed, ", ".join(twice), remedy, place)


def spaces_of(search: Mapping[str, object]) -> list[Space]:
    """The spaces of a search, such as ``{"learning_rate": {"low": 1e-4, "high": 1e-2}}``.

    Raises:
        ValueError: a setting is unknown or not to be searched, or a space is wrong.
    """
    if not isinstance(search, Mapping):
        raise errors.refusal("search", "a mapping of settings to their spaces", search)
    kinds = {field.name: field.type for field in setting_fields(TrainingConfig)}
    spaces = []
    for name, space in search.items():
        if name in _NOT_SEARCHED:
            allowed = f"settings of `train` but for {', '.join(_NOT_SEARCHED)}"
            raise errors.refusal("search", allowed, name)
        if name not in kinds:
            remedy = errors.nearest(str(name), kinds)
            raise errors.refusal("search", "settings of `train` only", name, remedy)
        spaces.append(_space(name, space, kinds[name]))
    return spaces


def _space(name: str, space: object, kind: object) -> Space:
    argument = f"search.{name}"
    if isinstance(space, list | tuple) and space:
        return Space(name, tuple(errors.typed(argument, value, kind) for value in space))
    numeric = {int, float} & set(typing.get_args(kind) or (kind,))
    if isinstance(space, Mapping) and not numeric:
        raise errors.refusal(argument, "a list of values: it is no number", space)
    if not isinstance(space, Mapping) or not {"low", "high"} <= space.keys() <= _RANGE:
        raise errors.refusal(argument, _FORM, space)
    (number,) = numeric
    low, high = (errors.typed(f"{argument}.{end}", space[end], number) for end in ("low", "high"))
    log = errors.typed(f"{argument}.log", space.get("log", False), bool)
    if not low < high:
        raise errors.refusal(argument, "a range with `low` below `high`", space)
    if log and low <= 0:
        raise errors.refusal(argument, "a range with `low` above 0, for `log`", space)
    return Space(name, (), low, high, log)
