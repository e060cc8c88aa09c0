"""Video-level metrics from scores, with their intervals."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats
from sklearn import metrics

from video_zoo import errors

# Of the 95 % intervals: how often the videos are drawn anew, and so many draws at a time.
RESAMPLES, _AT_ONCE = 1000, 50
_CONFIDENCE = 0.95
_CALIBRATION_BINS = 15
# A class that is at least so probable is predicted, where a video may have several.
_THRESHOLD = 0.5

# Of draws [draws, videos], how often each video is in each: the number that each of them gives.
Statistic = Callable[[np.ndarray], np.ndarray]


def video_metrics(scores: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> dict:
    """Accuracy over videos and over classes, with intervals, precision and calibration.

    An interval holds the true number with a confidence of 95 %, as far as it depends on which
    videos were there: the videos are drawn anew 1,000 times (bootstrap, percentiles). Where all of
    them are right, or wrong, that has no width, and the exact interval of a share takes its place.

    Args:
        scores: float [num_videos, num_classes], probabilities.
        labels: int [num_videos].
        seed: of the draws. Defaults to 0.

    Returns:
        "top1" as a float in [0, 1], with more than five classes "top5" too, and
        "mean_class_accuracy", the mean of the classes that have videos; "intervals", a dict of
        [low, high] for each of these; "per_class", a list of top-1 (recall) per class index, None
        for a class without videos; "precision", the same, None for a class that is never predicted;
        "calibration", see :func:`calibration`.

    Raises:
        ValueError: a score is NaN or infinite.

    Example:
        >>> video_metrics(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))["top1"]
        0.5
    """
    _check_finite(scores)
    if labels.ndim != 1:
        allowed = "one class of each video, int [num_videos]"
        remedy = "Where videos have several classes, call `multi_label_metrics`."
        raise errors.refusal("labels", allowed, f"shape {labels.shape}", remedy)
    classes = np.arange(scores.shape[1])
    matrix = confusion_matrix(scores, labels)
    totals = matrix.sum(axis=1)
    hits, statistics = _hits(scores, labels), statistics_of(scores, labels)
    numbers = {name: float(of(np.ones((1, len(labels))))[0]) for name, of in statistics.items()}
    intervals = bootstrap(statistics, len(labels), seed)
    for name in statistics:
        found = hits.get(name, hits["top1"])
        if found.all() or not found.any():
            intervals[name] = exact_interval(int(found.sum()), len(found))
    precision = metrics.precision_score(
        labels, scores.argmax(axis=1), labels=classes, average=None, zero_division=np.nan
    )
    return {
        **numbers,
        "intervals": intervals,
        "per_class": [float(matrix[c, c] / totals[c]) if totals[c] else None for c in classes],
        "precision": _without_nan(precision),
        "calibration": calibration(scores.max(axis=1), hits["top1"]),
    }


def multi_label_metrics(scores: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> dict:
    """Mean average precision with its interval, and that of each class.

    Args:
        scores: float [num_videos, num_classes], probabilities.
        labels: [num_videos, num_classes], not 0 for each class that a video has.
        seed: of the draws for the interval. Defaults to 0.

    Returns:
        "mean_ap" as a float in [0, 1], over the classes that have a video; "intervals", as
        :func:`video_metrics` gives them, None where it has no width; "per_class", a list of average
        precisions (as scikit-learn defines them) per class index, None for a class without videos;
        "precision" and "recall" per class, of the classes that are at least 50 % probable, None
        where there is nothing to count.

    Raises:
        ValueError: a score is NaN or infinite.
    """
    _check_finite(scores)
    truth = labels != 0
    found = [
        float(metrics.average_precision_score(truth[:, c], scores[:, c])) if has else None
        for c, has in enumerate(truth.any(axis=0))
    ]
    options = {"average": None, "zero_division": np.nan}
    precision, recall, *_ = metrics.precision_recall_fscore_support(
        truth, scores >= _THRESHOLD, **options
    )
    intervals = bootstrap(statistics_of(scores, labels), len(scores), seed)
    low, high = intervals["mean_ap"]
    if low == high:  # perfect on all, which says that there are few videos
        intervals["mean_ap"] = None
    return {
        "mean_ap": float(np.mean([each for each in found if each is not None])),
        "intervals": intervals,
        "per_class": found,
        "precision": _without_nan(precision),
        "recall": _without_nan(recall),
    }


def statistics_of(scores: np.ndarray, labels: np.ndarray) -> dict[str, Statistic]:
    """The numbers that have an interval, of draws of the videos; the main one comes first.

    Args:
        scores: float [num_videos, num_classes], probabilities.
        labels: as :func:`video_metrics` or :func:`multi_label_metrics` takes them.
    """
    if labels.ndim == 2:
        return {"mean_ap": _mean_precision(scores, labels != 0)}
    hits = _hits(scores, labels)
    of_classes = _mean_over_classes(hits["top1"], labels)
    shares = {name: _share_of(found) for name, found in hits.items()}
    return {**shares, "mean_class_accuracy": of_classes}


def main_statistic(scores: np.ndarray, labels: np.ndarray) -> Statistic:
    """The first of :func:`statistics_of`: top-1, or mean average precision."""
    return next(iter(statistics_of(scores, labels).values()))


def _hits(scores: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Which videos are right, bool [num_videos] of "top1" and "top5"."""
    ranked = np.argsort(-scores, axis=1, kind="stable") == labels[:, np.newaxis]
    hits = {"top1": ranked[:, 0], "top5": ranked[:, :5].any(axis=1)}
    if scores.shape[1] <= 5:
        del hits["top5"]  # of five classes it would always be 1
    return hits


def bootstrap(
    statistics: dict[str, Statistic], num_videos: int, seed: int = 0
) -> dict[str, list[float]]:
    """95 % intervals of statistics, [low, high], from drawing the videos anew.

    Args:
        statistics: name -> function of draws [draws, num_videos], how often each video is in each.
        num_videos: videos.
        seed: of the draws.
    """
    found = {name: [] for name in statistics}
    for weights in draws(num_videos, seed):
        for name, statistic in statistics.items():
            found[name].append(statistic(weights))
    ends = 50 * (1 - _CONFIDENCE), 50 * (1 + _CONFIDENCE)
    return {
        name: np.nanpercentile(np.concatenate(each), ends).tolist() for name, each in found.items()
    }


def draws(num_videos: int, seed: int = 0) -> Iterator[np.ndarray]:
    """How often each video is in each of 1,000 draws, some at a time: float [draws, videos]."""
    rng = np.random.default_rng(seed)
    shares = np.full(num_videos, 1 / num_videos)
    for _ in range(RESAMPLES // _AT_ONCE):
        yield rng.multinomial(num_videos, shares, size=_AT_ONCE).astype(float)


def exact_interval(number: int, total: int) -> list[float]:
    """The 95 % interval of a share by Clopper and Pearson, [low, high]."""
    found = stats.binomtest(number, total).proportion_ci(_CONFIDENCE, method="exact")
    return [float(found.low), float(found.high)]


def calibration(confidence: np.ndarray, right: np.ndarray) -> dict:
    """How far the probability of the predicted class is that of being right (Guo et al. 2017).

    Args:
        confidence: [num_videos], probability of the predicted class.
        right: bool [num_videos].

    Returns:
        "ece", the expected calibration error in [0, 1]: the mean over videos of the distance
        between confidence and accuracy of their bin; "bins", of 15 equal ones those that have
        videos, each a dict of "from", "to", "videos", "confidence" and "accuracy".
    """
    places = np.clip((confidence * _CALIBRATION_BINS).astype(int), 0, _CALIBRATION_BINS - 1)
    bins, error = [], 0.0
    for place in np.unique(places).tolist():
        inside = places == place
        mean, accuracy = float(confidence[inside].mean()), float(right[inside].mean())
        error += abs(mean - accuracy) * float(inside.mean())
        bins.append(
            {
                "from": place / _CALIBRATION_BINS,
                "to": (place + 1) / _CALIBRATION_BINS,
                "videos": int(inside.sum()),
                "confidence": mean,
                "accuracy": accuracy,
            }
        )
    return {"ece": error, "bins": bins}


def confusion_matrix(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts, int [num_classes, num_classes]: row the true class, column the predicted one."""
    classes = np.arange(scores.shape[1])
    return metrics.confusion_matrix(labels, scores.argmax(axis=1), labels=classes)


def _share_of(hits: np.ndarray) -> Statistic:
    return lambda weights: weights @ hits / weights.sum(axis=1)


def _mean_over_classes(hits: np.ndarray, labels: np.ndarray) -> Statistic:
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))  # of each class that there is

    def statistic(weights: np.ndarray) -> np.ndarray:
        drawn = weights[:, order]
        totals = np.add.reduceat(drawn, starts, axis=1)
        right = np.add.reduceat(drawn * hits[order], starts, axis=1)
        shares = np.divide(right, totals, where=totals > 0, out=np.zeros(totals.shape))
        return shares.sum(axis=1) / (totals > 0).sum(axis=1)

    return statistic


def _mean_precision(scores: np.ndarray, truth: np.ndarray) -> Statistic:
    """Mean average precision; class by class, as the order of the videos is the class's own."""
    classes = np.flatnonzero(truth.any(axis=0))
    orders = {c: np.argsort(-scores[:, c], kind="stable") for c in classes}

    def statistic(weights: np.ndarray) -> np.ndarray:
        total, there = np.zeros(len(weights)), np.zeros(len(weights))
        for c in classes:
            order = orders[c]
            drawn = weights[:, order]
            hits = drawn * truth[order, c]
            # Equal scores count at once, at the last of them.
            ends = np.append(np.flatnonzero(np.diff(scores[order, c])), len(order) - 1)
            seen, right = np.cumsum(drawn, axis=1)[:, ends], np.cumsum(hits, axis=1)[:, ends]
            steps = np.diff(right, axis=1, prepend=0)
            precision = np.divide(right, seen, where=seen > 0, out=np.zeros(seen.shape))
            number, sums = hits.sum(axis=1), (steps * precision).sum(axis=1)
            total += np.divide(sums, number, where=number > 0, out=np.zeros(len(sums)))
            there += number > 0
        return np.divide(total, there, where=there > 0, out=np.full(len(total), np.nan))

    return statistic


def _without_nan(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _check_finite(scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        row = int(np.argwhere(~np.isfinite(scores))[0, 0])
        raise ValueError(
            f"`scores` must be finite. Received: scores[{row}]={scores[row].tolist()[:5]}. "
            "Find out why the network gives no numbers for that video."
        )
