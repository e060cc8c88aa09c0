"""How long a grid will take, from a few steps of each of its networks."""

import collections
import datetime
import shutil
import sys
import time
from collections.abc import Mapping, Sequence

import tqdm

from video_zoo.data.input.source import Split
from video_zoo.files import whole_files
from video_zoo.run.files import HISTORY
from video_zoo.run.history import read_history
from video_zoo.settings import make_config
from video_zoo.training.config import DURATIONS, TrainingConfig

from .cells import LOG, SETTINGS, Commands, unfinished
from .config import Cell

_TRIAL, _TRIAL_STEPS = ".trial", 6


def tell_time(
    cells: Sequence[Cell], commands: Commands, devices: Sequence[str], views: int
) -> None:
    """Tells on stderr how many runs there are, and about how long they will take.

    Args:
        cells: all runs.
        commands: runs the trials.
        devices: numbers of GPUs, with a run on each at a time; none for all devices at once.
        views: of each video in the evaluation.
    """
    waiting = unfinished(cells)
    if not waiting:
        return
    groups = collections.defaultdict(list)
    for cell in waiting:
        groups[cell.contestant].append(cell)
    total, unknown = 0.0, []
    for name, members in tqdm.tqdm(groups.items(), desc="estimating", unit="network", leave=False):
        seconds = _seconds(members[0], commands, devices[0] if devices else None, views)
        if seconds is None:
            unknown.append(name)
        else:
            total += seconds * len(members)
    told = datetime.timedelta(seconds=round(total / max(1, len(devices))))
    line = f"{len(waiting)} of {len(cells)} runs are to be made: about {told}"
    if unknown:
        line += f", without those of {', '.join(unknown)}, whose first steps failed"
    tqdm.tqdm.write(line, file=sys.stderr)


def _seconds(cell: Cell, commands: Commands, device: str | None, views: int) -> float | None:
    """Of a whole run, on the device that it will have; None where the trial fails."""
    config = make_config(TrainingConfig, cell.settings)
    if config.max_hours is not None:
        return 3600 * config.max_hours
    folder = cell.folder.parent / _TRIAL
    trial = {name: value for name, value in cell.settings.items() if name not in DURATIONS}
    trial |= {"workdir": str(folder), "steps": _TRIAL_STEPS}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        whole_files.write_json(folder / SETTINGS, trial)
        begun = time.monotonic()
        train = ["train", "--config", str(folder / SETTINGS)]
        code, _ = commands.call(train, folder / LOG, device)
        took = time.monotonic() - begun
        rows = [] if code else read_history(folder / HISTORY)
        return _extrapolated(config, rows[-1], took, views) if rows else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _extrapolated(
    config: TrainingConfig, row: Mapping[str, float], took: float, views: int
) -> float:
    """Seconds of a whole run, with its evaluation.

    Args:
        config: of the run.
        row: the epoch of its first steps, with validation.
        took: seconds of the process that made them.
        views: of each video in the evaluation.
    """
    source = Split.open(config.data_dir, config.train_split)
    per_epoch = max(1, source.num_examples // config.batch_size)
    steps = config.steps or config.epochs * per_epoch
    a_step = config.batch_size / row["clips_per_second"] if row["clips_per_second"] else 0.0
    # What is left of the time is the validation, and what comes once.
    rest = max(0.0, row["seconds"] - row["step"] * a_step)
    # Training and evaluation start a process each, and the latter looks at the videos once more.
    start = max(0.0, took - row["seconds"])
    return 2 * start + steps * a_step + (max(1, steps // per_epoch) + views) * rest
