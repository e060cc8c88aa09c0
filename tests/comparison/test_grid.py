"""The runs of a grid: their names and settings, and real ones, one of which fails."""

import csv
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import processes
import psutil
import pytest
from networks import NAMES, make_run

from video_zoo.commands.config_file import read_grid
from video_zoo.comparison import ComparisonConfig, compare
from video_zoo.comparison.compare import names_of
from video_zoo.comparison.config import cells_of
from video_zoo.evaluation.score_files import write_scores
from video_zoo.settings import make_config
from video_zoo.training import TrainingConfig


def test_every_network_has_a_run_before_any_has_two():
    config = ComparisonConfig("out", models="i3d, inflate:ResNet50V2", seeds=2, first_seed=5)
    cells = cells_of(config, {"plain": {"epochs": 2}, "mixed": {"epochs": 2, "mixup_alpha": 0.2}})
    assert [cell.name for cell in cells] == [
        f"{model}-{recipe}-seed{seed}"
        for seed in (5, 6)
        for model in ("i3d", "inflate_ResNet50V2")
        for recipe in ("plain", "mixed")
    ]
    assert cells[3].contestant == "inflate:ResNet50V2, mixed"
    assert cells[3].settings == {
        "epochs": 2,
        "mixup_alpha": 0.2,
        "model": "inflate:ResNet50V2",
        "workdir": str(cells[3].folder),
        "seed": 5,
    }
    (only,) = cells_of(ComparisonConfig("out", models="i3d"), {"": {}})
    assert (only.name, only.contestant) == ("i3d-seed0", "i3d")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "`models` must be networks to train"),
        ({"models": "i4d"}, "`model` must be"),
        ({"models": "i3d", "seeds": 0}, "`seeds` must be"),
        ({"models": "i3d", "devices": "0,x"}, "`devices` must be numbers such as '0,1'"),
    ],
)
def test_settings_that_are_wrong(settings, message):
    with pytest.raises(ValueError, match=message):
        ComparisonConfig("out", **settings)


def test_a_run_has_its_own_model_workdir_and_seed():
    config = ComparisonConfig("out", models="i3d")
    with pytest.raises(ValueError, match="`recipes` must be settings of `train` but for model, wo"):
        cells_of(config, {"a": {"seed": 1}})
    with pytest.raises(ValueError, match="'i3d-seed0' is there twice"):
        cells_of(ComparisonConfig("out", models="i3d,i3d"), {"": {}})


def test_runs_that_are_there_are_called_by_their_folders():
    assert names_of(["a/run", "b/run", "c/good"], {"i3d"}) == {
        "a/run": "a/run",
        "b/run": "b/run",
        "good": "c/good",
    }
    assert names_of(["c/i3d/"], {"i3d"}) == {"c/i3d/": "c/i3d/"}


def test_a_grid_is_read_from_a_file(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "models: [i3d, s3d_v1]\nseeds: 3\ndata_dir: SHARDS\nepochs: 4\n"
        "recipes:\n  plain:\n  mixed: {mixup_alpha: 0.2}\n"
    )
    from video_zoo.commands import compare as command

    grid, shared, recipes = read_grid(ComparisonConfig, command._RECIPE, path)
    assert grid == {"models": "i3d,s3d_v1", "seeds": 3}
    assert shared == {"data_dir": "SHARDS", "epochs": 4}
    assert recipes == {"plain": {}, "mixed": {"mixup_alpha": 0.2}}
    path.write_text("models: i3d\nepoch: 4\n")
    with pytest.raises(ValueError, match="known settings only. Received: epoch in .*epochs"):
        read_grid(ComparisonConfig, command._RECIPE, path)


GRIDS = "aux", "images", "kinetics", "motion", "pair", "pretrained", "ut"


@pytest.mark.parametrize("name", GRIDS)
def test_the_grids_of_the_reproduction_hold_runs_of_this_version(name, repository, monkeypatch):
    from video_zoo.commands import compare as command

    folder = repository / "docs" / "reproduction"
    assert {path.stem for path in folder.glob("*.yaml")} == set(GRIDS)
    monkeypatch.syspath_prepend(str(folder))  # for networks.py
    grid, shared, recipes = read_grid(ComparisonConfig, command._RECIPE, folder / f"{name}.yaml")
    for model in ComparisonConfig(**grid, output_dir="out").models.split(","):
        for own in (recipes or {"": {}}).values():
            assert make_config(TrainingConfig, shared | own | {"model": model, "workdir": "run"})


@pytest.mark.parametrize("text", ["models: i3d\nmodels: i3d\n", "recipes: {a: 5}", "a: [", "b: 1"])
def test_what_is_wrong_in_a_grid_is_told_of_the_grid(tmp_path, text):
    from video_zoo.commands import compare as command

    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="`grid` must"):
        read_grid(ComparisonConfig, command._RECIPE, path)
    with pytest.raises(OSError, match=r"`grid` must be a YAML .*Received: grid='.*No such file"):
        read_grid(ComparisonConfig, command._RECIPE, tmp_path / "none.yaml")


@pytest.mark.parametrize("taken", ["out", "out/below"])
def test_a_file_in_the_place_of_the_output_is_told(tmp_path, motion_shards, taken):
    (tmp_path / "out").write_text("a file")
    config = ComparisonConfig(str(tmp_path / taken), models="r3d_18")
    with pytest.raises(ValueError, match="`output_dir` must be a folder that can be written to"):
        compare(config, {"": {"data_dir": str(motion_shards), "epochs": 1}})


def test_a_wrong_setting_of_one_run_is_told_before_the_first(tmp_path, motion_shards):
    config = ComparisonConfig(str(tmp_path), models="r3d_18")
    with pytest.raises(ValueError, match="`epochs` must be"):
        compare(config, {"": {"data_dir": str(motion_shards), "epochs": 0}})
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def recipe(tiny_run, motion_shards):
    settings = {name: value for name, value in tiny_run.items() if name != "model"}
    return settings | {"data_dir": str(motion_shards), "epochs": 1}


@pytest.fixture
def note_devices(tmp_path, monkeypatch):
    """Name of a module that runs import, and the file in which they note their devices."""
    file = tmp_path / "devices.txt"
    code = "import os, sys\nif '--config' in sys.argv:\n"
    code += f"    with open({str(file)!r}, 'a') as file:\n"
    code += "        print(os.environ.get('CUDA_VISIBLE_DEVICES'), file=file)\n"
    (tmp_path / "note_devices.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "note_devices", file


def test_a_grid_with_a_run_that_fails(tmp_path, recipe, tiny_run, note_devices, capsys):
    # The second network is refused: its clips would be too small after a hundredfold stride.
    module, devices = note_devices
    models = f"{tiny_run['model']},s3d_v3"
    config = ComparisonConfig(str(tmp_path), models=models, devices="3,5")
    recipe = recipe | {"imports": module}
    result = compare(config, {"": recipe})
    assert [row["network"] for row in result.rows] == [tiny_run["model"]]
    assert list(result.failed) == ["s3d_v3-seed0"]
    assert "train ended with 2" in result.failed["s3d_v3-seed0"]
    # Both are tried on the first device, and then there is a run on each.
    first, second, *runs = devices.read_text().split()
    assert (first, second) == ("3", "3") and sorted(runs) == ["3", "5"]
    told = capsys.readouterr().err
    assert "s3d_v3-seed0: failed" in told
    estimate = re.search("2 of 2 runs are to be made: about 0:(..):(..), without .* s3d_v3", told)
    assert "train ended with 2" in result.page.read_text()
    cell = tmp_path / "runs" / f"{tiny_run['model']}-seed0"
    report = json.loads((cell / "cell.json").read_text())
    assert report["error"] is None and report["peak_memory"] > 10**8
    minutes, seconds = map(int, estimate.groups())
    # Half the time of one run, as two devices share them; the machine may be busy with others.
    assert report["seconds"] / 8 < 60 * minutes + seconds < 4 * report["seconds"]
    log = (cell / "log.txt").read_bytes()
    again = compare(config, {"": recipe}, progress=False)
    assert again.rows == result.rows
    assert (cell / "log.txt").read_bytes() == log  # what is done is left


def test_runs_that_are_there_are_named_one_after_the_other(tmp_path, recipe, tiny_run):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        settings = {**recipe, "model": tiny_run["model"], "workdir": str(folder)}
        scores = folder / "eval" / "val" / "scores.csv"
        scores.parent.mkdir(parents=True)
        facts = {"training": settings, "class_names": NAMES}
        (folder / "config.json").write_text(json.dumps(facts))
        labels = np.arange(12) % 3
        write_scores(scores, make_run(labels > 0, labels).result, NAMES)
    done = processes.run_tool("compare", "--runs", *folders, "--output_dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out" / "comparison.csv", newline="") as file:
        assert [row["network"] for row in csv.DictReader(file)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("signum", "code", "estimate", "started"),
    [
        (signal.SIGTERM, 75, "--estimate", ".trial"),
        (signal.SIGTERM, 75, "--noestimate", "s3d_v1-seed0"),
        (signal.SIGKILL, -signal.SIGKILL, "--noestimate", "s3d_v1-seed0"),
    ],
)
def test_no_training_outlives_a_comparison(
    tmp_path, motion_shards, signum, code, estimate, started
):
    command = [sys.executable, "-m", "video_zoo", "compare", "--models", "s3d_v1", estimate]
    command += ["--width_multiplier", "0.25", "--num_frames", "8", "--image_size", "32"]
    command += ["--batch_size", "2", "--steps", "100000", "--data_dir", str(motion_shards)]
    log = tmp_path / "runs" / started / "log.txt"
    process = subprocess.Popen([*command, "--output_dir", str(tmp_path)])
    while process.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.05)
    (training,) = psutil.Process(process.pid).children()
    process.send_signal(signum)
    assert process.wait() == code
    training.wait(60)
    assert not list(tmp_path.glob("runs/*/cell.json"))  # it has not failed


@pytest.mark.slow
def test_an_interrupted_grid_is_continued(tmp_path, recipe, tiny_run):
    flags = [
        f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value}"
        for name, value in (recipe | {"epochs": 40}).items()
    ]
    command = [sys.executable, "-m", "video_zoo", "compare", "--models", tiny_run["model"]]
    command += ["--output_dir", str(tmp_path), "--noestimate", *flags]
    history = tmp_path / "runs" / f"{tiny_run['model']}-seed0" / "history.csv"
    process = subprocess.Popen(command)
    while process.poll() is None and not history.exists():
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    done = len(history.read_text().splitlines()) - 1
    assert 1 <= done < 40
    assert subprocess.run(command, check=False).returncode == 0
    assert len(history.read_text().splitlines()) - 1 == 40
    assert (tmp_path / "comparison.html").exists()
