"""What Keras 3 lacks for ``fit`` under ``MultiWorkerMirroredStrategy``. To be deleted when it does.

Two places of ``keras/src/backend/tensorflow/trainer.py`` break, in Keras 3.0 to 3.15:

- ``_maybe_symbolic_build`` gives the metrics and the optimizer the first batch to be built from, as
  PerReplica values where one tensor is meant. ``build_from_one_clip`` takes its place.
- ``reduce_per_replica`` takes the mean of every log, which is a scalar, over ``axis=0`` where
  ``axis=None`` is meant. ``on_all_workers`` takes its place.

``tests/training/distribution/test_multi_worker.py`` fails when one of them does not break any more.
"""

from collections.abc import Callable

import tensorflow as tf

from ..trainer import Trainer


class WorkersTrainer(Trainer):
    """A trainer on several workers."""

    def make_train_function(self, force: bool = False) -> None:
        if self.train_function is None or force:
            self.train_function = on_all_workers(self.distribute_strategy, self.train_step)

    def make_test_function(self, force: bool = False) -> None:
        if self.test_function is None or force:
            self.test_function = on_all_workers(self.distribute_strategy, self.test_step)


def on_all_workers(strategy: tf.distribute.Strategy, step: Callable) -> Callable:
    """The function of a step that gives the mean of its logs over all replicas.

    All workers get the same logs, so that what is decided from them is decided alike.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def one_step(iterator: tf.distribute.DistributedIterator) -> dict[str, tf.Tensor]:
        def step_with_shared_logs(data: object) -> list[tf.Tensor]:
            logs = step(data)
            names[:] = logs
            # One exchange for all of them.
            values = tf.stack([tf.cast(value, tf.float32) for value in logs.values()])
            return tf.distribute.get_replica_context().all_reduce("MEAN", values)

        names: list[str] = []
        shared = strategy.run(step_with_shared_logs, args=(iterator.get_next(),))
        values = tf.unstack(strategy.experimental_local_results(shared)[0])
        return dict(zip(names, values, strict=True))

    return one_step


def distribute(
    strategy: tf.distribute.Strategy, dataset: tf.data.Dataset
) -> tf.distribute.DistributedDataset:
    """What ``fit`` takes: the batches of this worker, dealt evenly to its replicas.

    Args:
        strategy: of all workers.
        dataset: this worker's share of the batches, of a static size that is a multiple of its
            number of replicas.
    """
    local = len(strategy.extended.worker_devices)
    size = tf.nest.flatten(dataset.element_spec)[0].shape[0]
    if local > 1:
        dataset = dataset.rebatch(size // local, drop_remainder=True)
    return strategy.distribute_datasets_from_function(lambda _context: dataset)
