"""What can be found out before the first expensive minute."""

import dataclasses

import keras
import numpy as np
import psutil
import tensorflow as tf

from video_zoo import errors
from video_zoo.data.input import records
from video_zoo.data.input.source import Split

from .config import TrainingConfig
from .trainer import plain_optimizer

_MIB = 2**20
LESS_MEMORY = (
    "Lower `batch_size`, `image_size` or `num_frames`, raise `accumulate_steps`, or set `dtype` to "
    "'mixed_bfloat16'"
)


def check_devices(config: TrainingConfig, found: int, workers: int = 1) -> None:
    """Refuses devices that are others than those asked for, or cannot share a batch.

    Args:
        config: the run.
        found: devices that there are, of all workers together.
        workers: number of workers.

    Raises:
        ValueError: a setting does not fit the devices.
    """
    if config.num_devices not in (None, found):
        allowed = f"the number of devices that TensorFlow finds, {found}"
        remedy = "Look at nvidia-smi and CUDA_VISIBLE_DEVICES."
        raise errors.refusal("num_devices", allowed, config.num_devices, remedy)
    if config.batch_size // found < config.accumulate_steps:
        allowed = f"at most the number of clips that a device gets, {config.batch_size // found}"
        raise errors.refusal("accumulate_steps", allowed, config.accumulate_steps)
    if config.batch_size % found and (workers > 1 or config.sync_batch_norm):
        why = f" on {workers} workers" if workers > 1 else ", with `sync_batch_norm`"
        allowed = f"a multiple of the number of devices, {found}{why}"
        raise errors.refusal("batch_size", allowed, config.batch_size)
    if config.jit_compile and found > 1:
        allowed = "False on several devices, which XLA cannot compile for here"
        raise errors.refusal("jit_compile", allowed, True, place=f" and {found} devices")


def check_callbacks(callbacks: object) -> None:
    """Raises ValueError unless ``callbacks`` are several of Keras's, or none."""
    several = isinstance(callbacks, list | tuple)
    if several and all(isinstance(each, keras.callbacks.Callback) for each in callbacks):
        return
    allowed = "a list of objects of keras.callbacks.Callback"
    raise errors.refusal("callbacks", allowed, callbacks, "Write one as `[callback]`.")


def open_splits(config: TrainingConfig) -> dict[str, Split]:
    """The splits to train and to validate on, by name; see :func:`records.check_shards`."""
    splits = {name: getattr(config, name) for name in ("train_split", "val_split")}
    strict = config.on_bad_record == "error"
    sources = {
        split: Split.open(config.data_dir, split, name, check_sizes=strict)
        for name, split in splits.items()
    }
    several = {split: source.multi_label for split, source in sources.items()}
    if any(several.values()) and config.class_balance == "weights":
        raise errors.refusal(
            "class_balance",
            "'none' or 'sampling' where clips have several classes, as one factor on the loss of a "
            "clip would be that of all its classes",
            config.class_balance,
        )
    for source in sources.values() if strict else ():
        records.check_shards(source)
    return sources


@dataclasses.dataclass(frozen=True)
class Memory:
    """What one device needs for training, in bytes, roughly.

    Args:
        weights: weights, their gradients, and what the optimizer keeps for each.
        activations: outputs of all layers, which the backward pass needs.
    """

    weights: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.activations


def estimate_memory(model: keras.Model, clips: int) -> Memory:
    """Memory of a training step on one device.

    Args:
        model: compiled network whose optimizer is built.
        clips: of the step that are in work at once on the device.
    """
    outputs = sum(
        int(np.prod(output.shape[1:])) * tf.as_dtype(layer.compute_dtype).size
        for layer in model.layers
        for output in tf.nest.flatten(layer.output)
    )
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    kept = sum(int(np.prod(variable.shape)) for variable in plain_optimizer(model).variables)
    return Memory(4 * (model.count_params() + trained + kept), outputs * clips)


def available_memory(num_devices: int) -> int:
    """Bytes that each device has: a GPU's own, or a share of the computer's that is free."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        from tensorflow.python.client import device_lib  # TensorFlow tells it nowhere else

        limits = [d.memory_limit for d in device_lib.list_local_devices() if d.device_type == "GPU"]
        return min(limits)
    return psutil.virtual_memory().available // num_devices


def tell_memory(memory: Memory, available: int) -> str:
    """One line, with a warning where the estimate is above what there is."""
    line = (
        f"memory of a device: about {memory.total / _MIB:,.0f} MiB for training (weights "
        f"{memory.weights / _MIB:,.0f}, activations {memory.activations / _MIB:,.0f}), "
        f"{available / _MIB:,.0f} MiB available"
    )
    if memory.total > available:
        line += f"\nwarning: that may be too little. {LESS_MEMORY}"
    return line


def try_one_step(
    trainer: keras.Model, training: tf.data.Dataset, validation: tf.data.Dataset
) -> None:
    """One step of training and one of validation on real data, and all variables as before.

    What is traced and compiled for it serves the run too.

    Args:
        trainer: built, optimizer included.
        training: dataset of at least one batch.
        validation: likewise.
    """
    variables = [*trainer.variables, *trainer.optimizer.variables]
    before = [variable.numpy() for variable in variables]
    trainer.fit(
        training,
        steps_per_epoch=1,
        validation_data=validation,
        validation_steps=1,
        shuffle=False,
        verbose=0,
    )
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
