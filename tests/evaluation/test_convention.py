"""Weights that tell which clips they take: prediction and evaluation do as they say."""

import logging

import pytest

from video_zoo import models
from video_zoo.evaluation import EvaluationConfig, evaluate, predict
from video_zoo.evaluation.run import load_network
from video_zoo.models.saved import write_provenance

CLASSES = ["down", "growing", "left", "right", "up"]
CONVENTION = {"fps": 10.0, "num_frames": 8, "short_side": 32, "image_size": 24, "modality": "rgb"}


def save(path, *, channels=3, convention=None, **kwargs) -> str:
    model = models.s3d_v1(5, input_shape=(8, 24, 24, channels), **kwargs)
    model.save(path)
    told = {"name": None, "class_names": CLASSES, "padding": "same"}
    write_provenance(str(path), {**told, "convention": {**CONVENTION, **(convention or {})}})
    return str(path)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    return save(tmp_path_factory.mktemp("convention") / "net.keras", width_multiplier=0.0625)


@pytest.fixture(scope="module")
def videos(motion_shards):
    return sorted((motion_shards.parent / "videos").rglob("*.mp4"))


def test_a_converted_file_names_its_classes(narrow, videos):
    network = load_network(checkpoint=narrow)
    assert network.class_names == CLASSES
    assert network.data == {"fps": 10.0, "short_side": 32, "modality": "rgb"}
    (prediction,) = predict(videos[:1], checkpoint=narrow, top=5)
    assert prediction.problem is None
    assert sorted(prediction.classes) == CLASSES
    assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)


def test_a_builder_with_weights_is_a_network_too(tmp_path, videos):
    path = save(tmp_path / "wide.keras")
    network = load_network(model="s3d_v1", weights=path)
    assert (network.clip.num_frames, network.clip.image_size) == (8, 24)
    assert network.class_names == CLASSES
    by_name = list(predict(videos[:1], model="s3d_v1", weights=path))
    assert by_name == list(predict(videos[:1], checkpoint=path))


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
    fitting = save(tmp_path / "a.keras", width_multiplier=0.0625, convention={"fps": 25.0})
    evaluate(EvaluationConfig(checkpoint=fitting, data_dir=str(motion_shards)))
    assert "are stored with" not in caplog.text


def test_other_classes_are_refused(narrow, motion_shards, tmp_path):
    for shard in motion_shards.iterdir():
        (tmp_path / shard.name).write_bytes(shard.read_bytes())
    (tmp_path / "label_map.txt").write_text("a\nb\nc\nd\ne\n")
    with pytest.raises(ValueError, match="must have the label map that the network was trained"):
        evaluate(EvaluationConfig(checkpoint=narrow, data_dir=str(tmp_path)))


def test_a_network_of_flow_refuses_colours(motion_shards, videos, tmp_path):
    path = tmp_path / "flow.keras"
    models.s3d_v1(5, input_shape=(8, 24, 24, 2), width_multiplier=0.0625).save(path)
    with pytest.raises(ValueError, match="must be videos of 2 channels, .*2 are optical flow"):
        predict(videos[:1], checkpoint=path)
    with pytest.raises(ValueError, match="`data_dir` must hold clips of 2 channels"):
        evaluate(EvaluationConfig(checkpoint=str(path), data_dir=str(motion_shards)))


def test_a_network_of_flow_takes_the_flow_of_videos(videos, tmp_path):
    told = {"modality": "flow_dis"}
    path = save(tmp_path / "flow.keras", channels=2, width_multiplier=0.0625, convention=told)
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
