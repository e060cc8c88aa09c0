"""Curves and matrices as pictures. The only module that imports matplotlib."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from video_zoo.data.whole_files import atomic_write


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
        for name, rows in runs.items():
            epochs = [row["epoch"] for row in rows]
            (line,) = axes.plot(epochs, [row[f"val_{metric}"] for row in rows], label=name)
            axes.plot(epochs, [row[metric] for row in rows], ":", color=line.get_color(), alpha=0.6)
        axes.set(title=f"{title} (validation; dotted: training)", xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def save_confusion_matrix(
    matrix: np.ndarray, class_names: Sequence[str], path: str | os.PathLike
) -> None:
    """A confusion matrix: the share of each true class (row) per predicted class (column).

    Args:
        matrix: counts, int [num_classes, num_classes].
        class_names: name of each class.
        path: the PNG file.
    """
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    count = len(class_names)
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


def _save(figure: Figure, path: str | os.PathLike) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
