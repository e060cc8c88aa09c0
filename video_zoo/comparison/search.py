"""A search over settings: Optuna suggests, and each trial is a run of the grid."""

import dataclasses
import itertools
import json
import math
import os
import pathlib
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import yaml

from video_zoo import errors
from video_zoo.files import file_content, whole_files
from video_zoo.run import history

from .cells import CellReport, read_report
from .config import Cell, ComparisonConfig
from .contestants import Run, read_run
from .spaces import Space, load_optuna

STUDY, TRIALS = "study.log", "trials.csv"
_ASKED = "asked"
# Trials follow from the seed and from how those before them ended.
_REMEDY = "Take it from a backup, or remove it: trials that are done are then found again."
RunCell = Callable[[Cell], CellReport]


class NetworkSearch:
    """The trials of one network and recipe, as a study in Optuna's journal.

    What trial N tries follows from the seed, N and how the trials before it ended. So a search that
    was interrupted goes on as if it had not been.

    Args:
        base: a run with the settings that all trials share.
        spaces: what is searched.
        storage: Optuna's journal.
        asked: what the search is of; of a study that is there it must be the same.

    Raises:
        ValueError: the study that is there is of something else.
    """

    def __init__(
        self, base: Cell, spaces: Sequence[Space], storage: object, asked: Mapping[str, object]
    ) -> None:
        self._optuna = load_optuna()
        self._state = self._optuna.trial.TrialState
        self.base = base
        self.slug = base.name.rpartition("-seed")[0]
        self._distributions = {space.name: self._distribution(space) for space in spaces}
        self._study = self._optuna.create_study(
            storage=storage, study_name=self.slug, direction="maximize", load_if_exists=True
        )
        self._check_same(asked)
        self._lock = threading.Lock()
        self._interrupted = [t for t in self._study.trials if t.state == self._state.RUNNING]
        # One that ended while its settings were being written tells nothing.
        for trial in [t for t in self._interrupted if not self._is_whole(t)]:
            self._study.tell(trial.number, state=self._state.FAIL)
            self._interrupted.remove(trial)

    def _distribution(self, space: Space) -> object:
        kinds = self._optuna.distributions
        if space.choices:
            return kinds.CategoricalDistribution(space.choices)
        whole = isinstance(space.low, int)
        kind = kinds.IntDistribution if whole else kinds.FloatDistribution
        return kind(space.low, space.high, log=space.log)

    def _check_same(self, asked: Mapping[str, object]) -> None:
        now = json.loads(json.dumps(asked))
        earlier = self._study.user_attrs.get(_ASKED)
        if earlier is None:
            self._study.set_user_attr(_ASKED, now)
        elif found := errors.changes(earlier, {**dict.fromkeys(earlier), **now}):
            raise errors.refusal(
                "output_dir",
                f"a folder whose trials of {self.slug} are of the same search",
                str(self.base.folder.parents[1]),
                "Take another folder, or ask for the same.",
                f", where {', '.join(found)}",
            )

    def _is_whole(self, trial) -> bool:
        return trial.params.keys() == self._distributions.keys()

    def _ended(self) -> list:
        """Optuna's trials that are done or failed."""
        return [t for t in self._study.trials if t.state.is_finished() and self._is_whole(t)]

    def waiting(self, trials: int) -> int:
        """How many of so many trials are not ended."""
        return max(0, trials - len(self._ended()))

    def run_trial(self, run: RunCell) -> tuple[str, CellReport]:
        """Continues an interrupted trial, or makes the next one.

        Args:
            run: trains and evaluates.

        Returns:
            Name of the run, and how it ended.
        """
        with self._lock:
            trial = self._interrupted.pop(0) if self._interrupted else self._next()
        cell = self.cell(trial.number, trial.params)
        report = run(cell)
        value = None if report.error else measured(read_run(cell.folder))[1]
        if value is None or math.isnan(value):
            self._study.tell(trial.number, state=self._state.FAIL)
        else:
            self._study.tell(trial.number, value)
        return cell.name, report

    def _next(self):
        """A new trial of Optuna. Its sampler is a new one too, for none of them can be saved."""
        number = len(self._study.trials)
        seed = np.random.SeedSequence([self.base.settings["seed"], number]).generate_state(1)
        self._study.sampler = self._optuna.samplers.TPESampler(seed=int(seed[0]))
        return self._study.ask(self._distributions)

    def cell(self, number: int, chosen: Mapping[str, object]) -> Cell:
        """The run of a trial."""
        name = f"{self.slug}-trial{number}"
        folder = self.base.folder.with_name(name)
        settings = {**self.base.settings, **chosen, "workdir": str(folder)}
        return Cell(name, self.base.contestant, settings, folder)

    def best(self) -> Cell | None:
        """The run of the trial with the highest number, the first of equals; None if all failed."""
        done = [trial for trial in self._ended() if trial.value is not None]
        if not done:
            return None
        best = max(done, key=lambda trial: (trial.value, -trial.number))
        return self.cell(best.number, best.params)

    def rows(self, measure: str) -> list[dict[str, object]]:
        """A row for each trial that ended: its settings, and how it ended."""
        best, rows = self.best(), []
        for trial in self._ended():
            cell = self.cell(trial.number, trial.params)
            state, error = "done", None
            if trial.value is None:
                report = read_report(cell.folder)
                state, error = "failed", (report and report.error) or "it has no number"
            rows.append(
                {
                    "network": cell.contestant,
                    "trial": trial.number,
                    "state": "best" if cell == best else state,
                    measure: trial.value,
                    **{name: trial.params[name] for name in self._distributions},
                    "error": error,
                }
            )
        return rows


def measured(run: Run) -> tuple[str, float]:
    """The name and value of what a run is judged by, of its evaluation on validation videos."""
    name = history.measure_of(run.numbers)
    return name, run.numbers[name]


def open_searches(
    config: ComparisonConfig,
    cells: Sequence[Cell],
    spaces: Sequence[Space],
    folder: pathlib.Path,
) -> list[NetworkSearch]:
    """The search of each network and recipe, new or continued.

    Raises:
        ValueError: one that is there is of something else, or damaged.
    """
    storage = _open_journal(folder / STUDY)
    protocol = {"num_clips": config.num_clips, "num_crops": config.num_crops}
    searched = {f"search.{space.name}": dataclasses.asdict(space) for space in spaces}
    searches = []
    for cell in cells:
        shared = {name: value for name, value in cell.settings.items() if name != "workdir"}
        searches.append(NetworkSearch(cell, spaces, storage, {**shared, **protocol, **searched}))
    return searches


def _open_journal(path: pathlib.Path) -> object:
    """Optuna's journal; ValueError if it is damaged."""
    if path.exists():
        _mend_end(path)
    storages, name = load_optuna().storages, str(path)
    # Unlike Optuna's usual lock, this one needs no links, which Windows refuses to many.
    lock = storages.journal.JournalFileOpenLock(name)
    try:
        return storages.JournalStorage(storages.journal.JournalFileBackend(name, lock))
    except OSError:
        raise
    except Exception as error:  # Optuna has many for lines that do not fit one another
        told = f"{type(error).__name__}: {error}"
        file_content.refuse(path, "", "a whole journal of Optuna", told, _REMEDY)


def _mend_end(path: pathlib.Path) -> None:
    """Cuts off a last line that is not whole, as a full disk leaves it.

    Optuna would write the next one after it, on the same line.
    """
    if not path.is_file():
        file_content.refuse(path, "", "a file of Optuna", "a folder", "Remove it.")
    content = path.read_bytes()
    whole, ended, rest = content.rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if ended else [], start=1):
        try:
            known = "op_code" in json.loads(line)
        except (ValueError, TypeError):
            known = False
        if not known:
            file_content.refuse(path, f"line {number}", "one of Optuna's journal", line, _REMEDY)
    if rest and not rest.startswith(b"{"):
        file_content.refuse(path, "the last line", "one of Optuna's journal", rest, _REMEDY)
    if rest:
        os.truncate(path, len(content) - len(rest))


def trials_in_turn(searches: Sequence[NetworkSearch], trials: int) -> list[NetworkSearch]:
    """Whose turn it is, as often as trials are left: all have one before any has two."""
    turns = ([search] * search.waiting(trials) for search in searches)
    return [each for turn in itertools.zip_longest(*turns) for each in turn if each is not None]


def gather_best(
    searches: Sequence[NetworkSearch],
) -> tuple[list[tuple[str, Run]], dict[str, str], list[dict[str, object]]]:
    """What searches found.

    Returns:
        The best run of each network, with the name that tells it; network -> why it has none; and
        a row for each trial.
    """
    named, failed, rows = [], {}, []
    best_runs = {search.slug: read_run(c.folder) for search in searches if (c := search.best())}
    measures = [measured(run)[0] for run in best_runs.values()]
    measure = measures[0] if measures else next(iter(history.MEASURES))
    for search in searches:
        own = search.rows(measure)
        rows += own
        if search.slug in best_runs:
            count = f"{len(own)} trial{'s' if len(own) > 1 else ''}"
            name = f"{search.base.contestant}, best of {count}"
            named.append((name, best_runs[search.slug]))
        else:
            failed[search.slug] = f"no trial has a result; the last one: {own[-1]['error']}"
    return named, failed, rows


def write_best(
    folder: pathlib.Path, searches: Sequence[NetworkSearch], rows: Sequence[Mapping[str, object]]
) -> None:
    """Writes ``trials.csv``, and for each network ``best_NETWORK.yaml`` for ``train --config``."""
    whole_files.write_rows(folder / TRIALS, list(rows[0]), (list(row.values()) for row in rows))
    for search in searches:
        if best := search.best():
            settings = {name: v for name, v in best.settings.items() if name != "workdir"}
            text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
            whole_files.write_text(folder / f"best_{search.slug}.yaml", text)
