"""Settings are checked when they are made, alike in Python, in files and in flags."""

import dataclasses
import inspect
import math
import os
import pathlib
import sys
import typing

import numpy as np
import processes
import pytest

from video_zoo import errors, known_names, models
from video_zoo.benchmarks import config as benchmarks
from video_zoo.comparison import ComparisonConfig
from video_zoo.convert_config import WeightsConversionConfig
from video_zoo.data import (
    AugmentationConfig,
    ClipConfig,
    ConversionConfig,
    EncodingConfig,
    InspectionConfig,
)
from video_zoo.data.input.service_config import ServiceConfig
from video_zoo.evaluation import config as evaluation
from video_zoo.evaluation import joint_config as joint
from video_zoo.evaluation.demo_config import DemoConfig
from video_zoo.evaluation.prediction_config import PredictionConfig
from video_zoo.inflation_config import InflationConfig
from video_zoo.limits import LIMITS, Range
from video_zoo.models.registry import _BUILDERS, register
from video_zoo.quickstart_config import QuickstartConfig
from video_zoo.training import TrainingConfig

NETWORK = {"model": "i3d", "weights": "kinetics400"}
# Config class -> what it needs.
CONFIGS = {
    TrainingConfig: {"model": "s3d_v1", "data_dir": "shards", "workdir": "run"},
    AugmentationConfig: {},
    InflationConfig: {},
    ClipConfig: {},
    ConversionConfig: {"input_dir": "videos", "output_dir": "shards"},
    EncodingConfig: {},
    InspectionConfig: {"data_dir": "shards"},
    ServiceConfig: {"role": "dispatcher", "trusted_network": True},
    evaluation.EvaluationConfig: {"workdir": "run"},
    evaluation.ProbeConfig: {"workdir": "run"},
    DemoConfig: {"workdir": "run"},
    joint.TwoStreamConfig: {"rgb_workdir": "a", "flow_workdir": "b"},
    joint.FusionConfig: {"output_dir": "out"},
    ComparisonConfig: {"output_dir": "out", "models": "i3d"},
    PredictionConfig: {"workdir": "run"},
    evaluation.KernelsConfig: {"workdir": "run", "output": "kernels.gif"},
    evaluation.ExtractionConfig: {"workdir": "run", "endpoints": "Logits", "output_dir": "out"},
    benchmarks.InputConfig: {"data_dir": "shards"},
    benchmarks.ConversionBenchmarkConfig: {"input": "videos"},
    benchmarks.InflationBenchmarkConfig: {"output": "out.json"},
    QuickstartConfig: {},
    WeightsConversionConfig: NETWORK | {"output": "out.keras"},
}
FIELDS = [
    pytest.param(config, field, id=f"{config.__name__}.{field.name}")
    for config in CONFIGS
    for field in dataclasses.fields(config)
]


def kinds(field):
    return set(typing.get_args(field.type)) - {type(None)} or {field.type}


def refused(config, name, value):
    """The message with which the config class refuses a value."""
    with pytest.raises(ValueError) as error:
        config(**CONFIGS[config] | {name: value})
    message = str(error.value)
    assert message.startswith(f"`{name}` must be ")
    assert f"Received: {name}=" in message
    return message


def test_every_config_class_is_among_these():
    # What `define_flags` or a user could make, by its name.
    found = set()
    for name, module in list(sys.modules.items()):
        if name.startswith("video_zoo."):
            classes = inspect.getmembers(module, inspect.isclass)
            found |= {c for n, c in classes if n.endswith("Config") and c.__module__ == name}
    assert found == set(CONFIGS)


@pytest.mark.parametrize(("config", "field"), FIELDS)
def test_a_value_of_another_type_is_refused(config, field):
    refused(config, field.name, 3 if str in kinds(field) else "3")
    refused(config, field.name, {1, 2})


NUMBERS = [param for param in FIELDS if kinds(param.values[1]) & {int, float}]


@pytest.mark.parametrize(("config", "field"), NUMBERS)
def test_a_number_that_makes_no_sense_is_refused(config, field):
    for wrong in (math.inf, -math.inf, math.nan, 1e30, -1e30, 10**400, -(10**400), True):
        message = refused(config, field.name, wrong)
        assert len(message) < 400


# A flag without a value takes back the hosts that a file gives.
MAY_BE_EMPTY = {"worker_hosts", "beam_options"}
STRINGS = [
    param
    for param in FIELDS
    if str in kinds(param.values[1]) and param.values[1].name not in MAY_BE_EMPTY
]


@pytest.mark.parametrize(("config", "field"), STRINGS)
def test_an_empty_string_is_refused(config, field):
    for empty in ("", " "):
        refused(config, field.name, empty)


def test_numbers_of_numpy_and_paths_become_pythons():
    config = TrainingConfig(
        "i3d", pathlib.Path("d"), pathlib.Path("w"), batch_size=np.int64(3), max_hours=2
    )
    assert (config.data_dir, config.batch_size, config.max_hours) == ("d", 3, 2.0)
    found = type(config.data_dir), type(config.batch_size), type(config.max_hours)
    assert found == (str, int, float)


HOME_PATHS = [
    param
    for param in STRINGS
    if param.values[1].name.removeprefix("rgb_").removeprefix("flow_")
    in {
        *("annotations", "checkpoint", "contact_sheet", "data_dir", "input", "input_dir"),
        *("label_map", "output", "output_dir", "train_ids", "val_ids", "workdir", "work_dir"),
    }
]


@pytest.mark.parametrize(("config", "field"), HOME_PATHS)
def test_a_path_may_begin_at_home(config, field, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    name = "my~1.gif" if config is evaluation.KernelsConfig else "my~1.keras"
    made = config(**CONFIGS[config] | {field.name: os.path.join("~", name)})
    assert getattr(made, field.name) == str(tmp_path / name)


def test_an_overlay_may_lie_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    made = PredictionConfig(workdir="run", overlay=os.path.join("~", "my~1.mp4"))
    assert made.overlay == str(tmp_path / "my~1.mp4")


def test_a_message_shows_200_characters_of_a_value():
    for value in ("x" * 10_000, ["x"] * 10_000, 10**10_000):
        message = refused(TrainingConfig, "optimizer", value)
        assert len(message) < 400
    assert errors.shown("x" * 200) == repr("x" * 200)


def test_names_that_are_near_are_told():
    message = refused(TrainingConfig, "model", "s3d_v4")
    assert "Did you mean 's3d_v3' or 's3d_v1'" in message
    message = refused(TrainingConfig, "optimizer", "adan")
    assert message.endswith("Did you mean 'adam' or 'adamw'?")
    with pytest.raises(ValueError, match="`weights` must be.*Did you mean 'kinetics400'"):
        PredictionConfig(model="i3d", weights="kinetcs400")


def test_the_known_names_are_those_of_the_zoo():
    assert known_names.networks() == models.list_models()


def test_a_network_that_a_program_registers_may_be_trained():
    def my_network(num_classes, **_options):
        raise NotImplementedError

    register(my_network)
    try:
        config = TrainingConfig("my_network", "shards", "run", weights="mine")
        assert config.model == "my_network"
    finally:
        del _BUILDERS["my_network"]
        known_names._registered.discard("my_network")


def test_weights_that_are_no_file_are_told_before_anything_is_made(tmp_path):
    config = TrainingConfig("i3d", str(tmp_path), str(tmp_path / "run"), weights="none.keras")
    with pytest.raises(FileNotFoundError, match="`weights` must be an existing file"):
        config.check_files()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    config.check_files()  # a run that continues needs them no more


def test_every_limit_is_of_a_setting():
    used = {param.values[1].name for param in FIELDS} | {"num_samples"}
    assert set(LIMITS) <= used


def test_a_range_says_its_ends():
    assert str(Range(1, 8192, whole=True)) == "an integer from 1 to 8,192"
    assert str(Range(0, 1, below=True)) == "at least 0 and below 1"
    assert str(Range(0, 600.5, above=True)) == "above 0 and at most 600.5"
    assert 0 not in Range(0, 1, above=True) and 1 in Range(0, 1, above=True)


# Tool -> flags of which one is wrong.
WRONG_FLAGS = {
    "benchmark": ["input", "--data_dir=.", "--repeats=0"],
    "compare": ["--models=i3d", "--output_dir=o", "--data_dir=.", "--epochs=0"],
    "convert_weights": ["--model=i4d", "--weights=kinetics400", "--output=a.keras"],
    "demo": ["--workdir=nowhere", "--port=70000"],
    "data_service": ["--role=dispatcher", "--trusted_network", "--port=70000"],
    "evaluate": ["--workdir=nowhere"],
    "evaluate_two_stream": ["--rgb_workdir=a", "--flow_workdir=b", "--num_crops=2"],
    "extract_features": ["--workdir=nowhere", "--endpoints=Logits", "--output_dir=o"],
    "fuse": ["a.csv", "b.csv", "--output_dir=o", "--average=mean"],
    "inspect_dataset": ["--data_dir=.", "--color_jitter=2"],
    "kernels": ["--model=i3d", "--weights=kinetics400", "--output=k.avi"],
    "make_tfrecords": ["--input=.", "--output_dir=o", "--clip_timeout=1e300"],
    "metrics": [],
    "mutants": ["--modules=data/nothing.py"],
    "probe": ["--workdir=nowhere"],
    "predict": ["--model=i3d", "--weights=kinetcs400", "a.mp4"],
    "quickstart": ["--seed=-1"],
    "summary": ["i4d"],
    "train": ["--model=s3d_v4", "--data_dir=.", "--workdir=w"],
}
# Runs a tool, and tells at its end which frameworks it has loaded.
SCRIPT = """
import atexit, runpy, sys
heavy = {"tensorflow", "keras", "matplotlib"}
atexit.register(lambda: print("loaded:", sorted(heavy & set(sys.modules)), file=sys.stderr))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_every_tool_has_its_wrong_flags(repository):
    assert {path.stem for path in (repository / "tools").glob("*.py")} == {*WRONG_FLAGS, "dev"}


@pytest.mark.parametrize("name", WRONG_FLAGS)
def test_flags_are_checked_before_a_framework_is_loaded(name, repository, tmp_path):
    tool = repository / "tools" / f"{name}.py"
    done = processes.run("-c", SCRIPT, tool, *WRONG_FLAGS[name], cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    message, loaded = done.stderr.splitlines()
    assert message.startswith(f"{name}: ")
    assert loaded == "loaded: []"
    assert not list(tmp_path.iterdir())
