"""Keras callbacks that show a run while it runs: a bar, a line per epoch, TensorBoard."""

import contextlib
import datetime
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf
import tqdm

from video_zoo.run import plots
from video_zoo.run.history import main_output_logs

from . import pace
from .clock import Clock
from .input_wait import InputWait

CONFUSION = "confusion_matrix.png"
# Of the first batch, so many clips, and so many frames of each, are shown.
_SHOWN_CLIPS, _SHOWN_FRAMES = 4, 8


class Progress(keras.callbacks.Callback):
    """A bar within the epoch, and lines that stay: after the first steps, and one per epoch."""

    def __init__(self, clock: Clock, wait: InputWait, shown: bool = True):
        super().__init__()
        self.clock, self.wait, self._shown = clock, wait, shown
        self._bar: tqdm.tqdm | None = None
        self._steps, self._seconds = 0, 0.0

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._machine = pace.Machine()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.wait.start()
        total = self.clock.steps_per_epoch
        done = self.clock.step % total
        self._bar = tqdm.tqdm(
            total=total,
            initial=done,
            desc=f"epoch {epoch + 1}",
            unit="step",
            leave=False,
            disable=not self._shown,
        )

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._begun = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._seconds += time.monotonic() - self._begun
        self.wait.step_done()
        shown, speed = main_output_logs(logs or {}), self.wait.summary()
        left = self.clock.seconds_left
        self._bar.set_postfix(
            loss=f"{shown['loss']:.3f}",
            top1=f"{shown['top1']:.3f}",
            clips_s=f"{speed['clips_per_second']:.1f}",
            input=f"{speed['input_wait']:.0%}",
            left="?" if left is None else str(datetime.timedelta(seconds=round(left))),
            refresh=False,
        )
        self._bar.update()
        self._steps += 1
        if self._steps == pace.FIRST_STEPS and self._shown:
            seconds = self._seconds / pace.FIRST_STEPS
            tqdm.tqdm.write(pace.estimate(seconds, left, self._machine.reasons()))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.close()
        if not self._shown:
            return
        logs, speed = main_output_logs(logs or {}), self.wait.summary()
        tqdm.tqdm.write(
            f"epoch {epoch + 1}: loss {logs['loss']:.4f}, top-1 {logs['top1']:.1%}; validation "
            f"loss {logs['val_loss']:.4f}, top-1 {logs['val_top1']:.1%}; "
            f"{speed['clips_per_second']:.1f} clips/s, {speed['input_wait']:.0%} of it waiting for "
            f"input ({self.clock.seconds / 60:.1f} min{pace.left(self.clock.seconds_left)})"
        )

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()


class Curves(keras.callbacks.TensorBoard):
    """Keras's curves of every epoch, in ``tensorboard/train`` and ``tensorboard/validation``.

    Args:
        workdir: folder of the run.
    """

    def __init__(self, workdir: pathlib.Path):
        super().__init__(str(workdir / "tensorboard"), write_graph=False)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # Keras would convert the logs of every step, and TensorFlow keep them, for nothing.
        super().on_train_batch_end(batch)


class Board(keras.callbacks.Callback):
    """TensorBoard beyond Keras's own curves, in ``tensorboard/details``.

    The first training batch as pictures, loss, learning rate and norm of the gradient of every
    step, and after each epoch the confusion matrix of validation.

    Args:
        workdir: folder of the run.
        clock: how far the run is.
        clips: uint8 [batch, time, height, width, channels], the first training batch.
        class_names: of the data.
        writes: whether this process writes files; of several workers, one does.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        clock: Clock,
        clips: np.ndarray,
        class_names: list[str],
        writes: bool = True,
    ):
        super().__init__()
        self._writes = writes
        self.workdir, self.clock = workdir, clock
        self._clips, self._class_names = clips, class_names
        self._writer: tf.summary.SummaryWriter | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        if self._writes and self._writer is None:
            self._writer = tf.summary.create_file_writer(
                str(self.workdir / "tensorboard" / "details")
            )
            with self._at_step():
                strips = np.stack([filmstrip(clip) for clip in self._clips[:_SHOWN_CLIPS]])
                tf.summary.image("first_training_batch", strips, max_outputs=_SHOWN_CLIPS)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if not self._writes:
            return
        with self._at_step():
            tf.summary.scalar("step/loss", self.model.step_loss)
            tf.summary.scalar("step/gradient_norm", self.model.gradient_norm)
            tf.summary.scalar("step/learning_rate", self.model.optimizer.learning_rate)

    def on_test_begin(self, logs: dict | None = None) -> None:
        self.model.confusion.assign(tf.zeros_like(self.model.confusion))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        # All workers have to ask.
        matrix = tf.convert_to_tensor(self.model.confusion).numpy().astype(int)
        if not self._writes:
            return
        path = self.workdir / CONFUSION
        plots.save_confusion_matrix(matrix, self._class_names, path)
        with self._at_step():
            picture = tf.io.decode_png(path.read_bytes(), channels=3)
            tf.summary.image("confusion_matrix", picture[tf.newaxis])
        self._writer.flush()

    def _at_step(self) -> contextlib.AbstractContextManager:
        # NumPy's number: TensorFlow keeps every Python number that it has ever converted.
        return self._writer.as_default(step=np.int64(self.clock.step))

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.close()


def filmstrip(clip: np.ndarray) -> np.ndarray:
    """Frames of a clip side by side.

    Args:
        clip: uint8 [time, height, width, channels], 3 channels or 2 of flow.

    Returns:
        uint8 [height, frames * width, 3]; of flow, the third channel is grey.
    """
    chosen = np.linspace(0, len(clip) - 1, min(_SHOWN_FRAMES, len(clip))).round().astype(int)
    strip = np.concatenate(list(clip[chosen]), axis=1)
    missing = 3 - strip.shape[-1]
    return np.pad(strip, [(0, 0), (0, 0), (0, missing)], constant_values=128)
