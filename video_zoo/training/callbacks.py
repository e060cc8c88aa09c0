"""What a run does between its steps: checkpoints, record, what it shows, and its interruption."""

import contextlib
import dataclasses
import gc
import math
import pathlib
import signal
import threading
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from video_zoo.run import plots
from video_zoo.run.files import BEST, CURVES, HISTORY
from video_zoo.run.history import judged, main_output_logs, write_history

from . import checkpoint, sight
from .clock import Clock
from .input_wait import InputWait
from .trainer import Trainer, moving_averages


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Puts the moving average of the weights in their place, where the optimizer keeps one.

    Keras's own ``SwapEMAWeights`` swaps by adding and subtracting, which leaves other last bits.
    """
    averages = moving_averages(model)
    weights = model.trainable_variables if averages else []
    values = [weight.numpy() for weight in weights]
    for weight, average in zip(weights, averages, strict=True):
        weight.assign(average)
    try:
        yield
    finally:
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)


@dataclasses.dataclass(eq=False)
class Checkpoints:
    """Checkpoints by steps, minutes and epochs, and metrics that go on within an epoch.

    Args:
        trainer: of the network.
        workdir: folder of the run.
        clock: how far it is.
        position: where it continues.
        class_names: of the data.
        writes: whether this process writes files; of several workers, one does.
        convention: the clips that the network takes, for the files to tell; None if unknown.
        multi_label: whether a clip may have several classes.
    """

    trainer: Trainer
    workdir: pathlib.Path
    clock: Clock
    position: checkpoint.Position
    class_names: list[str]
    writes: bool = True
    convention: Mapping | None = None
    multi_label: bool = False

    def __post_init__(self) -> None:
        self._restored = self._metrics = self.position.metrics
        self._saved_at = self.clock.seconds
        self._tidy = False

    def restore_metrics(self) -> None:
        """Lets the metrics go on where the checkpoint left them, once."""
        values, self._restored = self._restored, []
        if values:
            for variable, value in zip(self.trainer.metrics_variables, values, strict=True):
                variable.assign(value)

    def after_step(self) -> None:
        """Writes a checkpoint where one is due."""
        config, clock = self.clock.config, self.clock
        if clock.at_end_of_epoch:
            # Validation comes now, and sets the metrics to zero.
            self._metrics = checkpoint.metrics_of(self.trainer)
        self.tidy()  # a step from the weights of the newest one has had a sound loss
        minutes = (clock.seconds - self._saved_at) / 60
        by_steps = config.checkpoint_steps and clock.step % config.checkpoint_steps == 0
        if by_steps or (config.checkpoint_minutes and minutes >= config.checkpoint_minutes):
            self.save()

    def after_epoch(self) -> None:
        """Writes that of the epoch."""
        self._metrics = []
        self.save()
        self.tidy()  # and so has validation

    def tidy(self) -> None:
        """Removes the oldest checkpoints; to be called when the newest is known to be good."""
        if self.writes and not self._tidy:
            checkpoint.remove_all_but(self.workdir, self.clock.config.keep_checkpoints)
        self._tidy = True

    def save(self) -> None:
        """Writes the checkpoint of the last step."""
        clock = self.clock
        within = not (clock.at_end_of_epoch or self._restored)
        metrics = checkpoint.metrics_of(self.trainer) if within else self._metrics
        self.save_as(checkpoint.path_of_step(self.workdir, clock.step), metrics)
        self._saved_at = clock.seconds
        self._tidy = False

    def save_as(self, path: pathlib.Path, metrics: list) -> None:
        """Writes a file that a run could continue from."""
        if not self.writes:
            return
        path.parent.mkdir(exist_ok=True)
        position = checkpoint.Position(self.clock.step, self.clock.seconds, metrics=metrics)
        about = self.class_names, self.convention, self.multi_label
        checkpoint.save_checkpoint(self.trainer.network, path, position, *about)


class BetweenSteps(keras.callbacks.Callback):
    """All that a run does between its steps, in the one order that is right.

    Nothing is saved of a step that failed. After an epoch come ``best.keras``, curves,
    ``history.csv``, and last the checkpoint. So a row of the history says that nothing of its epoch
    is missing but the checkpoint: a run that is killed in between is continued from the checkpoint
    before, and rows of later steps are dropped.

    Args:
        checkpoints: of the run.
        rows: of its history; a new one is appended after each epoch.
        clips: uint8 [batch, time, height, width, channels], the first training batch.

    Attributes:
        wait: times the input.
    """

    def __init__(self, checkpoints: Checkpoints, rows: list[dict], clips: np.ndarray) -> None:
        super().__init__()
        self._checkpoints, self._rows = checkpoints, rows
        self._clock, self._writes = checkpoints.clock, checkpoints.writes
        self.wait = InputWait(self._clock.config.batch_size)
        self._averages = contextlib.ExitStack()
        if self._writes:
            names = checkpoints.class_names
            self._board = sight.Board(checkpoints.workdir, self._clock, clips, names)
            self._progress = sight.Progress(self._clock)

    def close(self) -> None:
        """Ends what is shown, and gives the weights back where validation ended early."""
        self._averages.close()
        if self._writes:
            self._progress.close()
            self._board.close()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.wait.start()
        if self._writes:
            self._progress.begin_epoch(epoch)
        self._checkpoints.restore_metrics()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        # NumPy's number: TensorFlow keeps every Python number that it has ever converted.
        self.model.optimizer.learning_rate = np.float32(self._clock.learning_rate)
        if self._writes:
            self._progress.begin_step()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._clock.step += 1
        self._count(self._clock.step)
        self._check_step()
        self.wait.step_done()
        if self._writes:
            self._board.after_step(self.model)
            self._progress.after_step(main_output_logs(logs) | self.wait.summary())
        self._checkpoints.after_step()

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._averages.enter_context(averaged_weights(self.model))
        if self.model.confusion is not None:
            self.model.confusion.assign(tf.zeros_like(self.model.confusion))
            self.model.mistakes.reset()

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._clock.tick(batch)

    def on_test_end(self, logs: dict | None = None) -> None:
        self._averages.close()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._count(0)
        loss, config = logs["val_loss"], self._clock.config
        if not math.isfinite(loss) and config.dtype != "mixed_float16":
            raise FloatingPointError(
                f"the loss on validation is {loss} after step {self._clock.step}."
            )
        row = {
            "epoch": epoch + 1,
            "step": self._clock.step,
            "seconds": round(self._clock.seconds, 1),
            "learning_rate": float(self.model.optimizer.learning_rate.numpy()),
            **main_output_logs(logs),
            **self.wait.summary(),
        }
        matrix = None
        if self.model.confusion is not None:  # all workers have to ask
            matrix = tf.convert_to_tensor(self.model.confusion).numpy().astype(int)
        best_before = max(map(judged, self._rows), default=-math.inf)
        self._rows.append(row)
        if self._writes:
            worst = [] if matrix is None else self.model.mistakes.worst()
            self._board.after_epoch(matrix, worst)
            self._progress.after_epoch(row)
        if judged(row) > best_before:
            with averaged_weights(self.model):
                self._checkpoints.save_as(self._checkpoints.workdir / BEST, [])
        if self._writes:
            self._write_history()
        if exhausted(self._rows, config.early_stopping_epochs):
            self.model.stop_training = True
        self._checkpoints.after_epoch()
        # Memory stays flat: pictures and files have left cycles.
        gc.collect()

    def _count(self, number: int) -> None:
        """Ends the run when its duration is over."""
        self._clock.tick(number)
        if self._clock.finished:
            self.model.stop_training = True

    def _check_step(self) -> None:
        """Ends a run whose loss or gradient is no number, or whose loss is far too high."""
        config, step = self._clock.config, self._clock.step
        loss, norm = float(self.model.step_loss.numpy()), float(self.model.gradient_norm.numpy())
        finite = math.isfinite(loss)
        # In float16 the scaling of the loss meets infinite gradients, and leaves such steps out.
        if finite and not math.isfinite(norm) and config.dtype != "mixed_float16":
            raise FloatingPointError(f"the gradient is {norm:.6g} at step {step}.")
        if not finite or loss > config.max_loss:
            raise FloatingPointError(f"the loss is {loss:.6g} at step {step}.")

    def _write_history(self) -> None:
        workdir, num_classes = self._checkpoints.workdir, len(self._checkpoints.class_names)
        runs = {workdir.name: self._rows}
        plots.save_curves(runs, workdir / CURVES, num_classes=num_classes)
        write_history(workdir / HISTORY, self._rows)


def exhausted(rows: list[dict], patience: int | None) -> bool:
    """Whether validation has not become better for ``patience`` epochs."""
    if patience is None or not rows:
        return False
    found = list(map(judged, rows))
    return len(found) - 1 - found.index(max(found)) >= patience


class StopRequested(BaseException):
    """A signal has asked the run to stop, and now is a good moment.

    No error, and like KeyboardInterrupt nothing that Keras or TensorFlow would put in other words.

    Args:
        signum: the signal.
    """

    def __init__(self, signum: int):
        super().__init__(signum)
        self.signum = signum


class Interruption(keras.callbacks.Callback):
    """Turns Ctrl-C and SIGTERM into :class:`StopRequested`.

    At once where nothing would be lost, and between two steps within :meth:`deferred`: there the
    weights are consistent, and all workers stop together. A second signal interrupts at once.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._before: dict = {}
        self._deferring = False

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, signum: int, frame: object) -> None:
        if self._clock.asked:
            before = self._before[signum]
            if callable(before):
                before(signum, frame)
            raise KeyboardInterrupt
        self._clock.asked = signum
        if not self._deferring:
            raise StopRequested(signum)

    @contextlib.contextmanager
    def deferred(self, deferring: bool = True) -> Iterator[None]:
        """Within, the callback is to decide when to stop."""
        self._deferring = deferring
        try:
            yield
        finally:
            self._deferring = False

    def stop_together(self) -> None:
        """Raises StopRequested on all workers if one of them got a signal while it started."""
        self._clock.exchange()
        self.stop_if_asked()

    def stop_if_asked(self) -> None:
        """Raises StopRequested if a signal has come."""
        if self._clock.stop:
            raise StopRequested(self._clock.stop)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.stop_if_asked()

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.stop_if_asked()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.stop_if_asked()
