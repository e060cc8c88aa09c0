"""Video-level metrics from scores."""

import numpy as np
from sklearn import metrics


def video_metrics(scores: np.ndarray, labels: np.ndarray) -> dict:
    """Top-1, top-5 and per-class accuracy.

    Args:
        scores: float [num_videos, num_classes].
        labels: int [num_videos].

    Returns:
        "top1" as a float in [0, 1], with more than five classes "top5" too, and "per_class", a list
        of top-1 per class index; None for a class without videos.

    Raises:
        ValueError: a score is NaN or infinite.
    """
    _check_finite(scores)
    classes = np.arange(scores.shape[1])
    matrix = confusion_matrix(scores, labels)
    totals = matrix.sum(axis=1)
    hits = np.argsort(-scores, axis=1, kind="stable") == labels[:, np.newaxis]
    top5 = {"top5": float(hits[:, :5].any(axis=1).mean())} if len(classes) > 5 else {}
    return {
        "top1": float(hits[:, :1].any(axis=1).mean()),
        **top5,  # of five classes it would always be 1
        "per_class": [float(matrix[c, c] / totals[c]) if totals[c] else None for c in classes],
    }


def multi_label_metrics(scores: np.ndarray, labels: np.ndarray) -> dict:
    """Mean average precision, and that of each class.

    Args:
        scores: float [num_videos, num_classes].
        labels: [num_videos, num_classes], not 0 for each class that a video has.

    Returns:
        "mean_ap" as a float in [0, 1], over the classes that have a video, and "per_class", a list
        of average precisions (as scikit-learn defines them) per class index; None for a class
        without videos.

    Raises:
        ValueError: a score is NaN or infinite.
    """
    _check_finite(scores)
    there = labels.any(axis=0)
    found = [
        float(metrics.average_precision_score(labels[:, c] != 0, scores[:, c])) if has else None
        for c, has in enumerate(there)
    ]
    return {
        "mean_ap": float(np.mean([each for each in found if each is not None])),
        "per_class": found,
    }


def _check_finite(scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        row = int(np.argwhere(~np.isfinite(scores))[0, 0])
        raise ValueError(
            f"`scores` must be finite. Received: scores[{row}]={scores[row].tolist()[:5]}. "
            "Find out why the network gives no numbers for that video."
        )


def confusion_matrix(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts, int [num_classes, num_classes]: row the true class, column the predicted one."""
    classes = np.arange(scores.shape[1])
    return metrics.confusion_matrix(labels, scores.argmax(axis=1), labels=classes)
