"""``history.csv``: one row per epoch."""

import csv
import pathlib

from video_zoo.data.whole_files import atomic_write

HISTORY = "history.csv"


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
    names = dict.fromkeys(name for row in rows for name in row)
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(names), restval="nan")
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: pathlib.Path) -> list[dict]:
    """Rows of ``history.csv``; none if there is no such file."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return [{**row, "epoch": int(row["epoch"]), "step": int(row["step"])} for row in rows]
