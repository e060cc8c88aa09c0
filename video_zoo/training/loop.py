"""train(config): build, compile, fit, and continue where an earlier call stopped."""

import dataclasses
import json
import math
import pathlib
import platform
import tempfile

import keras
import tensorflow as tf

import video_zoo
from video_zoo import data, models
from video_zoo.data import whole_files
from video_zoo.data.records import SkippedRecords, data_error
from video_zoo.data.source import Split
from video_zoo.evaluation.run import CONFIG

from . import callbacks, checkpoint
from .batches import Batches, write_skipped
from .config import TrainingConfig
from .initial import Task, check_freeze_until, has_auxiliary_loss, initial_model
from .optimizer import make_optimizer
from .strategy import (
    build_for_uneven_batches,
    check_backend,
    make_strategy,
    normalise_on_device,
)

# `fit` wants a number of epochs; a run in hours is ended by its clock.
_ENDLESS = 10**9


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What a run left.

    Args:
        workdir: folder of the run.
        history: one dict per epoch: "epoch", "step", "seconds", "learning_rate", "loss", "top1",
            "val_loss", "val_top1"; with more than five classes "top5" and "val_top5" too.
        finished: False if the run was interrupted.
    """

    workdir: pathlib.Path
    history: list[dict]
    finished: bool


def train(config: TrainingConfig) -> TrainingResult:
    """Trains a network as ``config`` says, or continues the run in its ``workdir``.

    Writes ``config.json``, ``history.csv``, ``curves.png``, ``best.keras`` (highest validation
    top-1), ``last.keras``, and TensorBoard's logs. Ctrl-C saves ``last.keras`` and returns.

    Raises:
        ValueError: a setting is out of range, or ``workdir`` holds a run with other settings.
        FileNotFoundError: shards, or the file of initial weights, are missing.
        FloatingPointError: the loss became NaN or infinite.
    """
    check_backend(config.dtype)
    strategy = make_strategy(config.virtual_devices)
    check_freeze_until(config)
    keras.utils.set_random_seed(config.seed)
    source = Split.open(config.data_dir, config.train_split)
    class_names = data.load_label_map(config.data_dir)
    workdir = _prepare_workdir(config)
    last = workdir / callbacks.LAST
    position = checkpoint.load_position(last)
    step, seconds = position.step, position.seconds
    history = callbacks.read_history(workdir / callbacks.HISTORY)
    rows = [row for row in history if row["step"] <= step]
    clock = callbacks.Clock(config, source.num_examples // config.batch_size, step, seconds)
    skipped = SkippedRecords() if config.on_bad_record == "skip" else None
    batches = Batches(config, source, strategy.num_replicas_in_sync, skipped)
    validation = batches.validation()
    batches.training(step)  # fails here, if it does, before the network is built
    if clock.finished:
        print(f"{workdir} holds the finished run: {step} steps, {seconds / 60:.1f} min.")
        return TrainingResult(workdir, rows, finished=True)
    with strategy.scope():
        if step:
            model = checkpoint.load_checkpoint(last)
            print(f"continuing {workdir} behind step {step}")
        else:
            task = Task(source.num_classes, class_names, source.channels)
            model = compiled_model(config, task)
    normalise_on_device(model)
    if config.batch_size % strategy.num_replicas_in_sync:
        build_for_uneven_batches(model, batches.training(0))
    _write_config(config, model)
    devices = ", ".join(strategy.extended.worker_devices)
    trained, frozen = _sizes(model)
    print(
        f"training {config.model} on {strategy.num_replicas_in_sync} device(s): {devices}; "
        f"{trained:,} parameters are trained" + (f", {frozen:,} frozen" if frozen else "")
    )
    recorder = callbacks.Recorder(workdir, clock, rows, class_names)
    try:
        finished = _fit(model, batches, validation, recorder)
    finally:
        if skipped:
            write_skipped(workdir, skipped)
    return TrainingResult(workdir, rows, finished)


def _fit(
    model: keras.Model,
    batches: Batches,
    validation: tf.data.Dataset,
    recorder: callbacks.Recorder,
) -> bool:
    """Runs ``fit`` until the clock says that it is enough; False if Ctrl-C came before."""
    workdir, clock = recorder.workdir, recorder.clock
    interrupt = callbacks.InterruptBetweenSteps()
    progress = callbacks.Progress(clock)
    tensorboard = keras.callbacks.TensorBoard(str(workdir / "tensorboard"), write_graph=False)
    clock.start()
    try:
        while True:
            # After an interruption, the rest of its epoch goes first.
            done = clock.step % clock.steps_per_epoch
            epoch = clock.step // clock.steps_per_epoch
            model.fit(
                batches.training(clock.step),
                validation_data=validation,
                initial_epoch=epoch,
                epochs=epoch + 1 if done else _ENDLESS,
                steps_per_epoch=clock.steps_per_epoch - done,
                callbacks=[callbacks.Budget(clock), progress, recorder, tensorboard, interrupt],
                shuffle=False,
                verbose=0,
            )
            if clock.finished:
                return True
    except KeyboardInterrupt:
        progress.close()
        recorder.save_last()
        print(
            f"interrupted behind step {clock.step}; saved {workdir / callbacks.LAST}. "
            "The same command continues from there."
        )
        return False
    except tf.errors.InvalidArgumentError as error:
        raise data_error(error) from error
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(f"a shard cannot be opened any more: {error.message}") from error
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(
            f"a device is out of memory behind step {clock.step}. Lower `batch_size`, `image_size` "
            "or `num_frames`, or set `dtype` to 'mixed_bfloat16'."
        ) from error
    finally:
        progress.close()
        interrupt.restore()


def compiled_model(config: TrainingConfig, task: Task) -> keras.Model:
    """The network of ``config`` with optimizer, loss and metrics; tells what was loaded."""
    model, note = initial_model(config, task)
    if config.weights is not None:
        print(note)
    metrics = [keras.metrics.CategoricalAccuracy("top1")]
    if task.num_classes > 5:
        metrics.append(keras.metrics.TopKCategoricalAccuracy(5, "top5"))
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=config.label_smoothing
    )
    optimizer = make_optimizer(config, model)
    if has_auxiliary_loss(config):
        model.compile(
            optimizer,
            loss=[loss, loss],
            loss_weights=[1.0, config.aux_loss_weight],
            weighted_metrics=[metrics, []],
        )
    else:
        model.compile(optimizer, loss=loss, weighted_metrics=metrics)
    return model


def _prepare_workdir(config: TrainingConfig) -> pathlib.Path:
    """Makes the folder of the run, and refuses one that holds another run."""
    workdir = pathlib.Path(config.workdir)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=workdir):
            pass
    except OSError as error:
        raise ValueError(
            "`workdir` must be a folder that can be written to. Received: "
            f"workdir={str(workdir)!r} ({error.strerror})"
        ) from error
    if (workdir / CONFIG).exists():
        earlier = json.loads((workdir / CONFIG).read_text())
        differences = config.differences(earlier["training"])
        class_names = data.load_label_map(config.data_dir)
        if class_names != earlier["class_names"]:
            differences.append(f"classes were {earlier['class_names']} and are {class_names}")
        if differences:
            raise ValueError(
                "`workdir` must be new, or hold a run with the same settings. Received: "
                f"workdir={str(workdir)!r}, where {'; '.join(differences)}. Choose another folder, "
                "or the settings of the run to continue it."
            )
    return workdir


def _sizes(model: keras.Model) -> tuple[int, int]:
    """Parameters that are trained, and frozen ones, without those of an auxiliary classifier."""
    network = keras.Model(model.inputs, model.outputs[0])
    trained = models.count_parameters(network)
    statistics = ("moving_mean", "moving_variance")
    frozen = [w for w in network.non_trainable_weights if not w.path.endswith(statistics)]
    return trained, sum(math.prod(weight.shape) for weight in frozen)


def _write_config(config: TrainingConfig, model: keras.Model) -> None:
    """Everything that tells later what this run was, and how to feed its network."""
    manifest = data.load_manifest(config.data_dir)
    network = keras.Model(model.inputs, model.outputs[0])  # without an auxiliary classifier
    trained, frozen = _sizes(model)
    content = {
        "training": dataclasses.asdict(config),
        "class_names": data.load_label_map(config.data_dir),
        "data": None if manifest is None else dict(manifest.settings),
        "trainable_parameters": trained,
        "frozen_parameters": frozen,
        "gmacs": models.count_macs(network) / 1e9,
        "versions": {
            "video_zoo": video_zoo.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
        },
    }
    path = pathlib.Path(config.workdir, CONFIG)
    whole_files.write_text(path, json.dumps(content, indent=2) + "\n")
