"""Runs from weights: new heads, frozen layers, a slower backbone, and how they continue."""

import json

import keras
import numpy as np
import processes
import pytest
import s3dg_reference

from video_zoo import models
from video_zoo.training import TrainingConfig, latest_checkpoint, train
from video_zoo.training.checkpoint import Position, save_checkpoint
from video_zoo.training.initial import Task, initial_model

CLASSES = ["down", "growing", "left", "right", "up"]
FROZEN = ("Conv3d_1", "Conv3d_2")


def values(model):
    return {weight.path: weight.numpy() for weight in model.weights}


def pretrained(folder, num_classes, class_names=None, **options):
    """A file of a network of the size of `tiny_run`, with weights of its own."""
    options = {"input_shape": (8, 32, 32, 3), "width_multiplier": 0.0625} | options
    model = models.s3d_v1(num_classes, **options)
    for weight in model.weights:
        if "moving_variance" not in weight.path:
            weight.assign(weight + 0.01)
    path = folder / f"pretrained_{num_classes}.keras"
    save_checkpoint(model, path, Position(), class_names or [f"c{i}" for i in range(num_classes)])
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return pretrained(tmp_path_factory.mktemp("weights"), 3)


@pytest.fixture
def settings(motion_shards, tiny_run, weights):
    return tiny_run | {
        "model": "s3d_v1",
        "data_dir": str(motion_shards),
        "weights": str(weights),
        "freeze_until": "Conv3d_2c_3x3",
        "backbone_learning_rate_scale": 0.25,
    }


@pytest.mark.slow
def test_a_finetuned_run_in_two_parts_ends_like_one(settings, weights, tmp_path, capsys):
    train(TrainingConfig(**settings, workdir=str(tmp_path / "whole"), steps=6))
    printed = capsys.readouterr().out
    assert f"weights from {weights}; the classifier is new: 5 classes, and the" in printed
    assert "frozen until Conv3d_2c_3x3" in printed
    for steps in (3, 6):
        train(TrainingConfig(**settings, workdir=str(tmp_path / "parts"), steps=steps))
    files = [latest_checkpoint(tmp_path / name) for name in ("whole", "parts")]
    whole, parts = (values(keras.saving.load_model(file)) for file in files)
    before = values(keras.saving.load_model(weights))
    for path, value in whole.items():
        np.testing.assert_allclose(parts[path], value, rtol=1e-5, atol=1e-6, err_msg=path)
        if path.startswith(FROZEN):
            np.testing.assert_array_equal(value, before[path], err_msg=path)
            np.testing.assert_array_equal(parts[path], value, err_msg=path)
        elif not path.startswith("Logits"):
            assert not np.array_equal(value, before[path]), path
    content = json.loads((tmp_path / "whole" / "config.json").read_text())
    sizes = {True: 0, False: 0}
    for weight in models.s3d_v1(
        5, input_shape=(8, 32, 32, 3), width_multiplier=0.0625
    ).trainable_weights:
        sizes[weight.path.startswith(FROZEN)] += int(np.prod(weight.shape))
    assert (content["frozen_parameters"], content["trainable_parameters"]) == (
        sizes[True],
        sizes[False],
    )
    assert f"{sizes[False]:,} parameters are trained, {sizes[True]:,} frozen" in printed


SCRIPT = """
import json, sys
import keras
from video_zoo.training import TrainingConfig, latest_checkpoint, train
for scale in (1.0, 0.5):
    settings = json.loads(sys.argv[1]) | {"backbone_learning_rate_scale": scale}
    train(TrainingConfig(**settings, workdir=f"{sys.argv[2]}/{scale}", steps=1))
"""


@pytest.mark.slow
def test_on_two_devices_the_backbone_takes_half_steps_and_the_head_whole_ones(
    settings, weights, tmp_path
):
    settings |= {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.5, "dropout_rate": 0.0}
    settings |= {"virtual_devices": 2}
    done = processes.run("-c", SCRIPT, json.dumps(settings), tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    runs = [
        keras.saving.load_model(latest_checkpoint(tmp_path / scale)) for scale in ("1.0", "0.5")
    ]
    whole, half = map(values, runs)
    before = values(keras.saving.load_model(weights))
    trained = {weight.path for weight in runs[0].trainable_weights}
    assert trained and not any(path.startswith(FROZEN) for path in trained)
    for path in trained:
        if path.startswith("Logits"):
            np.testing.assert_allclose(half[path], whole[path], atol=1e-6, err_msg=path)
        else:
            step = (whole[path] - before[path]) / 2
            assert np.abs(step).max() > 0, path
            np.testing.assert_allclose(half[path] - before[path], step, atol=2e-6, err_msg=path)


def config_of(tiny_run, weights, **changes):
    settings = tiny_run | {"model": "s3d_v1"} | changes
    return TrainingConfig(**settings, weights=str(weights), data_dir="-", workdir="-")


def test_the_head_stays_where_the_classes_are_the_same(tiny_run, tmp_path):
    path = pretrained(tmp_path, 5, CLASSES)
    saved = values(keras.saving.load_model(path))
    head = "Logits_Conv3d_0c_1x1/kernel"
    for changes, names, kept, words in (
        ({}, CLASSES, True, "the classifier is theirs"),
        ({}, None, True, "the classifier is theirs"),
        ({}, CLASSES[::-1], False, "new: the classes of the weights are others"),
        ({"new_head": True}, CLASSES, False, "new: asked for"),
    ):
        model, note = initial_model(config_of(tiny_run, path, **changes), Task(5, names))
        found = values(model)
        assert np.array_equal(found.pop(head), saved[head]) == kept
        assert words in note
        for name, value in found.items():
            if not name.startswith("Logits"):
                np.testing.assert_array_equal(value, saved[name], err_msg=name)


def test_weights_without_a_classifier_get_one(tiny_run, tmp_path):
    path = pretrained(tmp_path, 5, include_top=False)
    saved = values(keras.saving.load_model(path))
    model, note = initial_model(config_of(tiny_run, path), Task(4))
    assert model.output_shape == (None, 4)
    assert "new: the weights have none" in note
    found = values(model)
    for name, value in saved.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_weights_that_normalise_their_clips_get_a_classifier_too(tiny_run, tmp_path):
    """CoCLR's, as published: without a classifier, with an epsilon and a padding of their own."""
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    path = tmp_path / "coclr.safetensors"
    state = s3dg_reference.random_coclr(gated=False)
    numpy.save_file({name: np.ascontiguousarray(value) for name, value in state.items()}, path)
    config = config_of(tiny_run, path, width_multiplier=None)
    model, note = initial_model(config, Task(4))
    assert "new: the weights have none" in note
    bare = models.s3d_v1(include_top=False, input_shape=(8, 32, 32, 3), weights=path)
    found = values(model)
    for name, value in values(bare).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    clip = np.random.default_rng(0).uniform(-1, 1, (1, 8, 32, 32, 3)).astype("float32")
    kernel, bias = (found[f"Logits_Conv3d_0c_1x1/{part}"] for part in ("kernel", "bias"))
    pooled = np.asarray(bare(clip)).mean(axis=(0, 1, 2, 3))  # of a map of one step in time
    np.testing.assert_allclose(model(clip)[0], pooled @ kernel[0, 0, 0] + bias, atol=1e-4)
    model.save(tmp_path / "run.keras")
    info = models.weights_info("s3d_v1", tmp_path / "run.keras")
    assert (info.num_classes, info.padding, info.epsilon) == (4, "symmetric", 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("has", [False, True])
@pytest.mark.parametrize("wants", [False, True])
@pytest.mark.parametrize("num_classes", [3, 4])
def test_auxiliary_classifiers_of_weights_and_run(num_classes, wants, has, tiny_run, tmp_path):
    size = {"num_frames": 49, "image_size": 49, "width_multiplier": 0.05}
    model = models.s3d_v3(
        3, input_shape=(49, 49, 49, 3), width_multiplier=size["width_multiplier"], aux_logits=has
    )
    model.save(tmp_path / "w.keras")
    changes = size | {"model": "s3d_v3", "aux_loss_weight": 0.4 if wants else 0.0}
    changes |= {"freeze_until": "Mixed_6e"}
    config = config_of(tiny_run, tmp_path / "w.keras", **changes)
    result, note = initial_model(config, Task(num_classes))
    assert len(result.outputs) == 1 + wants
    assert {output.shape[-1] for output in result.outputs} == {num_classes}
    same = num_classes == 3
    assert f"the classifier is {'theirs' if same else 'new'}" in note
    if wants:
        kept = has and same
        assert f"the auxiliary classifier is {'theirs' if kept else 'new'}" in note
    else:
        assert ("their auxiliary classifier is left out" in note) == has
    saved, found = values(model), values(result)
    for name, value in found.items():
        if name.startswith(("Logits/kernel", "AuxLogits/kernel")):
            kept = same and name in saved
            assert kept == (name in saved and np.array_equal(value, saved[name])), name
        elif name in saved and not name.startswith(("Logits", "Aux")):
            np.testing.assert_array_equal(value, saved[name], err_msg=name)
    parts = {weight.path.split("_")[0].split("/")[0] for weight in result.trainable_weights}
    assert parts == {"Mixed", "Logits"} | ({"AuxLogits"} if wants else set())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"freeze_until": "Mixed_9z"}, "`freeze_until` must be an endpoint of 's3d_v1': Conv3d_1a"),
        ({"width_multiplier": 0.125}, "`weights` do not fit the network 's3d_v1'"),
        ({"freeze_until": "Logits"}, "`freeze_until` must leave something to train"),
    ],
)
def test_weights_and_endpoints_that_do_not_fit(change, message, settings, tmp_path):
    if change.get("freeze_until") == "Mixed_9z":
        change = change | {"data_dir": str(tmp_path)}  # it is told before shards are looked for
    with pytest.raises(ValueError, match=message):
        train(TrainingConfig(**settings | change, workdir=str(tmp_path / "run"), steps=1))
    assert not list(tmp_path.rglob("*.keras"))


def test_the_network_is_as_wide_as_the_weights_where_no_width_is_given(settings, tmp_path, capsys):
    path = pretrained(tmp_path, 3, width_multiplier=0.125, gating=True)
    given = {name: value for name, value in settings.items() if name != "width_multiplier"}
    given |= {"weights": str(path), "workdir": str(tmp_path / "run")}
    model, _ = initial_model(TrainingConfig(**given), Task(5))
    assert model.get_layer("Conv3d_2c_3x3_spatial_conv").filters == 24
    assert model.get_layer("Conv3d_2c_3x3_gate")
    assert f"note: {path} does not say which clips" in capsys.readouterr().err


def test_clips_other_than_those_of_the_weights_are_told(settings, tmp_path):
    path, clips = tmp_path / "a.keras", {"fps": 25.0, "short_side": 32, "frame_stride": 3}
    options = {"input_shape": (8, 32, 32, 3), "width_multiplier": 0.0625}
    save_checkpoint(models.s3d_v1(3, **options), path, Position(), list("abc"), clips)
    given = settings | {"weights": str(path), "workdir": str(tmp_path / "run")}
    _, note = initial_model(TrainingConfig(**given), Task(5, storage={"fps": 10.0}))
    told = "its clips are others than theirs: frame_stride 1 in place of 3, fps 10.0 in place of 25"
    assert told in note
