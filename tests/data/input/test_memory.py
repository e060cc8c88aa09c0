"""The memory that input takes does not depend on the size of the shards."""

import numpy as np
import processes
import pytest
import tensorflow as tf

from video_zoo.data.format import tfrecord
from video_zoo.data.format.encoding import EncodedClip
from video_zoo.data.format.folder import shard_name
from video_zoo.data.format.manifests import write_label_map

# Peak memory in GiB above that of a process that has loaded TensorFlow and run an operation.
SCRIPT = """
import resource, sys
import tensorflow as tf
from video_zoo.data import training_dataset

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

tf.reduce_sum(tf.ones([8]))
before = peak()
for clips, _ in training_dataset(sys.argv[1], dtype=sys.argv[2]).take(int(sys.argv[3])):
    assert clips.shape == (5, 64, 224, 224, 3)
print(peak() - before)
"""


def write_shards(folder, num_examples):
    """Shards of 64 frames of 256x340 noise each, 7 MB per example."""
    folder.mkdir()
    random = np.random.default_rng(0)
    pictures = [
        tf.io.encode_jpeg(random.integers(0, 256, (256, 340, 3), np.uint8), quality=90).numpy()
        for _ in range(16)
    ]
    for index in range(4):
        path = str(folder / shard_name("train", index, 4))
        with tf.io.TFRecordWriter(path) as file:
            for _ in range(num_examples // 4):
                frames = [pictures[i] for i in random.integers(0, len(pictures), 64)]
                clip = EncodedClip(frames, list(range(64)), 256, 340, 25.0, 0, 64)
                example = tfrecord.encode_example(clip, label_index=0, label="a", filename="a")
                file.write(example)
    write_label_map(folder, ["a"])
    return sum(path.stat().st_size for path in folder.glob("train-*"))


def gigabytes(folder, dtype, steps=40):
    done = processes.run("-c", SCRIPT, folder, dtype, steps)
    assert done.returncode == 0, done.stderr[-2000:]
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_memory_is_bounded(dtype, tmp_path):
    small, large = tmp_path / "small", tmp_path / "large"
    assert write_shards(small, 60) > 300e6  # more than the shuffle buffer
    assert write_shards(large, 240) > 1.2e9
    taken = {folder.name: gigabytes(folder, dtype) for folder in (small, large)}
    print(dtype, taken)
    assert taken["large"] <= 1.5
    assert taken["large"] - taken["small"] < 0.3
