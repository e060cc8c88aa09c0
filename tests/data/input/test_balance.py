"""Classes of unequal size count alike: by weights, or by how often their videos come."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from video_zoo.data.format import tfrecord
from video_zoo.data.input import pipeline
from video_zoo.data.input.balance import class_weights, resampler
from video_zoo.data.input.clips import ClipConfig
from video_zoo.data.input.source import Split

CLIP = ClipConfig(num_frames=1, image_size=16)
COUNTS = [7, 3, 2]  # of the classes of `grey_shards`


def test_weights_are_those_of_scikit_learn(grey_shards):
    labels = np.repeat([0, 1, 2], COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(class_weights(Split.open(grey_shards, "train")), expected, rtol=1e-6)


def test_a_class_of_one_example_has_a_weight_and_one_of_none_has_not():
    source = Split(("a",), (4,), list("abc"), 3, (1, 0, 3))
    np.testing.assert_allclose(class_weights(source), [2, 0, 2 / 3], rtol=1e-6)


def test_without_a_manifest_the_labels_are_counted(grey_shards, tmp_path):
    for path in grey_shards.iterdir():
        if path.name != "manifest.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    source = Split.open(tmp_path, "train")
    assert source.class_counts is None
    assert source.counts().tolist() == COUNTS


def drawn(shards, steps, **arguments):
    dataset = pipeline.training_dataset(
        shards, clip=CLIP, batch_size=6, random_flip=False, balanced=True, **arguments
    )
    return [labels.numpy().tolist() for _, labels in dataset.take(steps)]


def test_balanced_videos_come_equally_often(grey_shards):
    epochs = 80
    counts = collections.Counter(itertools.chain(*drawn(grey_shards, 2 * epochs)))
    # 12 videos an epoch. The copies of a video vary by less than one, those of a class by less.
    for label in range(3):
        assert counts[label] / epochs == pytest.approx(4, abs=0.25)


def labelled(index):
    example = tf.train.SequenceExample()
    example.context.feature[tfrecord.LABEL_INDEX].int64_list.value.append(index)
    return example.SerializeToString()


@pytest.mark.parametrize("record", [b"garbage", b"", labelled(3), labelled(-2)])
def test_a_record_of_no_class_comes_once(record):
    """So that it is refused by name where it is parsed, and not passed over."""
    source = Split(("a",), (4,), list("abc"), 3, (1, 0, 3))
    records = tf.data.Dataset.from_tensors(("shard", 0, record)).repeat(5)
    found = resampler(source)(records, tf.constant([0, 1], tf.int64))
    assert list(found.as_numpy_iterator()) == [(b"shard", 0, record)] * 5


def test_balanced_training_continues_exactly(grey_shards):
    whole = drawn(grey_shards, 8)
    assert drawn(grey_shards, 3, first_step=5) == whole[5:]
    tf.random.set_seed(3)
    assert drawn(grey_shards, 8) == whole
    assert drawn(grey_shards, 8, seed=1) != whole
