"""Curves and matrices as pictures."""

import math
import os
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from video_zoo import errors
from video_zoo.files.whole_files import atomic_write
from video_zoo.lettering import all_lettered

from .history import measure_of

# Above so many classes the cells of a matrix are too small to be read, and take up to a minute to
# draw: the most telling classes and pairs are listed instead.
MOST_CELLS = 60
_LISTED = 20
_LINES = 10  # classes of a timeline
# Inches: a letter of a class name, and the side of a cell, wider where that makes room for names.
_LETTER, _CELL, _WIDE_CELL = 0.085, 0.55, 1.2


def save_curves(
    runs: Mapping[str, Sequence[Mapping]],
    path: str | os.PathLike,
    *,
    num_classes: int | None = None,
) -> None:
    """Loss and accuracy on validation over time, side by side, one line per run (Figure 8).

    Where clips have several classes, mean average precision stands for accuracy.

    Args:
        runs: name -> rows of its history, as :func:`video_zoo.training.train` returns them.
        path: the PNG file.
        num_classes: draws what chance gives, one in so many. Defaults to None: no line.

    Raises:
        ValueError: the runs are of both kinds.
    """
    measures = {measure_of(row) for rows in runs.values() for row in rows} or {"top1"}
    if len(measures) > 1:
        allowed = "runs on data of one kind: one class a clip, or several"
        raise errors.refusal("runs", allowed, list(runs))
    (measure,) = measures
    titles = {"top1": "Top-1 accuracy", "mean_ap": "Mean average precision"}
    figure = Figure(figsize=(12, 4), layout="constrained")
    names = [""] if len(runs) == 1 else all_lettered(list(runs))
    for axes, metric, title in zip(
        figure.subplots(1, 2),
        ("loss", measure),
        ("Cross-entropy", titles[measure]),
        strict=True,
    ):
        for index, (name, rows) in enumerate(zip(names, runs.values(), strict=True)):
            _draw_run(axes, metric, rows, name, first=not index)
        if metric != "loss":
            if num_classes and measure == "top1":
                label = f"chance, {1 / num_classes:.1%}"
                axes.axhline(
                    1 / num_classes, color="grey", linestyle="--", linewidth=1, label=label
                )
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.set_ylim(0, 1)
        else:
            top, highest = _top_of_losses(runs, num_classes)
            axes.set_ylim(0, top)
            if top is not None and highest > top:
                title += f" (the highest, {highest:.3g}, lies above)"
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()  # of the accuracy, which has them all
    if handles:
        legend = figure.legend(handles, labels, loc="outside right upper", fontsize=9)
        for text in legend.get_texts():
            text.set_parse_math(False)
    _save(figure, path)


def _draw_run(axes: Axes, metric: str, rows: Sequence[Mapping], name: str, first: bool) -> None:
    """One run's lines; of several runs, the legend tells what is what at the first one."""
    epochs = [row["epoch"] for row in rows]
    values = [row[f"val_{metric}"] for row in rows]
    # With markers, as a line through one point shows nothing.
    (line,) = axes.plot(epochs, values, "o-", markersize=3, label=name or "validation")
    style = {"color": line.get_color(), "alpha": 0.6, "label": "training" if first else None}
    axes.plot(epochs, [row[metric] for row in rows], "o:", markersize=2, **style)
    if metric != "loss" and rows:
        best = int(np.argmax(values))
        label = "best epoch" if name else f"best epoch: {epochs[best]}, {values[best]:.1%}"
        style |= {"alpha": 1, "label": label if first else None}
        axes.plot(epochs[best], values[best], "*", markersize=11, **style)


def _top_of_losses(
    runs: Mapping[str, Sequence[Mapping]], num_classes: int | None
) -> tuple[float | None, float]:
    """Upper end of the loss axis, which a single spike does not set, and the highest loss.

    The start of a run is no spike: there the loss is that of chance, also where most epochs are far
    below. An end of None: matplotlib chooses.
    """
    losses = [row[key] for rows in runs.values() for row in rows for key in ("loss", "val_loss")]
    losses = [loss for loss in losses if np.isfinite(loss)]
    highest = max(losses, default=0)
    if highest <= 0:
        return None, highest
    usual = max(3 * float(np.median(losses)), 2 * math.log(num_classes or 1))
    return 1.05 * min(highest, usual), highest


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
    count, names = len(class_names), all_lettered(list(class_names))
    number = int(totals.sum())
    title = f"top-1 {np.trace(matrix) / max(number, 1):.1%} of {number:,} videos"
    if count > MOST_CELLS:
        _save_most_confused(shares, totals[:, 0], names, title, path)
        return
    longest = _LETTER * max(map(len, names), default=0)  # inches
    upright = longest + 0.15 > (_WIDE_CELL if count <= 12 else _CELL)
    cell = _CELL if upright else max(longest + 0.15, _CELL)
    height, width = max(1.5 + cell * count, 3) + longest * upright, 2.5 + cell * count + longest
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    plain = {"parse_math": False}
    axes.set_xticks(range(count), names, rotation=90 if upright else 0, **plain)
    axes.set_yticks(range(count), names, **plain)
    if count <= 30:  # above that, numbers no longer fit into the cells
        for row, column in np.ndindex(matrix.shape):
            if matrix[row, column]:
                colour = "white" if shares[row, column] > 0.5 else "black"
                text = f"{shares[row, column]:.0%}\n({matrix[row, column]})"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    bar = figure.colorbar(image, label="share of the true class", shrink=0.8)
    bar.formatter = PercentFormatter(1)
    bar.update_ticks()
    _save(figure, path)


def _save_most_confused(
    shares: np.ndarray,
    totals: np.ndarray,
    class_names: Sequence[str],
    title: str,
    path: str | os.PathLike,
) -> None:
    right = np.where(totals > 0, np.diag(shares), np.inf)
    worst = [c for c in np.argsort(right, kind="stable")[:_LISTED] if totals[c] > 0]
    wrong = shares - np.diag(np.diag(shares))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_LISTED]
    pairs = [divmod(int(cell), len(class_names)) for cell in order if wrong.flat[cell] > 0]
    figure = Figure(figsize=(16, 8), layout="constrained")
    figure.suptitle(title)
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
        _draw_shares(axes, title, "share of the true class", names, values)
    _save(figure, path)


def _draw_shares(
    axes: Axes, title: str, label: str, names: Sequence[str], values: Sequence[float]
) -> None:
    """A bar in [0, 1] for each name, the first on top."""
    axes.barh(range(len(names)), values)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=label, xlim=(0, 1))
    axes.xaxis.set_major_formatter(PercentFormatter(1))


def save_average_precision(
    precisions: Mapping[str, float | None], mean: float, path: str | os.PathLike
) -> None:
    """Average precision of the classes as bars, the best and the worst where there are many.

    Args:
        precisions: class name -> average precision in [0, 1]; None for a class without videos.
        mean: of all of them.
        path: the PNG file.
    """
    found = sorted(
        ((name, value) for name, value in precisions.items() if value is not None),
        key=lambda pair: -pair[1],
    )
    parts = {"Recognised best": found[:_LISTED], "Recognised least": found[-_LISTED:]}
    if len(found) <= 2 * _LISTED:
        parts = {"All classes": found}
    longest = max(len(part) for part in parts.values())
    figure = Figure(figsize=(8 * len(parts), 1.5 + 0.3 * longest), layout="constrained")
    figure.suptitle(f"mean average precision {mean:.1%} over {len(found)} classes")
    for axes, (title, rows) in zip(
        figure.subplots(1, len(parts), squeeze=False)[0], parts.items(), strict=True
    ):
        names = all_lettered([name for name, _ in rows])
        _draw_shares(axes, title, "average precision", names, [value for _, value in rows])
    _save(figure, path)


def save_bars(
    rows: Mapping[str, Mapping], called: str, sentence: str, path: str | os.PathLike
) -> None:
    """Bars of numbers in [0, 1] with their intervals, and a sentence above them.

    Args:
        rows: name -> dict of "value" and "interval", [low, high] or None.
        called: what the numbers are.
        sentence: what they show.
        path: the PNG file.
    """
    figure = Figure(figsize=(1.5 + 1.1 * len(rows), 4.5), layout="constrained")
    axes = figure.subplots()
    values = [row["value"] for row in rows.values()]
    axes.bar(range(len(rows)), values, color=["C0", *["0.75"] * (len(rows) - 1)])
    for place, row in enumerate(rows.values()):
        low, high = row["interval"] or (row["value"], row["value"])
        axes.plot([place, place], [low, high], color="black", linewidth=1.5)
        axes.text(place + 0.06, row["value"], f"{row['value']:.1%}", va="bottom", fontsize=9)
    axes.set_xticks(range(len(rows)), all_lettered(list(rows)))
    axes.set(ylim=(0, 1.05), ylabel=f"{called}, 95 % interval")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    words = textwrap.fill(sentence, 16 * len(rows))
    axes.set_title(words, fontsize=10, loc="left", parse_math=False)
    _save(figure, path)


def save_timeline(
    seconds: np.ndarray,
    scores: np.ndarray,
    class_names: Sequence[str],
    segments: Sequence[tuple[float, float, str]],
    path: str | os.PathLike,
) -> None:
    """A bar for each segment, in the row of its class, and the probabilities of classes over time.

    Args:
        seconds: [num_windows], the middle of each window.
        scores: [num_windows, num_classes], in [0, 1].
        class_names: name of each class.
        segments: (start, end, class name), in seconds.
        path: the PNG file.
    """
    shown = np.argsort(-scores.max(axis=0), kind="stable")[:_LINES]
    chosen = [class_names[index] for index in shown]
    figure = Figure(figsize=(10, 3.5 + 0.3 * len(shown)), layout="constrained")
    bars, lines = figure.subplots(2, sharex=True, height_ratios=(0.3 * len(shown) + 0.5, 3))
    names = all_lettered(chosen)
    for row, index in enumerate(shown):
        color = f"C{row}"
        spans = [(a, b - a) for a, b, each in segments if each == chosen[row]]
        bars.broken_barh(spans, (row - 0.4, 0.8), color=color)
        # A single window has no line: a dot shows it.
        dot = "o" if len(seconds) == 1 else None
        lines.plot(seconds, scores[:, index], color=color, marker=dot)
    bars.set_yticks(range(len(names)), names, parse_math=False)
    bars.set_ylim(len(names) - 0.5, -0.5)
    lines.set(ylim=(0, 1.05), xlabel="seconds", ylabel="probability, smoothed")
    lines.yaxis.set_major_formatter(PercentFormatter(1))
    _save(figure, path)


def save_reliability(calibration: Mapping, path: str | os.PathLike) -> None:
    """Accuracy over confidence: a network that knows how sure it may be lies on the diagonal.

    Args:
        calibration: as :func:`video_zoo.evaluation.metrics.calibration` gives it.
        path: the PNG file.
    """
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    bins = calibration["bins"]
    axes.plot([0, 1], [0, 1], "--", color="grey", linewidth=1)
    most = max((each["videos"] for each in bins), default=1)
    axes.bar(
        [each["from"] for each in bins],
        [each["accuracy"] for each in bins],
        [each["to"] - each["from"] for each in bins],
        align="edge",
        edgecolor="white",
        alpha=0.85,
    )
    areas = [20 + 180 * each["videos"] / most for each in bins]
    confidences = [each["confidence"] for each in bins]
    accuracies = [each["accuracy"] for each in bins]
    axes.scatter(confidences, accuracies, areas, color="black", zorder=3)
    title = f"expected calibration error {calibration['ece']:.1%}"
    axes.set(xlim=(0, 1), ylim=(0, 1), title=title, xlabel="probability of the predicted class")
    axes.set_ylabel("share of them that is right (dot: by number of videos)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    _save(figure, path)


def _save(figure: Figure, path: str | os.PathLike) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
