"""Which ``tf.distribute`` strategy a run uses."""

from collections.abc import Callable

import keras
import tensorflow as tf

from video_zoo.data import transforms

from .cluster import Cluster, make_cluster_strategy


def make_strategy(
    virtual_devices: int = 0, cluster: Cluster | None = None
) -> tf.distribute.Strategy:
    """MirroredStrategy over all visible GPUs, over the CPU, or over logical CPU devices.

    Args:
        virtual_devices: number of logical CPU devices; 0 uses the real devices.
        cluster: the workers of a run on several machines, whose strategy is that of
            :func:`video_zoo.training.cluster.make_cluster_strategy`. Defaults to None.

    Raises:
        ValueError: TensorFlow has already started with another number of logical CPU devices;
            these are asked for with several workers.
        WorkerLostError: some workers did not come.
    """
    if cluster is not None:
        if virtual_devices:
            raise ValueError(
                "`virtual_devices` must be 0 with several workers. Received: "
                f"virtual_devices={virtual_devices}"
            )
        return make_cluster_strategy(cluster)
    if virtual_devices:
        (cpu,) = tf.config.list_physical_devices("CPU")
        wanted = [tf.config.LogicalDeviceConfiguration()] * virtual_devices
        try:
            tf.config.set_logical_device_configuration(cpu, wanted)
        except RuntimeError as error:  # TensorFlow has started; right if it did so with as many
            started = len(tf.config.list_logical_devices("CPU"))
            if started < virtual_devices:
                raise ValueError(
                    "`virtual_devices` must be chosen before TensorFlow starts: call this first in "
                    f"the process. Received: virtual_devices={virtual_devices}, and TensorFlow "
                    f"runs with {started}"
                ) from error
        return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(virtual_devices)])
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus] or ["CPU:0"])


def normalise_on_device(model: keras.Model) -> None:
    """Lets ``fit`` take clips in bytes (uint8 in [0, 255]); each replica normalises its own.

    They are a quarter of the size of the float32 that the network takes, on the way through the
    CPU's memory and to the GPU.
    """

    def on_bytes(step: Callable) -> Callable:
        return lambda data: step((transforms.normalise(data[0]), *data[1:]))

    model.train_step = on_bytes(model.train_step)
    model.test_step = on_bytes(model.test_step)


def build_for_uneven_batches(model: keras.Model, dataset: tf.data.Dataset) -> None:
    """Lets ``fit`` deal a batch to replicas that get different numbers of clips.

    To build metrics and optimizer, Keras takes the mean of a first batch over the replicas, which
    fails where their shares differ in size, and on several workers. Here they are built from one
    clip of zeros instead, and Keras is told that nothing is left to build.

    Args:
        model: compiled, made under a distribution strategy.
        dataset: what ``fit`` will get.
    """
    clip = tf.nest.map_structure(
        lambda spec: tf.zeros([1, *spec.shape[1:]], spec.dtype), dataset.element_spec
    )
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=clip)
    model._maybe_symbolic_build = lambda iterator=None, data_batch=None: None


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
        raise ValueError(
            f"`batch_size` must be at least the number of devices, {num_replicas}. "
            f"Received: batch_size={batch_size}. Raise it, or make fewer devices visible."
        )
    share, remainder = divmod(batch_size, num_replicas)
    sizes = [share + (replica < remainder) for replica in range(num_replicas)]
    return [size * num_replicas / batch_size for size in sizes for _ in range(size)]
