"""train(config): build, compile, fit, and continue where an earlier call stopped."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from video_zoo import known_names
from video_zoo.data.input.records import SkippedRecords, named_errors
from video_zoo.data.input.source import Split
from video_zoo.data.input.stream import ALL
from video_zoo.files import whole_files
from video_zoo.files.ownership import sole_owner
from video_zoo.run.files import BAD_BATCH, CHECKPOINTS, HISTORY
from video_zoo.run.history import read_history
from video_zoo.run.room import enough_room

from . import callbacks, checkpoint, checks, precise, sight
from .batches import Batches, read_skipped, write_skipped
from .clock import Clock
from .config import WORKER_SETTINGS, TrainingConfig
from .distribution.strategy import check_backend
from .distribution.workers import find_world
from .distribution.world import World
from .initial import Task, check_freeze_until, compiled_model
from .input_wait import InputWait
from .trainer import Trainer, build_from_one_clip
from .workdir import (
    check_whole,
    check_workdir,
    convention_of,
    make_workdir,
    sizes,
    storage_of,
    write_config,
)

# `fit` wants a number of epochs; a run in hours is ended by its clock.
_ENDLESS = 10**9


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What a run left.

    Args:
        workdir: folder of the run.
        history: one dict per epoch: "epoch", "step", "seconds", "learning_rate", "loss", "top1",
            "val_loss", "val_top1"; with more than five classes "top5" and "val_top5" too; where
            clips have several classes "mean_ap" and "val_mean_ap" in place of both;
            "clips_per_second", "input_wait".
        finished: False if the run was interrupted, or ended by a callback.
        signum: the signal that interrupted it; None if none did.
    """

    workdir: pathlib.Path
    history: list[dict]
    finished: bool
    signum: int | None = None


def train(
    config: TrainingConfig, *, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> TrainingResult:
    """Trains a network as ``config`` says, or continues the run in its ``workdir``.

    Writes ``config.json``, ``history.csv``, ``curves.png``, ``best.keras`` (highest validation
    top-1), ``checkpoints/``, and TensorBoard's logs. Ctrl-C and SIGTERM save a checkpoint, and the
    call returns.

    Args:
        config: the run.
        callbacks: Keras's callbacks of your own, such as a tracker's. They come first at every
            event, so that what they change is in the checkpoints of that step; what they know
            themselves is not saved. Their ``model`` trains the network, which is
            ``model.network``; ``logs`` are Keras's. With ``model.stop_training`` they end the call
            after the validation that follows; another call continues the run. A run that continues
            within an epoch begins and ends training twice. Of several workers each calls its own.
            Defaults to none.

    Returns:
        Where the run is, and how far; it is finished unless a signal or a callback ended it.

    Raises:
        ValueError: a setting is out of range, ``callbacks`` are none, ``workdir`` holds a run with
            other settings, or another process is at work there.
        FileNotFoundError: shards, or the file of initial weights, are missing.
        FloatingPointError: the loss became NaN, infinite, or larger than ``max_loss``.
        MemoryError: a device has too little memory.
    """
    config.check_files()
    checks.check_callbacks(callbacks)
    known_names.import_modules(config.imports, config.model)
    check_backend(config.dtype)
    world = find_world(config)
    checks.check_devices(config, world.strategy.num_replicas_in_sync, world.share.count)
    check_freeze_until(config)
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    sources = checks.open_splits(config)
    workdir = make_workdir(config)
    # The other workers of a run write nothing.
    with sole_owner(workdir, "workdir") if world.is_chief else contextlib.nullcontext():
        check_workdir(workdir, config, sources[config.train_split])
        if world.is_chief:
            for folder in (workdir, workdir / CHECKPOINTS):
                whole_files.remove_unfinished(folder)
        run = _Run(config, workdir, sources, world, callbacks)
        skipped_before = read_skipped(workdir)  # now, and not after hours
        if run.trained and not run.precise_is_due:
            step, minutes = run.clock.step, run.clock.seconds / 60
            print(f"{workdir} holds the finished run: {step} steps, {minutes:.1f} min.")
            return TrainingResult(workdir, run.rows, finished=True)
        try:
            signum = run.work()
        finally:
            if run.batches.skipped and run.writes:
                write_skipped(workdir, run.batches.skipped, skipped_before)
        return TrainingResult(workdir, run.rows, signum is None and run.trained, signum)


class _Run:
    """A run that is going on: the network, its data, and how far it is."""

    def __init__(
        self,
        config: TrainingConfig,
        workdir: pathlib.Path,
        sources: dict[str, Split],
        world: World,
        own_callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        source, self.sources = sources[config.train_split], list(sources.values())
        self.config, self.workdir, self.source = config, workdir, source
        self.own_callbacks = own_callbacks
        self.world, self.strategy, self.writes = world, world.strategy, world.is_chief
        self.newest = checkpoint.latest_checkpoint(workdir)
        self.position = checkpoint.load_position(self.newest)
        step, seconds = self.position.step, self.position.seconds
        rows = read_history(workdir / HISTORY)
        steps_per_epoch = source.num_examples // config.batch_size
        check_whole(workdir, rows, self.newest and self.position, steps_per_epoch)
        self.rows = [row for row in rows if row["step"] <= step]
        if rows and self.newest is None:
            self._say(f"{workdir} was ended before its first checkpoint; it starts again.")
        if self.newest is not None:
            checkpoint.check_class_names(self.newest, source.class_names)
        if self.rows and self.rows[-1]["step"] == step:
            # The checkpoint may be of before the validation, with metrics that are in the row now.
            self.position = dataclasses.replace(self.position, metrics=[])
        self.clock = Clock(config, steps_per_epoch, step, seconds, world)
        skipped = SkippedRecords() if config.on_bad_record == "skip" else None
        devices = world.strategy.num_replicas_in_sync
        self.batches = Batches(config, sources, devices, skipped, world.share)
        # These fail here, if they do, before the network is built.
        self.validation = world.for_fit(self.batches.validation())
        self.batches.training(step)

    @property
    def trained(self) -> bool:
        """Whether the last epoch is done, with its validation."""
        stopped = callbacks.exhausted(self.rows, self.config.early_stopping_epochs)
        return (self.clock.finished and not self.validation_is_due) or stopped

    @property
    def precise_is_due(self) -> bool:
        """Whether precise statistics are asked for, and are not there for the last step."""
        return precise.is_due(self.config, self.workdir, self.clock.step)

    @property
    def validation_is_due(self) -> bool:
        """Whether the run was ended after the last step of an epoch, before its validation."""
        done = self.rows[-1]["step"] if self.rows else 0
        return self.clock.at_end_of_epoch and done < self.clock.step

    def _say(self, text: str) -> None:
        if self.writes:
            print(text, flush=True)

    def work(self) -> int | None:
        """Trains to the end; returns the signal that ended it before, or None."""
        try:
            with (
                self.world.watched(),
                callbacks.Interruption(self.clock) as interruption,
                interruption.deferred(not self.world.alone),  # several workers stop together
            ):
                self._work(interruption)
        except callbacks.StopRequested as request:
            path = checkpoint.path_of_step(self.workdir, self.clock.step)
            saved = f"; saved {path}" if path.exists() else ""
            self._say(
                f"interrupted after step {self.clock.step}{saved}. The same command continues "
                "from there."
            )
            return request.signum
        return None

    def _work(self, interruption: callbacks.Interruption) -> None:
        self.world.check_same(self._facts())
        interruption.stop_together()
        with self._enough_room():
            network = self._network()
        interruption.stop_together()
        trainer, clips = self._ready(network)
        interruption.stop_together()
        checkpoints = callbacks.Checkpoints(
            trainer,
            self.workdir,
            self.clock,
            self.position,
            self.source.class_names,
            self.writes,
            convention_of(self.config, network, self.source),
            self.source.multi_label,
        )
        if not self.trained:
            with interruption.deferred():
                self._train(trainer, clips, checkpoints, interruption)
        if self.trained and self.precise_is_due:
            interruption.stop_if_asked()
            with self._explained():
                self._precise_statistics(trainer, checkpoints)

    def _facts(self) -> dict[str, object]:
        """What must be the same on all workers."""
        facts = dataclasses.asdict(self.config)
        for own in ("data_dir", "workdir", "num_devices", *WORKER_SETTINGS):
            del facts[own]
        data = {"examples": self.source.num_examples, "classes": self.source.class_names}
        return facts | data | {"step": self.clock.step, "epochs_done": len(self.rows)}

    def _ready(self, network: keras.Model) -> tuple[Trainer, np.ndarray]:
        """What trains the network, its steps tried, and the clips of the first batch."""
        with self.strategy.scope():
            source = self.source
            trainer = self.world.trainer(
                network, self.config, source.num_classes, source.multi_label
            )
        with self._explained():
            build_from_one_clip(network, self.batches.training(0))
        if self.writes:
            write_config(self.config, network, self.source)
            (self.workdir / CHECKPOINTS).mkdir(exist_ok=True)
        self._tell(network)
        self._say("compiling the steps of training and validation, and trying one of each")
        with self._explained():
            first = self.batches.training(self.clock.step).take(1).cache()
            checks.try_one_step(trainer, self.world.for_fit(first), self.validation)
            return trainer, next(iter(first))[0].numpy()

    def _train(
        self,
        trainer: Trainer,
        clips: np.ndarray,
        checkpoints: callbacks.Checkpoints,
        interruption: callbacks.Interruption,
    ) -> None:
        """``fit`` with all callbacks; saves a checkpoint where a signal ends it."""
        curves = [sight.Curves(self.workdir)] if self.writes else []
        with (
            self._explained(),
            contextlib.closing(callbacks.BetweenSteps(checkpoints, self.rows, clips)) as between,
        ):
            try:
                order = [*self.own_callbacks, between, *curves, interruption]
                self._fit(trainer, between.wait, order)
            except callbacks.StopRequested:
                between.close()
                checkpoints.save()
                # A worker that ends before the chief has saved could take it along.
                self.world.barrier()
                raise

    def _network(self) -> keras.Model:
        with self.strategy.scope():
            if self.newest is not None:
                self._say(f"continuing {self.workdir} after step {self.clock.step}")
                if self.rows and (told := self.clock.rise(self.rows[-1]["learning_rate"])):
                    self._say(told)
                return checkpoint.load_checkpoint(self.newest, self.config.dtype)
            self._say(f"building {self.config.model}")
            source = self.source
            stored = storage_of(source)
            several = source.multi_label
            task = Task(source.num_classes, source.class_names, source.channels, stored, several)
            network = compiled_model(self.config, task)
            network.optimizer.build(network.trainable_variables)
            return network

    def _tell(self, network: keras.Model) -> None:
        devices = self.strategy.extended.worker_devices
        count = self.strategy.num_replicas_in_sync
        trained, frozen = sizes(network)
        self._say(
            f"training {self.config.model} on {count} device(s)"
            + ("" if self.world.alone else f" of {self.world.share.count} workers, here")
            + f": {', '.join(name.rpartition('device:')[2] for name in devices)}; "
            f"{trained:,} parameters are trained" + (f", {frozen:,} frozen" if frozen else "")
        )
        share = -(-self.config.batch_size // count)
        memory = checks.estimate_memory(network, -(-share // self.config.accumulate_steps))
        self._say(checks.tell_memory(memory, checks.available_memory(len(devices))))

    def _fit(self, trainer: Trainer, wait: InputWait, order: list) -> None:
        """Runs ``fit`` until the clock, or early stopping, says that it is enough."""
        clock = self.clock
        clock.start()
        if self.validation_is_due:
            self._validate(trainer, order)
        stopped = trainer.stop_training  # by a callback of the user's
        while not (self.trained or stopped):
            # After an interruption, the rest of its epoch goes first.
            done = clock.step % clock.steps_per_epoch
            trainer.fit(
                self.world.for_fit(wait.timed(self.batches.training(clock.step))),
                validation_data=self.validation,
                initial_epoch=clock.epoch,
                epochs=clock.epoch + 1 if done else _ENDLESS,
                steps_per_epoch=clock.steps_per_epoch - done,
                callbacks=order,
                shuffle=False,
                verbose=0,
            )
            stopped = trainer.stop_training
        if not self.trained:
            self._say(f"a callback ended the run after step {clock.step}; another call continues.")

    def _validate(self, trainer: Trainer, order: list) -> None:
        """The end of an epoch whose validation was interrupted."""
        epoch = (self.clock.step - 1) // self.clock.steps_per_epoch
        every = keras.callbacks.CallbackList(order, model=trainer)
        every.on_train_begin()
        every.on_epoch_begin(epoch)  # the metrics are those of the checkpoint again
        logs = trainer.get_metrics_result()
        found = trainer.evaluate(self.validation, callbacks=every, verbose=0, return_dict=True)
        every.on_epoch_end(epoch, logs | {f"val_{name}": value for name, value in found.items()})

    def _enough_room(self) -> contextlib.AbstractContextManager:
        remedy = f"{checks.LESS_MEMORY}."
        return enough_room(remedy, f"a file in {self.workdir}", lambda: self.clock.step)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns TensorFlow's errors, and a NaN or excessive loss, into what a user can mend."""
        try:
            with self._enough_room(), named_errors(*self.sources):
                yield
        except FloatingPointError as error:
            raise FloatingPointError(
                f"{error} {self._keep_bad_batch()}The checkpoints before it stay in "
                f"{self.workdir / CHECKPOINTS}. Lower `learning_rate`, add `warmup_steps`, "
                "or set `clip_norm`."
            ) from error

    def _keep_bad_batch(self) -> str:
        """Saves the batch of the last step; its clips follow from the number of the step."""
        if self.config.data_service is not None or not self.writes:
            return ""
        batches = dataclasses.replace(self.batches, share=ALL)  # all of it
        clips, labels, *_ = next(iter(batches.training(self.clock.step - 1)))
        path = self.workdir / BAD_BATCH
        with whole_files.atomic_write(path) as temporary, open(temporary, "wb") as file:
            labels = tf.nest.flatten(labels)[0]
            np.savez_compressed(file, clips=clips, labels=labels, step=self.clock.step)
        return f"Its batch is in {path}. "

    def _precise_statistics(self, trainer: Trainer, checkpoints: callbacks.Checkpoints) -> None:
        """Writes ``precise_bn.keras``, and what its statistics change on validation."""
        share = self.config.batch_size // self.strategy.num_replicas_in_sync
        share //= self.config.accumulate_steps
        # The same on all workers.
        batches = dataclasses.replace(self.batches, share=ALL).training(0)
        batches = batches.map(lambda clips, *_rest: (clips[:share],))
        precise.write(trainer, batches, self.validation, checkpoints)
