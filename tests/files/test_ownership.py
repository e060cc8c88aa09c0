"""A folder with one owner at a time, held by real processes."""

import dataclasses
import os
import resource
import socket
import subprocess
import sys

import pytest
from processes import environment

from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.convert import convert, merge
from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.files import full_disk
from video_zoo.files.ownership import LOCK, sole_owner
from video_zoo.training import TrainingConfig, train

HOLD = """
import sys
from video_zoo.files.ownership import sole_owner
with sole_owner(sys.argv[1], "workdir"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def owner(tmp_path):
    """Another process that holds `tmp_path` until a line is written to it, or it is killed."""
    command = [sys.executable, "-c", HOLD, tmp_path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, env=environment()) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_is_there(owner, tmp_path):
    told = rf"`workdir` must be .*process {owner.pid} on {socket.gethostname()} is at work"
    with pytest.raises(ValueError, match=told), sole_owner(tmp_path, "workdir"):
        pass


def test_a_run_is_refused_before_it_writes(owner, tmp_path, motion_shards, tiny_run):
    config = TrainingConfig(
        **tiny_run, data_dir=str(motion_shards), workdir=str(tmp_path), epochs=1
    )
    with pytest.raises(ValueError, match="`workdir` must be a folder that no other process"):
        train(config)
    assert os.listdir(tmp_path) == [LOCK]


@pytest.fixture
def conversion(tmp_path, motion_shards):
    """The conversion of a few videos into the folder that the fixture `owner` holds."""
    return ConversionConfig(
        input_dir=str(motion_shards.parent / "videos"),
        output_dir=str(tmp_path),
        encoding=EncodingConfig(short_side=32),
        workers=1,
    )


def test_a_conversion_is_refused_before_it_writes(owner, tmp_path, conversion):
    with pytest.raises(ValueError, match="`output_dir` must be a folder that no other process"):
        convert(conversion)
    assert sorted(os.listdir(tmp_path)) == [".conversion", LOCK]


def test_parts_of_a_conversion_share_its_folder_and_the_whole_does_not(conversion, tmp_path):
    part = dataclasses.replace(conversion, num_shards=2, shard_range="0:1")
    with sole_owner(tmp_path, "output_dir", shared=True):
        assert convert(part, progress=False).unfinished
        with pytest.raises(ValueError, match="`output_dir` must be a folder that no other"):
            convert(dataclasses.replace(part, shard_range=None), progress=False)
        with pytest.raises(ValueError, match="`output_dir` must be a folder that no other"):
            merge(tmp_path)
        assert (tmp_path / LOCK).exists()  # still held by the one part
    assert not (tmp_path / LOCK).exists()


def test_the_folder_of_a_killed_process_is_free(owner, tmp_path):
    owner.kill()
    owner.wait()
    assert (tmp_path / LOCK).exists()
    with sole_owner(tmp_path, "workdir"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_folder_is_free_after_its_owner(owner, tmp_path):
    owner.communicate("go on\n")
    assert os.listdir(tmp_path) == []
    refused = pytest.raises(ValueError, match=f"process {os.getpid()} on")
    with sole_owner(tmp_path, "workdir"), refused, sole_owner(tmp_path, "workdir"):
        pass


def test_a_folder_whose_lock_had_no_room_is_free_when_there_is_room(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        no_room = pytest.raises(full_disk.DiskFullError, match=rf"{LOCK} cannot be written")
        with no_room, sole_owner(tmp_path, "workdir"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []
    with sole_owner(tmp_path, "workdir"):
        assert (tmp_path / LOCK).read_text().startswith(f"process {os.getpid()} on")


def test_what_a_link_called_like_the_lock_leads_to_is_left_alone(tmp_path):
    other, folder = tmp_path / "other.txt", tmp_path / "run"
    other.write_text("of somebody else")
    folder.mkdir()
    (folder / LOCK).symlink_to(other)
    refused = pytest.raises(ValueError, match=r"`workdir` must be .*\.lock is in the way")
    with refused, sole_owner(folder, "workdir"):
        pass
    assert other.read_text() == "of somebody else" and (folder / LOCK).is_symlink()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_in_the_place_of_the_lock_is_named(tmp_path, make):
    make(tmp_path / LOCK)
    refused = pytest.raises(ValueError, match=r"`workdir` must be .*\.lock is in the way.*Remove")
    with refused, sole_owner(tmp_path, "workdir"):
        pass


def test_one_that_has_left_is_not_said_to_be_at_work(tmp_path):
    with sole_owner(tmp_path, "output_dir", shared=True):
        with sole_owner(tmp_path, "output_dir", shared=True):
            pass
        refused = pytest.raises(ValueError, match="where another process is at work")
        with refused, sole_owner(tmp_path, "output_dir"):
            pass
