"""Networks that are none of the zoo's go the whole way, from training to prediction."""

import keras
import numpy as np
import pytest

from video_zoo.evaluation import (
    EvaluationConfig,
    ExtractionConfig,
    evaluate,
    extract_features,
    predict,
)
from video_zoo.inflation_config import InflationConfig
from video_zoo.training import TrainingConfig, latest_checkpoint, train

MODULE = """
import keras


@keras.saving.register_keras_serializable("of_the_user")
class Halved(keras.layers.Layer):
    def call(self, x):
        return x / 2


def lstm(num_classes, input_shape):
    inputs = keras.Input(input_shape)
    x = keras.layers.AveragePooling3D((1, 4, 4), name="small")(Halved()(inputs))
    x = keras.layers.ConvLSTM2D(2, 3, name="lstm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(inputs, keras.layers.Dense(num_classes, "softmax", name="out")(x))
"""


@pytest.fixture
def own_module(write_module):
    return write_module(MODULE)


@pytest.fixture
def saved(tmp_path):
    """A plain ConvLSTM of Keras, for clips of any number of frames, of 3 classes."""
    inputs = keras.Input((None, 32, 32, 3))
    x = keras.layers.AveragePooling3D((1, 4, 4))(inputs)
    x = keras.layers.ConvLSTM2D(2, 3, name="lstm")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(3, activation="softmax", name="out")(x)
    keras.Model(inputs, outputs).save(tmp_path / "lstm.keras")
    return str(tmp_path / "lstm.keras")


@pytest.fixture
def settings(tiny_run, motion_shards, tmp_path):
    """Settings of `tiny_run` for any network; `workdir` is that of the run."""
    others = {k: v for k, v in tiny_run.items() if k not in ("model", "width_multiplier")}
    return others | {"data_dir": str(motion_shards), "workdir": str(tmp_path / "run")}


def weights_of(path):
    return [weight.numpy() for weight in keras.saving.load_model(path).weights]


def test_an_inflated_network_is_trained_continued_evaluated_and_predicts(
    settings, tmp_path, motion_shards
):
    settings |= {
        "model": "inflate:MobileNetV2",
        "inflation": InflationConfig(convolution="2d", temporal_strides="Conv1=2"),
        "num_frames": 2,
    }
    for steps in (1, 2):
        result = train(TrainingConfig(**settings, steps=steps))
    assert result.finished
    assert [row["step"] for row in result.history] == [1, 2]
    metrics = evaluate(EvaluationConfig(workdir=settings["workdir"]))
    assert metrics["num_videos"] == 10
    videos = motion_shards.parent / "videos" / "val" / "up"
    (prediction, *_) = predict(videos, workdir=settings["workdir"], top=5)
    assert set(prediction.classes) == {"down", "growing", "left", "right", "up"}
    assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)


def test_a_network_of_the_users_resumes_exactly(settings, own_module, tmp_path):
    settings |= {"model": f"{own_module}:lstm"}
    for workdir, stops in (("whole", (6,)), ("parts", (3, 6))):
        for steps in stops:
            train(TrainingConfig(**settings | {"workdir": str(tmp_path / workdir), "steps": steps}))
    whole, parts = (weights_of(latest_checkpoint(tmp_path / name)) for name in ("whole", "parts"))
    assert all(np.array_equal(*pair) for pair in zip(whole, parts, strict=True))
    assert evaluate(EvaluationConfig(workdir=str(tmp_path / "parts")))["num_videos"] == 10
    # Of the file alone, its layer is told by the module.
    best = str(tmp_path / "parts" / "best.keras")
    config = EvaluationConfig(
        checkpoint=best, imports=own_module, data_dir=settings["data_dir"], output_dir=str(tmp_path)
    )
    assert evaluate(config)["num_videos"] == 10


def test_a_saved_network_gets_a_new_head_and_two_learning_rates(settings, saved, capsys, tmp_path):
    settings |= {"model": saved, "steps": 2, "freeze_until": "lstm"}
    train(TrainingConfig(**settings, backbone_learning_rate_scale=0.1))
    told = capsys.readouterr().out
    assert f"weights from {saved}; the classifier is new: 5 classes, and the weights have 3" in told
    before = keras.saving.load_model(saved)
    after = keras.saving.load_model(latest_checkpoint(tmp_path / "run"), compile=False)
    frozen = [before.get_layer("lstm").get_weights(), after.get_layer("lstm").get_weights()]
    assert all(np.array_equal(*pair) for pair in zip(*frozen, strict=True))
    assert after.output_shape == (None, 5)


def test_a_run_with_a_frozen_recurrent_layer_continues(settings, saved, tmp_path):
    """What is within the layer, its cell, stays frozen too."""
    settings |= {"model": saved, "freeze_until": "lstm"}
    for steps in (1, 2):
        result = train(TrainingConfig(**settings, steps=steps))
    assert [row["step"] for row in result.history] == [1, 2]
    before = keras.saving.load_model(saved).get_layer("lstm").get_weights()
    after = keras.saving.load_model(latest_checkpoint(tmp_path / "run"), compile=False)
    for found, expected in zip(after.get_layer("lstm").get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_saved_network_predicts_by_itself(saved, motion_shards, tmp_path, capsys):
    videos = motion_shards.parent / "videos" / "val" / "up"
    (prediction, *_) = predict(videos, model=saved)
    assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)
    assert prediction.classes[0] in "012"
    assert "does not say which clips its network was trained on" in capsys.readouterr().err


def test_features_of_an_inflated_network(motion_shards, tmp_path):
    image_model = keras.applications.MobileNetV2(input_shape=(32, 32, 3), weights=None)
    image_model.save(tmp_path / "image.keras")
    config = ExtractionConfig(
        endpoints="out_relu",
        output_dir=str(tmp_path / "features"),
        model="inflate:MobileNetV2",
        weights=str(tmp_path / "image.keras"),
        data_dir=str(motion_shards),
    )
    result = extract_features(config)
    assert len(result.written) == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "inflate:MobileNetV2", "width_multiplier": 0.5}, "`width_multiplier` must be"),
        (
            {"model": "a.keras", "gating": True},
            "`gating` must be False but for networks",
        ),
        ({"model": "s3d_v1", "inflation": {"convolution": "2d"}}, "`model` must be inflate:NAME"),
        ({"model": "inflate:VGG16", "freeze_until": "block1_conv1"}, "`freeze_until` must be None"),
        ({"model": "inflate:VGG16", "weights": "imagnet"}, "Did you mean 'imagenet'"),
    ],
)
def test_settings_that_do_not_go_together(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**settings | changes)


def test_what_cannot_be_is_refused_before_the_first_step(settings, saved):
    settings |= {"model": saved, "steps": 1}
    for changes, message in (
        ({"image_size": 16}, "must be those that the network takes"),
        ({"freeze_until": "Mixed_5c"}, "`freeze_until` must be the name of a layer of"),
        ({"dtype": "mixed_bfloat16"}, "`dtype` must be 'float32' with a saved network"),
    ):
        with pytest.raises(ValueError, match=message):
            train(TrainingConfig(**settings | changes))
