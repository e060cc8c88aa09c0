import os

import pytest
import tensorflow as tf

from video_zoo.data.format import manifests, tfrecord
from video_zoo.data.format.encoding import EncodedClip
from video_zoo.data.format.folder import is_shard_name, list_shards, shard_name
from video_zoo.files import whole_files

CLIP = EncodedClip(
    frames=[b"\xff\xd8one", b"\xff\xd8two"],
    timestamps_us=[1_000_000, 1_040_000],
    height=4,
    width=6,
    frame_rate=25.0,
    start_us=1_000_000,
    end_us=1_080_000,
)


def encode(**arguments):
    defaults = {"label_index": 3, "label": "gähnen", "filename": "a/b.mp4", "media_id": "b"}
    return tfrecord.encode_example(CLIP, **(defaults | arguments))


def test_round_trip_in_a_graph():
    dataset = tf.data.Dataset.from_tensors(encode()).map(tfrecord.parse_example)
    (parsed,) = dataset.as_numpy_iterator()
    assert parsed["frames"].tolist() == CLIP.frames
    assert parsed["label"] == 3
    assert parsed["filename"] == b"a/b.mp4"
    assert (parsed["height"], parsed["width"], parsed["frame_rate"]) == (4, 6, 25.0)
    assert dataset.element_spec["label"] == tf.TensorSpec([], tf.int64)
    assert dataset.element_spec["frames"].dtype == tf.string


def test_the_keys_of_other_readers():
    """DMVR, TensorFlow Model Garden and MediaSequence each find their keys."""
    example = tf.train.SequenceExample.FromString(encode())
    context = example.context.feature
    text = "gähnen".encode()
    assert context["clip/label/index"].int64_list.value == [3]
    assert context["clip/label/text"].bytes_list.value == [text]
    assert context["clip/label/string"].bytes_list.value == [text]
    assert context["video/filename"].bytes_list.value == [b"a/b.mp4"]
    assert context["clip/data_path"].bytes_list.value == [b"a/b.mp4"]
    assert context["clip/media_id"].bytes_list.value == [b"b"]
    assert context["example/id"].bytes_list.value == [b"a/b.mp4:1000000-1080000"]
    assert context["clip/start/timestamp"].int64_list.value == [1_000_000]
    assert context["clip/end/timestamp"].int64_list.value == [1_080_000]
    assert context["image/format"].bytes_list.value == [b"jpeg"]
    assert context["image/height"].int64_list.value == [4]
    assert context["image/width"].int64_list.value == [6]
    assert context["image/channels"].int64_list.value == [3]
    assert context["image/frame_rate"].float_list.value == [25.0]
    lists = example.feature_lists.feature_list
    times = [feature.int64_list.value[0] for feature in lists["image/timestamp"].feature]
    assert times == CLIP.timestamps_us
    assert len(lists["image/encoded"].feature) == 2


def test_foreign_examples_need_two_keys_only():
    example = tf.train.SequenceExample.FromString(encode())
    for key in set(example.context.feature) - {"clip/label/index"}:
        del example.context.feature[key]
    del example.feature_lists.feature_list["image/timestamp"]
    parsed = tfrecord.parse_example(example.SerializeToString())
    assert parsed["frames"].shape == (2,)
    assert (parsed["filename"], parsed["height"], parsed["frame_rate"]) == (b"", 0, 0)
    del example.feature_lists.feature_list["image/encoded"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="image/encoded"):
        tfrecord.parse_example(example.SerializeToString())


@pytest.mark.parametrize("key", ["clip/label/text", "clip/label/string"])
def test_an_example_may_name_its_class_only(key):
    example = tf.train.SequenceExample.FromString(encode())
    for name in {"clip/label/index", "clip/label/text", "clip/label/string"} - {key}:
        del example.context.feature[name]
    record = example.SerializeToString()
    assert tfrecord.parse_label(record, ["a", "gähnen"]) == 1
    assert tfrecord.parse_example(record, ["gähnen", "a"])["label"] == 0
    assert tfrecord.parse_label(record, ["a", "b"]) == -1
    assert tfrecord.parse_label(record) == -1


def test_encoding_is_deterministic():
    assert encode() == encode()
    assert encode() != encode(label_index=4)


def test_no_frames():
    empty = EncodedClip([], [], 4, 6, 25.0, 0, 0)
    with pytest.raises(ValueError, match="`encoded` must hold at least one frame"):
        tfrecord.encode_example(empty, label_index=0, label="a", filename="b")


def test_shard_name():
    assert shard_name("train", 3, 16) == "train-00003-of-00016.tfrecord"
    with pytest.raises(ValueError, match="Received: index=16, num_shards=16"):
        shard_name("train", 16, 16)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("train-00003-of-00016.tfrecord", True),
        ("my-split-00000-of-123456", True),
        ("train-00003-of-00016.tfrecord.json", False),
        (".train-00003-of-00016.tfrecord", False),
        ("train-3-of-16.tfrecord", False),
        ("-00003-of-00016.tfrecord", False),
        ("manifest.json", False),
    ],
)
def test_which_names_are_those_of_shards(name, is_one):
    assert is_shard_name(name) is is_one


@pytest.mark.parametrize("suffix", [".tfrecord", ""])
def test_list_shards(tmp_path, suffix):
    for index in (2, 0, 1):
        (tmp_path / f"train-{index:05d}-of-00003{suffix}").touch()
    for name in ("val-00000-of-00001", ".train-00001-of-00003.tfrecord.tmp", "other.txt"):
        (tmp_path / name).touch()
    expected = [str(tmp_path / f"train-{index:05d}-of-00003{suffix}") for index in range(3)]
    assert list_shards(tmp_path, "train") == expected


def test_list_shards_gives_absolute_paths(tmp_path, monkeypatch):
    (tmp_path / "val-00000-of-00001.tfrecord").touch()
    monkeypatch.chdir(tmp_path)
    (path,) = list_shards(".", "val")
    assert os.path.isabs(path)


def test_list_shards_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="`data_dir` must be a folder"):
        list_shards(tmp_path / "none", "train")
    with pytest.raises(ValueError, match="`data_dir` must hold shards named like"):
        list_shards(tmp_path, "train")
    for index in (1, 3):
        (tmp_path / f"train-{index:05d}-of-00004.tfrecord").touch()
    with pytest.raises(ValueError, match=r"`split` must be one of \['train'\].*split='test'"):
        list_shards(tmp_path, "test")
    with pytest.raises(FileNotFoundError, match=r"train-00000-of-0+4.*train-00002-of-0+4"):
        list_shards(tmp_path, "train")
    (tmp_path / "train-00000-of-00002.tfrecord").touch()
    with pytest.raises(ValueError, match="mixes several"):
        list_shards(tmp_path, "train")


@pytest.mark.parametrize("other", ["train-00000-of-00001.tfrecord", "train-00001-of-00001"])
def test_the_same_shard_twice_and_one_beyond_the_last(tmp_path, other):
    for name in ("train-00000-of-00001", other):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=f"which mixes several, such as .*'{other}'"):
        list_shards(tmp_path, "train")


def test_label_map_round_trip(tmp_path):
    labels = ["abseiling", "gähnen", "playing, loudly", "with \u2028 odd blank"]
    manifests.write_label_map(tmp_path, labels)
    assert manifests.load_label_map(tmp_path) == labels
    assert (tmp_path / "label_map.txt").read_bytes().startswith(b"abseiling\ng")
    (tmp_path / "label_map.txt").write_bytes(b"a\r\nb")
    assert manifests.load_label_map(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"a\n\nb\n", b"a\nb\na\n", b"\xe4\n"])
def test_bad_label_maps(tmp_path, content):
    (tmp_path / "label_map.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"label_map.txt.* must be"):
        manifests.load_label_map(tmp_path)


def test_label_map_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"label_map\.txt"):
        manifests.load_label_map(tmp_path)
    for labels in (["a", "a"], ["a\nb"], [""], []):
        with pytest.raises(ValueError, match="`labels` must be"):
            manifests.write_label_map(tmp_path, labels)


@pytest.fixture
def manifest():
    shards = (
        manifests.ShardSummary("train-00000-of-00002.tfrecord", 3, 100),
        manifests.ShardSummary("train-00001-of-00002.tfrecord", 2, 80),
    )
    split = manifests.SplitSummary(5, 50, 180, {"a": 5, "ä": 0}, shards)
    return manifests.Manifest({"fps": 25.0}, {"numpy": "2"}, {"train": split}, 6, 1)


def test_manifest_round_trip(tmp_path, manifest):
    assert manifests.load_manifest(tmp_path) is None
    manifest.write(tmp_path)
    loaded = manifests.load_manifest(tmp_path)
    assert loaded == manifest
    assert loaded.num_examples("train") == 5
    assert list(loaded.shard_sizes("train").values()) == [3, 2]
    with pytest.raises(ValueError, match=r"one of \['train'\]. Received: split='val'"):
        loaded.num_examples("val")


def test_manifest_of_another_version(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format_version": 99}')
    with pytest.raises(ValueError, match="Received: format_version=99"):
        manifests.load_manifest(tmp_path)


def test_atomic_write(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with whole_files.atomic_write(path) as temporary:
        with open(temporary, "w") as file:
            file.write("new")
        assert path.read_text() == "old"
        assert os.path.basename(temporary).startswith(".")
    assert path.read_text() == "new"
    with pytest.raises(KeyboardInterrupt), whole_files.atomic_write(path) as temporary:
        with open(temporary, "w") as file:
            file.write("half")
        raise KeyboardInterrupt
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["x.txt"]
