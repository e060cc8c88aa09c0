"""Keras callbacks that keep what a run has done: checkpoints, record, interruption, averages."""

import contextlib
import gc
import math
import pathlib
import signal
import threading
from collections.abc import Iterator, Mapping

import keras

from video_zoo.run import plots
from video_zoo.run.files import BEST
from video_zoo.run.history import HISTORY, main_output_logs, write_history

from . import checkpoint
from .clock import Clock
from .input_wait import InputWait
from .trainer import moving_averages

CURVES = "curves.png"


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


class ValidateAverages(keras.callbacks.Callback):
    """Lets validation see the moving average of the weights."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._stack.enter_context(averaged_weights(self.model))

    def on_test_end(self, logs: dict | None = None) -> None:
        self.restore()

    def restore(self) -> None:
        """Gives the weights back; also needed where validation ends with an exception."""
        self._stack.close()


class Checkpoints(keras.callbacks.Callback):
    """Checkpoints by steps, minutes and epochs, and metrics that go on within an epoch.

    Args:
        workdir: folder of the run.
        clock: how far it is.
        position: where it continues.
        class_names: of the data.
        writes: whether this process writes files; of several workers, one does.
        convention: the clips that the network takes, for the files to tell; None if unknown.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        clock: Clock,
        position: checkpoint.Position,
        class_names: list[str],
        writes: bool = True,
        convention: Mapping | None = None,
    ):
        super().__init__()
        self.workdir, self.clock, self.writes = workdir, clock, writes
        self.class_names, self.convention = class_names, convention
        self._restored = position.metrics
        self._metrics: list = position.metrics
        self._saved_at = clock.seconds
        self._tidy = False

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.restore_metrics()

    def restore_metrics(self) -> None:
        """Lets the metrics go on where the checkpoint left them, once."""
        values, self._restored = self._restored, []
        if values:
            for variable, value in zip(self.model.metrics_variables, values, strict=True):
                variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        config, clock = self.clock.config, self.clock
        if clock.at_end_of_epoch:
            # Validation comes now, and sets the metrics to zero.
            self._metrics = checkpoint.metrics_of(self.model)
        self.tidy()  # a step from the weights of the newest one has had a sound loss
        minutes = (clock.seconds - self._saved_at) / 60
        by_steps = config.checkpoint_steps and clock.step % config.checkpoint_steps == 0
        if by_steps or (config.checkpoint_minutes and minutes >= config.checkpoint_minutes):
            self.save()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
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
        metrics = checkpoint.metrics_of(self.model) if within else self._metrics
        self.save_as(checkpoint.path_of_step(self.workdir, clock.step), metrics)
        self._saved_at = clock.seconds
        self._tidy = False

    def save_as(self, path: pathlib.Path, metrics: list) -> None:
        """Writes a file that a run could continue from."""
        if not self.writes:
            return
        path.parent.mkdir(exist_ok=True)
        position = checkpoint.Position(self.clock.step, self.clock.seconds, metrics=metrics)
        checkpoint.save_checkpoint(
            self.model.network, path, position, self.class_names, self.convention
        )


class Recorder(keras.callbacks.Callback):
    """After every epoch: ``best.keras``, curves, and last ``history.csv``.

    So a row there says that nothing of its epoch is missing but the checkpoint. That comes after
    it, from :class:`Checkpoints`: a run that is killed in between is continued from the checkpoint
    before, and rows of later steps are dropped.
    """

    def __init__(self, checkpoints: Checkpoints, rows: list[dict], wait: InputWait):
        super().__init__()
        self.checkpoints, self.rows, self.wait = checkpoints, rows, wait

    @property
    def workdir(self) -> pathlib.Path:
        return self.checkpoints.workdir

    @property
    def best(self) -> float:
        return max((row["val_top1"] for row in self.rows), default=-math.inf)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        clock = self.checkpoints.clock
        row = {
            "epoch": epoch + 1,
            "step": clock.step,
            "seconds": round(clock.seconds, 1),
            "learning_rate": float(self.model.optimizer.learning_rate.numpy()),
            **main_output_logs(logs or {}),
            **self.wait.summary(),
        }
        best_before = self.best
        self.rows.append(row)
        if row["val_top1"] > best_before:
            with averaged_weights(self.model):
                self.checkpoints.save_as(self.workdir / BEST, [])
        if self.checkpoints.writes:
            plots.save_curves(
                {self.workdir.name: self.rows},
                self.workdir / CURVES,
                num_classes=len(self.checkpoints.class_names),
            )
            write_history(self.workdir / HISTORY, self.rows)
        if exhausted(self.rows, clock.config.early_stopping_epochs):
            self.model.stop_training = True


def exhausted(rows: list[dict], patience: int | None) -> bool:
    """Whether validation has not become better for ``patience`` epochs."""
    if patience is None or not rows:
        return False
    tops = [row["val_top1"] for row in rows]
    return len(tops) - 1 - tops.index(max(tops)) >= patience


class CollectGarbage(keras.callbacks.Callback):
    """Keeps memory flat: after every epoch, what pictures and files left in cycles is collected."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        gc.collect()


class LossGuard(keras.callbacks.Callback):
    """Ends a run whose loss or gradient is no number, or whose loss is far too high.

    It goes before :class:`Checkpoints`, so that no checkpoint has such weights.
    """

    def __init__(self, clock: Clock):
        super().__init__()
        self.clock = clock

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        config, loss = self.clock.config, float(self.model.step_loss.numpy())
        # In float16 the scaling of the loss meets infinite gradients, and leaves such steps out.
        norm = 0.0 if config.dtype == "mixed_float16" else float(self.model.gradient_norm.numpy())
        if math.isfinite(loss) and math.isfinite(norm) and loss <= config.max_loss:
            return
        what = "gradient" if math.isfinite(loss) and not math.isfinite(norm) else "loss"
        value = norm if what == "gradient" else loss
        raise FloatingPointError(f"the {what} is {value:.6g} at step {self.clock.step}.")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        loss = (logs or {})["val_loss"]
        if not math.isfinite(loss) and self.clock.config.dtype != "mixed_float16":
            raise FloatingPointError(
                f"the loss on validation is {loss} after step {self.clock.step}."
            )


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
