"""A full disk is told in one line, by the file, wherever it is written; what is whole stays."""

import os
import subprocess
import sys

import pytest
from processes import environment

from video_zoo.files import full_disk, whole_files

# A file system of its own, which the kernel takes away when the command has ended.
MOUNT = 'mount -t tmpfs -o size=$0 tmpfs "$1" && cd "$1" && shift && "$@"; c=$?; ls -A; exit $c'


@pytest.fixture
def in_small_disk(tmp_path):
    """A function (size, *command) -> the process, run in an empty file system of that size."""

    def run(size, *command):
        mounted = ["unshare", "-Urm", "sh", "-c", MOUNT, size, tmp_path, *command]
        return subprocess.run(
            [*map(str, mounted)], capture_output=True, text=True, env=environment(), timeout=600
        )

    try:
        works = run("64k", "true").returncode == 0
    except FileNotFoundError:
        works = False
    if not works:
        pytest.skip("no file system can be mounted here without root")
    return run


WRITE = """
import keras, numpy as np, os, tensorflow as tf
from video_zoo.files import whole_files

def text(path):
    whole_files.write_text(path, "x" * 100_000)

def records(path):
    with whole_files.atomic_write(path) as path, tf.io.TFRecordWriter(path) as file:
        for _ in range(100):
            file.write(b"x" * 1000)

def network(path):
    model = keras.Sequential([keras.layers.Input([200]), keras.layers.Dense(200)])
    with whole_files.atomic_write(path, ".keras") as path:
        model.save(path)

def numpy(path):
    with whole_files.atomic_write(path) as path, open(path, "wb") as file:
        np.savez(file, a=np.zeros(100_000))

for write in (text, records, network, numpy):
    try:
        write(write.__name__)
    except OSError as error:
        print(f"{type(error).__name__}: {error}")
    print(os.listdir())
"""


def test_whoever_writes_the_file_is_told_that_the_disk_is_full(in_small_disk):
    done = in_small_disk("64k", sys.executable, "-c", WRITE)
    told = " cannot be written: the disk is full. Nothing that was finished is lost: make room, "
    told += "and the same command continues."
    expected = [f"DiskFullError: {kind}{told}" for kind in ("text", "records", "network", "numpy")]
    assert done.stdout.splitlines()[::2] == expected, done.stderr
    assert done.stdout.splitlines()[1::2] == ["[]"] * 4


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
    command = [sys.executable, "-c", code]
    variables = environment(PYTHONUNBUFFERED="1")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=variables, text=True
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("-c: a file cannot be written: the disk is full.")


def test_errors_that_have_nothing_to_do_with_disks_stay_what_they_are(tmp_path):
    with pytest.raises(KeyError), whole_files.atomic_write(tmp_path / "file"):
        raise KeyError("x")
    assert full_disk.reason(KeyError("x")) is None
    assert not list(tmp_path.iterdir())
