"""The command-line tools as a user calls them: real processes, real signals."""

import dataclasses
import json
import os
import re

import numpy as np
import processes
import pytest
from processes import run_tool as tool

from video_zoo import quickstart, training
from video_zoo.commands.config_file import read_settings
from video_zoo.quickstart_config import QuickstartConfig
from video_zoo.settings import make_config
from video_zoo.training import TrainingConfig, train


@pytest.fixture(scope="module")
def run(tiny_flags, motion_shards, tmp_path_factory):
    """A run over two virtual devices, with a global batch of 5 that they cannot share evenly."""
    workdir = tmp_path_factory.mktemp("tools") / "run"
    arguments = [*tiny_flags, f"--data_dir={motion_shards}", f"--workdir={workdir}"]
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
    assert re.search(r"training r3d_18 on 2 device\(s\): .*CPU:0, .*CPU:1", done.stdout)
    assert "Reduce to" not in done.stderr


def test_evaluate_and_predict_follow(run, motion_shards):
    workdir, _ = run
    done = tool("evaluate", "--workdir", workdir, "--num_clips=2")
    assert done.returncode == 0, done.stderr
    assert "over 10 videos, 2 clips x 1 crops of each, 8 x 32²" in done.stdout
    numbers = json.loads((workdir / "eval" / "val" / "metrics.json").read_text())
    assert f"top-1 {numbers['top1']:.1%}" in done.stdout
    video = next((motion_shards.parent / "videos").rglob("*.mp4"))
    done = tool("predict", "--workdir", workdir, "--top=2", video)
    assert done.returncode == 0, done.stderr
    first, *classes = done.stdout.splitlines()
    assert first == str(video)
    assert len(classes) == 2
    assert all(line.split()[0].endswith("%") for line in classes)


def test_predict_goes_on_after_an_unusable_file(run, motion_shards, tmp_path):
    (tmp_path / "page.mp4").write_text("<html>not found</html>")
    video = next((motion_shards.parent / "videos").rglob("*.mp4"))
    shown = ["--overlay", tmp_path / "shown"]
    done = tool("predict", "--workdir", run[0], *shown, tmp_path / "page.mp4", video)
    assert done.returncode == 1
    for name in (f"{video.stem}.mp4", f"{video.stem}.png"):
        assert f"what it looked at: {tmp_path / 'shown' / name}" in done.stdout
        assert (tmp_path / "shown" / name).stat().st_size > 1000
    assert "cannot be used: not a video: an HTML page" in done.stdout
    assert str(video) in done.stdout


def test_kernels_of_a_run_are_shown(run, tmp_path):
    done = tool("kernels", "--workdir", run[0], "--output", tmp_path / "k.gif")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'k.gif'}: 4 kernels 3x7x7 of 3 channels, stem_conv\n"
    assert (tmp_path / "k.gif").stat().st_size > 1000
    done = tool("kernels", "--workdir", run[0], "--output", tmp_path / "k.avi")
    assert done.returncode == 2
    assert done.stderr.startswith("kernels: `output` must be a local file that ends with .gif")


def test_extract_features_writes_keeps_and_reports(run, motion_shards, tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "page.mp4").write_text("<html>not found</html>")
    video = next((motion_shards.parent / "videos").rglob("*.mp4"))
    (videos / "good.mp4").write_bytes(video.read_bytes())
    arguments = ["--workdir", run[0], "--endpoints=layer4_1,Logits", "--output_dir"]
    arguments += [tmp_path / "features", videos]
    for summary in ("1 videos written, 0 kept", "0 videos written, 1 kept"):
        done = tool("extract_features", *arguments)
        assert done.returncode == 1, done.stderr
        assert f"{summary} from before, 1 cannot be used" in done.stdout
        assert "page.mp4\n    cannot be used: not a video: an HTML page" in done.stdout
    with np.load(tmp_path / "features" / "good.mp4.npz") as arrays:
        assert arrays["layer4_1"].shape == (1, 32) and arrays["Logits"].shape == (1, 5)


def test_train_tells_what_it_starts_from(run, tiny_flags, motion_shards, tmp_path):
    arguments = [*tiny_flags, f"--data_dir={motion_shards}", f"--workdir={tmp_path}", "--steps=1"]
    weights = run[0] / "best.keras"
    done = tool("train", *arguments, f"--weights={weights}", "--freeze_until=layer4_1")
    assert done.returncode == 0, done.stderr
    told = f"weights from {weights}; the classifier is theirs; frozen until layer4_1"
    assert told in done.stdout
    assert re.search(r"; 165 parameters are trained, [\d,]+ frozen", done.stdout)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
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
        ("predict", ["--workdir=nowhere"], "predict: `VIDEO...` must be one or more video files"),
    ],
)
def test_mistakes_are_one_line(name, arguments, message, tmp_path):
    done = tool(name, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_mistakes_in_a_config_file_are_one_line(tmp_path):
    path = tmp_path / "recipe.yaml"
    place = [f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'run'}", f"--config={path}"]
    for text, message in (
        ("learning_rat: 1", f"Received: learning_rat in {path}. Did you mean learning_rate?"),
        ("model: i3d\nlabel_smoothing: 1", "`label_smoothing` must be at least 0 and below 1"),
        ("model: i3d\nsteps: [\n  1,\n  }", f"config='{path}' (line 4: "),
    ):
        path.write_text(text)
        done = tool("train", *place)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_config_json_continues_its_run_or_starts_one_like_it(run, tmp_path):
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


def test_a_run_from_its_config_json_refuses_other_settings(run):
    done = tool("train", "--config", run[0] / "config.json", "--learning_rate=0.5")
    assert done.returncode == 2
    assert "learning_rate was 0.001 and is 0.5" in done.stderr


def test_help_tells_every_setting_with_its_default():
    done = tool("train", "--help")
    assert "--batch_size: clips per step, over all devices together." in done.stdout
    assert "(default: '5')" in done.stdout


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_workdir_is_refused(tiny_flags, motion_shards, tmp_path):
    tmp_path.chmod(0o500)
    done = tool("train", *tiny_flags, f"--data_dir={motion_shards}", f"--workdir={tmp_path}/run")
    assert done.returncode == 2
    assert "`workdir` must be a folder that can be written to" in done.stderr


@pytest.mark.slow
def test_the_quickstart_learns_motion(tmp_path):
    done = tool("quickstart", "--output_dir", tmp_path / "quickstart", timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The network has learnt motion" in done.stdout


def test_a_tiny_quickstart_runs_through_and_takes_up_what_is_there(
    repository, tmp_path, monkeypatch, capsys
):
    """With a network that is compiled sooner in place of its own."""
    trained = []

    def train_another(config):
        trained.append(config)
        other = {"model": "r3d_18", "width_multiplier": 0.0625, "virtual_devices": 0}
        return train(dataclasses.replace(config, **other))

    monkeypatch.setattr(training, "train", train_another)
    folder = tmp_path / "q"
    config = QuickstartConfig(str(folder), train_per_class=4, val_per_class=1, epochs=1)
    assert not quickstart.quickstart(config)  # nobody learns from 20 clips
    assert "The network has NOT learnt motion" in capsys.readouterr().out
    for picture in ("curves.png", "eval/val/confusion_matrix.png"):
        assert (folder / "run" / picture).exists()
    # recipes/cpu_quick.yaml says that its settings are these.
    recipe = read_settings(TrainingConfig, repository / "recipes" / "cpu_quick.yaml")
    place = {"data_dir": str(folder / "shards"), "workdir": str(folder / "run"), "epochs": 1}
    assert trained == [make_config(TrainingConfig, recipe | place)]
    quickstart.quickstart(config)
    told = capsys.readouterr().out
    assert "holds the finished run" in told
    assert "making videos" not in told


def test_the_code_of_a_quickstart_tells_that_nothing_was_learnt():
    code = "import video_zoo.quickstart as job; job.quickstart = lambda config: False\n"
    code += "from video_zoo.commands import main; main('quickstart')"
    assert processes.run("-c", code).returncode == 1
