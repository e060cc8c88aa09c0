"""compare(config, recipes, search): a grid of runs, trained, evaluated, and set side by side."""

import concurrent.futures
import dataclasses
import functools
import pathlib
import queue
import sys
from collections.abc import Callable, Collection, Mapping, Sequence

import tqdm

from video_zoo import errors
from video_zoo.files import whole_files
from video_zoo.files.ownership import sole_owner

from . import page
from .cells import CellReport, Commands, run_cell
from .config import Cell, ComparisonConfig
from .contestants import gather, read_run
from .estimate import tell_time
from .frames import disagreements
from .pairs import Pair, compare_pairs
from .search import (
    NetworkSearch,
    RunCell,
    gather_best,
    open_searches,
    trials_in_turn,
    write_best,
)
from .spaces import Space, check_grid


@dataclasses.dataclass(frozen=True)
class ComparisonResult:
    """What a comparison found.

    Args:
        page: ``comparison.html``, with ``comparison.md`` and ``comparison.csv`` beside it; None
            where no run has a result.
        rows: a dict of numbers for each network, as in ``comparison.csv``.
        pairs: all pairs of networks.
        failed: name of a run, or of a network searched in vain, that has no result -> why.
        trials: a dict for each trial of a search, as in ``trials.csv``; none without one.
    """

    page: pathlib.Path | None
    rows: Sequence[Mapping[str, object]]
    pairs: Sequence[Pair]
    failed: Mapping[str, str]
    trials: Sequence[Mapping[str, object]] = ()


# Makes a run with what it is given, and tells its name and how it ended.
_Job = Callable[[RunCell], tuple[str, CellReport]]


def compare(
    config: ComparisonConfig,
    recipes: Mapping[str, Mapping[str, object]] | None = None,
    search: Mapping[str, object] | None = None,
    *,
    progress: bool = True,
) -> ComparisonResult:
    """Trains and evaluates a grid of networks, recipes and seeds, and writes a page about it.

    Each run is an ordinary one in a folder below ``output_dir/runs``, made by processes of its own:
    the same call continues what was interrupted, tries again what failed, and leaves what is done.

    Args:
        config: the networks, the seeds, finished runs, and where to write.
        recipes: name -> settings of ``train`` for all runs of it, by their names, such as
            "data_dir", "epochs" and "mixup_alpha"; needed with ``models``.
        search: setting of ``train`` -> the values to try, a list, or a dict with "low", "high" and
            perhaps "log". Of ``config.trials`` trials of each network and recipe, the best on the
            validation videos stands on the page. Needs Optuna. None for no search.
        progress: whether to print what goes on. Defaults to True.

    Returns:
        What was found; look at its ``failed``.

    Raises:
        ValueError: a setting is wrong, or the runs are of different videos or classes, or the
            trials that are there of another search.
        ImportError: ``search`` is given, and Optuna is not installed.
        FileNotFoundError: what a setting names is not there.
        KeyboardInterrupt: it was interrupted; the same call continues it.

    Example:
        >>> config = ComparisonConfig("OUT", models="i3d,s3d_v1", seeds=3)
        >>> compare(config, {"plain": {"data_dir": "SHARDS", "epochs": 10}})  # doctest: +SKIP
        >>> config = ComparisonConfig("OUT_2", models="i3d,s3d_v1", trials=20)
        >>> space = {"learning_rate": {"low": 1e-4, "high": 0.1, "log": True}}
        >>> compare(
        ...     config, {"": {"data_dir": "SHARDS", "epochs": 10}}, space
        ... )  # doctest: +SKIP
    """
    config.check_files()
    if config.models and not recipes:
        raise errors.refusal("recipes", "given with `models`: at least `data_dir`", recipes)
    cells, spaces = check_grid(config, recipes or {}, search or {})
    folder = pathlib.Path(errors.at_home(config.output_dir))
    whole_files.make_folder(folder, "output_dir")
    with sole_owner(folder, "output_dir"):
        trials: list[dict[str, object]] = []
        if spaces:
            searches = open_searches(config, cells, spaces, folder)
            _run_trials(config, searches, spaces, progress)
            named, failed, trials = gather_best(searches)
            write_best(folder, searches, trials)
        else:
            jobs = [functools.partial(_make, cell) for cell in cells]
            reports = _run_all(config, jobs, cells, progress)
            failed = {name: report.error for name, report in reports.items() if report.error}
            named = [(c.contestant, read_run(c.folder)) for c in cells if c.name not in failed]
        names = names_of(config.run_folders, {name for name, _ in named})
        named += [(name, read_run(pathlib.Path(place))) for name, place in names.items()]
        if not named:
            return ComparisonResult(None, [], [], failed, trials)
        contestants = gather(named)
        pairs = compare_pairs(contestants)
        videos = disagreements(contestants)
        rows = page.write_page(folder, contestants, pairs, videos, failed, trials)
        return ComparisonResult(folder / page.HTML, rows, pairs, failed, trials)


def names_of(folders: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """Name of a network -> folder of its run: its own name, or its path where that is taken."""
    names = [pathlib.Path(folder).resolve().name for folder in folders]
    return {
        folder if name in taken or names.count(name) > 1 else name: folder
        for name, folder in zip(names, folders, strict=True)
    }


def _make(cell: Cell, run: RunCell) -> tuple[str, CellReport]:
    return cell.name, run(cell)


def _run_trials(
    config: ComparisonConfig,
    searches: Sequence[NetworkSearch],
    spaces: Sequence[Space],
    progress: bool,
) -> None:
    """Makes the trials that are left; their time is estimated with the middle of each space."""
    turns = trials_in_turn(searches, config.trials)
    middle = {space.name: space.middle for space in spaces}
    alike = [search.cell(config.trials, middle) for search in turns]
    _run_all(config, [search.run_trial for search in turns], alike, progress)


def _run_all(
    config: ComparisonConfig, jobs: Sequence[_Job], cells: Sequence[Cell], progress: bool
) -> dict[str, CellReport]:
    """Does what is not done, one after the other, or one on each device.

    Args:
        config: devices, and the protocol of the evaluation.
        jobs: each makes a run.
        cells: the runs that they make, or such as take as long.
        progress: whether to print what goes on.

    Returns:
        Name of each run -> how it ended, in the order of the jobs.
    """
    protocol = {"num_clips": config.num_clips, "num_crops": config.num_crops}
    commands, count = Commands(), max(1, len(config.device_numbers))
    if progress and config.estimate:
        views = config.num_clips * config.num_crops
        tell_time(cells, commands, config.device_numbers, views)
    devices: queue.Queue[str | None] = queue.Queue()
    for number in config.device_numbers or [None]:
        devices.put(number)

    def run(device: str | None, cell: Cell) -> CellReport:
        split = cell.settings.get("val_split", "val")
        return run_cell(cell, {**protocol, "split": split}, commands, device)

    def work(job: _Job) -> tuple[str, CellReport]:
        device = devices.get()
        try:
            commands.check()  # before a trial is asked for
            return job(functools.partial(run, device))
        finally:
            devices.put(device)

    with (
        concurrent.futures.ThreadPoolExecutor(count) as pool,
        tqdm.tqdm(total=len(jobs), unit="run", disable=not progress or not jobs) as bar,
    ):
        waiting = [pool.submit(work, job) for job in jobs]
        try:
            for future in concurrent.futures.as_completed(waiting):
                name, report = future.result()
                ended = f"failed: {report.error}" if report.error else "done"
                if progress:
                    tqdm.tqdm.write(f"{name}: {ended}", file=sys.stderr)
                bar.update()
        except BaseException:
            commands.stop()  # what runs saves its work before the pool ends
            raise
    return dict(future.result() for future in waiting)


def describe_comparison(result: ComparisonResult) -> str:
    """What a comparison found, as lines of text."""
    lines = [pair.sentence for pair in result.pairs]
    for row in result.trials:
        if row["state"] == "best":
            tried = ", ".join(page.tried(row).values())
            lines.append(f"best of the trials of {row['network']}: {tried}")
    lines += [f"no result: {name}: {reason}" for name, reason in result.failed.items()]
    return "\n".join(lines)
