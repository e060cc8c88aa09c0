"""compare(config, recipes): a grid of runs, trained, evaluated, and set side by side."""

import concurrent.futures
import dataclasses
import pathlib
import queue
import sys
from collections.abc import Collection, Mapping, Sequence

import tqdm

from video_zoo import errors
from video_zoo.files.ownership import sole_owner

from . import page
from .cells import CellReport, Commands, run_cell
from .config import Cell, ComparisonConfig, cells_of, check_cells
from .contestants import gather, read_run
from .estimate import tell_time
from .frames import disagreements
from .pairs import Pair, compare_pairs


@dataclasses.dataclass(frozen=True)
class ComparisonResult:
    """What a comparison found.

    Args:
        page: ``comparison.html``, with ``comparison.md`` and ``comparison.csv`` beside it; None
            where no run has a result.
        rows: a dict of numbers for each network, as in ``comparison.csv``.
        pairs: all pairs of networks.
        failed: name of a run that has no result -> why.
    """

    page: pathlib.Path | None
    rows: Sequence[Mapping[str, object]]
    pairs: Sequence[Pair]
    failed: Mapping[str, str]


def compare(
    config: ComparisonConfig,
    recipes: Mapping[str, Mapping[str, object]] | None = None,
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
        progress: whether to print what goes on. Defaults to True.

    Returns:
        What was found; look at its ``failed``.

    Raises:
        ValueError: a setting is wrong, or the runs are of different videos or classes.
        FileNotFoundError: what a setting names is not there.
        KeyboardInterrupt: it was interrupted; the same call continues it.

    Example:
        >>> config = ComparisonConfig("OUT", models="i3d,s3d_v1", seeds=3)
        >>> compare(config, {"plain": {"data_dir": "SHARDS", "epochs": 10}})  # doctest: +SKIP
    """
    config.check_files()
    if config.models and not recipes:
        raise errors.refusal("recipes", "given with `models`: at least `data_dir`", recipes)
    cells = cells_of(config, recipes or {})
    check_cells(cells)
    folder = pathlib.Path(errors.at_home(config.output_dir))
    folder.mkdir(parents=True, exist_ok=True)
    with sole_owner(folder, "output_dir"):
        reports = _run_all(config, cells, progress)
        failed = {name: report.error for name, report in reports.items() if report.error}
        named = [(c.contestant, read_run(c.folder)) for c in cells if c.name not in failed]
        names = names_of(config.run_folders, {name for name, _ in named})
        named += [(name, read_run(pathlib.Path(place))) for name, place in names.items()]
        if not named:
            return ComparisonResult(None, [], [], failed)
        contestants = gather(named)
        pairs = compare_pairs(contestants)
        videos = disagreements(contestants)
        rows = page.write_page(folder, contestants, pairs, videos, failed)
        return ComparisonResult(folder / page.HTML, rows, pairs, failed)


def names_of(folders: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """Name of a network -> folder of its run: its own name, or its path where that is taken."""
    names = [pathlib.Path(folder).resolve().name for folder in folders]
    return {
        folder if name in taken or names.count(name) > 1 else name: folder
        for name, folder in zip(names, folders, strict=True)
    }


def _run_all(
    config: ComparisonConfig, cells: Sequence[Cell], progress: bool
) -> dict[str, CellReport]:
    """Runs what is not done, one after the other, or one on each device."""
    protocol = {"num_clips": config.num_clips, "num_crops": config.num_crops}
    commands, count = Commands(), max(1, len(config.device_numbers))
    if progress and config.estimate:
        tell_time(cells, commands, count)
    devices: queue.Queue[str | None] = queue.Queue()
    for number in config.device_numbers or [None]:
        devices.put(number)

    def work(cell: Cell) -> CellReport:
        device = devices.get()
        try:
            split = cell.settings.get("val_split", "val")
            return run_cell(cell, {**protocol, "split": split}, commands, device)
        finally:
            devices.put(device)

    found = {}
    with (
        concurrent.futures.ThreadPoolExecutor(count) as pool,
        tqdm.tqdm(total=len(cells), unit="run", disable=not progress) as bar,
    ):
        waiting = {pool.submit(work, cell): cell for cell in cells}
        try:
            for future in concurrent.futures.as_completed(waiting):
                cell = waiting[future]
                found[cell.name] = report = future.result()
                ended = f"failed: {report.error}" if report.error else "done"
                if progress:
                    tqdm.tqdm.write(f"{cell.name}: {ended}", file=sys.stderr)
                bar.update()
        except BaseException:
            commands.stop()  # what runs saves its work before the pool ends
            raise
    return {cell.name: found[cell.name] for cell in cells}


def describe_comparison(result: ComparisonResult) -> str:
    """What a comparison found, as lines of text."""
    lines = [pair.sentence for pair in result.pairs]
    lines += [f"no result: {name}: {reason}" for name, reason in result.failed.items()]
    return "\n".join(lines)
