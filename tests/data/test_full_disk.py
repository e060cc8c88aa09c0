"""A full disk is told in one line, by the file, wherever it is written; what is whole stays."""

import os
import subprocess
import sys

import pytest
from conversion_runs import tool_env

from video_zoo.files import full_disk, whole_files

# A file system of its own, which the kernel takes away when the command has ended.
MOUNT = 'mount -t tmpfs -o size=$0 tmpfs "$1" && cd "$1" && shift && "$@"; c=$?; ls -A; exit $c'


@pytest.fixture
def in_small_disk(tmp_path):
    """A function (size, *command) -> the process, run in an empty file system of that size."""

    def run(size, *command):
        mounted = ["unshare", "-Urm", "sh", "-c", MOUNT, size, tmp_path, *command]
        return subprocess.run(
            [*map(str, mounted)], capture_output=True, text=True, env=tool_env(), timeout=600
        )

    try:
        works = run("64k", "true").returncode == 0
    except FileNotFoundError:
        works = False
    if not works:
        pytest.skip("no file system can be mounted here without root")
    return run


WRITE = """
import sys
from video_zoo.files import whole_files
try:
    if sys.argv[1] == "text":
        whole_files.write_text("text", "x" * 100_000)
    elif sys.argv[1] == "records":
        import tensorflow as tf
        with whole_files.atomic_write("records") as path, tf.io.TFRecordWriter(path) as file:
            for _ in range(100):
                file.write(b"x" * 1000)
    elif sys.argv[1] == "network":
        import keras
        model = keras.Sequential([keras.layers.Input([200]), keras.layers.Dense(200)])
        with whole_files.atomic_write("network") as path:
            model.save(path + ".keras")
    elif sys.argv[1] == "numpy":
        import numpy as np
        with whole_files.atomic_write("numpy") as path, open(path, "wb") as file:
            np.savez(file, a=np.zeros(100_000))
except OSError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.mark.parametrize("kind", ["text", "records", "network", "numpy"])
def test_whoever_writes_the_file_is_told_that_the_disk_is_full(kind, in_small_disk):
    done = in_small_disk("64k", sys.executable, "-c", WRITE, kind)
    first, *left = done.stdout.splitlines()
    assert first == (
        f"DiskFullError: {kind} cannot be written: the disk is full. Nothing that was finished is "
        "lost: make room, and the same command continues."
    ), done.stderr
    assert [name for name in left if not name.endswith(".keras")] == []


def test_a_conversion_says_which_file_has_no_room(in_small_disk, repository, motion_shards):
    tool = repository / "tools" / "make_tfrecords.py"
    videos = motion_shards.parent / "videos"
    arguments = ["--input", videos, "--output_dir", "shards", "--workers=1", "--short_side=64"]
    done = in_small_disk("60k", sys.executable, tool, *arguments)
    assert done.returncode == 2
    message = done.stderr.splitlines()[-1]
    assert message.startswith("make_tfrecords: shards/")
    assert "cannot be written: the disk is full. Nothing that was finished is lost" in message
    assert "Traceback" not in done.stderr


def test_other_errors_of_writing_name_the_file(tmp_path):
    path = tmp_path / "folder"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="folder cannot be written: "):
        whole_files.write_text(path, "a file in the place of a folder")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_any_tool_says_it_in_one_line():
    code = (
        "from video_zoo.commands import cli; raise SystemExit(cli.run(lambda: print('a result')))"
    )
    environment = tool_env(PYTHONUNBUFFERED="1")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, env=environment
        )
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("-c: a file cannot be written: the disk is full.")


def test_errors_that_have_nothing_to_do_with_disks_stay_what_they_are(tmp_path):
    with pytest.raises(KeyError), whole_files.atomic_write(tmp_path / "file"):
        raise KeyError("x")
    assert full_disk.reason(KeyError("x")) is None
    assert not list(tmp_path.iterdir())
