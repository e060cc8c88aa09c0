"""TensorFlow's one error for memory and for disks becomes two, with the remedy of each."""

import pathlib

import pytest
import tensorflow as tf

from video_zoo.files.full_disk import DiskFullError
from video_zoo.run.room import enough_room


@pytest.fixture
def room(tmp_path):
    return enough_room("Lower `batch_size`.", f"a file in {tmp_path}", lambda: 3)


def test_a_tensor_that_fits_no_memory(room):
    with pytest.raises(MemoryError, match="out of memory after step 3. Lower `batch_size`"), room:
        tf.random.normal([10**6, 10**6, 10**3])


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_no_lack_of_memory(room, tmp_path):
    message = f"a file in {tmp_path} cannot be written: the disk is full"
    with pytest.raises(DiskFullError, match=message), room:
        tf.io.write_file("/dev/full", "x" * 10**6)


def test_other_errors_stay_what_they_are(room, tmp_path):
    with pytest.raises(tf.errors.NotFoundError), room:
        tf.io.read_file(str(tmp_path / "none"))
