"""Distribution: the shares that TensorFlow really deals, in a process with its own devices."""

import subprocess
import sys

import pytest

from video_zoo.training.strategy import example_weights

SCRIPT = """
import sys
import tensorflow as tf
from video_zoo.data.source import Split
from video_zoo.training import TrainingConfig
from video_zoo.training.batches import Batches
from video_zoo.training.strategy import make_strategy

shards, batch, replicas = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
strategy = make_strategy(replicas)
config = TrainingConfig(
    model="s3d_v1", data_dir=shards, workdir="-", num_frames=2, image_size=16, batch_size=batch
)
dataset = Batches(config, Split.open(shards, "train"), replicas).training(0)
_, _, weights = next(iter(strategy.experimental_distribute_dataset(dataset)))
shares = strategy.experimental_local_results(weights)
print("SHARES", [share.numpy().tolist() for share in shares])
"""


@pytest.mark.parametrize(
    ("batch", "replicas", "sizes"),
    [(5, 2, [3, 2]), (5, 4, [2, 1, 1, 1]), (8, 3, [3, 3, 2]), (8, 2, [4, 4])],
)
def test_every_clip_counts_alike_however_a_batch_is_dealt(batch, replicas, sizes, motion_shards):
    command = [sys.executable, "-c", SCRIPT, str(motion_shards), str(batch), str(replicas)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    shares = eval(done.stdout.split("SHARES", 1)[1])
    assert [len(share) for share in shares] == sizes
    # Each replica takes the mean over its own clips, and the gradient is the mean over replicas.
    counts = [weight / len(share) / replicas for share in shares for weight in share]
    assert counts == pytest.approx([1 / batch] * batch)


def test_more_devices_than_clips_are_refused():
    with pytest.raises(ValueError, match=r"`batch_size` must be at least the number of devices, 4"):
        example_weights(2, 4)
