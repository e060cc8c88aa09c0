"""The validation clips that a network is most wrong about, kept while it validates."""

import numpy as np
import tensorflow as tf

from video_zoo.lettering import lettered
from video_zoo.run import pictures

# So many clips are kept on each device, and so many frames of each.
KEPT, FRAMES = 4, 8
# Pixels: the side that small frames get at the least, so that there is room for words.
_SIDE = 112


class Mistakes:
    """The clips of the greatest loss among those whose top class is another than theirs.

    A few frames of a few clips on each device: no more memory than that is taken, and no clip is
    decoded twice. To be made in the scope of a strategy.

    Args:
        shape: (frames, height, width, channels) of the clips.
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self._strategy = tf.distribute.get_strategy()
        self._frames = pictures.evenly(shape[0], FRAMES)
        shape = [KEPT, len(self._frames), *shape[1:]]
        own = {  # each device has its own; the aggregation lets `reset` assign to all
            "trainable": False,
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
        }
        self._losses = tf.Variable(tf.fill([KEPT], -np.inf), **own)
        # Several workers exchange no bytes; float16 has all of their values.
        self._clips = tf.Variable(tf.zeros(shape, tf.float16), **own)
        self._classes = tf.Variable(tf.zeros([KEPT, 2], tf.int64), **own)

    def reset(self) -> None:
        """Forgets all, before a validation."""
        self._losses.assign(tf.fill([KEPT], -np.inf))

    def note(
        self, clips: tf.Tensor, targets: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor
    ) -> None:
        """Takes in a batch on the device that has it.

        Args:
            clips: uint8 [batch, time, height, width, channels].
            targets: [batch, classes], one-hot.
            logits: [batch, classes].
            weights: [batch]; clips of weight 0 are blank.
        """
        classes = tf.stack([tf.argmax(targets, axis=-1), tf.argmax(logits, axis=-1)], axis=1)
        losses = tf.nn.softmax_cross_entropy_with_logits(targets, tf.cast(logits, tf.float32))
        is_mistake = tf.logical_and(weights > 0, classes[:, 0] != classes[:, 1])
        losses = tf.where(tf.logical_and(is_mistake, tf.math.is_finite(losses)), losses, -np.inf)
        losses = tf.concat([self._losses, losses], axis=0)
        shown = tf.cast(tf.gather(clips, self._frames, axis=1), tf.float16)
        highest, places = tf.math.top_k(losses, KEPT)
        for kept, new in ((self._clips, shown), (self._classes, classes)):
            kept.assign(tf.gather(tf.concat([kept, new], axis=0), places))
        self._losses.assign(highest)

    def worst(self) -> list[tuple[float, int, int, np.ndarray]]:
        """(loss, true class, predicted class, frames) of the worst ones, the worst first.

        Of several workers, each knows those of its own devices.
        """
        parts = [
            [np.asarray(each) for each in self._strategy.experimental_local_results(variable)]
            for variable in (self._losses, self._classes, self._clips)
        ]
        losses, classes, clips = map(np.concatenate, parts)
        order = [
            place for place in np.argsort(-losses, kind="stable") if np.isfinite(losses[place])
        ]
        return [
            (float(losses[place]), *map(int, classes[place]), clips[place].astype(np.uint8))
            for place in order[:KEPT]
        ]


def strip(frames: np.ndarray, loss: float, true: str, predicted: str) -> np.ndarray:
    """A picture of a mistake: its frames in a row, with loss and classes above them.

    Args:
        frames: uint8 [frames, height, width, 3].
        loss: of the clip.
        true: name of its class.
        predicted: name of the class that it was taken for.
    """
    factor = max(1, _SIDE // frames.shape[1])
    row = pictures.side_by_side(list(frames.repeat(factor, axis=1).repeat(factor, axis=2)))
    words = f"{lettered(true)}, taken for {lettered(predicted)}"
    return pictures.captioned(row, words, f"loss {loss:.2f}: ")
