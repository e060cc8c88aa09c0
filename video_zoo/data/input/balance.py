"""Classes of unequal size: weights for the loss, or videos drawn so that all come equally often."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ..format import tfrecord
from . import bad_records
from .source import Split


def class_weights(source: Split) -> np.ndarray:
    """Factor on the loss of each class: the mean number of examples per class, by its own.

    All classes then count alike in the loss of an epoch, and the mean over its examples is 1 (the
    "balanced" weights of scikit-learn). Where a clip has several classes, that holds for the sum of
    their factors.

    Args:
        source: the split that is trained on.

    Returns:
        float32 [num_classes]; 0 for a class without examples.
    """
    counts = source.counts()
    present = np.count_nonzero(counts)
    number = source.num_examples if source.multi_label else counts.sum()
    shares = np.divide(number, present * counts, where=counts > 0, out=np.zeros(len(counts)))
    return shares.astype(np.float32)


def resampler(source: Split) -> Callable:
    """A function (records, seed) -> records in which every class is expected equally often.

    A record whose class has the weight 2.3 comes twice, or, with probability 0.3, three times. As
    many records are expected in all as there were. Of several classes the weights add up; a record
    of none is left out.
    """
    weights = tf.constant(class_weights(source))

    def resample(records: tf.data.Dataset, seed: tf.Tensor) -> tf.data.Dataset:
        def copies(number: tf.Tensor, record) -> tf.data.Dataset:
            parsed, label = bad_records.attempt(
                lambda found: tfrecord.parse_label(found, source.class_names, source.multi_label),
                record[2],
            )
            label = tf.reshape(label, [-1])
            own = tf.random.experimental.stateless_fold_in(seed, number)
            # What cannot be used stays, to be refused by name where it is parsed.
            known = parsed & tf.reduce_all((label >= 0) & (label < source.num_classes))
            weight = tf.cond(known, lambda: tf.reduce_sum(tf.gather(weights, label)), lambda: 1.0)
            number = tf.floor(weight + tf.random.stateless_uniform([], own))
            return tf.data.Dataset.from_tensors(record).repeat(tf.cast(number, tf.int64))

        return records.enumerate().flat_map(copies)

    return resample
