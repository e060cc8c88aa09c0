"""A search over settings: its spaces, and real trials that are continued, fail, and are told."""

import csv
import dataclasses
import json
import re
import signal
import subprocess
import sys

import pytest

from video_zoo.commands.config_file import read_grid, read_search, read_settings
from video_zoo.comparison import ComparisonConfig, compare
from video_zoo.comparison.cells import CellReport
from video_zoo.comparison.compare import describe_comparison
from video_zoo.comparison.config import cells_of
from video_zoo.comparison.search import open_searches
from video_zoo.comparison.spaces import Space, check_grid, spaces_of
from video_zoo.training.config import TrainingConfig

SEARCH = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "optimizer": ["sgd", "adam"],
    "epochs": {"low": 1, "high": 2},
}


def test_the_values_are_of_the_type_that_the_setting_has():
    given = SEARCH | {"dropout_rate": {"low": 0, "high": 0.5}, "clip_norm": [None, 1]}
    assert spaces_of(given) == [
        Space("learning_rate", (), 1e-4, 1e-2, True),
        Space("optimizer", ("sgd", "adam")),
        Space("epochs", (), 1, 2),
        Space("dropout_rate", (), 0.0, 0.5),
        Space("clip_norm", (None, 1.0)),
    ]
    found = {space.name: space.middle for space in spaces_of(given)}
    assert found["learning_rate"] == pytest.approx(1e-3)
    assert (found["optimizer"], found["epochs"], found["dropout_rate"]) == ("sgd", 2, 0.25)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (["learning_rate"], "`search` must be a mapping of settings to their spaces"),
        ({"learning_rat": [0.1]}, "`search` must be settings of .* Did you mean 'learning_rate'"),
        ({"seed": [1, 2]}, "`search` must be settings of `train` but for model, workdir, seed"),
        ({"val_split": ["val", "test"]}, "but for .*data_dir, val_split. Received: search='val_s"),
        ({"momentum": {"low": 0.9, "high": 0.5}}, "`search.momentum` must be .*`low` below `high`"),
        ({"momentum": {"low": 0.0, "high": 0.5, "log": True}}, "`low` above 0, for `log`"),
        ({"momentum": {"low": 0.0}}, "`search.momentum` must be a list of values, or"),
        ({"momentum": {"low": 0.0, "high": 0.5, "step": 1}}, "`search.momentum` must be a list of"),
        ({"momentum": []}, "`search.momentum` must be a list of values, or"),
        ({"momentum": 0.9}, "`search.momentum` must be a list of values, or"),
        ({"optimizer": {"low": 1, "high": 2}}, "`search.optimizer` must be a list of values: it"),
        ({"epochs": {"low": 1.5, "high": 3}}, "`search.epochs.low` must be an integer"),
        ({"optimizer": ["sgd", 3]}, "`search.optimizer` must be a string. Received: .*=3"),
        ({"momentum": {"low": 0.5, "high": 2.0}}, "`momentum` must be at least 0 and below 1"),
        ({"optimizer": ["sgd", "adan"]}, "`optimizer` must be one of"),
        ({"image_size": [32, 64]}, "`search` must be settings that no recipe and no flag gives"),
        ({"steps": {"low": 1, "high": 2}}, "one of `epochs`, `steps` and `max_hours`"),
    ],
)
def test_a_wrong_space_is_told_before_anything_runs(search, message, tmp_path, motion_shards):
    config = ComparisonConfig(str(tmp_path / "out"), models="r3d_18", trials=2)
    recipe = {"data_dir": str(motion_shards), "image_size": 32, "epochs": 1}
    with pytest.raises(ValueError, match=message):
        compare(config, {"": recipe}, search)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "search", "message"),
    [
        ({"models": "i3d"}, SEARCH, "`trials` must be given with `search`"),
        ({"models": "i3d", "trials": 2}, {}, "`trials` must be None without `search`"),
        ({"models": "i3d", "trials": 2, "seeds": 2}, SEARCH, "`seeds` must be 1 with `search`"),
        ({"runs": "a", "trials": 2}, SEARCH, "`models` must be given with `search`"),
    ],
)
def test_a_search_needs_networks_and_trials_and_has_one_seed(settings, search, message):
    with pytest.raises(ValueError, match=message):
        check_grid(ComparisonConfig("out", **settings), {"": {"data_dir": "shards"}}, search)


def test_without_optuna_the_remedy_is_told(tmp_path, motion_shards, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    config = ComparisonConfig(str(tmp_path / "out"), models="r3d_18", trials=2)
    with pytest.raises(ImportError, match=re.escape('pip install "video-zoo[tune]"')):
        compare(config, {"": {"data_dir": str(motion_shards)}}, SEARCH)
    assert not (tmp_path / "out").exists()


def test_a_search_stands_in_the_file_of_a_grid(tmp_path):
    from video_zoo.commands import compare as command

    path = tmp_path / "grid.yaml"
    path.write_text(
        "models: i3d\ntrials: 5\ndata_dir: SHARDS\n"
        "search:\n  learning_rate: {low: 1e-4, high: 1e-2, log: true}\n"
        "  optimizer: [sgd, adam]\n  epochs: {low: 1, high: 2}\n"
    )
    grid, shared, _ = read_grid(ComparisonConfig, command._RECIPE, path)
    assert grid == {"models": "i3d", "trials": 5} and shared == {"data_dir": "SHARDS"}
    assert read_search(path) == SEARCH
    path.write_text("models: i3d\n")
    assert read_search(path) == {}


def searches_in(folder, seed=3, models="i3d"):
    config = ComparisonConfig(str(folder), models=models, trials=12, first_seed=seed)
    folder.mkdir(exist_ok=True)
    cells = cells_of(config, {"": {"data_dir": "shards"}})
    return open_searches(config, cells, spaces_of(SEARCH), folder)


def tried(search, count, stop_at=None):
    """Settings of trials that fail at once, without a training; one of them is interrupted."""
    found = []

    def run(cell):
        if len(found) == stop_at:
            raise KeyboardInterrupt
        found.append({name: cell.settings[name] for name in SEARCH})
        return CellReport(cell.settings, {}, "stopped at once")

    for _ in range(count):
        search.run_trial(run)
    return found


def test_equal_seeds_try_equal_settings_and_no_two_trials_are_alike(tmp_path):
    first, again, other = (
        tried(searches_in(tmp_path / name, seed)[0], 6)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first == again != other
    assert len({settings["learning_rate"] for settings in first}) == 6
    assert all(1e-4 <= each["learning_rate"] <= 1e-2 and each["epochs"] in (1, 2) for each in first)


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path):
    whole = tried(searches_in(tmp_path / "whole")[0], 6)
    (search,) = searches_in(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        tried(search, 6, stop_at=2)
    (search,) = searches_in(tmp_path / "broken")
    assert search.waiting(6) == 4
    assert tried(search, 4) == whole[2:]
    assert search.waiting(6) == 0
    assert [row["trial"] for row in search.rows("top1")] == list(range(6))


def test_trials_of_another_search_are_not_mixed(tmp_path):
    searches_in(tmp_path)
    with pytest.raises(ValueError, match=r"`output_dir` must be .* where seed was 3 and is 4\."):
        searches_in(tmp_path, seed=4)
    searches_in(tmp_path, models="i3d,s3d_v1")  # a network more is a search more


def test_a_journal_whose_last_line_is_cut_short_loses_nothing_else(tmp_path):
    (search,) = searches_in(tmp_path / "cut")
    (other,) = searches_in(tmp_path / "whole")
    before = tried(search, 2)
    journal = tmp_path / "cut" / "study.log"
    journal.write_bytes(journal.read_bytes()[:-20])  # how the second trial ended
    (search,) = searches_in(tmp_path / "cut")
    assert tried(search, 3) == [before[1], *tried(other, 4)[2:]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: b"\xff\xfe\x00", "`the last line` of .*study.log must be one of Optuna's"),
        (lambda text: text + b"{}\n", r"`line \d+` of .*study.log must be .* or remove it"),
        (lambda text: text.replace(b"{", b"", 1), "`line 1` of .*study.log must be"),
        (lambda text: text + b'{"op_code": 4}\n', "study.log must be a whole journal of Optuna"),
    ],
)
def test_a_damaged_journal_is_told_with_the_remedy(tmp_path, damage, message):
    (search,) = searches_in(tmp_path)
    tried(search, 1)
    journal = tmp_path / "study.log"
    journal.write_bytes(damage(journal.read_bytes()))
    with pytest.raises(ValueError, match=message):
        searches_in(tmp_path)
    journal.unlink()
    journal.mkdir()
    with pytest.raises(ValueError, match="study.log must be a file of Optuna"):
        searches_in(tmp_path)


@pytest.fixture(scope="module")
def recipe(tiny_run, motion_shards):
    own = ("model", "learning_rate", "optimizer")
    settings = {name: value for name, value in tiny_run.items() if name not in own}
    return settings | {"data_dir": str(motion_shards), "steps": 1}


def test_the_best_trial_of_a_network_stands_on_the_page(tmp_path, recipe, tiny_run, capsys):
    # No first step has so small a loss: trials with it fail.
    search = {"learning_rate": SEARCH["learning_rate"], "max_loss": [1e4, 1e-3]}
    model = tiny_run["model"]
    config = ComparisonConfig(str(tmp_path), models=model, trials=2, estimate=False, first_seed=3)
    first = compare(config, {"": recipe}, search)
    assert f"{model}-trial1: " in capsys.readouterr().err
    result = compare(dataclasses.replace(config, trials=3), {"": recipe}, search, progress=False)
    with open(tmp_path / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    assert result.trials[0] | {"state": ""} == first.trials[0] | {"state": ""}
    assert {row["state"] for row in rows} == {"best", "done", "failed"}
    for row in rows:
        report = json.loads((tmp_path / f"runs/{model}-trial{row['trial']}/cell.json").read_text())
        assert report["settings"]["learning_rate"] == float(row["learning_rate"])
        assert (report["error"] is not None) == (row["state"] == "failed") == (row["top1"] == "")
    assert not result.failed
    (told,) = result.rows
    (best,) = (row for row in rows if row["state"] == "best")
    assert told["network"] == f"{model}, best of 3 trials"
    assert told["top1"] == float(best["top1"]) == max(float(row["top1"] or 0) for row in rows)
    page = result.page.read_text()
    assert "Trials of the search" in page and "Chosen on these videos" in page
    assert "chosen by its number on these very videos" in (tmp_path / "comparison.md").read_text()
    assert f"best of the trials of {model}: learning_rate=" in describe_comparison(result)
    settings = read_settings(TrainingConfig, tmp_path / f"best_{model}.yaml")
    assert settings["learning_rate"] == float(best["learning_rate"])
    assert settings["model"] == model and "workdir" not in settings
    TrainingConfig(workdir="run", **settings)
    logs = {path: path.read_bytes() for path in tmp_path.glob("runs/*/log.txt")}
    again = compare(dataclasses.replace(config, trials=3), {"": recipe}, search, progress=False)
    assert again.trials == result.trials and again.rows == result.rows
    assert {path: path.read_bytes() for path in tmp_path.glob("runs/*/log.txt")} == logs


@pytest.mark.slow
def test_a_search_that_is_killed_continues_its_trial(tmp_path, recipe, tiny_run):
    grid = tmp_path / "grid.yaml"
    settings = {name: value for name, value in recipe.items() if name != "steps"}
    given = {"models": tiny_run["model"], "trials": 1, "estimate": False, "epochs": 40}
    given |= {"search": {"learning_rate": SEARCH["learning_rate"]}}
    grid.write_text(json.dumps({**settings, **given}))
    command = [sys.executable, "-m", "video_zoo", "compare", "--grid", str(grid)]
    command += ["--output_dir", str(tmp_path / "out")]
    run = tmp_path / "out" / "runs" / f"{tiny_run['model']}-trial0"
    process = subprocess.Popen(command)
    while process.poll() is None and not (run / "history.csv").exists():
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    begun = json.loads((run / "settings.json").read_text())
    assert 1 <= len((run / "history.csv").read_text().splitlines()) - 1 < 40
    assert subprocess.run(command, check=False).returncode == 0
    assert json.loads((run / "settings.json").read_text()) == begun
    assert len((run / "history.csv").read_text().splitlines()) - 1 == 40
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    assert (tmp_path / "out" / "comparison.html").exists()
