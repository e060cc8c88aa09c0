"""Curves and matrices as pictures. The only module that imports matplotlib."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from video_zoo.data.whole_files import atomic_write

# Above so many classes the cells of a matrix are too small to be read, and take up to a minute to
# draw: the most telling classes and pairs are listed instead.
MOST_CELLS = 60
_LISTED = 20


def save_curves(runs: Mapping[str, Sequence[Mapping]], path: str | os.PathLike) -> None:
    """Loss and accuracy on validation over time, side by side, one line per run (Figure 8).

    Args:
        runs: name -> rows of its history, as :func:`video_zoo.training.train` returns them.
        path: the PNG file.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, metric, title in zip(
        figure.subplots(1, 2),
        ("loss", "top1"),
        ("Cross-entropy", "Top-1 accuracy"),
        strict=True,
    ):
        note = "validation; dotted: training"
        for name, rows in runs.items():
            epochs = [row["epoch"] for row in rows]
            values = [row[f"val_{metric}"] for row in rows]
            # With markers, as a line through one point shows nothing.
            (line,) = axes.plot(epochs, values, "o-", markersize=3, label=name)
            colour = line.get_color()
            training = [row[metric] for row in rows]
            axes.plot(epochs, training, "o:", markersize=2, color=colour, alpha=0.6)
            if metric == "top1" and rows:
                best = int(np.argmax(values))
                axes.plot(epochs[best], values[best], "*", markersize=11, color=colour)
        if metric == "top1":
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.set_ylim(0, 1)
            note += "; star: best epoch"
        else:
            axes.set_ylim(0, _top_of_losses(runs))
        axes.set(title=f"{title}\n({note})", xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def _top_of_losses(runs: Mapping[str, Sequence[Mapping]]) -> float | None:
    """Upper end of the loss axis, which a single spike does not set; None: matplotlib chooses."""
    losses = [row[key] for rows in runs.values() for row in rows for key in ("loss", "val_loss")]
    losses = [loss for loss in losses if np.isfinite(loss)]
    if not losses or max(losses) <= 0:
        return None
    return 1.05 * min(max(losses), 3 * float(np.median(losses)))


def save_confusion_matrix(
    matrix: np.ndarray, class_names: Sequence[str], path: str | os.PathLike
) -> None:
    """A confusion matrix: the share of each true class (row) per predicted class (column).

    With more than 60 classes, the classes that are recognised least and the pairs that are confused
    most, as bars.

    Args:
        matrix: counts, int [num_classes, num_classes].
        class_names: name of each class.
        path: the PNG file.
    """
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    count = len(class_names)
    if count > MOST_CELLS:
        _save_most_confused(shares, totals[:, 0], class_names, path)
        return
    side = min(3 + 0.5 * count, 40)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(count), class_names, rotation=90)
    axes.set_yticks(range(count), class_names)
    if count <= 30:  # above that, numbers no longer fit into the cells
        for row, column in np.ndindex(matrix.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour)
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    _save(figure, path)


def _save_most_confused(
    shares: np.ndarray, totals: np.ndarray, class_names: Sequence[str], path: str | os.PathLike
) -> None:
    right = np.where(totals > 0, np.diag(shares), np.inf)
    worst = [c for c in np.argsort(right, kind="stable")[:_LISTED] if totals[c] > 0]
    wrong = shares - np.diag(np.diag(shares))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_LISTED]
    pairs = [divmod(int(cell), len(class_names)) for cell in order if wrong.flat[cell] > 0]
    figure = Figure(figsize=(16, 8), layout="constrained")
    for axes, title, names, values in zip(
        figure.subplots(1, 2),
        ("Recognised least", "Confused most"),
        (
            [class_names[c] for c in worst],
            [f"{class_names[true]} as {class_names[seen]}" for true, seen in pairs],
        ),
        ([shares[c, c] for c in worst], [wrong[pair] for pair in pairs]),
        strict=True,
    ):
        axes.barh(range(len(names)), values)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(title=title, xlabel="share of the true class", xlim=(0, 1))
        axes.xaxis.set_major_formatter(PercentFormatter(1))
    _save(figure, path)


def _save(figure: Figure, path: str | os.PathLike) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
