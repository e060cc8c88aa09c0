"""tools/train.py on several workers: real processes, real kills."""

import json
import signal
import time

import keras
import pytest
from killed_runs import finish, newest_step, rows, start, wait_for_step
from worker_runs import free_hosts

from video_zoo.training import latest_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def start_all(count, shards, workdir, *arguments):
    """All workers of a run."""
    arguments = (
        *arguments,
        "--batch_size=6",
        "--trusted_network",
        f"--worker_hosts={free_hosts(count)}",
    )
    return [start(shards, workdir, *arguments, f"--worker_index={index}") for index in range(count)]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_dies_stops_the_job_which_then_continues(victim, motion_shards, tmp_path):
    arguments = ("--epochs=300", "--checkpoint_steps=2")
    processes = start_all(2, motion_shards, tmp_path, *arguments)
    wait_for_step(tmp_path, 4, *processes)
    processes[victim].kill()
    killed_at = time.monotonic()
    processes[victim].communicate()
    output = finish(processes[1 - victim], code=2, timeout=120)
    assert time.monotonic() - killed_at < 60
    assert f"worker {1 - victim} of 2 stops, as another does not answer any more" in output
    assert "Traceback" not in output
    step = newest_step(tmp_path)
    processes = start_all(2, motion_shards, tmp_path, f"--steps={step + 3}")
    first, second = (finish(process) for process in processes)
    assert f"continuing {tmp_path} after step {step}" in first
    assert f"continuing {tmp_path}" not in second  # one of them speaks, and writes
    assert rows(tmp_path)[-1]["step"] == step + 3
    network = keras.saving.load_model(latest_checkpoint(tmp_path))
    assert int(network.optimizer.iterations) == step + 3


def test_a_signal_to_one_stops_all_at_the_same_step(motion_shards, tmp_path):
    """Of workers that TF_CONFIG tells of one another."""
    workers = {"worker": free_hosts(2).split(",")}
    processes = []
    for index in range(2):
        config = {"cluster": workers, "task": {"type": "worker", "index": index}}
        arguments = ("--epochs=300", "--checkpoint_steps=2", "--batch_size=6", "--trusted_network")
        process = start(motion_shards, tmp_path, *arguments, TF_CONFIG=json.dumps(config))
        processes.append(process)
    wait_for_step(tmp_path, 4, *processes)
    processes[1].send_signal(signal.SIGTERM)
    first, _ = (finish(process, code=75) for process in processes)
    step = newest_step(tmp_path)
    assert f"interrupted after step {step}; saved" in first
    # They exchange signals every ten steps, in validation, and after each epoch of three.
    assert step % 10 == 0 or step % 3 == 0


@pytest.mark.parametrize("victim", [0, 1])
def test_a_signal_to_one_that_starts_stops_all(victim, motion_shards, tmp_path):
    arguments = (
        "--epochs=300",
        f"--worker_hosts={free_hosts(2)}",
        "--batch_size=6",
        "--trusted_network",
    )
    first, second = (
        start(motion_shards, tmp_path, *arguments, f"--worker_index={index}", PYTHONUNBUFFERED="1")
        for index in range(2)
    )
    for line in first.stdout:
        if line.startswith("training r3d_18"):  # before its first step
            break
    (first, second)[victim].send_signal(signal.SIGTERM)
    for process in (first, second):
        finish(process, code=75)
    assert newest_step(tmp_path) == -1


def test_workers_that_are_not_alike_are_refused_by_name(motion_shards, tmp_path):
    """Each with a folder of its own, and so of its own idea of how far the run is."""
    finish(start(motion_shards, tmp_path / "0", "--batch_size=6", "--trusted_network", "--steps=2"))
    hosts = f"--worker_hosts={free_hosts(2)}"
    common = ("--batch_size=6", "--trusted_network", "--steps=4", hosts)
    processes = [
        start(motion_shards, tmp_path / "0", *common, "--worker_index=0"),
        start(motion_shards, tmp_path / "1", *common, "--worker_index=1", "--max_loss=9"),
    ]
    for index, (process, own) in enumerate(
        zip(processes, ("max_loss=10000.0, step=2", "max_loss=9.0, step=0"), strict=True)
    ):
        output = finish(process, code=2)
        assert "`worker_hosts` must be workers with the same settings, data" in output
        assert f"other values on others than worker {index}'s own {own}" in output
        assert "Traceback" not in output
