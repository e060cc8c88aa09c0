"""What holds training back: reading clips, or the step of the network?"""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable

import keras
import tensorflow as tf
import tqdm

from video_zoo.data.input import records, sampling, transforms
from video_zoo.data.input.clips import ClipConfig, parallel_calls
from video_zoo.data.input.pipeline import PREFETCHED, Clips
from video_zoo.data.input.source import Split
from video_zoo.training import TrainingConfig
from video_zoo.training.batches import Batches
from video_zoo.training.distribution.strategy import make_strategy
from video_zoo.training.initial import Task, compiled_model
from video_zoo.training.trainer import Trainer, build_from_one_clip

from .config import InputConfig


@dataclasses.dataclass(frozen=True)
class InputMeasurement:
    """Rates in clips per second, one of each for every repeat; ``str`` of it is the report.

    Args:
        decode: bare decode and crop of the same frames on all cores: the limit of any input.
        pipeline: the input pipeline, as ``fit`` reads it.
        step: training steps on one batch that is in memory.
        fit: training from the pipeline.
    """

    decode: tuple[float, ...]
    pipeline: tuple[float, ...]
    step: tuple[float, ...] = ()
    fit: tuple[float, ...] = ()

    def __str__(self) -> str:
        names = "bare decode and crop", "pipeline", "training step alone", "fit"
        measured = zip(names, dataclasses.astuple(self), strict=True)
        lines = [f"{name:<24}{_told(rates)}" for name, rates in measured if rates]
        lines.append(f"pipeline / bare decode: {_ratio(self.pipeline, self.decode):.1%}")
        if self.step:
            lines.append(f"fit / step alone: {_ratio(self.fit, self.step):.1%}")
            faster = statistics.median(self.step) > statistics.median(self.pipeline)
            lines.append("the input holds training back" if faster else "the network is the limit")
        return "\n".join(lines)


def _told(rates: tuple[float, ...]) -> str:
    return f"{statistics.median(rates):8.2f} clips/s, {min(rates):.2f} to {max(rates):.2f}"


def _ratio(rates: tuple[float, ...], limits: tuple[float, ...]) -> float:
    """Median of the ratios of what was measured side by side."""
    return statistics.median(rate / limit for rate, limit in zip(rates, limits, strict=True))


def measure_input(config: InputConfig) -> InputMeasurement:
    """Measures bare decoding, the pipeline, the step and ``fit``, again and again in turn.

    Args:
        config: what to read, and for which network.

    Raises:
        ValueError: a setting is wrong, or a record cannot be used; the message says which.
        FileNotFoundError: as :func:`video_zoo.data.training_dataset`.
    """
    source = Split.open(config.data_dir, config.split)
    clip = ClipConfig(num_frames=config.num_frames, image_size=config.image_size)
    with records.named_errors(source):
        frames, boxes = _frames_in_memory(config, source)
        batches = Clips(source, clip, config.batch_size, dtype="uint8").training()
        measures: dict[str, Callable[[], float]] = {
            "decode": lambda: _decode_rate(frames, boxes, config),
            "pipeline": lambda: _rate(batches, config),
        }
        if config.steps:
            measures |= _network_rates(config, source)
        rates: dict[str, list[float]] = {name: [] for name in measures}
        for _ in tqdm.trange(config.repeats, desc="measuring", unit="repeat"):
            for name, measure in measures.items():
                rates[name].append(measure())
    return InputMeasurement(**{name: tuple(values) for name, values in rates.items()})


def _frames_in_memory(config: InputConfig, source: Split) -> tuple[tf.Tensor, tf.Tensor]:
    """Frames and crop boxes of clips as the pipeline draws them."""
    found = source.places().flat_map(records.read_shard)
    examples = (
        found.map(records.parser(source.class_names, multi_label=source.multi_label))
        .repeat()
        .take(config.clips)
    )
    frames, boxes = [], []
    for number, example in enumerate(examples):
        encoded = example["frames"]
        seed = tf.constant([number, 0])
        indices = sampling.random_clip(tf.shape(encoded)[0], config.num_frames, 1, seed)
        box = transforms.random_crop_box(*tf.unstack(example["size"]), seed)
        frames.append(tf.gather(encoded, indices))
        boxes.append(tf.repeat(box[tf.newaxis], config.num_frames, axis=0))
    return tf.concat(frames, axis=0), tf.concat(boxes, axis=0)


def _decode_rate(frames: tf.Tensor, boxes: tf.Tensor, config: InputConfig) -> float:
    def decode(frame: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
        # One pixel of each: the pictures themselves go nowhere.
        return transforms.decode_box(frame, box)[0, 0]

    decoded = tf.data.Dataset.from_tensor_slices((frames, boxes)).repeat()
    decoded = decoded.map(decode, num_parallel_calls=parallel_calls(), deterministic=False)
    return _rate(decoded.batch(config.num_frames * config.batch_size), config)


def _rate(dataset: tf.data.Dataset, config: InputConfig) -> float:
    # An iterator of its own: a waiting one would fill its buffers while something else is measured.
    batches = iter(dataset)
    for _ in range(2 + PREFETCHED):
        next(batches)  # a start is slow, and what was made ahead in it does not count
    steps = -(-config.clips // config.batch_size)
    started = time.perf_counter()
    for _ in range(steps):
        next(batches)
    return steps * config.batch_size / (time.perf_counter() - started)


def _network_rates(config: InputConfig, source: Split) -> dict[str, Callable[[], float]]:
    training = TrainingConfig(
        model=config.model,
        data_dir=config.data_dir,
        workdir=os.devnull,
        train_split=config.split,
        num_frames=config.num_frames,
        image_size=config.image_size,
        batch_size=config.batch_size,
        width_multiplier=config.width_multiplier,
        imports=config.imports,
        inflation=config.inflation,
        steps=config.steps,
    )
    strategy = make_strategy()
    dataset = Batches(training, {config.split: source}, strategy.num_replicas_in_sync).training(0)
    with strategy.scope():
        task = Task(source.num_classes, source.class_names, source.channels)
        network = compiled_model(training, task)
        trainer = Trainer(network, training, source.num_classes, source.multi_label)
    build_from_one_clip(network, dataset)
    one = tf.data.Dataset.from_tensors(next(iter(dataset))).repeat()
    return {
        "step": lambda: _fit_rate(trainer, one, config),
        "fit": lambda: _fit_rate(trainer, dataset, config),
    }


def _fit_rate(trainer: Trainer, batches: tf.data.Dataset, config: InputConfig) -> float:
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter())
    )
    # The first step builds the graph, and fills what is made ahead.
    steps = config.steps + 1
    trainer.fit(batches, steps_per_epoch=steps, verbose=0, callbacks=[clock], shuffle=False)
    return config.steps * config.batch_size / (ends[-1] - ends[0])
