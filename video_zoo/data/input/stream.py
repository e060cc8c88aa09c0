"""The records of a split in the order in which they are trained on, each with its seed."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from video_zoo import errors

from . import bad_records, balance, records
from .source import Split

# Encoded examples, not decoded frames, wait in the shuffle buffer: this bounds its memory.
SHUFFLE_BUFFER_BYTES = 256 * 2**20
# Shards that are read side by side in training.
_CYCLE_LENGTH = 16


def fold_seed(seed: int, *keys: tf.Tensor | int) -> tf.Tensor:
    """A stateless seed (int64 [2]) for this use of ``seed``."""
    mixed = tf.constant([seed, 0], tf.int64)
    for key in keys:
        mixed = tf.random.experimental.stateless_fold_in(mixed, tf.cast(key, tf.int64))
    return mixed


class Share(NamedTuple):
    """What one of several workers gets of each batch: all get equally many clips."""

    index: int = 0
    count: int = 1

    def check(self, batch_size: int, data_service: str | None) -> None:
        """Checks that the worker can have its share.

        Raises:
            ValueError: there is no such worker, ``batch_size`` is no multiple of their number, or a
                data service is to make the clips.
        """
        if not 0 <= self.index < self.count:
            allowed = "(index, number of workers) with an index from 0 to the number - 1"
            raise errors.refusal("worker", allowed, tuple(self))
        if batch_size % self.count:
            allowed = (
                f"a multiple of the number of workers, {self.count}: it is the batch of all of "
                "them together"
            )
            raise errors.refusal("batch_size", allowed, batch_size)
        if self.count > 1 and data_service is not None:
            allowed = "None with several workers: each would get all the videos"
            place = f" with worker={tuple(self)!r}"
            raise errors.refusal("data_service", allowed, data_service, place=place)

    def of(self, elements: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
        """Of each ``batch_size`` elements, those of the worker: a run of equal length each.

        Args:
            elements: dataset of (position, element), positions int64 from a multiple of
                ``batch_size`` on.
            batch_size: of all workers together, a multiple of their number.
        """
        if self.count == 1:
            return elements
        share = batch_size // self.count
        return elements.filter(lambda place, _element: place % batch_size // share == self.index)


ALL = Share()


def reader(
    source: Split, skipped: records.SkippedRecords | None, unlabelled: bool = False
) -> Callable:
    """A function (shard, size) -> its records."""
    if skipped is None:
        return records.read_shard
    about = source.class_names, unlabelled, source.multi_label
    return lambda shard, size: skipped.read_shard(shard, size, *about)


@dataclasses.dataclass(frozen=True)
class TrainingStream:
    """The records of a split with the seed of each, in the order in which they are trained on.

    Order and seeds of a share are those of all batches whole.
    """

    source: Split
    batch_size: int
    seed: int
    balanced: bool
    skipped: records.SkippedRecords | None
    share: Share = ALL

    def _records(self, seed: tf.Tensor) -> tf.data.Dataset:
        """All records of the split, in the order of ``seed`` (int64 [2])."""
        # `shuffle` mixes the process-wide seed in. Without it, `seed` alone decides.
        tf.compat.v1.get_default_graph().seed = None
        source = self.source
        number = len(source.shards)
        shards = source.places().shuffle(number, seed[0], reshuffle_each_iteration=False)
        found = shards.interleave(
            reader(source, self.skipped),
            cycle_length=min(_CYCLE_LENGTH, number),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if self.balanced:
            found = balance.resampler(source)(found, seed)
        buffer = int(min(source.num_examples, max(1, SHUFFLE_BUFFER_BYTES // source.mean_bytes())))
        return found.shuffle(buffer, seed[1], reshuffle_each_iteration=False)

    def epochs(self, first_step: int) -> tf.data.Dataset:
        """Epoch after epoch from a step on, each in an order of its own."""
        steps = self.source.num_examples // self.batch_size
        length = steps * self.batch_size

        def epoch_of_records(epoch: tf.Tensor) -> tf.data.Dataset:
            # Examples are skipped before they are decoded.
            done = tf.where(epoch == first_step // steps, first_step % steps * self.batch_size, 0)
            found = self._records(fold_seed(self.seed, epoch))
            if self.balanced or self.skipped is not None:
                # There may be too few: then the first come again. An epoch always has its length,
                # so that the place of a step does not depend on what was skipped.
                found = found.repeat(2).concatenate(_too_few(self.source))
            numbered = found.take(length).enumerate().skip(tf.cast(done, tf.int64))
            numbered = self.share.of(numbered, self.batch_size)
            return numbered.map(lambda index, record: (fold_seed(self.seed, epoch, index), record))

        return tf.data.Dataset.counter(first_step // steps).flat_map(epoch_of_records)

    def endless(self, first_step: int) -> tf.data.Dataset:
        """For workers that deal the shards out among themselves, again and again.

        Each works through this dataset, but for the shards that others have; nobody knows the place
        of a record in the whole. The step only makes other draws than those before it.
        """
        found = self._records(fold_seed(self.seed, first_step)).repeat()
        return found.enumerate().map(
            lambda index, record: (fold_seed(self.seed, first_step, index), record)
        )


def _too_few(source: Split) -> tf.data.Dataset:
    """Where an epoch gets here, more than half of its records are bad."""
    words = "more than half of the records cannot be used, beginning with shard"

    def fail(shard: tf.Tensor):
        with tf.control_dependencies([bad_records.check(False, words, shard)]):
            return tf.identity(shard), tf.constant(0, tf.int64), tf.constant("")

    return tf.data.Dataset.from_tensors(source.shards[0]).map(fail)
