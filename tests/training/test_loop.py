"""Real runs of `train` on real shards."""

import csv
import dataclasses
import json
import math
import shutil
import signal

import keras
import numpy as np
import pytest

from video_zoo import data, models
from video_zoo.files.whole_files import temporary_name
from video_zoo.run.history import main_output_logs, read_history
from video_zoo.run.trained import load_network
from video_zoo.training import TrainingConfig, callbacks, latest_checkpoint, train
from video_zoo.training.checkpoint import load_position
from video_zoo.training.clock import Clock
from video_zoo.training.initial import Task, compiled_model

CLASSES = ["down", "growing", "left", "right", "up"]


def rows_of(workdir):
    with open(workdir / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(motion_shards, tiny_run, tmp_path_factory):
    """A run of two epochs."""
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    config = TrainingConfig(**tiny_run, data_dir=str(motion_shards), workdir=str(workdir), epochs=2)
    return config, workdir, train(config)


def test_what_a_run_writes(finished):
    _config, workdir, result = finished
    assert result.finished
    names = {path.name for path in workdir.iterdir()}
    wanted = {"best.keras", "checkpoints", "config.json", "confusion_matrix.png", "curves.png"}
    wanted |= {"history.csv", "tensorboard"}
    assert names == wanted
    assert list((workdir / "tensorboard").rglob("events.*"))
    assert (workdir / "curves.png").read_bytes().startswith(b"\x89PNG")
    rows = rows_of(workdir)
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "4"), ("2", "8")]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())
    assert load_position(latest_checkpoint(workdir)).step == 8


def test_config_json_tells_the_whole_run(finished, motion_shards):
    config, workdir, _ = finished
    content = json.loads((workdir / "config.json").read_text())
    assert TrainingConfig(**content["training"]) == config
    assert content["class_names"] == CLASSES
    assert content["data"]["short_side"] == 32
    network = models.r3d_18(5, input_shape=(8, 32, 32, 3), width_multiplier=0.0625)
    assert content["trainable_parameters"] == models.count_parameters(network)
    assert content["gmacs"] == models.count_macs(network) / 1e9
    assert content["versions"]["keras"] == keras.__version__


def test_saved_networks_load_without_this_package_and_predict_logits(finished, capsys):
    _, workdir, _ = finished
    model = keras.saving.load_model(latest_checkpoint(workdir))
    assert model.predict(np.zeros((1, 8, 32, 32, 3)), verbose=0).shape == (1, 5)
    network = load_network(checkpoint=workdir / "best.keras")
    assert (network.class_names, network.data["short_side"]) == (CLASSES, 32)
    assert "note:" not in capsys.readouterr().err  # it tells its clips by itself


def test_a_finished_run_is_left_alone(finished):
    config, workdir, _result = finished
    before = (latest_checkpoint(workdir)).stat().st_mtime_ns
    again = train(config)
    assert again.finished and len(again.history) == 2
    assert (latest_checkpoint(workdir)).stat().st_mtime_ns == before


def test_other_settings_in_the_same_workdir_are_refused(finished, tiny_run, motion_shards):
    _, workdir, _ = finished
    settings = tiny_run | {"learning_rate": 0.5}
    config = TrainingConfig(**settings, data_dir=str(motion_shards), workdir=str(workdir), epochs=2)
    with pytest.raises(ValueError, match=r"learning_rate was 0\.001 and is 0\.5"):
        train(config)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (["history.csv"], r"1 epochs in history\.csv \(the checkpoint is of step 8\)"),
        (["checkpoints/*"], r"its checkpoints \(history\.csv has 2 epochs\)"),
        (["best.keras"], r"best\.keras"),
        (["config.json"], r"config\.json"),
        (["history.csv", "checkpoints/*", "checkpoints"], r"its checkpoints and history\.csv"),
    ],
)
def test_a_workdir_that_has_lost_a_part_is_refused(finished, tmp_path, lost, told):
    config, whole, _ = finished
    workdir = shutil.copytree(whole, tmp_path / "run")
    for path in [path for pattern in lost for path in workdir.glob(pattern)]:
        path.rmdir() if path.is_dir() else path.unlink()
    before = sorted(path.name for path in workdir.rglob("*"))
    with pytest.raises(ValueError, match=rf"`workdir` must be new.*which lacks {told}\. Copy"):
        train(dataclasses.replace(config, workdir=str(workdir), epochs=3))
    assert sorted(path.name for path in workdir.rglob("*")) == before


def test_a_best_network_of_later_epochs_than_the_history_is_kept(finished, tmp_path):
    config, whole, _ = finished
    workdir = shutil.copytree(whole, tmp_path / "run")
    shutil.copy(latest_checkpoint(whole), workdir / "best.keras")  # of step 8
    (workdir / "history.csv").unlink()
    for path in (workdir / "checkpoints").iterdir():
        path.unlink()
    told = r"lacks the epochs after step 0 in history\.csv \(best\.keras is of step 8\)\. Copy"
    with pytest.raises(ValueError, match=told):
        train(dataclasses.replace(config, workdir=str(workdir)))
    assert load_position(workdir / "best.keras").step == 8


def test_what_killed_runs_left_half_written_goes(finished, tmp_path):
    config, whole, _ = finished
    workdir = shutil.copytree(whole, tmp_path / "run")
    for name in ("best.keras", "checkpoints/step_00000008.keras", "history.csv"):
        path = workdir / name
        path.with_name(temporary_name(path.name, 1) + path.suffix).touch()
        path.with_name(f".{path.name}.tmp").touch()  # of earlier versions
    train(dataclasses.replace(config, workdir=str(workdir)))
    assert not list(workdir.rglob(".*"))


def test_shards_of_other_classes_do_not_continue_a_run(finished, tmp_path):
    config, whole, _ = finished
    workdir = shutil.copytree(whole, tmp_path / "run")
    content = json.loads((workdir / "config.json").read_text())
    (workdir / "config.json").write_text(json.dumps(content | {"class_names": list("abcde")}))
    with pytest.raises(ValueError, match=r"classes were \['a', .* and are \['down', 'growing'"):
        train(dataclasses.replace(config, workdir=str(workdir), epochs=3))


def test_shards_with_the_label_map_of_others_are_refused(finished, motion_shards, tmp_path):
    config, _, _ = finished
    shards = shutil.copytree(motion_shards, tmp_path / "shards")
    (shards / "label_map.txt").write_text("up\nright\nleft\ngrowing\ndown\n")
    told = r"record 0 of shard .* label \d is '\w+' in the label map, its text is"
    with pytest.raises(ValueError, match=told):
        train(dataclasses.replace(config, data_dir=str(shards), workdir=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_ctrl_c_has_its_meaning_back_after_a_run(motion_shards, tiny_run, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    settings = tiny_run | {"data_dir": str(motion_shards), "workdir": str(tmp_path)}
    train(TrainingConfig(**settings, steps=2))
    train(TrainingConfig(**settings, steps=5))  # two calls of `fit`: a part of an epoch, and more
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_in_two_parts_ends_like_one(finished, tiny_run, motion_shards, tmp_path):
    """One epoch, then the second: the same examples, optimizer state and weights."""
    _, whole, _ = finished
    for epochs in (1, 2):
        config = TrainingConfig(
            **tiny_run, data_dir=str(motion_shards), workdir=str(tmp_path / "run"), epochs=epochs
        )
        result = train(config)
    assert [row["epoch"] for row in result.history] == [1, 2]
    expected, found = (
        keras.saving.load_model(latest_checkpoint(folder)) for folder in (whole, tmp_path / "run")
    )
    assert int(found.optimizer.iterations) == int(expected.optimizer.iterations) == 8
    for one, other in zip(expected.weights, found.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=one.path)


@pytest.mark.parametrize(
    "moment", [pytest.param("save_curves", marks=pytest.mark.slow), "write_history"]
)
def test_a_kill_at_the_end_of_an_epoch(moment, finished, motion_shards, tiny_run, tmp_path):
    """While there is a checkpoint of its last step already, of before the validation."""
    _, whole, _ = finished
    settings = tiny_run | {"data_dir": str(motion_shards), "workdir": str(tmp_path)}
    config = TrainingConfig(**settings, epochs=2, checkpoint_steps=4)
    owner = callbacks.plots if moment == "save_curves" else callbacks
    original = getattr(owner, moment)

    def killed(*arguments, **options):
        original(*arguments, **options)
        raise SystemExit  # nothing is saved on its account

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(owner, moment, killed)
        train(config)
    assert load_position(latest_checkpoint(tmp_path)).metrics
    assert len(read_history(tmp_path / "history.csv")) == (moment == "write_history")
    (tmp_path / "curves.png").unlink()
    assert train(config).finished
    for found, wanted in zip(rows_of(tmp_path), rows_of(whole), strict=True):
        for name in ("epoch", "step", "loss", "top1", "val_loss", "val_top1"):
            assert float(found[name]) == pytest.approx(float(wanted[name]), rel=1e-4)
    assert (tmp_path / "best.keras").exists() and (tmp_path / "curves.png").exists()


@pytest.mark.slow
def test_steps_end_within_an_epoch_and_go_on_from_there(motion_shards, tiny_run, tmp_path, capsys):
    settings = tiny_run | {"data_dir": str(motion_shards), "workdir": str(tmp_path)}
    settings["schedule"] = "cosine"
    result = train(TrainingConfig(**settings, steps=6))
    assert [row["step"] for row in result.history] == [4, 6]
    assert "rises" not in capsys.readouterr().out
    result = train(TrainingConfig(**settings, steps=9))
    assert [row["step"] for row in result.history] == [4, 6, 8, 9]
    assert "the learning rate rises again, from 6.7e-05 to 0.00025: " in capsys.readouterr().out


def test_hours_end_a_run_after_the_step_that_used_them_up(motion_shards, tiny_run, tmp_path):
    settings = tiny_run | {"data_dir": str(motion_shards), "workdir": str(tmp_path)}
    result = train(TrainingConfig(**settings, max_hours=1e-6))
    assert result.finished
    assert [row["step"] for row in result.history] == [1]
    assert result.history[0]["seconds"] > 0.0036
    assert len(train(TrainingConfig(**settings, max_hours=1e-6)).history) == 1


def test_the_clock_counts_the_hours_of_earlier_calls(tiny_run):
    config = TrainingConfig(**tiny_run, data_dir="-", workdir="-", max_hours=2)
    clock = Clock(config, steps_per_epoch=4, step=10, seconds=3600)
    assert clock.progress == pytest.approx(0.5, abs=1e-3)
    assert not clock.finished and clock.total_steps is None
    assert Clock(config, 4, 10, 7200).finished
    by_epochs = dataclasses.replace(config, max_hours=None, epochs=5)
    assert Clock(by_epochs, 4, 10, 0).progress == 0.5


@pytest.mark.slow
def test_auxiliary_classifier_is_trained_and_reported_apart(motion_shards, tiny_run, tmp_path):
    settings = tiny_run | {"model": "s3d_v3", "num_frames": 49, "image_size": 49}
    config = TrainingConfig(**settings, data_dir=str(motion_shards), workdir=str(tmp_path), steps=2)
    (row,) = train(config).history
    total = row["loss"] + 0.4 * row["AuxLogits_loss"]
    assert row["total_loss"] == pytest.approx(total, rel=1e-4)
    model = keras.saving.load_model(latest_checkpoint(tmp_path))
    assert [tuple(output.shape) for output in model.outputs] == [(None, 5), (None, 5)]


def test_without_its_weight_the_auxiliary_classifier_is_left_out(tiny_run, motion_shards):
    settings = tiny_run | {"model": "s3d_v3", "num_frames": 49, "image_size": 49}
    config = TrainingConfig(
        **settings, data_dir=str(motion_shards), workdir="unused", aux_loss_weight=0.0
    )
    assert len(compiled_model(config, Task(5)).outputs) == 1


@pytest.mark.slow
def test_mixed_precision_trains_in_it_and_keeps_float32_weights(motion_shards, tiny_run, tmp_path):
    # Statistics over five values, of maps of one pixel, are too few in bfloat16 for a ResNet.
    config = TrainingConfig(
        **tiny_run | {"model": "s3d_v1", "num_frames": 2, "image_size": 16},
        data_dir=str(motion_shards),
        workdir=str(tmp_path),
        steps=2,
        dtype="mixed_bfloat16",
    )
    (row,) = train(config).history
    assert math.isfinite(row["loss"])
    model = keras.saving.load_model(latest_checkpoint(tmp_path))
    assert model.get_layer("Mixed_5c").compute_dtype == "bfloat16"
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_label_smoothing_reaches_the_loss(tiny_run):
    config = TrainingConfig(**tiny_run | {"label_smoothing": 0.2}, data_dir="-", workdir="-")
    model = compiled_model(config, Task(5))
    target, logits = np.eye(5, dtype="float32")[:1], np.array([[9.0, 0, 0, 0, 0]], "float32")
    smooth = float(model.compute_loss(y=target, y_pred=logits))
    wanted = 0.84 * 0 + 0.16 * 9  # a fifth of the mass over five classes, off by exp(-9)
    assert smooth == pytest.approx(wanted, abs=1e-2)


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(
    motion_shards, tiny_run, tmp_path
):
    place = {"data_dir": str(motion_shards), "workdir": str(tmp_path)}
    settings = tiny_run | {"model": "s3d_v1"} | place
    train(TrainingConfig(**settings, epochs=1))
    model = keras.saving.load_model(latest_checkpoint(tmp_path))
    before = latest_checkpoint(tmp_path).read_bytes()
    content = json.loads((tmp_path / "config.json").read_text())
    content["training"]["learning_rate"] = 1e6
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(
        FloatingPointError, match=r"the (loss|gradient) is .* at step .* Lower `learning_rate`"
    ) as raised:
        train(TrainingConfig(**settings | {"learning_rate": 1e6}, epochs=5))
    assert latest_checkpoint(tmp_path).read_bytes() == before
    # The batch that did it is the one of the step that the error names.
    with np.load(tmp_path / "bad_batch.npz") as kept:
        step = int(kept["step"])
        assert f"at step {step}." in str(raised.value)
        dataset = data.training_dataset(
            motion_shards,
            batch_size=5,
            clip=data.ClipConfig(8, image_size=32),
            random_flip=False,
            dtype="uint8",
            first_step=step - 1,
        )
        clips, labels = next(iter(dataset))
        np.testing.assert_array_equal(kept["clips"], clips)
        np.testing.assert_array_equal(kept["labels"].argmax(axis=1), labels)
    assert np.isfinite(model.get_layer("Logits_Conv3d_0c_1x1").kernel).all()


def test_a_step_that_spoils_validation_ends_the_run(motion_shards, tiny_run, tmp_path):
    settings = {"num_frames": 2, "image_size": 16, "optimizer": "sgd", "learning_rate": 1e6}
    config = TrainingConfig(
        **tiny_run | settings, data_dir=str(motion_shards), workdir=str(tmp_path), steps=1
    )
    with pytest.raises(FloatingPointError, match=r"the loss on validation is nan after step 1\."):
        train(config)
    assert latest_checkpoint(tmp_path) is None
    assert not (tmp_path / "best.keras").exists()
    assert (tmp_path / "bad_batch.npz").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "c3d"}, "`model` must be one of i3d, mc3_18"),
        ({"data_dir": "nowhere"}, "`data_dir` must be a folder of TFRecord shards"),
        ({"train_split": "test"}, r"`train_split` must be one of \['train', 'val'\]"),
        ({"model": "s3d_v3"}, "`input_shape` must have at least 49 frames"),
        ({"batch_size": 24}, "`batch_size` must be at most the number of examples, 23"),
        ({"weights": "none.keras"}, "`weights` must be an existing file"),
        ({"dtype": "mixed_float16"}, "`dtype` 'mixed_float16' needs a GPU"),
        ({"frame_order": "backwards"}, "`frame_order` must be one of"),
    ],
)
def test_mistakes_end_before_any_work(change, message, motion_shards, tiny_run, tmp_path):
    settings = tiny_run | {"data_dir": str(motion_shards), "workdir": str(tmp_path)} | change
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        train(TrainingConfig(**settings, epochs=1))
    assert not list(tmp_path.glob("*.keras"))


def test_a_workdir_that_cannot_be_written_is_refused(motion_shards, tiny_run, tmp_path):
    (tmp_path / "file").write_text("")
    config = TrainingConfig(
        **tiny_run, data_dir=str(motion_shards), workdir=str(tmp_path / "file" / "run"), epochs=1
    )
    with pytest.raises(ValueError, match="`workdir` must be a folder that can be written to"):
        train(config)


def test_logs_have_the_same_names_with_and_without_an_auxiliary_output():
    two = {"loss": 1.4, "Logits_loss": 1.0, "AuxLogits_loss": 1.0, "Logits_top1": 0.5}
    two |= {f"val_{name}": value for name, value in two.items()}
    short = main_output_logs(two)
    assert short["loss"] == short["val_loss"] == 1.0
    assert short["total_loss"] == short["val_total_loss"] == 1.4
    assert short["top1"] == short["val_top1"] == 0.5
    assert main_output_logs({"loss": 2.0, "top1": 0.1}) == {"loss": 2.0, "top1": 0.1}
