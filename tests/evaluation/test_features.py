"""Features of real videos, from files and from shards: what is written, kept and refused."""

import json
import os
import pathlib
import shutil

import keras
import numpy as np
import pytest
import s3dg_reference
import tensorflow as tf

from video_zoo import data, models
from video_zoo.data.input import pipeline
from video_zoo.data.input.clips import ClipConfig
from video_zoo.evaluation import ExtractionConfig, extract_features, predict, read_features
from video_zoo.evaluation.feature_files import VideoFeatures, write_features

ENDPOINTS = "layer3_1, layer4_1"
CLASSES = ["down", "growing", "left", "right", "up"]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A file of a random network for the videos of `motion_shards`, and the network."""
    model = models.r3d_18(5, input_shape=(8, 32, 32, 3), width_multiplier=0.0625)
    path = tmp_path_factory.mktemp("network") / "net.keras"
    model.save(path)
    return path, model


@pytest.fixture
def options(network, tmp_path):
    return {
        "checkpoint": str(network[0]),
        "endpoints": ENDPOINTS,
        "output_dir": str(tmp_path / "features"),
    }


@pytest.fixture(scope="module")
def from_shards(network, motion_shards, tmp_path_factory):
    """Features of the validation split, of 2 x 3 views, and where they lie."""
    config = ExtractionConfig(
        endpoints=ENDPOINTS,
        output_dir=str(tmp_path_factory.mktemp("shards") / "features"),
        checkpoint=str(network[0]),
        data_dir=str(motion_shards),
        num_clips=2,
        num_crops=3,
        batch_size=4,
    )
    return config, extract_features(config)


def test_features_of_shards_are_those_of_the_evaluations_views(from_shards, network, motion_shards):
    _, result = from_shards
    assert (len(result.written), result.kept, result.problems) == (10, [], {})
    views = pipeline.evaluation_dataset(
        motion_shards,
        clip=ClipConfig(8, 1, 32),
        num_clips=2,
        num_crops=3,
        batch_size=6,
        details=True,
    )
    extractor = models.feature_extractor(network[1], ENDPOINTS.split(", "), pooling="avg")
    for path, (clips, labels, about) in zip(result.written, views, strict=True):
        found = read_features(path)
        for name, wanted in extractor.predict_on_batch(clips).items():
            assert found.features[name].dtype == np.float32
            np.testing.assert_allclose(found.features[name], wanted, atol=1e-5)
        assert found.label == int(labels[0])
        assert found.filename == about["filename"].numpy()[0].decode()
        assert path.name == found.filename.rsplit("/")[-1] + ".npz"
        assert found.start.tolist() == [0, 0, 0, 4, 4, 4]  # of 12 frames, clips of 8
        assert found.frame_rate == 25.0


def test_a_file_has_the_features_that_its_shard_has(
    from_shards, network, options, motion_shards, tmp_path
):
    _, result = from_shards
    # A run knows how its videos were stored: a checkpoint alone does not.
    (tmp_path / "best.keras").write_bytes(network[0].read_bytes())
    settings = dict(data.load_manifest(motion_shards).settings)
    content = {"training": {}, "class_names": CLASSES, "data": settings}
    (tmp_path / "config.json").write_text(json.dumps(content))
    options |= {"checkpoint": None, "workdir": str(tmp_path)}
    config = ExtractionConfig(**options, num_clips=2, num_crops=3)
    folder = motion_shards.parent / "videos"
    extracted = extract_features(config, [folder / "val"])
    assert len(extracted.written) == 10
    for path in result.written:
        wanted = read_features(path)
        (same,) = [p for p in extracted.written if wanted.filename.endswith(_relative(p, config))]
        found = read_features(same)
        assert found.label is None
        for name in wanted.features:
            np.testing.assert_allclose(found.features[name], wanted.features[name], atol=1e-5)


def _relative(path, config):
    return str(path.relative_to(config.output_dir)).removesuffix(".npz")


def test_both_formats_hold_the_same(from_shards):
    config, result = from_shards
    again = ExtractionConfig(
        **vars(config) | {"format": "tfrecord", "output_dir": config.output_dir + "_tfrecord"}
    )
    for one, other in zip(result.written, extract_features(again).written, strict=True):
        one, other = read_features(one), read_features(other)
        assert (one.filename, one.label, one.frame_rate) == (
            other.filename,
            other.label,
            other.frame_rate,
        )
        np.testing.assert_array_equal(one.start, other.start)
        assert one.features.keys() == other.features.keys()
        for name, wanted in one.features.items():
            np.testing.assert_allclose(other.features[name], wanted, atol=1e-6)


def test_a_second_call_keeps_what_is_finished(from_shards):
    config, result = from_shards
    before = {path: path.stat().st_mtime_ns for path in result.written}
    lost = result.written[3]
    lost.unlink()
    again = extract_features(config)
    assert again.written == [lost]
    assert sorted([*again.kept, lost]) == sorted(before)
    assert all(path.stat().st_mtime_ns == before[path] for path in again.kept)


def test_whole_feature_maps_and_one_clip(options, network, videos):
    config = ExtractionConfig(**options | {"endpoints": ["layer4_1"]}, pooling="none")
    (path,) = extract_features(config, videos[:1]).written
    shape = network[1].get_layer("layer4_1").output.shape
    assert read_features(path).features["layer4_1"].shape == (1, *shape[1:])
    assert path.name == f"{videos[0].name}.npz"


@pytest.mark.parametrize("name", ["s3d_milnce", "s3d_v1"])
def test_networks_that_score_no_classes_give_features_and_no_predictions(name, videos, tmp_path):
    """MIL-NCE's, whose outputs are an embedding, and CoCLR's, which has none."""
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    of_texts = name == "s3d_milnce"
    state = s3dg_reference.random_milnce() if of_texts else s3dg_reference.random_coclr()
    given = {"model": name, "weights": str(tmp_path / "a.safetensors")}
    numpy.save_file(state, given["weights"])
    endpoints = {"Mixed_5c": 1024, **({"Logits": 512} if of_texts else {})}
    config = ExtractionConfig(list(endpoints), str(tmp_path / "features"), **given)
    (path,) = extract_features(config, videos[:1]).written
    features = read_features(path).features
    assert {each: value.shape for each, value in features.items()} == {
        each: (1, size) for each, size in endpoints.items()
    }
    told = "an embedding, to compare videos by" if of_texts else r"whose output is \(None, 4, 4, 4"
    with pytest.raises(ValueError, match=f"a classifier must be given.*{told}"):
        predict(videos[:1], **given)


def test_an_unusable_video_is_reported_and_the_others_are_written(options, videos, tmp_path):
    (tmp_path / "videos").mkdir()
    shutil.copy(videos[0], tmp_path / "videos" / "b.mp4")
    (tmp_path / "videos" / "a.mp4").write_text("<html>")
    (tmp_path / "videos" / "notes.txt").write_text("no video")
    result = extract_features(ExtractionConfig(**options), [tmp_path / "videos"])
    assert [path.name for path in result.written] == ["b.mp4.npz"]
    ((file, problem),) = result.problems.items()
    assert file.endswith("a.mp4") and "HTML" in problem


def test_features_that_are_no_numbers_are_refused_by_the_name_of_the_video(
    options, network, videos, tmp_path
):
    model = keras.saving.load_model(network[0])
    for layer in model.layers:  # finite weights, whose products are not
        if isinstance(layer, keras.layers.Conv3D):
            layer.set_weights([np.full_like(w, 3e38) for w in layer.get_weights()])
    model.save(tmp_path / "a.keras")
    config = ExtractionConfig(**options | {"checkpoint": str(tmp_path / "a.keras")})
    with pytest.raises(
        ValueError, match=f"must be finite, and those of '{videos[0]}' at layer3_1 are"
    ):
        extract_features(config, videos[:1])
    assert not list((tmp_path / "features").glob("*.npz"))


def test_other_settings_or_another_network_are_refused(from_shards, network, tmp_path):
    config, _ = from_shards
    other = ExtractionConfig(**vars(config) | {"num_clips": 1})
    with pytest.raises(ValueError, match="`output_dir` must be new.*num_clips was 2 and is 1"):
        extract_features(other)
    model = keras.saving.load_model(network[0])
    kernel = model.get_layer("stem_conv").kernel
    kernel.assign(kernel + 1)
    model.save(tmp_path / "other.keras")
    other = ExtractionConfig(**vars(config) | {"checkpoint": str(tmp_path / "other.keras")})
    with pytest.raises(ValueError, match="`output_dir` must be new.*network was .*weights_sha256"):
        extract_features(other)


def test_another_video_of_the_same_name_is_refused(options, videos, tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        shutil.copy(videos[0], tmp_path / folder / "v.mp4")
    config = ExtractionConfig(**options)
    with pytest.raises(ValueError, match="`inputs` must be videos of different names"):
        extract_features(config, [tmp_path / "a", tmp_path / "b"])
    extract_features(config, [tmp_path / "a"])
    with pytest.raises(ValueError, match="features of another video under the same name"):
        extract_features(config, [tmp_path / "b"])


@pytest.mark.parametrize(
    ("change", "inputs", "message"),
    [
        ({}, [], "one of `inputs` and `data_dir` must be given"),
        ({}, ["missing.mp4"], "`inputs` must be video files, or folders of them"),
        ({"data_dir": "nowhere"}, [], "`data_dir` must be a folder of TFRecord shards"),
        (
            {"endpoints": "Mixed_9z", "data_dir": True},
            [],
            "`endpoints` must be an endpoint of",
        ),
        ({"checkpoint": "none.keras", "data_dir": True}, [], "`checkpoint` must lead to a saved"),
    ],
)
def test_mistakes_leave_no_folder(change, inputs, message, options, motion_shards, tmp_path):
    if change.get("data_dir") is True:
        change = change | {"data_dir": str(motion_shards)}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        extract_features(ExtractionConfig(**options | change), inputs)
    assert not (tmp_path / "features").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": "mean"}, "`pooling` must be one of 'avg', 'max', 'none'"),
        ({"format": "csv"}, "`format` must be one of 'npz', 'tfrecord'"),
        ({"num_crops": 2}, "`num_crops` must be one of 1, 3"),
        ({"batch_size": 0}, "`batch_size` must be an integer from 1"),
    ],
)
def test_bad_settings_are_refused(change, message, options):
    with pytest.raises(ValueError, match=message):
        ExtractionConfig(**options | change)


def test_files_that_are_no_features_are_named(tmp_path):
    for name in ("cut.npz", "cut.tfrecord"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 and no more")
        with pytest.raises(ValueError, match="`path` must be a file of features"):
            read_features(tmp_path / name)
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, np.zeros(3))
    np.savez(tmp_path / "others.npz", start=np.zeros(1))
    for name, record in (("text", b"no example"), ("empty", b"")):
        with tf.io.TFRecordWriter(str(tmp_path / f"{name}.tfrecord")) as writer:
            writer.write(record)
    for name in ("array.npz", "others.npz", "text.tfrecord", "empty.tfrecord"):
        with pytest.raises(ValueError, match="`path` must be a file of features"):
            read_features(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        read_features(tmp_path / "none.npz")


def test_a_damaged_shard_is_named(options, motion_shards, tmp_path):
    shards = shutil.copytree(motion_shards, tmp_path / "shards")
    (shard,) = shards.glob("val-*")
    content = bytearray(shard.read_bytes())
    content[-100] ^= 1
    shard.write_bytes(content)
    config = ExtractionConfig(**options, data_dir=str(shards))
    with pytest.raises(ValueError, match="shard .*val-00000.* is damaged at record 9 of 10"):
        extract_features(config)
    settings = json.loads((tmp_path / "features" / "features.json").read_text())
    assert settings["split"] == "val"


@pytest.mark.parametrize("suffix", ["npz", "tfrecord"])
def test_names_of_any_bytes(tmp_path, suffix):
    name = os.fsdecode(b"caf\xe9.mp4")
    path = pathlib.Path(tmp_path, f"{name}.{suffix}")
    values = np.arange(3, dtype=np.float32)[np.newaxis]
    write_features(path, VideoFeatures({"a": values}, np.zeros(1, np.int64), name))
    assert os.listdir(tmp_path) == [path.name]
    found = read_features(path)
    assert found.filename == name
    np.testing.assert_array_equal(found.features["a"], values)
