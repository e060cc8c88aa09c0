"""Real trainings in processes of their own, killed at random moments, and what they leave."""

import csv
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
from processes import start_tool

from video_zoo.training.checkpoint import latest_checkpoint, load_checkpoint

# As small as the network gets; with dropout, and an optimizer that has memories.
SMALL = (
    *("--model=r3d_18", "--num_frames=2", "--image_size=16", "--width_multiplier=0.0625"),
    *("--batch_size=5", "--optimizer=adam", "--learning_rate=1e-3", "--schedule=cosine"),
    *("--ema_momentum=0.9", "--clip_norm=1", "--dropout_rate=0.5", "--deterministic"),
)
# What differs from run to run, however equal they are.
TIMES = ("seconds", "clips_per_second", "input_wait")


def start(shards, workdir, *arguments, output=subprocess.PIPE, **variables):
    """A process of tools/train.py."""
    arguments = (*SMALL, f"--data_dir={shards}", f"--workdir={workdir}", *arguments)
    streams = {"stdout": output, "stderr": subprocess.STDOUT}
    return start_tool("train", *arguments, **streams, **variables)


def finish(process, code=0, timeout=600):
    """Waits for the end; returns what the process printed."""
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == code, output
    return output


def newest_step(workdir):
    """Of the newest file; -1 if there is none."""
    names = [path.stem for path in Path(workdir, "checkpoints").glob("step_*.keras")]
    return max((int(name.removeprefix("step_")) for name in names), default=-1)


def wait_for_step(workdir, step, *processes):
    """Waits for a checkpoint of this step or a later one, or the end of all the processes."""
    while newest_step(workdir) < step and any(process.poll() is None for process in processes):
        time.sleep(0.01)


def kill_after_a_checkpoint(process, workdir, delay, number=signal.SIGKILL):
    """Kills a run some moments after its next checkpoint; False if it ended by itself."""
    wait_for_step(workdir, newest_step(workdir) + 1, process)
    time.sleep(delay)
    if process.poll() is not None:
        return False
    process.send_signal(number)
    return True


def train_with_kills(shards, workdir, kills, seed, *arguments):
    """Kills a run, and starts it again, so many times; lets it end; returns how often it was."""
    draw, done = random.Random(seed), 0
    for _ in range(kills):
        process = start(shards, workdir, *arguments)
        killed = kill_after_a_checkpoint(process, workdir, draw.uniform(0, 0.2))
        output, _ = process.communicate(timeout=60)
        assert process.returncode == (-signal.SIGKILL if killed else 0), output
        if not killed:
            break
        done += 1
    finish(start(shards, workdir, *arguments))
    return done


def rows(workdir):
    """history.csv without the columns of times."""
    with open(Path(workdir, "history.csv"), newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if name not in TIMES}
            for row in csv.DictReader(file)
        ]


def assert_equal_runs(one, other):
    """Weights, statistics, optimizer and random generators bit for bit, and the record."""
    models = [load_checkpoint(latest_checkpoint(workdir)) for workdir in (one, other)]
    for first, second in zip(
        *([*m.variables, *m.optimizer.variables] for m in models), strict=True
    ):
        np.testing.assert_array_equal(first, second, err_msg=first.path)
    for first, second in zip(rows(one), rows(other), strict=True):
        np.testing.assert_allclose(list(first.values()), list(second.values()), rtol=1e-6)
