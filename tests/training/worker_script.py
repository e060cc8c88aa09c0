"""What each process of `test_multi_worker.py` and `test_cluster.py` runs: python FILE SETTINGS."""

import json
import os
import signal
import sys

settings = json.loads(sys.argv[1])
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from video_zoo.data.input.source import Split  # noqa: E402
from video_zoo.training import TrainingConfig, batch_norm, trainer  # noqa: E402
from video_zoo.training.batches import Batches  # noqa: E402
from video_zoo.training.checks import open_splits  # noqa: E402
from video_zoo.training.distribution import cluster, multi_worker, strategy, workers, world  # noqa: E402


class Logs(keras.callbacks.Callback):
    """Keeps the logs of every step, and says when a step is over."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        self.rows.append({name: float(value) for name, value in logs.items()})
        print(f"STEP {batch}", flush=True)


def replicas_per_worker(count: int) -> None:
    """Lets each worker have several logical CPU devices, as it would have several GPUs."""
    from tensorflow.python.distribute import collective_all_reduce_strategy as module

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )

    def local_devices(self, cluster_resolver, worker_device):
        return tuple(f"{worker_device}/device:CPU:{i}" for i in range(count)), "CPU"

    module.CollectiveAllReduceExtended._initialize_local_devices = local_devices


def toy(run):
    """A network of one layer and a dataset, for what needs no videos."""
    with run.strategy.scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, weighted_metrics=["accuracy"])
    data = tf.random.stateless_normal([8, 4], [1, 2]), tf.zeros([8], tf.int32), tf.ones([8])
    return model, tf.data.Dataset.from_tensor_slices(data).batch(4, drop_remainder=True).repeat()


def mend(model, dataset, places=("build", "reduce")):
    """Puts into a model of Keras what a trainer on several workers has in place of its own."""
    if "build" in places:
        trainer.build_from_one_clip(model, dataset)
        model._maybe_symbolic_build = lambda **given: None
    if "reduce" in places:
        step = multi_worker.on_all_workers(model.distribute_strategy, model.train_step)
        model.make_train_function = lambda force=False: setattr(model, "train_function", step)


def plain_fit(run):
    """`fit` as it comes but for the places of `mended`."""
    model, dataset = toy(run)
    mend(model, dataset, settings["mended"])
    try:
        model.fit(run.for_fit(dataset), steps_per_epoch=2, shuffle=False)
    except Exception as error:
        print(f"BROKEN {type(error).__name__}", flush=True)
    else:
        print("WORKS", flush=True)


def network(config, num_classes):
    """A small network of the zoo's kinds of layers, in float64: rounding is not what is compared.

    In float32, the some 70 batch normalisations of S3D over the six values that tiny clips leave
    turn rounding into visible differences within three steps.
    """
    layers = keras.layers
    kind = {"dtype": "float64"}
    convolutions = [
        layer
        for filters in (4, 8)
        for layer in (
            layers.Conv3D(filters, 3, 2, use_bias=False, **kind),
            layers.BatchNormalization(**kind),
            layers.ReLU(**kind),
        )
    ]
    head = layers.GlobalAveragePooling3D(**kind), layers.Dense(num_classes, **kind)
    size = config.num_frames, config.image_size, config.image_size, 3
    model = keras.Sequential([keras.Input(size), *convolutions, *head])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(config.learning_rate, config.momentum)
    metrics = [keras.metrics.CategoricalAccuracy("top1")]
    model.compile(optimizer, loss, weighted_metrics=metrics)
    return model


def train(run):
    """A few steps and a validation on real clips; weights and logs go into a file."""
    config = TrainingConfig(**settings["config"])
    source = Split.open(config.data_dir, "train")
    batches = Batches(
        config, open_splits(config), run.strategy.num_replicas_in_sync, None, run.share
    )
    keras.utils.set_random_seed(run.share.index)  # the chief's weights are everybody's
    with run.strategy.scope():
        model = network(config, source.num_classes)
        trains = run.trainer(model, config, source.num_classes)
    batch_norm.synchronise(model)
    training, validation = batches.training(0), batches.validation()
    trainer.build_from_one_clip(model, training)
    training, validation = run.for_fit(training), run.for_fit(validation)
    logs = Logs()
    history = trains.fit(
        training,
        validation_data=validation,
        steps_per_epoch=settings["steps"],
        epochs=settings.get("epochs", 1),
        callbacks=[logs],
        shuffle=False,
        verbose=0,
    )
    weights = {w.path: w.numpy() for w in model.variables}
    slots = {f"optimizer/{w.path}": w.numpy() for w in model.optimizer.variables}
    np.savez(settings["out"], **weights, **slots)
    rows = {name: values[-1] for name, values in history.history.items()}
    print("RESULT", json.dumps({"steps": logs.rows, "epoch": rows}), flush=True)


class StopTogether(keras.callbacks.Callback):
    """One worker asks to stop after its third step."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def on_train_batch_end(self, batch, logs=None):
        asks = settings["index"] == 1 and batch == 2
        asked = signal.SIGTERM if asks else 0
        seconds = self.run.agree(batch, settings["index"] * 3.0, asked)
        if self.run.signal_for_all(asked) == signal.SIGTERM and seconds == 1.5:
            self.model.stop_training = True


def agree(run):
    """Stops where one worker asks for it, and goes on."""
    model, dataset = toy(run)
    mend(model, dataset)
    dataset = run.for_fit(dataset)
    for callbacks in [StopTogether(run)], []:
        model.fit(dataset, steps_per_epoch=9, callbacks=callbacks, shuffle=False, verbose=0)
        print(f"STEPS {int(model.optimizer.iterations.numpy())}", flush=True)


def endless(run):
    """Steps until something happens."""
    model, dataset = toy(run)
    mend(model, dataset)
    dataset = run.for_fit(dataset)
    with run.watched():
        model.fit(dataset, steps_per_epoch=10**6, callbacks=[Logs()], shuffle=False, verbose=0)


def main():
    signal.alarm(settings.get("limit", 150))  # no process outlives its test
    found = cluster.Cluster.find(settings.get("hosts"), settings.get("index"))
    if settings.get("replicas"):
        replicas_per_worker(settings["replicas"])
    try:
        run = workers.Workers(found, every=1) if found else world.World(strategy.make_strategy())
        scenarios = {"plain_fit": plain_fit, "train": train, "agree": agree, "endless": endless}
        scenarios[settings["scenario"]](run)
    except cluster.WorkerLostError as error:
        sys.exit(f"error: {error}")


main()
