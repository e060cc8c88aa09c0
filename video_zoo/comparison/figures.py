"""The drawings of a comparison, as SVG that stands inside a page."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from video_zoo.lettering import all_lettered
from video_zoo.run.history import MEASURES

from .contestants import Contestant, measure_of


def curves(contestants: Sequence[Contestant]) -> list[str]:
    """Validation over epochs: a line for each network, a band over its seeds (Figure 8)."""
    measure, drawn = measure_of(contestants), []
    names = all_lettered([each.name for each in contestants])
    titles = {"val_loss": "Validation loss", f"val_{measure}": f"Validation {MEASURES[measure]}"}
    for column, title in titles.items():
        figure, axes = _figure()
        for index, (contestant, name) in enumerate(zip(contestants, names, strict=True)):
            _draw_band(axes, contestant, column, name, f"C{index % 10}")
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if column != "val_loss":
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.set_ylim(0, 1)
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            legend = figure.legend(handles, labels, loc="outside lower center", ncols=2)
            for text in legend.get_texts():
                text.set_parse_math(False)
        drawn.append(_svg(figure))
    return drawn


def _figure() -> tuple[Figure, Axes]:
    """One drawing, of a size that can be read on a phone."""
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    return figure, figure.subplots()


def _draw_band(axes: Axes, contestant: Contestant, column: str, name: str, colour: str) -> None:
    rows = [run.history for run in contestant.runs if run.history]
    if not rows:
        return
    # Runs of several seeds may differ in length; the mean is of the epochs that all have.
    count = min(map(len, rows))
    values = np.array([[row[column] for row in history[:count]] for history in rows])
    epochs = [row["epoch"] for row in rows[0][:count]]
    axes.plot(epochs, values.mean(axis=0), "o-", markersize=3, color=colour, label=name)
    if len(rows) > 1:
        axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2)


def cost(contestants: Sequence[Contestant]) -> list[str]:
    """Accuracy over operations, and over parameters."""
    measure, drawn = measure_of(contestants), []
    names = all_lettered([each.name for each in contestants])
    columns = {"GMACs of a clip": gmacs, "million parameters": parameters}
    for title, number in columns.items():
        figure, axes = _figure()
        for index, (contestant, name) in enumerate(zip(contestants, names, strict=True)):
            place = contestant.mean(number)
            if place is None:
                continue
            value = contestant.mean(lambda run: run.numbers[measure])
            axes.plot(place, value, "o", color=f"C{index % 10}")
            axes.annotate(
                name, (place, value), (6, 4), textcoords="offset points", fontsize=9
            ).set_parse_math(False)
        axes.set(xlabel=title, ylabel=MEASURES[measure], ylim=(0, 1.05))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.margins(x=0.25)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(alpha=0.3)
        drawn.append(_svg(figure))
    return drawn


def gmacs(run) -> float | None:
    """Billions of multiplications and additions of a clip; None where the run does not tell."""
    return run.facts.get("gmacs")


def parameters(run) -> float | None:
    """Millions of parameters, trained and frozen; None where the run does not tell."""
    found = [run.facts.get(f"{kind}_parameters") for kind in ("trainable", "frozen")]
    return None if None in found else sum(found) / 1e6


def _svg(figure: Figure) -> str:
    file = io.StringIO()
    # Letters as outlines, equal for equal figures: the page needs no font and no network.
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "video_zoo"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()[file.getvalue().index("<svg") :]
