"""How much of the time training waits for its input."""

import threading
import time

import numpy as np
import tensorflow as tf


class InputWait:
    """Times what the last stage of a dataset waits for the one before it.

    ``fit`` takes its batches inside of TensorFlow, where no callback sees them. Behind the last
    buffer of the pipeline the wait is short while batches are ready, and as long as the step takes
    where the step has to wait for them.
    """

    def __init__(self, clips_per_step: int) -> None:
        self._clips_per_step = clips_per_step
        self._lock = threading.Lock()
        self.start()

    def start(self) -> None:
        """Begins to count anew."""
        with self._lock:
            self._waited, self._steps, self._since = 0.0, 0, time.monotonic()
            self._until = self._since

    def timed(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """The same endless dataset, watched."""

        def asked(number: tf.Tensor) -> tf.Tensor:
            return tf.numpy_function(self._ask, [number], tf.int64)

        def given(number: tf.Tensor, batch: tuple) -> tuple:
            with tf.control_dependencies([tf.numpy_function(self._give, [number], tf.int64)]):
                return tf.nest.map_structure(tf.identity, batch)

        # `zip` asks one after the other.
        numbers = tf.data.Dataset.counter().map(asked)
        return tf.data.Dataset.zip((numbers, dataset)).map(given)

    def _ask(self, number: np.int64) -> np.int64:
        self._asked_at = time.monotonic()
        return number

    def _give(self, number: np.int64) -> np.int64:
        with self._lock:
            self._waited += time.monotonic() - self._asked_at
        return number

    def step_done(self) -> None:
        """To be called after each training step."""
        with self._lock:
            self._steps += 1
            self._until = time.monotonic()

    def summary(self) -> dict[str, float]:
        """Since the start: "clips_per_second", and "input_wait", a share of the time."""
        with self._lock:
            seconds = max(self._until - self._since, 1e-9)
            return {
                "clips_per_second": round(self._steps * self._clips_per_step / seconds, 3),
                "input_wait": round(min(self._waited / seconds, 1.0), 4),
            }
