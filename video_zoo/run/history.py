"""``history.csv``: one row per epoch."""

import dataclasses
import pathlib
from collections.abc import Mapping

from video_zoo.files import file_content
from video_zoo.files.whole_files import write_rows

# What every version has written, and a run that goes on needs.
_NEEDED = ("epoch", "step", "learning_rate", "loss", "val_loss")
# What a network is judged by, and what it is called; the second where clips have several classes.
MEASURES = {"top1": "top-1", "mean_ap": "mean AP"}
_REMEDY = "Put the file back as the run wrote it."


def measure_of(row: Mapping[str, float]) -> str:
    """Which of ``MEASURES`` a row of a history, or of logs, has."""
    return next(name for name in reversed(MEASURES) if name in row)


def judged(row: Mapping[str, float]) -> float:
    """What ``best.keras`` is chosen by, and early stopping: top-1 or mean AP on validation."""
    return next(row[f"val_{name}"] for name in reversed(MEASURES) if f"val_{name}" in row)


def main_output_logs(logs: dict) -> dict[str, float]:
    """Keras's logs, with the same names for a network with an auxiliary output as for one without.

    With two outputs, Keras prefixes each metric with its output, and "loss" is the weighted sum.
    """
    short = {}
    for name, value in logs.items():
        prefix = "val_" if name.startswith("val_") else ""
        metric = name.removeprefix("val_")
        if f"{prefix}Logits_loss" in logs and metric == "loss":
            metric = "total_loss"
        short[prefix + metric.removeprefix("Logits_")] = float(value)
    return short


def write_history(path: pathlib.Path, rows: list[dict]) -> None:
    """Writes rows as CSV, whole or not at all; a row of an earlier version may lack columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    write_rows(path, names, ([row.get(name, "nan") for name in names] for row in rows))


def read_history(path: pathlib.Path) -> list[dict]:
    """Rows of ``history.csv``; none if there is no such file.

    Raises:
        ValueError: it is not what :func:`write_history` wrote; line and column are named.
    """
    if not path.exists():
        return []
    rows = []
    for place, texts in file_content.read_rows(path, _NEEDED, _REMEDY):
        row = {name: _number(path, place, name, text) for name, text in texts.items()}
        if not any({name, f"val_{name}"} <= row.keys() for name in MEASURES):
            missing = "top1" if "top1" not in row else "val_top1"
            file_content.refuse(path, f"{place}, {missing}", "there", dataclasses.MISSING, _REMEDY)
        rows.append(row)
    return [{**row, "epoch": int(row["epoch"]), "step": int(row["step"])} for row in rows]


def _number(path: pathlib.Path, place: str, name: str, text: str) -> float:
    try:
        value = float(text)
        if name in ("epoch", "step") and not (value >= 0 and value.is_integer()):
            raise ValueError
    except ValueError:
        allowed = "a whole number" if name in ("epoch", "step") else "a number"
        file_content.refuse(path, f"{place}, {name}", allowed, text, _REMEDY)
    return value
