"""What the tests of the conversion share: the real tool in a process, and looks into folders."""

import csv
import os
import subprocess
import sys
import time

import tensorflow as tf

from video_zoo.data.format import tfrecord
from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.format.folder import list_shards

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "tools", "make_tfrecords.py")
SMALL = EncodingConfig(short_side=32)


def tool_env(**environment):
    path = os.pathsep.join([ROOT, *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"} | environment


def run_tool(*arguments, **environment):
    """Runs the real tool in a process of its own, as a user does."""
    command = [sys.executable, TOOL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=tool_env(**environment))


def start_tool(*arguments):
    command = [sys.executable, TOOL, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=tool_env())


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
