"""A run on several machines: what its workers compare, exchange and wait for."""

import contextlib
import signal
import zlib

import numpy as np
import tensorflow as tf

from video_zoo import errors
from video_zoo.data.input.service_config import check_trust

from ..config import TrainingConfig
from . import multi_worker
from .cluster import Cluster, lost_worker, make_cluster_strategy
from .strategy import make_strategy
from .world import World


def find_world(config: TrainingConfig) -> World:
    """The workers of the settings, or of ``TF_CONFIG``, when all are there; or this process alone.

    Raises:
        ValueError: the settings contradict one another, the devices cannot be used, or the network
            is not trusted.
        WorkerLostError: some workers did not come; the message names them.
    """
    cluster = Cluster.find(config.worker_hosts, config.worker_index)
    if cluster is None:
        return World(make_strategy(config.virtual_devices))
    check_trust(config.trusted_network)
    if config.virtual_devices:
        raise errors.refusal("virtual_devices", "0 with several workers", config.virtual_devices)
    return Workers(cluster)


class Workers(World):
    """The world of a run on several machines.

    A worker that stops by itself, or sets a learning rate of its own, leaves the others waiting, or
    makes their weights differ without an error. So all of them exchange clock and signals, at the
    same steps.

    Args:
        cluster: this worker, among the others.
        every: steps, or batches of validation, between two exchanges; each costs a round trip.

    Raises:
        WorkerLostError: some workers did not come.
    """

    trainer = multi_worker.WorkersTrainer

    def __init__(self, cluster: Cluster, every: int = 10) -> None:
        super().__init__(make_cluster_strategy(cluster), cluster.index, len(cluster.hosts))
        self._cluster, self._every, self._signum = cluster, every, 0

    def watched(self) -> contextlib.AbstractContextManager:
        return lost_worker(self._cluster)

    def check_same(self, facts: dict[str, object]) -> None:
        """Refuses workers that are about to do different things, before they wait for one another.

        Args:
            facts: name -> what must be the same, with a ``repr`` that tells it; the same names for
                all.

        Raises:
            ValueError: something is not the same, on all workers.
        """
        index, count = self.share
        sums = np.zeros((count, len(facts)))
        sums[index] = [zlib.crc32(repr(value).encode()) for value in facts.values()]
        sums = self.mean(sums)
        names = [name for name, column in zip(facts, sums.T, strict=True) if len(set(column)) > 1]
        if names:
            here = ", ".join(f"{name}={facts[name]!r}" for name in names)
            raise ValueError(
                "`worker_hosts` must be workers with the same settings, data and checkpoints. "
                f"Received: other values on others than worker {index}'s own {here}. Start all of "
                "them with the same command but for `worker_index`, and see that all find the same "
                "`workdir`."
            )

    def mean(self, values: np.ndarray) -> np.ndarray:
        # How often a worker's numbers are summed depends on its devices.
        counted = np.concatenate([values.ravel(), [1.0]])
        total = self.strategy.reduce("SUM", tf.constant(counted), axis=None).numpy()
        return (total[:-1] / total[-1]).reshape(values.shape)

    def agree(self, number: int, seconds: float, signum: int) -> float | None:
        if number % self._every:
            return None
        values = np.zeros(signal.NSIG + 1)
        values[signum], values[-1] = 1, seconds
        mean = self.mean(values)
        self._signum = int(mean[: signal.NSIG].nonzero()[0].max())  # the highest of all
        return float(mean[-1])

    def signal_for_all(self, signum: int) -> int:
        """The one that was exchanged last, whatever this worker got since."""
        return self._signum

    def for_fit(self, dataset: tf.data.Dataset) -> tf.distribute.DistributedDataset:
        return multi_worker.distribute(self.strategy, dataset)
