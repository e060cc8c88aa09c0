"""The devices that a network runs on, and a network on several of them."""

import concurrent.futures
import itertools
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from video_zoo import errors

from .trained import TrainedNetwork


def find_devices(virtual_devices: int = 0) -> list[str]:
    """Names of all visible GPUs, or of the CPU, or of logical CPU devices.

    Args:
        virtual_devices: number of logical CPU devices; 0 for the real devices.

    Raises:
        ValueError: TensorFlow has already started with fewer logical CPU devices.
    """
    if virtual_devices:
        (cpu,) = tf.config.list_physical_devices("CPU")
        wanted = [tf.config.LogicalDeviceConfiguration()] * virtual_devices
        try:
            tf.config.set_logical_device_configuration(cpu, wanted)
        except RuntimeError as error:  # TensorFlow has started; right if it did so with as many
            started = len(tf.config.list_logical_devices("CPU"))
            if started < virtual_devices:
                allowed = "chosen before TensorFlow starts: call this first in the process"
                place = f", and TensorFlow runs with {started}"
                raise errors.refusal(
                    "virtual_devices", allowed, virtual_devices, place=place
                ) from error
        return [f"CPU:{number}" for number in range(virtual_devices)]
    return [gpu.name for gpu in tf.config.list_logical_devices("GPU")] or ["CPU:0"]


class OnDevices:
    """A network on each of several devices; a batch is cut into as many parts.

    No clip is filled in, so that every one counts once, whatever the size of a batch. Each device
    holds the weights of ``network.fast``; the first holds those of both networks, too.

    Args:
        network: scores the clips.
        devices: as of :func:`find_devices`.
    """

    def __init__(self, network: TrainedNetwork, devices: Sequence[str]) -> None:
        self._network, self._devices = network, devices
        self._copies = []
        for name in devices if len(devices) > 1 else ():
            with tf.device(name):
                copy = keras.models.clone_model(network.fast)
                copy.set_weights(network.fast.get_weights())
                self._copies.append(tf.function(copy))

    def logits(self, clips: tf.Tensor | dict[str, tf.Tensor]) -> np.ndarray:
        """As :meth:`TrainedNetwork.logits`."""
        if not self._copies:
            return self._network.logits(clips)
        count = len(tf.nest.flatten(clips)[0])
        ends = np.linspace(0, count, len(self._devices) + 1).round().astype(int)
        parts = [
            tf.nest.map_structure(lambda each, b=begin, e=end: each[b:e], clips)
            for begin, end in itertools.pairwise(ends)
        ]
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            done = pool.map(self._part, range(len(parts)), parts)
            return np.concatenate([each for each in done if len(each)])

    def _part(self, place: int, clips: tf.Tensor | dict[str, tf.Tensor]) -> np.ndarray:
        if not len(tf.nest.flatten(clips)[0]):
            return np.zeros([0, self._network.num_classes], np.float32)
        with tf.device(self._devices[place]):
            return np.asarray(self._copies[place](clips, training=False), np.float32)
