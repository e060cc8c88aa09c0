"""What a run shows, and what its options do to it, in real runs."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from video_zoo.training import (
    TrainingConfig,
    batch_norm,
    callbacks,
    checks,
    latest_checkpoint,
    train,
)
from video_zoo.training.input_wait import InputWait
from video_zoo.training.sight import filmstrip


@pytest.fixture(scope="module")
def config(motion_shards, tiny_run, tmp_path_factory):
    settings = tiny_run | {"model": "r3d_18", "num_frames": 2, "image_size": 16}
    return TrainingConfig(
        **settings,
        data_dir=str(motion_shards),
        workdir=str(tmp_path_factory.mktemp("runs") / "run"),
        epochs=9,
        accumulate_steps=2,
        clip_norm=1.0,
        ema_momentum=0.9,
        precise_bn_steps=3,
        early_stopping_epochs=1,
    )


@pytest.fixture(scope="module")
def result(config):
    return train(config)


def test_it_ends_where_validation_does_not_become_better(result, config):
    tops = [row["val_top1"] for row in result.history]
    assert result.finished and 2 <= len(tops) < 9
    assert tops[-1] <= tops[-2] and max(tops[:-1]) == tops[-2]
    again = train(config)
    assert again.finished and len(again.history) == len(tops)


@pytest.mark.parametrize(
    ("tops", "patience", "expected"),
    [([], 1, False), ([0.5], 1, False), ([0.5, 0.5], 1, True), ([0.5, 0.4, 0.6], 2, False),
     ([0.5, 0.4, 0.5], 2, True), ([0.5, 0.4], None, False)],
)  # fmt: skip
def test_patience(tops, patience, expected):
    assert callbacks.exhausted([{"val_top1": top} for top in tops], patience) is expected


def test_tensorboard_has_pictures_and_every_step(result):
    board = EventAccumulator(str(result.workdir / "tensorboard" / "details"), {"tensors": 0})
    board.Reload()
    tags = board.Tags()
    wanted = {"first_training_batch", "confusion_matrix", "worst_mistakes"}
    wanted |= {f"step/{name}" for name in ("gradient_norm", "learning_rate", "loss")}
    assert set(tags["tensors"]) == wanted
    assert len(board.Tensors("step/gradient_norm")) == result.history[-1]["step"]
    assert (result.workdir / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


def test_history_has_speed_and_waiting(result):
    with open(result.workdir / "history.csv", newline="") as file:
        for row in csv.DictReader(file):
            assert float(row["clips_per_second"]) > 0
            assert 0 <= float(row["input_wait"]) <= 1


def test_precise_statistics_stand_beside_the_others(result):
    results = json.loads((result.workdir / "precise_bn.json").read_text())
    assert set(results) == {"step", "moving averages", "precise"}
    assert results["step"] == result.history[-1]["step"]
    assert results["precise"]["loss"] != results["moving averages"]["loss"]
    last = result.history[-1]["val_loss"]
    # Validation saw the average of the weights, with moving statistics.
    assert results["moving averages"]["loss"] == pytest.approx(last, rel=1e-4)
    keras.saving.load_model(result.workdir / "precise_bn.keras")


@pytest.mark.slow
def test_precise_statistics_that_were_interrupted_are_made_up_for(result, config, tmp_path):
    run = shutil.copytree(result.workdir, tmp_path / "run")
    for ending in ("json", "keras"):
        (run / f"precise_bn.{ending}").unlink()
    config = dataclasses.replace(config, workdir=str(run))
    original = batch_norm.set_precise_statistics

    def killed(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_norm, "set_precise_statistics", killed)
        stopped = train(config)
    assert not stopped.finished and stopped.signum == signal.SIGTERM
    assert not (run / "precise_bn.keras").exists()
    newest = latest_checkpoint(run).read_bytes()
    assert train(config).finished
    found, wanted = (
        json.loads((folder / "precise_bn.json").read_text()) for folder in (run, result.workdir)
    )
    assert found["precise"]["loss"] == pytest.approx(wanted["precise"]["loss"], rel=1e-3)
    assert latest_checkpoint(run).read_bytes() == newest


def test_a_signal_before_the_first_step_stops_at_once(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        checks, "try_one_step", lambda *arguments: os.kill(os.getpid(), signal.SIGTERM)
    )
    stopped = train(dataclasses.replace(config, workdir=str(tmp_path)))
    assert not stopped.finished and stopped.signum == signal.SIGTERM
    assert latest_checkpoint(tmp_path) is None
    assert "interrupted after step 0. The same command continues" in capsys.readouterr().out


def test_the_schedule_and_the_warm_up_reach_every_step(config, tmp_path):
    settings = {"early_stopping_epochs": None, "precise_bn_steps": 0, "accumulate_steps": 1}
    settings |= {
        "epochs": None,
        "steps": 10,
        "schedule": "step",
        "milestones": "0.5,0.8",
        "warmup_steps": 4,
    }
    train(dataclasses.replace(config, workdir=str(tmp_path), **settings))
    board = EventAccumulator(str(tmp_path / "tensorboard" / "details"), {"tensors": 0})
    board.Reload()
    events = board.Tensors("step/learning_rate")
    assert [event.step for event in events] == list(range(1, 11))
    rates = [float(tf.make_ndarray(event.tensor_proto)) for event in events]
    factors = [0.25, 0.5, 0.75, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]
    assert rates == pytest.approx([config.learning_rate * factor for factor in factors])


def test_a_loss_above_the_limit_ends_the_run(config, tmp_path):
    changed = dataclasses.replace(config, workdir=str(tmp_path), max_loss=1e-3, precise_bn_steps=0)
    with pytest.raises(FloatingPointError, match=r"the loss is \d.* at step 1\. Its batch is in"):
        train(changed)
    left = ["bad_batch.npz", "checkpoints", "config.json", "tensorboard"]
    assert sorted(os.listdir(tmp_path)) == left
    assert latest_checkpoint(tmp_path) is None


def test_a_damaged_shard_is_found_before_the_first_step(config, motion_shards, tmp_path):
    shards = shutil.copytree(motion_shards, tmp_path / "shards")
    shard = max(shards.glob("train-*"))
    content = bytearray(shard.read_bytes())
    content[40] ^= 0xFF
    shard.write_bytes(content)
    moved = dataclasses.replace(config, data_dir=str(shards), workdir=str(tmp_path / "run"))
    with pytest.raises(ValueError, match=f"shard {shard} is damaged at record 0"):
        train(moved)
    assert not (tmp_path / "run").exists()


def test_waiting_is_the_time_in_which_nothing_was_ready():
    def delayed(number):
        time.sleep(0.2)
        return number

    ready = tf.data.Dataset.counter()
    slow = ready.map(lambda number: tf.numpy_function(delayed, [number], number.dtype))
    shares = []
    for dataset, seconds in ((slow, 0), (ready, 0.2)):
        wait = InputWait(clips_per_step=3)
        for _ in wait.timed(dataset).take(6):
            time.sleep(seconds)
            wait.step_done()
        shares.append(wait.summary()["input_wait"])
    assert shares[0] > 0.7 and shares[1] < 0.3


def test_filmstrips_of_colours_and_of_flow():
    clip = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 5, 3), np.uint8)
    strip = filmstrip(clip)
    assert strip.shape == (4, 40, 3)
    assert strip[0, ::5, 0].tolist() == [0, 1, 3, 4, 5, 6, 8, 9]
    flow = filmstrip(clip[..., :2])
    assert flow.shape == (4, 40, 3) and (flow[..., 2] == 128).all()
