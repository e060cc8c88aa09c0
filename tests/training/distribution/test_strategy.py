"""Distribution: the shares that TensorFlow really deals, in a process with its own devices."""

import json
import re

import numpy as np
import processes
import pytest

from video_zoo.training.distribution.strategy import example_weights

SCRIPT = """
import sys
import tensorflow as tf
from video_zoo.data.input.source import Split
from video_zoo.training import TrainingConfig
from video_zoo.training.batches import Batches
from video_zoo.training.distribution.strategy import make_strategy

make_strategy(4)
devices = tf.config.list_logical_devices("CPU")
for batch, replicas in ((5, 2), (5, 4), (8, 3), (8, 2)):
    strategy = tf.distribute.MirroredStrategy(devices[:replicas])
    config = TrainingConfig(
        model="s3d_v1", data_dir="-", workdir="-", num_frames=2, image_size=16, batch_size=batch
    )
    dataset = Batches(config, {"train": Split.open(sys.argv[1], "train")}, replicas).training(0)
    _, _, weights = next(iter(strategy.experimental_distribute_dataset(dataset)))
    shares = strategy.experimental_local_results(weights)
    print("SHARES", [share.numpy().tolist() for share in shares])
"""


def test_every_clip_counts_alike_however_a_batch_is_dealt(motion_shards):
    done = processes.run("-c", SCRIPT, motion_shards)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in re.findall(r"^SHARES (.*)$", done.stdout, re.MULTILINE)]
    sizes = [[len(share) for share in shares] for shares in found]
    assert sizes == [[3, 2], [2, 1, 1, 1], [3, 3, 2], [4, 4]]
    for shares in found:
        # Each replica takes the mean over its clips, and the gradient is the mean over replicas.
        counts = [weight / len(share) / len(shares) for share in shares for weight in share]
        assert counts == pytest.approx([1 / len(counts)] * len(counts))


def test_more_devices_than_clips_are_refused():
    with pytest.raises(ValueError, match=r"`batch_size` must be at least the number of devices, 4"):
        example_weights(2, 4)


TWO_DEVICES = """
import json
import numpy as np
import tensorflow as tf
from video_zoo.training.distribution.strategy import make_strategy

strategy = make_strategy(2)
import keras
from video_zoo.training import TrainingConfig
from video_zoo.training.trainer import Trainer, build_from_one_clip

config = TrainingConfig(model="s3d_v1", data_dir="-", workdir="-", num_frames=2, batch_size=4)
layers = keras.layers
with strategy.scope():
    inputs = keras.Input((2, 4, 4, 3))
    classifier = layers.Dense(3, kernel_initializer="zeros")
    logits = classifier(layers.GlobalAveragePooling3D()(inputs))
    statistics = layers.BatchNormalization(momentum=0.9, center=False, scale=False)
    nothing = layers.Rescaling(0.0)(layers.GlobalAveragePooling3D()(statistics(inputs)))
    model = keras.Model(inputs, layers.Add()([logits, nothing]))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss, weighted_metrics=["accuracy"])
clips = np.random.default_rng(0).integers(0, 255, (4, 2, 4, 4, 3), np.uint8)
labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
dataset = tf.data.Dataset.from_tensors((clips, labels, np.ones(4, np.float32)))
build_from_one_clip(model, dataset)
with strategy.scope():
    trainer = Trainer(model, config, 3)
validated = trainer.evaluate(dataset, verbose=0, return_dict=True)
mistakes = trainer.mistakes.worst()
trained = trainer.fit(dataset, shuffle=False, verbose=0).history
found = {
    "losses": [validated["loss"], trained["loss"][0], float(trainer.step_loss.numpy())],
    "accuracies": [validated["accuracy"], trained["accuracy"][0]],
    "norm": float(trainer.gradient_norm.numpy()),
    "confusion": trainer.confusion.numpy().tolist(),
    "mistakes": [[*told, np.abs(frames - clips[told[1]].astype(int)).max().item()]
                 for *told, frames in mistakes],
    "kernel": classifier.kernel.numpy().tolist(),
    "bias": classifier.bias.numpy().tolist(),
    "mean": statistics.moving_mean.numpy().tolist(),
    "variance": statistics.moving_variance.numpy().tolist(),
}
print("FOUND", json.dumps(found))
"""


def test_a_step_on_two_devices_is_the_one_that_is_computed_by_hand():
    """A classifier of zeros gives each class a third, and always says the first."""
    done = processes.run("-c", TWO_DEVICES)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.split("FOUND", 1)[1])
    clips = np.random.default_rng(0).integers(0, 255, (4, 2, 4, 4, 3), np.uint8) / 127.5 - 1
    errors = 1 / 3 - np.eye(3)[[0, 1, 2, 0]]
    kernel = clips.mean(axis=(1, 2, 3)).T @ errors / 4
    assert found["losses"] == pytest.approx([np.log(3)] * 3)
    assert found["accuracies"] == [0.5, 0.5]
    assert found["confusion"] == [[2, 0, 0], [1, 0, 0], [1, 0, 0]]
    # One from each device, and the clips of the labels 1 and 2 are the second and the third.
    assert sorted(found["mistakes"]) == [
        [pytest.approx(np.log(3)), label, 0, 0] for label in (1, 2)
    ]
    assert found["norm"] == pytest.approx(np.hypot(*map(np.linalg.norm, (kernel, errors.mean(0)))))
    np.testing.assert_allclose(found["kernel"], -0.5 * kernel, atol=1e-6)
    np.testing.assert_allclose(found["bias"], -0.5 * errors.mean(axis=0), atol=1e-6)
    # Statistics are the mean over the devices, of which each has two clips.
    np.testing.assert_allclose(found["mean"], 0.1 * clips.mean(axis=(0, 1, 2, 3)), atol=1e-6)
    variance = np.mean([half.var(axis=(0, 1, 2, 3)) for half in (clips[:2], clips[2:])], axis=0)
    np.testing.assert_allclose(found["variance"], 0.9 + 0.1 * variance, atol=1e-6)


ONE_STEP = """
import sys
import numpy as np
import tensorflow as tf
from video_zoo.training.distribution.strategy import make_strategy

strategy = make_strategy(int(sys.argv[1]))
import keras
from video_zoo.training import TrainingConfig
from video_zoo.training.initial import Task, compiled_model
from video_zoo.training.trainer import Trainer, build_from_one_clip

keras.utils.set_random_seed(0)
config = TrainingConfig(
    model="s3d_v1", data_dir="-", workdir="-", num_frames=4, image_size=32, batch_size=6,
    width_multiplier=0.0625, dropout_rate=0.0, sync_batch_norm=sys.argv[2] == "sync",
)
with strategy.scope():
    model = compiled_model(config, Task(5))
clips = np.random.default_rng(0).integers(0, 255, (6, 4, 32, 32, 3), np.uint8)
labels = np.eye(5, dtype=np.float32)[[0, 1, 2, 3, 4, 0]]
dataset = tf.data.Dataset.from_tensors((clips, labels, np.ones(6, np.float32)))
build_from_one_clip(model, dataset)
with strategy.scope():
    trainer = Trainer(model, config, 5)
trainer.fit(dataset, shuffle=False, verbose=0)
for variable in model.variables:
    copies = getattr(variable.value, "values", [variable.value])
    assert all((copy.numpy() == copies[0].numpy()).all() for copy in copies), variable.path
print("LOSS", float(trainer.step_loss.numpy()), float(trainer.gradient_norm.numpy()))
"""


@pytest.mark.slow
def test_two_devices_take_the_step_of_one_with_statistics_over_all_clips():
    """And agree on all that they keep, also where each has statistics of its own."""
    found = {}
    for devices, mode in ((1, "sync"), (2, "sync"), (2, "apart")):
        done = processes.run("-c", ONE_STEP, devices, mode)
        assert done.returncode == 0, done.stderr[-3000:]
        found[devices, mode] = [float(x) for x in done.stdout.split("LOSS")[1].split()]
    assert found[2, "sync"] == pytest.approx(found[1, "sync"], rel=1e-2)
    assert found[2, "apart"] != pytest.approx(found[1, "sync"], rel=1e-2)
