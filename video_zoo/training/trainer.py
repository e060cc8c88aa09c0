"""``fit`` around a network: what a step computes on each device, in place of Keras's own two steps.

Beyond those, a training step takes clips in bytes, can go through its clips in parts, and knows its
gradient as a whole: its norm is a property of the step and not of a device's share of it.

What training needs of Keras's models and is not public stands here, but for ``multi_worker.py``.
"""

import math
from collections.abc import Iterator

import keras
import tensorflow as tf

from video_zoo.data.input import transforms

from . import batch_norm
from .config import TrainingConfig
from .mean_ap import MeanAveragePrecision
from .mistakes import Mistakes


class Trainer(keras.Model):
    """Trains and validates a compiled network, which stays as it is; what is saved is ``network``.

    To be made in the scope of the strategy under which the network was made.

    Args:
        network: compiled.
        config: the run.
        num_classes: of the data.
        multi_label: whether a clip may have several classes, or none. Defaults to False.

    Attributes:
        network: the network.
        step_loss: float32 scalar variable, of the last training step over all devices.
        gradient_norm: float32 scalar variable, of all weights together, before it was clipped.
        confusion: float32 [num_classes, num_classes] variable, number of validation clips since it
            was last set to zero: row the true class, column the predicted one. None where a clip
            may have several classes.
        mistakes: validation clips of the greatest loss; None likewise.
    """

    def __init__(
        self,
        network: keras.Model,
        config: TrainingConfig,
        num_classes: int,
        multi_label: bool = False,
    ) -> None:
        super().__init__(name=f"{network.name}_trainer")
        self.network = network
        self._clip_norm = config.clip_norm
        self._num_parts = config.accumulate_steps
        same = {"trainable": False, "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
        self.step_loss = tf.Variable(0.0, **same)
        self.gradient_norm = tf.Variable(0.0, **same)
        self.confusion = self.mistakes = self._mean_ap = None
        if multi_label:
            self._mean_ap = MeanAveragePrecision(num_classes)
        else:
            self.confusion = tf.Variable(
                tf.zeros([num_classes, num_classes]),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
            self.mistakes = Mistakes(network.inputs[0].shape[1:])
        self.compile(network.optimizer, jit_compile=network.jit_compile)
        optimizer = plain_optimizer(network)
        # The step has done it, to know the whole gradient.
        optimizer._all_reduce_sum_gradients = list
        # `fit` would put the average in place of the weights, also after a part of an epoch.
        optimizer.finalize_variable_values = lambda variables: None

    @property
    def metrics(self) -> list[keras.Metric]:
        """Those of the network, and mean average precision where clips have several classes."""
        own = [] if self._mean_ap is None else [self._mean_ap]
        return [*self.network.metrics, *own]

    def call(self, inputs: tf.Tensor, training: bool = False):
        return self.network(inputs, training=training)

    def _maybe_symbolic_build(self, iterator: object = None, data_batch: object = None) -> None:
        """Nothing: :func:`build_from_one_clip` has done it."""

    @tf.autograph.experimental.do_not_convert
    def train_step(self, data: tuple) -> dict:
        model, optimizer = self.network, self.optimizer
        weights = model.trainable_weights
        total, gradients, logs = 0.0, None, {}
        for part, share in self._parts(data):
            # The next part begins when this one's gradient is there: only one is in memory.
            with tf.control_dependencies(gradients or []):
                clips = transforms.normalise(tf.identity(part[0]))
            with tf.GradientTape() as tape:
                outputs = model(clips, training=True)
                loss = model.compute_loss(clips, part[1], outputs, part[2]) * share
                scaled = optimizer.scale_loss(loss)
            found = tape.gradient(scaled, weights)
            gradients = found if gradients is None else list(map(tf.add, gradients, found))
            total += loss
            logs = self._update_metrics(loss / share, clips, part, outputs)
        total, gradients = self._sum_over_devices(total, gradients)
        scale = tf.cast(optimizer.scale_loss(1.0), tf.float32)
        norm = tf.cast(tf.linalg.global_norm(gradients), tf.float32) / scale
        self.step_loss.assign(tf.cast(total, tf.float32))
        self.gradient_norm.assign(norm)
        if self._clip_norm is not None:
            factor = tf.minimum(1.0, self._clip_norm / tf.maximum(norm, 1e-12))
            gradients = [gradient * tf.cast(factor, gradient.dtype) for gradient in gradients]
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return logs

    def _sum_over_devices(
        self, loss: tf.Tensor, gradients: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Loss and gradients, summed; the statistics of batch normalisation become the mean.

        Keras leaves each device its own moving statistics, and saves those of the first.
        """
        devices = self.distribute_strategy.num_replicas_in_sync
        if devices == 1:
            return loss, gradients
        moving = [
            variable.value
            for layer in batch_norm.layers_of(self.network)
            for variable in (layer.moving_mean, layer.moving_variance)
        ]
        context = tf.distribute.get_replica_context()
        # Copied to the replica's device first: only from there does one exchange sum them all.
        loss = tf.cast(loss, gradients[0].dtype)  # several workers exchange one type at a time
        values = [tf.identity(value) for value in (loss, *gradients, *moving)]
        loss, *values = context.all_reduce(tf.distribute.ReduceOp.SUM, values)
        for variable, total in zip(moving, values[len(gradients) :], strict=True):
            variable.assign(total / devices)
        return loss, values[: len(gradients)]

    def _parts(self, data: tuple) -> Iterator[tuple[tuple, tf.Tensor | float]]:
        """Slices of a batch, each with its share of the clips."""
        if self._num_parts == 1:
            yield data, 1.0
            return
        count = tf.shape(data[0])[0]
        for index in range(self._num_parts):
            begin = count * index // self._num_parts
            end = count * (index + 1) // self._num_parts
            part = tf.nest.map_structure(lambda value, b=begin, e=end: value[b:e], data)
            yield part, tf.cast(end - begin, tf.float32) / tf.cast(count, tf.float32)

    @tf.autograph.experimental.do_not_convert
    def test_step(self, data: tuple) -> dict:
        clips = transforms.normalise(data[0])
        outputs = self.network(clips, training=False)
        loss = self.network.compute_loss(clips, data[1], outputs, data[2])
        if self.confusion is not None:
            targets, logits, weights = _of_main_output(data[1], outputs, data[2])
            counts = tf.math.confusion_matrix(
                tf.argmax(targets, axis=-1),
                tf.argmax(logits, axis=-1),
                targets.shape[-1],
                tf.cast(weights > 0, tf.float32),
                tf.float32,
            )
            self.confusion.assign_add(counts)
            self.mistakes.note(data[0], targets, logits, weights)
        return self._update_metrics(loss, clips, data, outputs)

    def _update_metrics(self, loss: tf.Tensor, clips: tf.Tensor, data: tuple, outputs) -> dict:
        model = self.network
        # Keras has divided the loss by the number of devices, over which gradients are summed.
        whole = loss * self.distribute_strategy.num_replicas_in_sync
        tracker = next(metric for metric in model.metrics if metric.name == "loss")
        tracker.update_state(whole, sample_weight=tf.shape(clips)[0])
        ranked = tf.nest.map_structure(ranks, outputs)
        logs = model.compute_metrics(clips, data[1], ranked, sample_weight=data[2])
        if self._mean_ap is None:
            return logs
        self._mean_ap.update_state(*_of_main_output(data[1], outputs, data[2]))
        return {**logs, self._mean_ap.name: self._mean_ap.result()}


def _of_main_output(*values: tf.Tensor | tuple) -> list[tf.Tensor]:
    """Of each, what belongs to the first output: a network may have an auxiliary one."""
    return [tf.nest.flatten(each)[0] for each in values]


def build_from_one_clip(network: keras.Model, dataset: tf.data.Dataset) -> None:
    """Builds metrics and loss of a network, so that ``fit`` finds nothing left to build.

    Keras would take the mean of a first batch over the replicas for it, which fails where their
    shares of a batch differ in size, and on several workers. Here it is one clip of zeros.

    Args:
        network: compiled, made under a distribution strategy.
        dataset: what ``fit`` will get.
    """
    clip = tf.nest.map_structure(
        lambda spec: tf.zeros([1, *spec.shape[1:]], spec.dtype), dataset.element_spec
    )
    with network.distribute_strategy.scope():
        network._symbolic_build(data_batch=clip)


def ranks(scores: tf.Tensor) -> tf.Tensor:
    """Minus the rank of each class among its clip's, float32 [clips, classes]; the best has 0.

    Of equal scores the first comes first, as in ``evaluation/metrics.py``. Keras's top-5 takes all
    that are equal for hits: with a network that tells no class from another it would be 1.
    """
    order = tf.argsort(scores, axis=-1, direction="DESCENDING", stable=True)
    places = -tf.cast(tf.argsort(order, axis=-1), tf.float32)
    return tf.where(tf.math.is_finite(tf.cast(scores, tf.float32)), places, math.nan)


def plain_optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    """The optimizer of a network, without the loss scaling around it."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def moving_averages(model: keras.Model) -> list:
    """Of the trained weights, as the optimizer keeps them; none if it does not."""
    return getattr(plain_optimizer(model), "_model_variables_moving_average", [])
