"""Two networks on the same videos: how far apart they are, and whether chance explains it."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from scipy import stats

from video_zoo.evaluation import metrics
from video_zoo.run.history import MEASURES

from .contestants import Contestant, measure_of

_LEVEL = 0.05
_SHOWN_CLASSES = 5


@dataclasses.dataclass(frozen=True)
class Pair:
    """One network against another.

    Args:
        first, second: their names.
        difference: of the main numbers, second less first, in [-1, 1].
        interval: 95 % interval of the difference, from drawing the videos anew.
        only_first, only_second: videos on which one is right more often than the other.
        p: of McNemar's exact test; None where videos have several classes.
        corrected: the same after Holm's correction for the number of pairs.
        sentence: what it shows, for who knows no statistics.
        classes: (name, difference) of the classes that differ most.
    """

    first: str
    second: str
    difference: float
    interval: tuple[float, float]
    only_first: int | None
    only_second: int | None
    p: float | None
    corrected: float | None
    sentence: str
    classes: Sequence[tuple[str, float]]


def compare_pairs(contestants: Sequence[Contestant], seed: int = 0) -> list[Pair]:
    """All pairs of networks, with their tests corrected for the number of pairs."""
    pairs = list(itertools.combinations(contestants, 2))
    counts = [discordant(*pair) for pair in pairs]
    tests = [mcnemar(*count) if count else None for count in counts]
    corrected = holm([p for p in tests if p is not None]) if any(counts) else tests
    return [
        _pair(first, second, count, p, after, seed)
        for (first, second), count, p, after in zip(pairs, counts, tests, corrected, strict=True)
    ]


def discordant(first: Contestant, second: Contestant) -> tuple[int, int] | None:
    """Videos on which one is right more often, over its seeds, than the other.

    Of single runs these are the videos that one of them alone is right about. None where videos
    have several classes.
    """
    if first.runs[0].result.labels.ndim == 2:
        return None
    return int((first.hits > second.hits).sum()), int((second.hits > first.hits).sum())


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test: that chance alone gives a split at least so uneven."""
    total = only_first + only_second
    return float(stats.binomtest(only_first, total, 0.5).pvalue) if total else 1.0


def holm(values: Sequence[float]) -> list[float]:
    """p values corrected for their number (Holm 1979)."""
    order = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    rising = np.minimum(np.maximum.accumulate(np.array(values)[order] * factors), 1.0)
    corrected = np.empty(len(values))
    corrected[order] = rising
    return corrected.tolist()


def _pair(
    first: Contestant,
    second: Contestant,
    counts: tuple[int, int] | None,
    p: float | None,
    corrected: float | None,
    seed: int,
) -> Pair:
    def change(weights: np.ndarray) -> np.ndarray:
        return second.statistic(weights) - first.statistic(weights)

    number = len(first.runs[0].result.filenames)
    difference = float(change(np.ones((1, number)))[0])
    low, high = metrics.bootstrap({"change": change}, number, seed)["change"]
    only_first, only_second = counts or (None, None)
    sentence = sentence_of(
        (first.name, second.name),
        MEASURES[measure_of([first])],
        number,
        difference,
        (low, high),
        corrected,
    )
    return Pair(
        first.name,
        second.name,
        difference,
        (low, high),
        only_first,
        only_second,
        p,
        corrected,
        sentence,
        _classes(first, second),
    )


def sentence_of(
    names: tuple[str, str],
    called: str,
    num_videos: int,
    difference: float,
    interval: tuple[float, float],
    p: float | None,
) -> str:
    """What a pair shows and what not, in a sentence."""
    first, second = names
    low, high = sorted(100 * abs(end) for end in interval)
    differs = interval[0] > 0 or interval[1] < 0
    if p is not None:
        differs = differs and p < _LEVEL
    if not differs:
        return (
            f"On these {num_videos} videos no difference can be told between {first} and {second}: "
            f"{called} differs by {100 * abs(difference):.1f} points, and chance gives as much."
        )
    better, worse = (second, first) if difference > 0 else (first, second)
    test = "" if p is None else f"; chance alone would give it in {_share(p)} of such comparisons"
    return (
        f"{better} is better than {worse} by {100 * abs(difference):.1f} points of {called} on "
        f"these {num_videos} videos (95 % interval {low:.1f} to {high:.1f}{test})."
    )


def in_words(pair: Pair, num_pairs: int) -> list[str]:
    """The numbers of a pair, and the classes that differ most, a line for each.

    Args:
        pair: of two networks.
        num_pairs: that the test was corrected for.
    """
    low, high = (f"{100 * end:+.1f}" for end in pair.interval)
    lines = [
        f"Difference: {100 * pair.difference:+.1f} points for {pair.second}, 95 % interval {low} "
        f"to {high}, from drawing the same videos for both."
    ]
    if pair.p is not None:
        lines.append(
            f"{pair.first} alone is right on {pair.only_first} videos, {pair.second} alone on "
            f"{pair.only_second}. McNemar’s exact test: p = {pair.p:.3g}, and "
            f"{pair.corrected:.3g} after Holm’s correction for {num_pairs} pairs."
        )
    changes = ((name, f"{100 * change:+.0f} points") for name, change in pair.classes)
    return lines + [f"{name}: {change} for {pair.second}" for name, change in changes]


def _share(p: float) -> str:
    return "less than 0.1 %" if p < 0.001 else f"{100 * p:.1f} %"


def _classes(first: Contestant, second: Contestant) -> list[tuple[str, float]]:
    """The classes on which they differ most: those that gain most, then those that lose most."""
    names = list(first.runs[0].numbers["per_class"])
    gains = []
    for name in names:
        before, after = (
            each.mean(lambda run, name=name: run.numbers["per_class"][name])
            for each in (first, second)
        )
        if before is not None and after is not None and before != after:
            gains.append((name, after - before))
    gains.sort(key=lambda pair: -pair[1])
    if len(gains) <= 2 * _SHOWN_CLASSES:
        return gains
    return gains[:_SHOWN_CLASSES] + gains[-_SHOWN_CLASSES:]
