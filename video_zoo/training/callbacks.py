"""Keras callbacks: budget and learning rate, record and checkpoints, interruption, progress."""

import csv
import math
import pathlib
import signal
import threading
import time

import keras
import tqdm

from video_zoo.data.whole_files import atomic_write
from video_zoo.evaluation import plots
from video_zoo.evaluation.run import BEST

from .checkpoint import save_checkpoint
from .config import TrainingConfig
from .schedule import learning_rate

LAST, HISTORY, CURVES = "last.keras", "history.csv", "curves.png"


class Clock:
    """Steps and seconds of work that a run has had, over all its calls."""

    def __init__(self, config: TrainingConfig, steps_per_epoch: int, step: int, seconds: float):
        self.config = config
        self.steps_per_epoch = steps_per_epoch
        self.step = step
        self._earlier = seconds
        self._started: float | None = None

    def start(self) -> None:
        """Begins to count: what comes before the first step is no work."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        running = 0.0 if self._started is None else time.monotonic() - self._started
        return self._earlier + running

    @property
    def total_steps(self) -> int | None:
        """None where the duration is in hours."""
        if self.config.steps is not None:
            return self.config.steps
        return None if self.config.epochs is None else self.config.epochs * self.steps_per_epoch

    @property
    def progress(self) -> float:
        if self.total_steps is not None:
            return self.step / self.total_steps
        return self.seconds / (self.config.max_hours * 3600)

    @property
    def finished(self) -> bool:
        return self.progress >= 1


class Budget(keras.callbacks.Callback):
    """Sets the learning rate of every step, and ends the run when its duration is over."""

    def __init__(self, clock: Clock):
        super().__init__()
        self.clock = clock

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        config = self.clock.config
        self.model.optimizer.learning_rate = learning_rate(
            config.learning_rate,
            config.schedule,
            self.clock.progress,
            self.clock.step,
            config.warmup_steps,
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.clock.step += 1
        if self.clock.finished:
            self.model.stop_training = True


class Recorder(keras.callbacks.Callback):
    """After every epoch: ``history.csv``, curves, ``best.keras``, ``last.keras``.

    ``last.keras`` comes last: a run that is killed in between is continued from the epoch before,
    and the rows that are then too many are dropped.
    """

    def __init__(
        self, workdir: pathlib.Path, clock: Clock, rows: list[dict], class_names: list[str]
    ):
        super().__init__()
        self.workdir, self.clock, self.rows = workdir, clock, rows
        self.class_names = class_names

    @property
    def best(self) -> float:
        return max((row["val_top1"] for row in self.rows), default=-math.inf)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at step {self.clock.step}. The checkpoint of the last whole "
                f"epoch stays in {self.workdir}. Lower `learning_rate`, or add `warmup_steps`."
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        row = {
            "epoch": epoch + 1,
            "step": self.clock.step,
            "seconds": round(self.clock.seconds, 1),
            "learning_rate": float(self.model.optimizer.learning_rate.numpy()),
            **main_output_logs(logs or {}),
        }
        best_before = self.best
        self.rows.append(row)
        write_history(self.workdir / HISTORY, self.rows)
        plots.save_curves({self.workdir.name: self.rows}, self.workdir / CURVES)
        if row["val_top1"] > best_before:
            self._save(BEST)
        self.save_last()

    def save_last(self) -> None:
        """Writes the checkpoint that the run continues from."""
        self._save(LAST)

    def _save(self, name: str) -> None:
        path, clock = self.workdir / name, self.clock
        save_checkpoint(self.model, path, clock.step, clock.seconds, self.class_names)


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
    """Writes rows as CSV, whole or not at all."""
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: pathlib.Path) -> list[dict]:
    """Rows of ``history.csv``; none if there is no such file."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return [{**row, "epoch": int(row["epoch"]), "step": int(row["step"])} for row in rows]


class InterruptBetweenSteps(keras.callbacks.Callback):
    """Turns Ctrl-C into a KeyboardInterrupt between two steps, where the weights are consistent.

    A second Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False
        self._before = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        if self._before is None and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)

    def restore(self) -> None:
        """Gives Ctrl-C back its meaning; also needed where ``fit`` ends with an exception."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _ask(self, signum: int, frame: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self._asked:
            raise KeyboardInterrupt


class Progress(keras.callbacks.Callback):
    """A bar within the epoch, and one line per epoch that stays."""

    def __init__(self, clock: Clock):
        super().__init__()
        self.clock = clock
        self._bar: tqdm.tqdm | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        total = self.clock.steps_per_epoch
        done = self.clock.step % total
        self._bar = tqdm.tqdm(
            total=total, initial=done, desc=f"epoch {epoch + 1}", unit="step", leave=False
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        shown = main_output_logs(logs or {})
        self._bar.set_postfix(
            loss=f"{shown['loss']:.3f}", top1=f"{shown['top1']:.3f}", refresh=False
        )
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.close()
        logs = main_output_logs(logs or {})
        remaining = ""
        if 0 < self.clock.progress < 1:
            seconds = self.clock.seconds * (1 / self.clock.progress - 1)
            remaining = f", about {seconds / 60:.0f} min left"
        tqdm.tqdm.write(
            f"epoch {epoch + 1}: loss {logs['loss']:.4f}, top-1 {logs['top1']:.1%}; validation "
            f"loss {logs['val_loss']:.4f}, top-1 {logs['val_top1']:.1%} "
            f"({self.clock.seconds / 60:.1f} min{remaining})"
        )

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
