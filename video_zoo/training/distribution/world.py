"""The processes that train one network together: their strategy, and what they do as one."""

import contextlib

import numpy as np
import tensorflow as tf

from video_zoo.data.input.stream import Share

from ..trainer import Trainer


class World:
    """A run in one process, for which there is nobody to wait for.

    ``workers.Workers`` does the same for several, so that no caller asks which of them it has.

    Args:
        strategy: of all devices of the run. Defaults to the current one.
        index: place of this process among those of the run; the first is the chief.
        count: number of processes.

    Attributes:
        share: of each batch, as the datasets take it.
        trainer: the class whose ``fit`` runs in all processes.
    """

    trainer = Trainer

    def __init__(
        self, strategy: tf.distribute.Strategy | None = None, index: int = 0, count: int = 1
    ) -> None:
        self.strategy = strategy or tf.distribute.get_strategy()
        self.share = Share(index, count)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes files."""
        return self.share.index == 0

    @property
    def alone(self) -> bool:
        return self.share.count == 1

    def watched(self) -> contextlib.AbstractContextManager:
        """Within, the loss of another process is an error that tells of it."""
        return contextlib.nullcontext()

    def check_same(self, facts: dict[str, object]) -> None:
        """Refuses processes that are about to do different things."""

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over all processes of float64 numbers; each waits here for the others."""
        return values

    def barrier(self) -> None:
        """Waits until all processes are here."""
        self.mean(np.zeros(1))

    def agree(self, number: int, seconds: float, signum: int) -> float | None:
        """What one process alone knows, its clock and a signal that it got, made the same for all.

        Args:
            number: of steps done, or of the batch of validation; the same in all processes.
            seconds: that this process has counted.
            signum: the signal that it got; 0 for none.

        Returns:
            Mean of the seconds; None where the processes do not exchange theirs at this number.
        """
        return seconds

    def signal_for_all(self, signum: int) -> int:
        """The signal that all processes stop for, where this one got ``signum``; 0 for none."""
        return signum

    def for_fit(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """This process's share of the batches, as ``fit`` takes it."""
        return dataset
