"""Two runs, on RGB and on flow shards of the same videos, evaluated as one."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest

from video_zoo import known_names, models
from video_zoo.data import ConversionConfig, EncodingConfig, convert
from video_zoo.data.format.manifests import LABEL_MAP_NAME
from video_zoo.data.input import pipeline
from video_zoo.data.input.clips import ClipConfig
from video_zoo.data.input.source import Split
from video_zoo.evaluation import TwoStreamConfig, evaluate_two_stream, predict
from video_zoo.training import TrainingConfig, train
from video_zoo.training.checkpoint import Position, save_checkpoint

CLASSES = ["down", "growing", "left", "right", "up"]
OWN_LAYER = """
import keras


@keras.saving.register_keras_serializable("of_two_streams")
class Halved(keras.layers.Layer):
    def call(self, x):
        return x / 2
"""


def convert_flow(motion_shards, output_dir, **settings):
    """The validation videos of `motion_shards`, converted alike, but to flow."""
    config = ConversionConfig(
        input_dir=str(motion_shards.parent / "videos"),
        output_dir=str(output_dir),
        encoding=EncodingConfig(short_side=32, modality="flow_dis"),
        workers=1,
        **{"num_shards": 1, "train_per_class": 0} | settings,
    )
    convert(config, progress=False)
    return output_dir


@pytest.fixture(scope="module")
def data_dirs(motion_shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flow")
    return {"rgb": motion_shards, "flow": convert_flow(motion_shards, folder / "shards")}


@pytest.fixture(scope="module")
def runs(data_dirs, write_run, tmp_path_factory):
    """Workdirs of two runs: RGB and flow."""
    folder = tmp_path_factory.mktemp("two_stream")
    for stream, channels in (("rgb", 3), ("flow", 2)):
        write_run(data_dirs[stream], folder / stream, channels)
    return folder


def config_of(runs, **settings):
    return TwoStreamConfig(str(runs / "rgb"), str(runs / "flow"), **settings)


@pytest.mark.slow  # it is trained
def test_a_run_on_flow_takes_flow(motion_shards, videos, tiny_run, tmp_path):
    shards = convert_flow(motion_shards, tmp_path / "shards", train_per_class=None)
    settings = {"data_dir": str(shards), "workdir": str(tmp_path)}
    train(TrainingConfig(**tiny_run, **settings, steps=2))
    model = keras.saving.load_model(tmp_path / "best.keras")
    assert model.input_shape == (None, 8, 32, 32, 2)
    (prediction,) = predict(videos[:1], workdir=tmp_path, top=1)
    assert prediction.problem is None and prediction.classes[0] in CLASSES


def test_scores_are_those_of_the_added_logits(runs, data_dirs):
    numbers = evaluate_two_stream(config_of(runs, num_clips=2, batch_size=4))
    folder = runs / "rgb" / "eval" / "val_two_stream"
    assert json.loads((folder / "metrics.json").read_text()) == numbers
    assert (numbers["num_videos"], numbers["num_clips"]) == (10, 2)
    logits = 0
    for stream, data_dir in data_dirs.items():
        views = pipeline.evaluation_dataset(
            data_dir, clip=ClipConfig(8, 1, 32), num_clips=2, batch_size=20
        )
        ((clips, labels),) = views
        model = keras.saving.load_model(runs / stream / "best.keras")
        logits = logits + model.predict_on_batch(clips)
    wanted = keras.ops.softmax(logits).numpy().reshape(10, 2, 5).mean(axis=1)
    with open(folder / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [[float(row[name]) for name in CLASSES] for row in rows]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    hits = wanted.argmax(axis=1) == labels.numpy().reshape(10, 2)[:, 0]
    assert numbers["top1"] == pytest.approx(hits.mean())


def test_other_videos_are_refused(runs, motion_shards, tmp_path):
    fewer = convert_flow(motion_shards, tmp_path / "fewer", val_per_class=1)
    with pytest.raises(ValueError, match="must hold the same videos. Received: 10 and 5 examples"):
        evaluate_two_stream(config_of(runs, flow_data_dir=str(fewer)))
    shuffled = convert_flow(motion_shards, tmp_path / "shuffled", seed=1)
    with pytest.raises(
        ValueError, match="the shards of RGB hold the videos .*val/.*where those of"
    ):
        evaluate_two_stream(config_of(runs, flow_data_dir=str(shuffled)))


def test_streams_that_are_swapped_are_refused(runs):
    swapped = TwoStreamConfig(str(runs / "flow"), str(runs / "rgb"))
    with pytest.raises(ValueError, match="`flow` must take clips of 2 channels"):
        evaluate_two_stream(swapped)


def test_streams_of_other_classes_are_refused(runs, data_dirs, write_run, tmp_path):
    shards = shutil.copytree(data_dirs["flow"], tmp_path / "shards")
    (shards / LABEL_MAP_NAME).write_text("\n".join([*CLASSES[:-1], "upwards"]) + "\n")
    other = write_run(shards, tmp_path / "run", channels=2)
    config = TwoStreamConfig(str(runs / "rgb"), str(other))
    with pytest.raises(ValueError, match="RGB and of flow must have the same classes.*upwards"):
        evaluate_two_stream(config)


def test_weights_in_place_of_runs(data_dirs, tmp_path):
    weights = {}
    for stream, channels in (("rgb", 3), ("flow", 2)):
        model = models.s3d_v1(5, input_shape=(8, 32, 32, channels), width_multiplier=0.0625)
        source = Split.open(data_dirs[stream], "val")
        weights[stream] = tmp_path / f"{stream}.keras"
        save_checkpoint(model, weights[stream], Position(2), source.class_names)
    config = TwoStreamConfig(
        model="s3d_v1",
        rgb_weights=str(weights["rgb"]),
        flow_weights=str(weights["flow"]),
        rgb_data_dir=str(data_dirs["rgb"]),
        flow_data_dir=str(data_dirs["flow"]),
        output_dir=str(tmp_path / "out"),
        image_size=24,
    )
    numbers = evaluate_two_stream(config)
    assert numbers["num_videos"] == 10
    assert numbers["checkpoints"] == {stream: str(path) for stream, path in weights.items()}


def test_networks_from_elsewhere_in_place_of_runs(data_dirs, write_module, tmp_path):
    """Two `.keras` files of any networks, with layers that a module of the user's registers."""
    module = write_module(OWN_LAYER)
    halved = known_names.import_module(module, "imports").Halved
    files = {}
    for stream, channels in (("rgb", 3), ("flow", 2)):
        inputs = keras.Input((8, 32, 32, channels))
        x = keras.layers.GlobalAveragePooling3D()(halved()(inputs))
        files[stream] = str(tmp_path / f"{stream}.keras")
        keras.Model(inputs, keras.layers.Dense(5, name=stream)(x)).save(files[stream])
    settings = {
        **{f"{stream}_weights": file for stream, file in files.items()},
        **{f"{stream}_data_dir": str(folder) for stream, folder in data_dirs.items()},
        "output_dir": str(tmp_path / "out"),
        "imports": module,
    }
    numbers = evaluate_two_stream(TwoStreamConfig(**settings))
    assert (numbers["num_videos"], numbers["checkpoints"]) == (10, files)
    again = evaluate_two_stream(TwoStreamConfig(**settings, model=f"{module}:unused"))
    assert again["top1"] == numbers["top1"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flow_workdir": "b"}, "one of `rgb_workdir` and `rgb_weights` must be given"),
        (
            {"rgb_workdir": "a", "flow_workdir": "b", "flow_weights": "kinetics400_flow"},
            "one of `flow_workdir` and `flow_weights` must be given",
        ),
        (
            {"rgb_workdir": "a", "flow_weights": "kinetics400_flow"},
            "`flow_data_dir` must be given with `flow_weights`",
        ),
        (
            {"rgb_weights": "kinetics400", "rgb_data_dir": "d", "flow_workdir": "b"},
            "`output_dir` must be given with `rgb_weights`",
        ),
    ],
)
def test_settings_of_two_streams_that_do_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        TwoStreamConfig(**settings)
