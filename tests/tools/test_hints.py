"""What tools say beside their results: hints that run, help in order, and no noise."""

import itertools
import os
import re
import shlex

import processes
import pytest

from video_zoo.commands.cli_help import flag_name
from video_zoo.commands.next_steps import training_flags
from video_zoo.data import load_manifest
from video_zoo.settings import setting_fields
from video_zoo.training import TrainingConfig


def start(folder, *command):
    """The finished process; TensorFlow's own lines are not switched off for it."""
    return processes.run(*command, cwd=folder, TF_CPP_MIN_LOG_LEVEL=None)


def hint(output):
    """The command that a tool proposes, without the interpreter."""
    (line,) = re.findall("^next: (.*)$", output, re.MULTILINE)
    python, *command = shlex.split(line)
    assert python == "python"
    return command


def test_each_hint_is_a_command_that_runs(repository, motion_shards, tmp_path):
    videos = motion_shards.parent / "videos"
    command = [repository / "tools" / "make_tfrecords.py", "--input", videos, "--workers=1"]
    converted = start(tmp_path, *command, "--output_dir=my shards", "--short_side=32")
    assert converted.returncode == 0, converted.stderr
    small = ["--steps=1", "--width_multiplier=0.0625", "--num_frames=8", "--image_size=32"]
    trained = start(tmp_path, *hint(converted.stdout), *small)
    assert trained.returncode == 0, trained.stderr
    told = [line.split()[0] for line in trained.stdout.splitlines()]
    assert told.index("building") < told.index("training") < told.index("compiling")
    evaluated = start(tmp_path, *hint(trained.stdout))
    assert evaluated.returncode == 0, evaluated.stderr
    for done in (converted, trained, evaluated):  # nothing is left of TensorFlow's start
        assert not re.search("absl|cuda|oneDNN|CPU instructions", done.stderr, re.IGNORECASE)


@pytest.fixture
def shards(motion_shards, tmp_path, make_shards):
    """A function (**splits) -> manifest of shards whose splits have these numbers of clips."""

    def make(**splits):
        files = iter(sorted((motion_shards.parent / "videos").rglob("*.mp4")))
        rows = [
            f"{path},{path.parent.name},{split}"
            for split, count in splits.items()
            for path in itertools.islice(files, count)
        ]
        (tmp_path / "list.csv").write_text("path,label,split\n" + "\n".join(rows) + "\n")
        (tmp_path / "videos").symlink_to(motion_shards.parent / "videos")
        return load_manifest(make_shards(tmp_path, annotations=str(tmp_path / "list.csv")))

    return make


def test_shards_without_videos_for_validation_get_a_remedy(shards):
    manifest = shards(train=3)
    with pytest.raises(ValueError, match="no video is for validation.*--val_fraction 0.1"):
        training_flags(manifest, "shards", ".")


def test_flags_name_the_splits_that_there_are_and_a_batch_that_they_fill(shards):
    manifest = shards(train=3, test=2)
    flags = training_flags(manifest, "shards", ".")
    assert flags[-4:] == ["--batch_size", "3", "--val_split", "test"]


def test_a_folder_that_is_there_already_is_not_proposed_again(shards, tmp_path, monkeypatch):
    manifest = shards(train=2, val=1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "first").mkdir(parents=True)
    flags = training_flags(manifest, "shards", ".")
    assert flags[flags.index("--workdir") + 1] == os.path.join("runs", "first-2")


def test_help_has_every_setting_once_and_what_is_required_first():
    done = processes.run_tool("train", "--help")
    assert done.returncode == 0
    _, groups = done.stdout.split("\nrequired, here or in the file of --config:\n")
    found = re.findall(r"^  --(?:\[no\])?(\w+):", groups, re.MULTILINE)
    assert found[:4] == ["model", "data_dir", "workdir", "config"]
    assert len(found) == len(set(found))
    names = {flag_name(TrainingConfig, field.name) for field in setting_fields(TrainingConfig)}
    assert names <= set(found)
    titles = re.findall(r"^([a-z].*):$", groups, re.MULTILINE)
    assert titles == [*TrainingConfig.GROUPS.values()]


NOISY = """
import os, sys
from video_zoo.commands.quiet import loading
with loading():
    os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called\\n")
    os.write(2, b"E0000 00:00:1795750434.8 28 cuda_platform.cc:52] failed call to cuInit\\n")
    print("a warning of somebody else", file=sys.stderr)
    if len(sys.argv) > 1:
        raise ImportError("no library")
"""


def test_only_the_start_up_lines_of_tensorflow_are_kept_off(tmp_path):
    done = start(tmp_path, "-c", NOISY)
    assert done.stderr == "a warning of somebody else\n"


def test_an_import_that_fails_shows_all_its_lines(tmp_path):
    done = start(tmp_path, "-c", NOISY, "fail")
    assert "failed call to cuInit" in done.stderr
    assert "ImportError: no library" in done.stderr


def test_a_level_that_the_user_has_set_stands(tmp_path):
    own = "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '0'\n"
    done = start(tmp_path, "-c", own + NOISY + "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])")
    assert "failed call to cuInit" in done.stderr
    assert done.stdout == "0\n"
