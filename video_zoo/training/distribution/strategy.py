"""Which ``tf.distribute`` strategy a run uses."""

import keras
import tensorflow as tf

from video_zoo import errors
from video_zoo.run.devices import find_devices


def make_strategy(virtual_devices: int = 0) -> tf.distribute.Strategy:
    """MirroredStrategy over all visible GPUs, over the CPU, or over logical CPU devices.

    Args:
        virtual_devices: number of logical CPU devices; 0 uses the real devices.

    Raises:
        ValueError: TensorFlow has already started with another number of logical CPU devices.
    """
    return tf.distribute.MirroredStrategy(find_devices(virtual_devices))


def check_backend(dtype: str) -> None:
    """Refuses other Keras backends, and "mixed_float16" without a GPU.

    TensorFlow has no 3D pools in float16 for the CPU.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "training needs the TensorFlow backend of Keras. Received: "
            f"KERAS_BACKEND={keras.backend.backend()}. Unset it, or set it to tensorflow."
        )
    if dtype == "mixed_float16" and not tf.config.list_physical_devices("GPU"):
        raise ValueError(
            "`dtype` 'mixed_float16' needs a GPU. Received: dtype='mixed_float16', and TensorFlow "
            "sees none. On the CPU choose 'mixed_bfloat16' or 'float32'."
        )


def example_weights(batch_size: int, num_replicas: int) -> list[float]:
    """Weights that make every clip of a batch count alike in the mean over replicas.

    TensorFlow deals a batch of 5 as 3 and 2 to two replicas, as 2, 1, 1, 1 to four, and each takes
    the mean over its own clips.

    Raises:
        ValueError: there are more replicas than clips.
    """
    if batch_size < num_replicas:
        allowed = f"at least the number of devices, {num_replicas}"
        remedy = "Raise it, or make fewer devices visible."
        raise errors.refusal("batch_size", allowed, batch_size, remedy)
    share, remainder = divmod(batch_size, num_replicas)
    sizes = [share + (replica < remainder) for replica in range(num_replicas)]
    return [size * num_replicas / batch_size for size in sizes for _ in range(size)]
