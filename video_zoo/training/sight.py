"""What shows a run while it runs: a bar, a line per epoch, TensorBoard."""

import contextlib
import datetime
import pathlib
import time
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
import tqdm

from video_zoo.run import plots
from video_zoo.run.files import CONFUSION, TENSORBOARD
from video_zoo.run.history import MEASURES, judged, measure_of

from . import mistakes, pace
from .clock import Clock
from .trainer import Trainer

# Of the first batch, so many clips, and so many frames of each, are shown.
_SHOWN_CLIPS, _SHOWN_FRAMES = 4, 8


class Progress:
    """A bar within the epoch, and lines that stay: after the first steps, and one per epoch.

    Args:
        clock: how far the run is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._machine = clock, pace.Machine()
        self._bar: tqdm.tqdm | None = None
        self._steps, self._seconds = 0, 0.0

    def begin_epoch(self, epoch: int) -> None:
        """Begins a bar."""
        total = self._clock.steps_per_epoch
        done = self._clock.step % total
        description = f"epoch {epoch + 1}"
        self._bar = tqdm.tqdm(total=total, initial=done, desc=description, unit="step", leave=False)

    def begin_step(self) -> None:
        """Begins to count the time of a step."""
        self._begun = time.monotonic()

    def after_step(self, numbers: Mapping[str, float]) -> None:
        """Shows the mean loss and accuracy of the epoch so far, and its speed."""
        self._seconds += time.monotonic() - self._begun
        left, measure = self._clock.seconds_left, measure_of(numbers)
        self._bar.set_postfix(
            loss=f"{numbers['loss']:.3f}",
            **{measure: f"{numbers[measure]:.3f}"},
            clips_s=f"{numbers['clips_per_second']:.1f}",
            input=f"{numbers['input_wait']:.0%}",
            left="?" if left is None else str(datetime.timedelta(seconds=round(left))),
            refresh=False,
        )
        self._bar.update()
        self._steps += 1
        if self._steps == pace.FIRST_STEPS:
            seconds = self._seconds / pace.FIRST_STEPS
            tqdm.tqdm.write(pace.estimate(seconds, left, self._machine.reasons()))

    def after_epoch(self, row: Mapping[str, float]) -> None:
        """Writes the line of an epoch, from its row of the history."""
        self.close()
        measure = measure_of(row)
        called = MEASURES[measure]
        tqdm.tqdm.write(
            f"epoch {row['epoch']}: loss {row['loss']:.4f}, {called} {row[measure]:.1%}; "
            f"validation loss {row['val_loss']:.4f}, {called} {judged(row):.1%}; "
            f"{row['clips_per_second']:.1f} clips/s, {row['input_wait']:.0%} of it waiting for "
            f"input ({self._clock.seconds / 60:.1f} min{pace.left(self._clock.seconds_left)})"
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
        super().__init__(str(workdir / TENSORBOARD), write_graph=False)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # Keras would convert the logs of every step, and TensorFlow keep them, for nothing.
        super().on_train_batch_end(batch)


class Board:
    """TensorBoard beyond Keras's own curves, in ``tensorboard/details``.

    The first training batch as pictures, loss, learning rate and norm of the gradient of every
    step, and after each epoch the confusion matrix of validation and its worst mistakes.

    Args:
        workdir: folder of the run.
        clock: how far the run is.
        clips: uint8 [batch, time, height, width, channels], the first training batch.
        class_names: of the data.
    """

    def __init__(
        self, workdir: pathlib.Path, clock: Clock, clips: np.ndarray, class_names: list[str]
    ) -> None:
        self._workdir, self._clock, self._class_names = workdir, clock, class_names
        self._writer = tf.summary.create_file_writer(str(workdir / TENSORBOARD / "details"))
        with self._at_step():
            strips = np.stack([filmstrip(clip) for clip in clips[:_SHOWN_CLIPS]])
            tf.summary.image("first_training_batch", strips, max_outputs=_SHOWN_CLIPS)

    def after_step(self, trainer: Trainer) -> None:
        """Writes the numbers of a step."""
        with self._at_step():
            tf.summary.scalar("step/loss", trainer.step_loss)
            tf.summary.scalar("step/gradient_norm", trainer.gradient_norm)
            tf.summary.scalar("step/learning_rate", trainer.optimizer.learning_rate)

    def after_epoch(
        self,
        confusion: np.ndarray | None,
        worst: Sequence[tuple[float, int, int, np.ndarray]],
    ) -> None:
        """Draws the confusion matrix of validation, and its worst mistakes.

        Args:
            confusion: int [num_classes, num_classes]; None where clips have several classes.
            worst: as :meth:`.mistakes.Mistakes.worst` gives them.
        """
        with self._at_step():
            if confusion is not None:
                path = self._workdir / CONFUSION
                plots.save_confusion_matrix(confusion, self._class_names, path)
                picture = tf.io.decode_png(path.read_bytes(), channels=3)
                tf.summary.image("confusion_matrix", picture[tf.newaxis])
            if worst:
                names = self._class_names
                strips = [
                    mistakes.strip(in_colours(clip), loss, names[true], names[predicted])
                    for loss, true, predicted, clip in worst
                ]
                tf.summary.image("worst_mistakes", np.stack(strips), max_outputs=len(strips))
        self._writer.flush()

    def _at_step(self) -> contextlib.AbstractContextManager:
        # NumPy's number: TensorFlow keeps every Python number that it has ever converted.
        return self._writer.as_default(step=np.int64(self._clock.step))

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()


def filmstrip(clip: np.ndarray) -> np.ndarray:
    """Frames of a clip side by side.

    Args:
        clip: uint8 [time, height, width, channels], 3 channels or 2 of flow.

    Returns:
        uint8 [height, frames * width, 3]; of flow, the third channel is grey.
    """
    chosen = np.linspace(0, len(clip) - 1, min(_SHOWN_FRAMES, len(clip))).round().astype(int)
    return np.concatenate(list(in_colours(clip[chosen])), axis=1)


def in_colours(frames: np.ndarray) -> np.ndarray:
    """Frames [..., channels] with three channels; of flow, the third is grey."""
    missing = 3 - frames.shape[-1]
    return np.pad(frames, [(0, 0)] * (frames.ndim - 1) + [(0, missing)], constant_values=128)
