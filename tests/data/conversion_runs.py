"""What the tests of the conversion share: looks into folders, and waiting for processes."""

import csv
import os
import time

import tensorflow as tf

from video_zoo.data.format import tfrecord
from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.format.folder import list_shards

SMALL = EncodingConfig(short_side=32)
# Of the conversion in the fixture `config`.
SHARDS = [f"train-0000{index}-of-00003.tfrecord" for index in range(3)]
SHARDS.append("val-00000-of-00001.tfrecord")


def last_lines(text, count):
    return text.replace("\r", "\n").strip().splitlines()[-count:]


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def read_split(folder, split):
    dataset = tf.data.TFRecordDataset(list_shards(folder, split))
    return list(dataset.map(tfrecord.parse_example).as_numpy_iterator())


def read_table(folder, name, columns):
    """The rows of a list beside the shards."""
    with open(os.path.join(folder, name), newline="") as file:
        header, *rows = csv.reader(file)
    assert header == columns
    return rows


def read_skipped(folder):
    return dict(read_table(folder, "skipped.csv", ["file", "reason"]))


def contents(folder):
    """Name -> bytes of all files in the folder and below."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def write_times(folder):
    """Name -> time of the last change, of all files that are not hidden."""
    return {
        name: os.stat(os.path.join(folder, name)).st_mtime_ns
        for name in os.listdir(folder)
        if not name.startswith(".")
    }
