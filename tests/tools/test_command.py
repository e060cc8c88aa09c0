"""The command `video-zoo`, which is there without a clone."""

import configparser
import functools
import re
import shlex

import processes
import pytest

from video_zoo.commands import COMMANDS


@pytest.fixture
def run(tmp_path):
    """A function (*arguments) -> the finished process of `python -m video_zoo`."""
    return functools.partial(processes.run, "-m", "video_zoo", cwd=tmp_path, PATH="")


def test_the_installed_command_is_that_of_the_package(repository):
    config = configparser.ConfigParser()
    config.read(repository / "setup.cfg")
    scripts = config["options.entry_points"]["console_scripts"].strip()
    assert scripts == "video-zoo = video_zoo.commands:main"


def test_a_clone_has_a_file_for_each_command(repository):
    files = {path.stem for path in (repository / "tools").glob("*.py")}
    assert files - {"dev", "mutants"} == set(COMMANDS.values())


def test_help_lists_all_commands_and_needs_none(run):
    done = run("--help")
    assert done.returncode == 0
    assert re.findall(r"^  (\S+) +\S", done.stdout, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["trian"]])
def test_what_is_no_command_is_refused_with_those_that_there_are(run, arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("video-zoo: the command must be one of convert, inspect, train")
    assert done.stderr.count("\n") == 1


def test_help_of_a_command_and_its_errors_say_how_it_was_started(run):
    done = run("inspect", "--help")
    assert "    python -m video_zoo inspect --data_dir SHARDS" in done.stdout
    done = run("inspect", "--data_dir=nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("video-zoo inspect: ")


def test_the_next_command_is_one_of_the_package(run, motion_shards, tmp_path):
    videos = motion_shards.parent / "videos"
    done = run("convert", "--input", videos, "--output_dir=s", "--workers=1", "--short_side=32")
    assert done.returncode == 0, done.stderr
    (hint,) = re.findall("^next: (.*)$", done.stdout, re.MULTILINE)
    _python, *words = shlex.split(hint)
    assert words[:3] == ["-m", "video_zoo", "train"]
    small = ["--model=r3d_18", "--epochs=1", "--width_multiplier=0.0625", "--num_frames=2"]
    trained = run(*words[2:], *small, "--image_size=16")
    assert trained.returncode == 0, trained.stderr


def test_settings_of_a_conversion_come_from_a_file(run, motion_shards, tmp_path):
    videos = motion_shards.parent / "videos"
    (tmp_path / "c.yaml").write_text(f"input_dir: {videos}\nshort_side: 32\nworkers: 1\n")
    done = run("convert", "--config=c.yaml", "--output_dir=s", "--fps=0")
    assert done.returncode == 0, done.stderr
    manifest = (tmp_path / "s" / "manifest.json").read_text()
    assert '"short_side": 32' in manifest
    assert '"fps": null' in manifest
