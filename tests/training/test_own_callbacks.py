"""Keras callbacks of a user's own: when they are called, and that exact resume holds with them."""

import csv
import pathlib
import re

import keras
import numpy as np
import processes
import pytest

from video_zoo.training import TrainingConfig, train


class Recorder(keras.callbacks.Callback):
    """Notes the events and the logs of epochs."""

    def __init__(self):
        super().__init__()
        self.events, self.logs = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.events.append("step")

    def on_test_end(self, logs=None):
        self.events.append("validation")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append("epoch")
        self.logs.append(dict(logs))


class Shrink(keras.callbacks.Callback):
    """Changes the weights after each step."""

    def on_train_batch_end(self, batch, logs=None):
        kernel = self.model.network.trainable_weights[0]
        kernel.assign(kernel * 0.999)


@pytest.fixture
def settings(tiny_run, motion_shards, tmp_path):
    return tiny_run | {"data_dir": str(motion_shards), "workdir": str(tmp_path / "run")}


def test_they_see_every_step_and_epoch_with_the_numbers_of_the_history(settings):
    recorder = Recorder()
    result = train(TrainingConfig(**settings, epochs=2), callbacks=[recorder])
    assert recorder.events == 2 * (["step"] * 4 + ["validation", "epoch"])
    for logs, row in zip(recorder.logs, result.history, strict=True):
        assert logs["val_top1"] == pytest.approx(row["val_top1"])
        assert logs["loss"] == pytest.approx(row["loss"])


def test_a_run_in_two_parts_has_the_weights_of_one_that_they_changed(settings, tmp_path):
    weights = []
    for durations in ((8,), (3, 8)):
        workdir = str(tmp_path / str(len(durations)))
        for steps in durations:
            config = TrainingConfig(**settings | {"workdir": workdir}, steps=steps)
            train(config, callbacks=[Shrink()])
        last = pathlib.Path(workdir, "checkpoints", "step_00000008.keras")
        weights.append(keras.saving.load_model(last).get_weights())
    for whole, parts in zip(*weights, strict=True):
        np.testing.assert_array_equal(whole, parts)


def test_they_may_end_the_run(settings):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TrainingConfig(**settings, epochs=3), callbacks=[Enough()])
    # Nothing was saved of an epoch that they did not let end; the same call starts again.
    result = train(TrainingConfig(**settings, epochs=1))
    assert len(result.history) == 1


def run_lines_of_docs(tracker, config):
    """Runs what docs/training.md shows for a tracker, as it stands there."""
    text = (processes.ROOT / "docs" / "training.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (lines,) = (block for block in blocks if block.startswith(f"import {tracker}"))
    exec(lines, {"config": config, "train": train})


def validation_of(folder):
    """Top-1 of each validation of a run."""
    with open(folder / "history.csv", newline="") as file:
        return [float(row["val_top1"]) for row in csv.DictReader(file)]


class StopAt(keras.callbacks.Callback):
    """Ends training as Keras's EarlyStopping does, after an epoch or a step."""

    def __init__(self, event, number):
        super().__init__()
        self.event, self.number = event, number

    def on_epoch_end(self, epoch, logs=None):
        if self.event == "epoch" and epoch == self.number:
            self.model.stop_training = True

    def on_train_batch_end(self, batch, logs=None):
        if self.event == "step" and batch == self.number:
            self.model.stop_training = True


@pytest.mark.parametrize(("event", "number", "step"), [("epoch", 0, 4), ("step", 1, 2)])
def test_one_that_stops_training_ends_the_run_which_can_be_continued(settings, event, number, step):
    config = TrainingConfig(**settings, epochs=2)
    ended = train(config, callbacks=[StopAt(event, number)])
    assert not ended.finished and ended.signum is None
    assert [row["step"] for row in ended.history] == [step]
    assert (pathlib.Path(settings["workdir"]) / "checkpoints" / f"step_{step:08}.keras").exists()
    whole = train(config)
    assert whole.finished
    assert [row["step"] for row in whole.history][-2:] == [4, 8]


@pytest.mark.parametrize("callbacks", [keras.callbacks.Callback(), None, [3], "tracker"])
def test_what_is_no_list_of_callbacks_is_refused_before_the_work(settings, callbacks):
    with pytest.raises(ValueError, match=r"`callbacks` must be a list of .*Write one as"):
        train(TrainingConfig(**settings, epochs=1), callbacks=callbacks)
    assert not pathlib.Path(settings["workdir"]).exists()


def test_mlflow_keeps_the_numbers_of_a_run(settings, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    pytest.importorskip("pandas", reason="pandas is not installed, which MLflow needs")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    run_lines_of_docs("mlflow", TrainingConfig(**settings, epochs=2))
    run = mlflow.last_active_run()
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "val_top1")
    assert [each.value for each in history] == pytest.approx(validation_of(tmp_path / "run"))


@pytest.mark.filterwarnings("default")  # its own are many
def test_weights_and_biases_keeps_the_numbers_of_a_run(settings, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="Weights & Biases is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    run_lines_of_docs("wandb", TrainingConfig(**settings, epochs=2))
    last = wandb.run.summary["epoch/val_top1"]
    wandb.finish()
    assert last == pytest.approx(validation_of(tmp_path / "run")[-1])
