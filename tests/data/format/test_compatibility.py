"""Shards of this package in the readers of others, and shards of others here.

The rules of the others stand here as their libraries have them: the features that DMVR
(`modalities.add_image`, `add_label`), the TensorFlow Model Garden (`video_input.Decoder`) and
MediaPipe (`media_sequence`) parse and write.
"""

import numpy as np
import pytest
import tensorflow as tf

from video_zoo import data
from video_zoo.training import TrainingConfig, train

NAMES = ["jump", "wave"]
FRAMES = {"image/encoded": tf.io.FixedLenSequenceFeature((), tf.string)}
READERS = {
    "dmvr": (
        {
            "clip/label/index": tf.io.VarLenFeature(tf.int64),
            "clip/label/text": tf.io.VarLenFeature(tf.string),
        },
        FRAMES,
    ),
    "garden": ({"clip/label/index": tf.io.VarLenFeature(tf.int64)}, FRAMES),
    "media_sequence": (
        {
            "clip/label/index": tf.io.VarLenFeature(tf.int64),
            "clip/label/string": tf.io.VarLenFeature(tf.string),
            "clip/data_path": tf.io.FixedLenFeature((), tf.string),
            "clip/media_id": tf.io.FixedLenFeature((), tf.string),
            "example/id": tf.io.FixedLenFeature((), tf.string),
            "clip/start/timestamp": tf.io.FixedLenFeature((), tf.int64),
            "clip/end/timestamp": tf.io.FixedLenFeature((), tf.int64),
            "image/format": tf.io.FixedLenFeature((), tf.string),
            "image/height": tf.io.FixedLenFeature((), tf.int64),
            "image/width": tf.io.FixedLenFeature((), tf.int64),
            "image/frame_rate": tf.io.FixedLenFeature((), tf.float32),
        },
        FRAMES | {"image/timestamp": tf.io.FixedLenSequenceFeature((), tf.int64)},
    ),
}


@pytest.fixture(scope="module")
def our_shards(tmp_path_factory, write_video, counter_frames, make_shards):
    """A shard of four videos of 5, 6, 7 and 8 frames with their numbers drawn into them."""
    folder = tmp_path_factory.mktemp("ours")
    for number, label in enumerate(NAMES * 2):
        path = folder / "videos" / "train" / label / f"{number}.mp4"
        write_video(path, counter_frames(5 + number))
    return make_shards(folder, short_side=64, num_shards=1)


def read(folder, reader):
    """The examples as the reader parses them, one flat dict of arrays for each."""
    context, sequence = READERS[reader]
    (path,) = folder.glob("train-*")
    for record in tf.data.TFRecordDataset(str(path)):
        parsed = tf.io.parse_single_sequence_example(record, context, sequence)[:2]
        dense = {
            name: tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
            for features in parsed
            for name, value in features.items()
        }
        yield {name: np.asarray(value).tolist() for name, value in dense.items()}


@pytest.mark.parametrize("reader", READERS)
def test_others_find_frames_and_labels_of_ours(reader, our_shards, read_counter):
    found = {}
    for example in read(our_shards, reader):
        frames = example.pop("image/encoded")
        assert [read_counter(frame) for frame in frames] == list(range(len(frames)))
        found[len(frames)] = example
    assert sorted(found) == [5, 6, 7, 8]
    assert [found[n]["clip/label/index"] for n in (5, 6, 7, 8)] == [[0], [1], [0], [1]]
    for key in {"clip/label/text", "clip/label/string"} & found[5].keys():
        assert [found[n][key] for n in (5, 6, 7, 8)] == [[b"jump"], [b"wave"]] * 2
    if reader == "media_sequence":
        assert found[6] == {
            "clip/label/index": [1],
            "clip/label/string": [b"wave"],
            "clip/data_path": b"train/wave/1.mp4",
            "clip/media_id": b"train/wave/1.mp4",
            "example/id": b"train/wave/1.mp4:0-240000",
            "clip/start/timestamp": 0,
            "clip/end/timestamp": 240_000,
            "image/format": b"jpeg",
            "image/height": 64,
            "image/width": 128,
            "image/frame_rate": 25.0,
            "image/timestamp": [0, 40_000, 80_000, 120_000, 160_000, 200_000],
        }


# What others write into the context of an example beside its frames. Only what is named here is
# there: no size, no rate, no file name unless it is among them.
WRITERS = {
    "dmvr": lambda label, number: {
        "clip/label/index": NAMES.index(label),
        "clip/label/text": label,
        "video/filename": f"videos/{number}.mp4",
        "clip/start/timestamp": 0,
        "clip/end/timestamp": 10_000_000,
    },
    "garden": lambda label, number: {"clip/label/index": NAMES.index(label)},
    "media_sequence": lambda label, number: {
        "clip/label/string": label,
        "clip/data_path": f"videos/{number}.mp4",
        "clip/media_id": str(number),
        "example/id": str(number),
        "image/format": "JPEG",
    },
    "text_only": lambda label, number: {"clip/label/text": label},
}
NUM_VIDEOS, NUM_FRAMES = 12, 8


def feature(value):
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    content = value if isinstance(value, bytes) else value.encode()
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))


def brightness(number, frame):
    return 10 * number + 5 * frame


def example_of(context, number):
    pictures = [np.full((32, 48, 3), brightness(number, k), np.uint8) for k in range(NUM_FRAMES)]
    frames = [feature(tf.io.encode_jpeg(picture).numpy()) for picture in pictures]
    example = tf.train.SequenceExample()
    for key, value in context.items():
        example.context.feature[key].CopyFrom(feature(value))
    example.feature_lists.feature_list["image/encoded"].feature.extend(frames)
    return example.SerializeToString()


def write_foreign(folder, kinds):
    """One shard for each kind of writer and split, without manifest and named without a suffix."""
    (folder / "label_map.txt").write_text("\n".join(NAMES))
    for split in ("train", "val"):
        for shard, kind in enumerate(kinds):
            path = folder / f"{split}-{shard:05d}-of-{len(kinds):05d}"
            with tf.io.TFRecordWriter(str(path)) as file:
                for number in range(shard, NUM_VIDEOS, len(kinds)):
                    context = WRITERS[kind](NAMES[number % 2], number)
                    file.write(example_of(context, number))
    return folder


@pytest.fixture(scope="module", params=WRITERS)
def foreign_shards(request, tmp_path_factory):
    """Two shards a split, by the rules of one writer."""
    return write_foreign(tmp_path_factory.mktemp(request.param), [request.param] * 2)


CLIP = data.ClipConfig(num_frames=NUM_FRAMES, image_size=32)


def assert_right(clips, labels):
    """Each clip has the frames of one video, in order, and that video's label."""
    clips = clips.numpy()
    seen = []
    for clip, label in zip(clips, labels.numpy(), strict=True):
        grey = (clip + 1) * 127.5
        number = round(grey[0].mean() / 10)
        wanted = [brightness(number, k) for k in range(NUM_FRAMES)]
        np.testing.assert_allclose(grey.mean(axis=(1, 2, 3)), wanted, atol=1)
        assert label == number % 2
        seen.append(number)
    return seen


def test_evaluation_reads_shards_of_others(foreign_shards):
    dataset = data.evaluation_dataset(foreign_shards, batch_size=5, clip=CLIP)
    seen = [number for batch in dataset for number in assert_right(*batch)]
    assert sorted(seen) == list(range(NUM_VIDEOS))


def test_training_reads_shards_of_others(foreign_shards):
    dataset = data.training_dataset(foreign_shards, batch_size=4, clip=CLIP)
    seen = [number for batch in dataset.take(3) for number in assert_right(*batch)]
    assert sorted(seen) == list(range(NUM_VIDEOS))


def test_balanced_sampling_counts_the_labels_of_others(foreign_shards):
    dataset = data.training_dataset(foreign_shards, batch_size=4, clip=CLIP, balanced=True)
    for batch in dataset.take(3):
        assert_right(*batch)


def test_an_epoch_trains_on_shards_of_all_of_them(tiny_run, tmp_path):
    folder = write_foreign(tmp_path, list(WRITERS))
    config = TrainingConfig(
        **tiny_run, data_dir=str(folder), workdir=str(tmp_path / "run"), epochs=1
    )
    result = train(config)
    assert result.finished
    assert [row["step"] for row in result.history] == [NUM_VIDEOS // tiny_run["batch_size"]]
