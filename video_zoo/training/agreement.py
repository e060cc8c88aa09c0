"""How the workers of a run come to do the same: what they compare, exchange and wait for."""

import signal
import zlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from .cluster import Cluster


def mean_of_all(strategy: tf.distribute.Strategy, values: np.ndarray) -> np.ndarray:
    """Mean over all workers of float64 numbers; each waits here for the others."""
    # How often a worker's numbers are summed depends on its devices.
    counted = np.concatenate([values.ravel(), [1.0]])
    total = strategy.reduce("SUM", tf.constant(counted), axis=None).numpy()
    return (total[:-1] / total[-1]).reshape(values.shape)


def check_same(
    strategy: tf.distribute.Strategy, cluster: Cluster, facts: Mapping[str, object]
) -> None:
    """Refuses workers that are about to do different things, before they wait for one another.

    Args:
        strategy: of all workers.
        cluster: this worker, among the others.
        facts: name -> what must be the same, with a `repr` that tells it; the same names for all.

    Raises:
        ValueError: something is not the same, on all workers.
    """
    index, count = cluster.worker
    sums = np.zeros((count, len(facts)))
    sums[index] = [zlib.crc32(repr(value).encode()) for value in facts.values()]
    sums = mean_of_all(strategy, sums)
    names = [name for name, column in zip(facts, sums.T, strict=True) if len(set(column)) > 1]
    if names:
        here = ", ".join(f"{name}={facts[name]!r}" for name in names)
        raise ValueError(
            "`worker_hosts` must be workers with the same settings, data and checkpoints. "
            f"Received: other values on others than worker {index}'s own {here}. Start all of them "
            "with the same command but for `worker_index`, and see that all find the same `workdir`"
            "."
        )


class Agreement:
    """What one worker alone knows, its clock and a signal that it got, made the same for all.

    A worker that stops by itself, or sets a learning rate of its own, leaves the others waiting, or
    makes their weights differ without an error. So all of them exchange both, at the same steps.

    Args:
        strategy: of all workers.
        every: steps, or batches of validation, between two exchanges; each costs a round trip.
    """

    def __init__(self, strategy: tf.distribute.Strategy, every: int = 10) -> None:
        self._strategy, self._every = strategy, every

    def __call__(self, number: int, seconds: float, signum: int) -> tuple[float, int] | None:
        """Mean of the seconds, and the highest of the signals; None between two exchanges.

        Args:
            number: of steps done, or of the batch of validation; the same on all workers.
            seconds: that this worker has counted.
            signum: the signal that it got; 0 for none.
        """
        if number % self._every:
            return None
        values = np.zeros(signal.NSIG + 1)
        values[signum], values[-1] = 1, seconds
        mean = mean_of_all(self._strategy, values)
        return float(mean[-1]), int(mean[: signal.NSIG].nonzero()[0].max())
