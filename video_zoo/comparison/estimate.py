"""How long a grid will take, from a few steps of each of its networks."""

import collections
import datetime
import shutil
import sys
from collections.abc import Mapping, Sequence

import tqdm

from video_zoo.data.input.source import Split
from video_zoo.files import whole_files
from video_zoo.run.files import HISTORY
from video_zoo.run.history import read_history

from .cells import LOG, SETTINGS, Commands, unfinished
from .config import Cell

_TRIAL, _TRIAL_STEPS = ".trial", 6
_DEFAULT_HOURS = 24.0
_DURATIONS = ("epochs", "steps", "max_hours")


def tell_time(cells: Sequence[Cell], commands: Commands, at_once: int) -> None:
    """Tells on stderr how many runs there are, and about how long they will take.

    Args:
        cells: all runs.
        commands: runs the trials.
        at_once: runs at a time.
    """
    waiting = unfinished(cells)
    if not waiting:
        return
    groups = collections.defaultdict(list)
    for cell in waiting:
        groups[cell.contestant].append(cell)
    total, unknown = 0.0, []
    for name, members in tqdm.tqdm(groups.items(), desc="estimating", unit="network", leave=False):
        seconds = _seconds(members[0], commands)
        if seconds is None:
            unknown.append(name)
        else:
            total += seconds * len(members)
    told = datetime.timedelta(seconds=round(total / at_once))
    line = f"{len(waiting)} of {len(cells)} runs are to be made: about {told}"
    if unknown:
        line += f", without those of {', '.join(unknown)}, whose first steps failed"
    tqdm.tqdm.write(line, file=sys.stderr)


def _seconds(cell: Cell, commands: Commands) -> float | None:
    """Of a whole run; None where the trial fails."""
    settings = cell.settings
    if not any(settings.get(name) for name in ("epochs", "steps")):
        return 3600 * float(settings.get("max_hours") or _DEFAULT_HOURS)
    folder = cell.folder.parent / _TRIAL
    trial = {name: value for name, value in settings.items() if name not in _DURATIONS}
    trial |= {"workdir": str(folder), "steps": _TRIAL_STEPS}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        whole_files.write_json(folder / SETTINGS, trial)
        code, _ = commands.call(["train", "--config", str(folder / SETTINGS)], folder / LOG)
        rows = [] if code else read_history(folder / HISTORY)
        return _extrapolated(settings, rows[-1]) if rows else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _extrapolated(settings: Mapping[str, object], row: Mapping[str, float]) -> float:
    """Seconds of a whole run, where ``row`` is the epoch of its first steps, with validation."""
    source = Split.open(str(settings["data_dir"]), str(settings.get("train_split", "train")))
    batch = int(settings.get("batch_size", 5))
    per_epoch = max(1, source.num_examples // batch)
    steps = int(settings.get("steps") or int(settings["epochs"]) * per_epoch)
    a_step = batch / row["clips_per_second"] if row["clips_per_second"] else 0.0
    # What is left of the time is the validation, and what comes once.
    rest = max(0.0, row["seconds"] - row["step"] * a_step)
    return steps * a_step + max(1, steps // per_epoch) * rest
