"""The command-line tools as a user calls them: real processes, real signals."""

import csv
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from video_zoo.commands.config_file import make_config, read_settings
from video_zoo.training import TrainingConfig, latest_checkpoint

TINY = [
    "--model=s3d_v1",
    "--num_frames=8",
    "--image_size=32",
    "--width_multiplier=0.0625",
    "--norandom_flip",
    "--batch_size=5",
    # With the recipe's SGD, a network this small comes to NaN within ten steps on some processors.
    "--optimizer=adam",
    "--learning_rate=1e-3",
    "--schedule=constant",
]


@pytest.fixture(scope="module")
def tool(repository):
    """A function (name, *arguments, seconds=300) -> the finished process, ended after so many."""

    def call(name, *arguments, seconds=300):
        command = [sys.executable, str(repository / "tools" / f"{name}.py"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds)

    return call


def start_training(repository, shards, workdir, *arguments):
    command = [sys.executable, str(repository / "tools" / "train.py"), *TINY]
    command += [f"--data_dir={shards}", f"--workdir={workdir}", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_rows(workdir, count, process):
    """Waits until the run has recorded ``count`` epochs, and its checkpoint of the last one."""
    for _ in range(1200):
        assert process.poll() is None, process.stdout.read()
        history = workdir / "history.csv"
        if history.exists() and len(history.read_text().splitlines()) > count:
            return
        time.sleep(0.1)
    raise AssertionError("the run recorded nothing in two minutes")


@pytest.fixture(scope="module")
def run(tool, motion_shards, tmp_path_factory):
    """A run over two virtual devices, with a global batch of 5 that they cannot share evenly."""
    workdir = tmp_path_factory.mktemp("tools") / "run"
    arguments = [*TINY, f"--data_dir={motion_shards}", f"--workdir={workdir}"]
    done = tool("train", *arguments, "--epochs=1", "--virtual_devices=2")
    assert done.returncode == 0, done.stderr
    return workdir, done


def test_train_says_what_it_does(run):
    workdir, done = run
    line = r"epoch 1: loss [\d.]+, top-1 [\d.]+%; validation loss [\d.]+, top-1 [\d.]+%; [\d.]+ "
    line += r"clips/s, \d+% of it waiting for input"
    assert re.search(line, done.stdout + done.stderr)
    assert re.search(r"memory of a device: about \d+ MiB for training", done.stdout)
    assert re.search(rf"next: python \S+/evaluate.py --workdir {workdir}", done.stdout)
    assert re.search(r"training s3d_v1 on 2 device\(s\): .*CPU:0, .*CPU:1", done.stdout)
    assert "Reduce to" not in done.stderr


def test_evaluate_and_predict_follow(run, tool, motion_shards):
    workdir, _ = run
    done = tool("evaluate", "--workdir", workdir, "--num_clips=2")
    assert done.returncode == 0, done.stderr
    assert "over 10 videos, 2 clips x 1 crops of each, frames sequential" in done.stdout
    numbers = json.loads((workdir / "eval" / "val" / "metrics.json").read_text())
    assert f"top-1 {numbers['top1']:.1%}" in done.stdout
    video = next((motion_shards.parent / "videos").rglob("*.mp4"))
    done = tool("predict", "--workdir", workdir, "--top=2", video)
    assert done.returncode == 0, done.stderr
    first, *classes = done.stdout.splitlines()
    assert first == str(video)
    assert len(classes) == 2
    assert all(line.split()[0].endswith("%") for line in classes)


def test_predict_goes_on_behind_an_unusable_file(run, tool, motion_shards, tmp_path):
    (tmp_path / "page.mp4").write_text("<html>not found</html>")
    video = next((motion_shards.parent / "videos").rglob("*.mp4"))
    done = tool("predict", "--workdir", run[0], tmp_path / "page.mp4", video)
    assert done.returncode == 1
    assert "cannot be used: not a video: an HTML page" in done.stdout
    assert str(video) in done.stdout


def test_extract_features_writes_keeps_and_reports(run, tool, motion_shards, tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "page.mp4").write_text("<html>not found</html>")
    video = next((motion_shards.parent / "videos").rglob("*.mp4"))
    (videos / "good.mp4").write_bytes(video.read_bytes())
    arguments = ["--workdir", run[0], "--endpoints=Mixed_5c,Logits", "--output_dir"]
    arguments += [tmp_path / "features", videos]
    for summary in ("1 videos written, 0 kept", "0 videos written, 1 kept"):
        done = tool("extract_features", *arguments)
        assert done.returncode == 1, done.stderr
        assert f"{summary} from before, 1 cannot be used" in done.stdout
        assert "page.mp4\n    cannot be used: not a video: an HTML page" in done.stdout
    with np.load(tmp_path / "features" / "good.mp4.npz") as arrays:
        assert arrays["Mixed_5c"].shape == (1, 64) and arrays["Logits"].shape == (1, 5)


def test_train_tells_what_it_starts_from(run, tool, motion_shards, tmp_path):
    arguments = [*TINY, f"--data_dir={motion_shards}", f"--workdir={tmp_path}", "--steps=1"]
    weights = run[0] / "best.keras"
    done = tool("train", *arguments, f"--weights={weights}", "--freeze_until=Mixed_5c")
    assert done.returncode == 0, done.stderr
    told = f"weights from {weights}; the classifier is theirs; frozen until Mixed_5c"
    assert told in done.stdout
    assert re.search(r"; 325 parameters are trained, [\d,]+ frozen", done.stdout)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "train",
            ["--model=s3d_v1", "--data_dir=d", "--workdir=w", "--freeze_until=Mixed_4f"],
            "train: `freeze_until` must be None without `weights`",
        ),
        (
            "extract_features",
            ["--endpoints=Logits", "--output_dir=f", "--model=i3d", "--weights=kinetics400"],
            "extract_features: one of `VIDEO...` and `data_dir` must be given",
        ),
        (
            "train",
            ["--model=s3d_v1", "--data_dir=nowhere", "--workdir=w"],
            "train: `data_dir` must be a folder of TFRecord shards. Received: data_dir=",
        ),
        (
            "train",
            ["--model=s3d_v1", "--data_dir=d", "--workdir=w", "--optimizer=lion"],
            "train: `optimizer` must be one of 'sgd', 'adam', 'adamw'. Received:",
        ),
        ("train", ["--model=m", "--data_dir=d", "--workdir=w", "x"], "unexpected argument 'x'"),
        (
            "train",
            ["--data_dir=nowhere", "--workdir=w"],
            "train: `model` must be given, as --model or in the file of --config.",
        ),
        (
            "train",
            ["--config=missing.yaml", "--model=i3d"],
            "train: `config` must be a YAML or JSON file. Received: config='missing.yaml' (No such",
        ),
        ("evaluate", ["--workdir=nowhere"], "evaluate: `workdir` must be the folder of a training"),
        ("evaluate", [], "evaluate: one of `workdir` and `checkpoint` must be given"),
        ("predict", ["--workdir=nowhere"], "predict: `VIDEO...` must be one or more video files"),
    ],
)
def test_mistakes_are_one_line(name, arguments, message, tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = tool(name, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_mistakes_in_a_config_file_are_one_line(tool, tmp_path):
    path = tmp_path / "recipe.yaml"
    place = [f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'run'}", f"--config={path}"]
    for text, message in (
        ("learning_rat: 1", f"Received: learning_rat in {path}. Did you mean learning_rate?"),
        ("model: i3d\nlabel_smoothing: 1", "`label_smoothing` must be at least 0 and below 1"),
        ("model: i3d\nepochs: 1\nsteps: 2", "one of `epochs`, `steps` and `max_hours` may be"),
        ("model: i3d\nsteps: [\n  1,\n  }", f"config='{path}' (line 4: "),
        ("steps: 2", "`model` must be given, as --model or in the file of --config."),
    ):
        path.write_text(text)
        done = tool("train", *place)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_config_json_continues_its_run_or_starts_one_like_it(run, tool, tmp_path):
    config = run[0] / "config.json"
    settings = json.loads(config.read_text())["training"]
    done = tool("train", "--config", config)
    assert done.returncode == 0, done.stderr
    assert f"{run[0]} holds the finished run: 4 steps" in done.stdout
    done = tool("train", "--config", config, "--workdir", tmp_path, "--steps=1")
    assert done.returncode == 0, done.stderr
    assert "continuing" not in done.stdout
    other = json.loads((tmp_path / "config.json").read_text())["training"]
    assert other == settings | {"workdir": str(tmp_path), "epochs": None, "steps": 1}
    # And on from there, longer, with that run's own file.
    done = tool("train", "--config", tmp_path / "config.json", "--steps=2")
    assert done.returncode == 0, done.stderr
    assert f"continuing {tmp_path} after step 1" in done.stdout


def test_a_run_from_its_config_json_refuses_other_settings(run, tool):
    done = tool("train", "--config", run[0] / "config.json", "--learning_rate=0.5")
    assert done.returncode == 2
    assert "learning_rate was 0.001 and is 0.5" in done.stderr


def test_help_tells_every_setting_with_its_default(tool):
    done = tool("train", "--help")
    assert "--batch_size: clips per step, over all devices together." in done.stdout
    assert "(default: '5')" in done.stdout


def test_ctrl_c_leaves_a_checkpoint_that_the_same_command_continues(
    repository, motion_shards, tmp_path
):
    process = start_training(repository, motion_shards, tmp_path, "--epochs=500")
    wait_for_rows(tmp_path, 1, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 130, output
    assert "The same command continues from there." in output
    model = keras.saving.load_model(latest_checkpoint(tmp_path))
    step = int(model.optimizer.iterations)
    assert f"interrupted after step {step}" in output
    process = start_training(repository, motion_shards, tmp_path, f"--steps={step + 3}")
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    assert f"continuing {tmp_path} after step {step}" in output
    with open(tmp_path / "history.csv", newline="") as file:
        assert int(list(csv.DictReader(file))[-1]["step"]) == step + 3


def test_a_killed_run_leaves_whole_files_and_continues(repository, motion_shards, tmp_path):
    process = start_training(repository, motion_shards, tmp_path, "--epochs=500")
    wait_for_rows(tmp_path, 3, process)
    process.kill()
    process.communicate()
    with open(tmp_path / "history.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) >= 3
    keras.saving.load_model(tmp_path / "best.keras")
    step = int(keras.saving.load_model(latest_checkpoint(tmp_path)).optimizer.iterations)
    assert step % 4 == 0  # a whole epoch
    process = start_training(repository, motion_shards, tmp_path, f"--steps={step + 1}")
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    with open(tmp_path / "history.csv", newline="") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == [*range(4, step + 1, 4), step + 1]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_workdir_is_refused(tool, motion_shards, tmp_path):
    tmp_path.chmod(0o500)
    done = tool("train", *TINY, f"--data_dir={motion_shards}", f"--workdir={tmp_path}/run")
    assert done.returncode == 2
    assert "`workdir` must be a folder that can be written to" in done.stderr


@pytest.mark.slow
def test_the_quickstart_learns_motion(tool, tmp_path):
    done = tool("quickstart", "--output_dir", tmp_path / "quickstart", seconds=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The network has learnt motion" in done.stdout


def test_a_tiny_quickstart_runs_through_and_takes_up_what_is_there(tool, repository, tmp_path):
    arguments = ["--output_dir", tmp_path / "q", "--train_per_class=4", "--val_per_class=1"]
    first = tool("quickstart", *arguments, "--epochs=1")
    assert first.returncode == 1, first.stdout + first.stderr  # nobody learns from 20 clips
    assert "The network has NOT learnt motion" in first.stdout
    for picture in ("curves.png", "eval/val/confusion_matrix.png"):
        assert (tmp_path / "q" / "run" / picture).exists()
    # recipes/cpu_quick.yaml says that its settings are these.
    trained = json.loads((tmp_path / "q" / "run" / "config.json").read_text())["training"]
    trained = TrainingConfig(**trained)
    recipe = read_settings(TrainingConfig, repository / "recipes" / "cpu_quick.yaml")
    place = {"data_dir": trained.data_dir, "workdir": trained.workdir}
    recipe = make_config(TrainingConfig, recipe | place)
    assert dataclasses.replace(recipe, epochs=1) == trained
    again = tool("quickstart", *arguments, "--epochs=1")
    assert "holds the finished run" in again.stdout
    assert "making videos" not in again.stdout
