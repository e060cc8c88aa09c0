"""The networks of a comparison: their runs, one for each seed, read from their folders."""

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from video_zoo.evaluation import metrics
from video_zoo.evaluation.fusion import check_same
from video_zoo.evaluation.results import numbers_of
from video_zoo.evaluation.score_files import find_scores, read_protocol, read_scores
from video_zoo.evaluation.views import VideoScores
from video_zoo.files import file_content
from video_zoo.run import history
from video_zoo.run.config import read_config
from video_zoo.run.files import CONFIG, HISTORY

from .cells import CellReport, read_report


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, trained and evaluated.

    Args:
        folder: of the run.
        training: its settings.
        facts: what ``config.json`` tells beside them: parameters, GMACs.
        history: its epochs.
        result: the scores of its evaluation.
        class_names: of their columns.
        numbers: of the scores, as an evaluation gives them.
        protocol: of the evaluation, as ``metrics.json`` tells it.
        report: how it ended; None for a run that was not made by a comparison.
    """

    folder: pathlib.Path
    training: Mapping[str, object]
    facts: Mapping[str, object]
    history: Sequence[Mapping]
    result: VideoScores
    class_names: Sequence[str]
    numbers: Mapping
    protocol: Mapping
    report: CellReport | None = None

    @functools.cached_property
    def statistics(self) -> dict[str, metrics.Statistic]:
        """Its numbers of draws of the videos, the main one first."""
        return metrics.statistics_of(self.result.scores, self.result.labels)


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A network with its runs, which differ by their seeds."""

    name: str
    runs: Sequence[Run]

    def mean(self, number: Callable[[Run], float | None]) -> float | None:
        """The mean of what the runs know; None where none does."""
        found = [value for run in self.runs if (value := number(run)) is not None]
        return float(np.mean(found)) if found else None

    def spread(self, name: str) -> float | None:
        """Standard deviation over seeds of a number of the evaluation; None of a single run."""
        values = [run.numbers[name] for run in self.runs]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    @property
    def statistics(self) -> dict[str, metrics.Statistic]:
        """Its numbers of draws of the videos, the means over seeds, the main one first."""
        return {name: functools.partial(self._statistic, name) for name in self.runs[0].statistics}

    def _statistic(self, name: str, weights: np.ndarray) -> np.ndarray:
        return np.mean([run.statistics[name](weights) for run in self.runs], axis=0)

    def statistic(self, weights: np.ndarray) -> np.ndarray:
        """The main number of draws of the videos, the mean over seeds."""
        return self._statistic(next(iter(self.runs[0].statistics)), weights)

    @functools.cached_property
    def hits(self) -> np.ndarray:
        """Share of the runs that are right about each video, float [videos]."""
        return np.mean(
            [run.result.scores.argmax(axis=1) == run.result.labels for run in self.runs], axis=0
        )

    @functools.cached_property
    def scores(self) -> np.ndarray:
        """Mean scores of the runs, float [videos, classes]."""
        return np.mean([run.result.scores for run in self.runs], axis=0)


def read_run(folder: pathlib.Path) -> Run:
    """Reads a run that is trained and evaluated on its validation split.

    Raises:
        FileNotFoundError: it is no run, or not evaluated.
        ValueError: a file of it is damaged, or its videos have no labels.
    """
    config = read_config(folder)
    split = config.training.get("val_split", "val")
    path = find_scores(folder, str(split), "runs")
    result, class_names = read_scores(path)
    numbers = numbers_of(result, class_names)
    if not numbers:
        file_content.refuse(path, "label", "there", "none", "Evaluate on videos with labels.")
    remedy = "Evaluate the run again."
    facts = file_content.read_json(folder / CONFIG, Mapping[str, object], remedy)
    protocol = read_protocol(path)
    rows = history.read_history(folder / HISTORY)
    report = read_report(folder)
    training = config.training
    return Run(folder, training, facts, rows, result, class_names, numbers, protocol, report)


def gather(named: Sequence[tuple[str, Run]]) -> list[Contestant]:
    """The networks of runs, each with the name of its network.

    Raises:
        ValueError: two of them are of other videos, classes or labels.
    """
    first = named[0][1]
    for _, run in named[1:]:
        ours, theirs = ((each.folder, each.result, each.class_names) for each in (first, run))
        check_same(*ours, *theirs, "runs")
    groups = collections.defaultdict(list)
    for name, run in named:
        groups[name].append(run)
    return [Contestant(name, runs) for name, runs in groups.items()]


def measure_of(contestants: Sequence[Contestant]) -> str:
    """What they are compared by: "top1" or "mean_ap"."""
    return history.measure_of(contestants[0].runs[0].numbers)
