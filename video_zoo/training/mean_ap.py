"""Mean average precision while a network is trained: of scores in bins, so that it adds up."""

import keras
import tensorflow as tf

# Logits beyond these count as equal, and so do those that share one of the bins between.
_LARGEST_LOGIT, _BINS = 12.0, 480


class MeanAveragePrecision(keras.metrics.Metric):
    """Mean over classes of the average precision, for clips that may have several classes.

    As scikit-learn defines it, of scores that are rounded to a twentieth of a logit: an evaluation
    gives the exact number. Classes without a clip are left out. It is no part of the network, so
    that a saved network loads without this package.

    Args:
        num_classes: of the data.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(name="mean_ap")
        self._num_classes = num_classes
        shape = (_BINS, num_classes)
        self._present = self.add_variable(shape, "zeros", name="present")
        self._absent = self.add_variable(shape, "zeros", name="absent")

    def update_state(
        self, targets: tf.Tensor, logits: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> None:
        """Counts clips.

        Args:
            targets: float32 [batch, num_classes], shares in [0, 1] of each class.
            logits: [batch, num_classes].
            sample_weight: float32 [batch]. Defaults to 1.
        """
        logits = tf.cast(logits, tf.float32)
        weights = tf.ones_like(logits)
        if sample_weight is not None:
            weights *= tf.cast(sample_weight, tf.float32)[:, tf.newaxis]
        place = (logits + _LARGEST_LOGIT) * (_BINS / (2 * _LARGEST_LOGIT))
        bins = tf.cast(tf.clip_by_value(place, 0, _BINS - 1), tf.int32)
        cells = tf.reshape(bins * self._num_classes + tf.range(self._num_classes), [-1])
        for counts, share in ((self._present, targets), (self._absent, 1 - targets)):
            values = tf.reshape(weights * share, [-1])
            found = tf.math.unsorted_segment_sum(values, cells, _BINS * self._num_classes)
            counts.assign_add(tf.reshape(found, counts.shape))

    def result(self) -> tf.Tensor:
        """The mean, float32 in [0, 1]; 0 where no class has a clip."""
        present = tf.convert_to_tensor(self._present)
        at_least = tf.cumsum(present, reverse=True)
        found = at_least + tf.cumsum(tf.convert_to_tensor(self._absent), reverse=True)
        totals = tf.reduce_sum(present, axis=0)
        terms = present * tf.math.divide_no_nan(at_least, found)
        precisions = tf.math.divide_no_nan(tf.reduce_sum(terms, axis=0), totals)
        there = tf.cast(totals > 0, tf.float32)
        return tf.math.divide_no_nan(tf.reduce_sum(precisions * there), tf.reduce_sum(there))
