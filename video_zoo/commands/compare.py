"""Trains and evaluates a grid of networks, recipes and seeds, and writes a page about them.

    video-zoo compare --models i3d,s3d_v1 --seeds 3 --data_dir SHARDS --epochs 10 --output_dir OUT
    video-zoo compare --grid grid.yaml --output_dir OUT
    video-zoo compare RUN_A RUN_B --output_dir OUT

All flags of train that a recipe may have are flags here too. A grid is a YAML file with models,
seeds and recipes (name: settings of train); with search (setting: values to try) Optuna makes
--trials of each network. The same command continues what was interrupted.

Exit codes: 0 done; 1 some runs have no result; 2 something is wrong with the flags or the data;
75 after SIGTERM, 130 after Ctrl-C.
"""

import dataclasses

from absl import flags

from video_zoo.comparison.config import (
    OWN_SETTINGS,
    ComparisonConfig,
)
from video_zoo.comparison.spaces import check_grid
from video_zoo.training.config import DURATIONS, TrainingConfig

from . import cli
from .config_file import read_grid, read_search

_RECIPE = dataclasses.make_dataclass(
    "Recipe",
    [
        (field.name, field.type, field)
        for field in dataclasses.fields(TrainingConfig)
        if field.name not in OWN_SETTINGS
    ],
    namespace={"__doc__": TrainingConfig.__doc__, "FLAGS": TrainingConfig.FLAGS},
)
RUN = {"inputs": True}
_FLAGS = cli.define_flags(ComparisonConfig)
_OF_RECIPE = cli.define_flags(_RECIPE, config_file=True)
_GRID = flags.DEFINE_string(
    "grid", None, "YAML file with models, seeds, recipes, search; flags override."
)


def main(*folders: str) -> int:
    grid, shared, recipes, search = {}, {}, {}, {}
    if _GRID.value is not None:
        grid, shared, recipes = read_grid(ComparisonConfig, _RECIPE, _GRID.value)
        search = read_search(_GRID.value)
    by_flag = cli.given(ComparisonConfig, _FLAGS)
    changes = {name: value for name, value in grid.items() if name not in by_flag}
    if folders:  # --runs A B C has only the first in its flag
        named = by_flag.get("runs") or changes.get("runs")
        changes |= {"runs": ",".join(filter(None, [named, *folders]))}
    config = cli.from_flags(ComparisonConfig, _FLAGS, changes=changes)
    of_all = cli.given(_RECIPE, _OF_RECIPE, one_of=DURATIONS)
    if any(name in of_all for name in DURATIONS):  # a flag in place of the file's
        shared = {name: value for name, value in shared.items() if name not in DURATIONS}
    recipes = recipes or {"": {}}
    recipes = {name: {**shared, **own, **of_all} for name, own in recipes.items()}
    check_grid(config, recipes, search)
    with cli.loading():
        from video_zoo.comparison import compare
        from video_zoo.comparison.compare import describe_comparison

    result = compare(config, recipes if config.models else None, search)
    print(describe_comparison(result))
    if result.page:
        print(f"written to {result.page}")
    return 1 if result.failed else 0
