"""Weights that tell which clips they take: prediction and evaluation do as they say."""

import json
import logging
import shutil
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from video_zoo import models
from video_zoo.data.input.clips import views
from video_zoo.evaluation import EvaluationConfig, evaluate, predict
from video_zoo.models.weights.saved import write_provenance
from video_zoo.run.trained import load_network

CLASSES = ["down", "growing", "left", "right", "up"]
CONVENTION = {"fps": 10.0, "num_frames": 8, "short_side": 32, "image_size": 24, "modality": "rgb"}


def network(channels=3, **kwargs):
    return models.r3d_18(5, input_shape=(8, 24, 24, channels), width_multiplier=0.0625, **kwargs)


def save(path, *, channels=3, convention=None) -> str:
    network(channels=channels).save(path)
    told = {"name": None, "class_names": CLASSES, "padding": "same"}
    write_provenance(str(path), {**told, "convention": {**CONVENTION, **(convention or {})}})
    return str(path)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    return save(tmp_path_factory.mktemp("convention") / "net.keras")


def test_a_converted_file_names_its_classes(narrow, videos):
    network = load_network(checkpoint=narrow)
    assert network.class_names == CLASSES
    assert {"fps": 10.0, "short_side": 32, "modality": "rgb"}.items() <= network.data.items()
    (prediction,) = predict(videos[:1], checkpoint=narrow, top=5)
    assert prediction.problem is None
    assert sorted(prediction.classes) == CLASSES
    assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)


def test_a_network_sees_crops_of_another_size(narrow):
    usual, larger = load_network(checkpoint=narrow), load_network(checkpoint=narrow, image_size=40)
    assert (usual.clip.image_size, larger.clip.image_size) == (24, 40)
    assert larger.model.input_shape == (None, 8, 40, 40, 3)
    assert all(map(np.array_equal, usual.model.get_weights(), larger.model.get_weights()))


def test_larger_crops_show_more_of_the_frames_up_to_their_whole_height(narrow):
    """Networks that crop 224 of 256 pixels see all of the height at 256."""
    fractions = {}
    for size in (None, 26, 28, 40):
        clip = load_network(checkpoint=narrow, image_size=size).clip
        fractions[size] = clip.crop_fraction
    assert fractions[None] == 224 / 256
    assert fractions[26] == pytest.approx(224 / 256 * 26 / 24)
    assert fractions[28] == fractions[40] == 1
    encoded = [tf.io.encode_jpeg(np.zeros((32, 48, 3), np.uint8)).numpy()] * 8
    network = load_network(checkpoint=narrow, image_size=28)
    seen = views(tf.constant(encoded), network.clip, 1, 3, tf.constant([0, 0], tf.int64))
    boxes = [box.numpy().tolist() for _, box, *_ in seen]
    assert boxes == [[0, 0, 32, 32], [0, 8, 32, 32], [0, 16, 32, 32]]


def test_a_network_of_one_size_is_not_given_another(tmp_path):
    inputs = keras.Input((8, 24, 24, 3))
    outputs = keras.layers.Dense(5)(keras.layers.Flatten()(inputs))
    keras.Model(inputs, outputs).save(tmp_path / "flat.keras")
    with pytest.raises(ValueError, match="`image_size` must be 24 or None"):
        load_network(checkpoint=tmp_path / "flat.keras", image_size=40)


def test_a_builder_with_weights_is_a_network_too_and_as_wide_as_they_are(narrow, videos):
    network = load_network(model="r3d_18", weights=narrow)
    assert (network.clip.num_frames, network.clip.image_size) == (8, 24)
    assert network.class_names == CLASSES
    assert network.model.get_layer("layer4_1_conv2_conv").filters == 32
    by_name = list(predict(videos[:1], model="r3d_18", weights=narrow))
    assert by_name == list(predict(videos[:1], checkpoint=narrow))


def test_evaluation_says_where_the_shards_differ(narrow, motion_shards, tmp_path, caplog):
    config = EvaluationConfig(checkpoint=narrow, data_dir=str(motion_shards))
    with caplog.at_level(logging.WARNING):
        numbers = evaluate(config)
    (record,) = [r for r in caplog.records if "are stored with" in r.getMessage()]
    told = record.getMessage()
    assert "fps 25.0 in place of 10.0: accuracy may be lower" in told
    assert "short_side" not in told
    assert numbers["num_videos"] == 10
    caplog.clear()
    fitting = save(tmp_path / "a.keras", convention={"fps": 25.0})
    evaluate(EvaluationConfig(checkpoint=fitting, data_dir=str(motion_shards)))
    assert "are stored with" not in caplog.text


def test_other_classes_are_refused(narrow, motion_shards, tmp_path):
    shutil.copytree(motion_shards, tmp_path, dirs_exist_ok=True)
    (tmp_path / "label_map.txt").write_text("a\nb\nc\nd\ne\n")
    with pytest.raises(ValueError, match="must have the label map that the network was trained"):
        evaluate(EvaluationConfig(checkpoint=narrow, data_dir=str(tmp_path)))


def test_a_network_of_flow_refuses_colours(motion_shards, videos, tmp_path):
    path = tmp_path / "flow.keras"
    network(channels=2).save(path)
    with pytest.raises(ValueError, match="must be videos of 2 channels, .*2 are optical flow"):
        predict(videos[:1], checkpoint=path)
    with pytest.raises(ValueError, match="`data_dir` must hold clips of 2 channels"):
        evaluate(EvaluationConfig(checkpoint=str(path), data_dir=str(motion_shards)))


def test_a_network_of_flow_takes_the_flow_of_videos(videos, tmp_path):
    told = {"modality": "flow_dis"}
    path = save(tmp_path / "flow.keras", channels=2, convention=told)
    (prediction,) = predict(videos[:1], checkpoint=path)
    assert prediction.problem is None
    assert prediction.classes[0] in CLASSES


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"model": "s3d_v1"}, "must be given, or both `model` and `weights`"),
        ({"weights": "kinetics400"}, "must be given, or both `model` and `weights`"),
        ({"model": "s3d_v1", "weights": "kinetics400", "workdir": "run"}, "workdir='run'"),
        ({"model": "resnet", "weights": "kinetics400"}, "`model` must be one of i3d"),
        ({"model": "s3d_v1", "weights": "kinetics"}, "a published name .'kinetics400'"),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        load_network(**kwargs)


def test_results_of_published_weights_need_a_folder():
    with pytest.raises(ValueError, match="`output_dir` must be given with `weights`"):
        EvaluationConfig(model="s3d_v1", weights="kinetics400", data_dir="shards")


@pytest.fixture(scope="module")
def run(motion_shards, write_run, tmp_path_factory):
    """A run whose clips are none of the defaults: every second frame, stored 32 pixels high."""
    folder = tmp_path_factory.mktemp("strided") / "run"
    return write_run(motion_shards, folder, num_frames=4, frame_stride=2)


def without_notes(source, target):
    """A file as Keras alone writes it, with the class names where ``target`` is of a run."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name != "video_zoo_weights.json":
                new.writestr(name, old.read(name))
    return target


def test_the_network_of_a_run_predicts_alone_as_it_does_with_its_run(run, videos, tmp_path, capsys):
    alone = shutil.copy(run / "best.keras", tmp_path / "elsewhere.keras")
    capsys.readouterr()
    by_file = list(predict(videos[:2], checkpoint=alone, num_clips=2))
    assert by_file == list(predict(videos[:2], workdir=run, num_clips=2))
    assert "note:" not in capsys.readouterr().err


def test_the_network_of_a_run_tells_its_clips(run):
    network = load_network(checkpoint=run / "best.keras")
    assert (network.clip.num_frames, network.clip.frame_stride) == (4, 2)
    assert {"fps": 25.0, "short_side": 32, "jpeg_quality": 95}.items() <= network.data.items()


def test_what_a_file_tells_comes_before_the_settings_beside_it(run, tmp_path):
    shutil.copy(run / "best.keras", tmp_path / "best.keras")
    content = json.loads((run / "config.json").read_text())
    content["training"]["frame_stride"] = 3
    (tmp_path / "config.json").write_text(json.dumps(content))
    assert load_network(tmp_path).clip.frame_stride == 2


def test_the_settings_of_a_run_tell_for_a_file_of_an_earlier_version(run, tmp_path, capsys):
    without_notes(run / "best.keras", tmp_path / "best.keras")
    shutil.copy(run / "config.json", tmp_path / "config.json")
    network = load_network(tmp_path)
    assert (network.clip.frame_stride, network.data["short_side"]) == (2, 32)
    assert network.class_names == CLASSES
    assert "note:" not in capsys.readouterr().err


def test_what_nothing_tells_is_assumed_and_said(run, tmp_path, capsys):
    path = without_notes(run / "best.keras", tmp_path / "a.keras")
    capsys.readouterr()
    load_network(checkpoint=path)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"note: {path} does not say which clips its network was trained on: assumed are fps 25.0, "
        "short side 256, frame stride 1"
    )


@pytest.mark.parametrize("given", ["workdir", "checkpoint"])
def test_a_damaged_network_is_named_with_its_damage(given, run, tmp_path):
    content = bytearray((run / "best.keras").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "best.keras").write_bytes(content)
    shutil.copy(run / "config.json", tmp_path / "config.json")
    path = tmp_path if given == "workdir" else tmp_path / "best.keras"
    with pytest.raises(ValueError, match=rf"`{given}` must be a whole '.keras' file.*is damaged\)"):
        load_network(**{given: path})


def test_a_network_of_images_is_no_network_of_clips(tmp_path):
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.Flatten()(inputs)).save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="`checkpoint` must be a network of clips.*8, 8, 3"):
        load_network(checkpoint=tmp_path / "a.keras")


def test_a_network_without_a_classifier_predicts_nothing(videos, tmp_path):
    network(include_top=False).save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="a classifier must be given"):
        predict(videos[:1], checkpoint=tmp_path / "a.keras")
