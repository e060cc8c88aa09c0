"""Small steps for an hour, with and without kills: no leak, no lost step, the same result.

    python -m pytest -m slow tests/training/test_load.py -s

Both runs go at once, so that two cores are busy for about an hour.
"""

import concurrent.futures
import random
import signal
import statistics
import time

import psutil
import pytest
from killed_runs import assert_equal_runs, rows, start

from video_zoo import data

STEPS = 30_000
STEPS_PER_EPOCH = 100
# Seconds from a start to the kill.
KILL_AFTER = (90, 300)
ARGUMENTS = (f"--steps={STEPS}", "--checkpoint_steps=500")


@pytest.fixture(scope="module")
def shards(tmp_path_factory, make_shards):
    """500 videos to train on, 100 steps in an epoch; 20 to validate on."""
    folder = tmp_path_factory.mktemp("load")
    data.write_motion_videos(
        folder / "videos", train_per_class=100, val_per_class=4, num_frames=12, size=32
    )
    return make_shards(folder, num_shards=4)


def epochs_of(workdir):
    return len(rows(workdir)) if (workdir / "history.csv").exists() else 0


def watch(process, workdir, seconds):
    """Resident bytes, sampled after the first epoch of this process until it ends, or so long."""
    first, samples = epochs_of(workdir) + 1, []
    limit = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < limit:
        if samples or epochs_of(workdir) >= first:
            try:
                samples.append(psutil.Process(process.pid).memory_info().rss)
            except psutil.Error:
                break  # it ended just now
        time.sleep(2)
    # A process that is ending has given some of it back.
    return samples[:-1]


def run(shards, workdir, draw):
    """Trains to the end, with kills if `draw` is given; the samples of each of its processes."""
    workdir.mkdir()
    samples = []
    with open(workdir / "output.txt", "w") as output:
        while True:
            process = start(shards, workdir, *ARGUMENTS, output=output)
            samples.append(watch(process, workdir, draw.uniform(*KILL_AFTER) if draw else 1e9))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            code = process.wait(timeout=60)
            assert code in (0, -signal.SIGKILL), (workdir / "output.txt").read_text()[-2000:]
            if code == 0:
                return samples


def growth(samples):
    """Memory of the last tenth of the samples against that of the first."""
    tenth = max(len(samples) // 10, 1)
    return statistics.median(samples[-tenth:]) / statistics.median(samples[:tenth])


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_an_hour_of_kills(shards, tmp_path):
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        whole = pool.submit(run, shards, tmp_path / "whole", None)
        killed = pool.submit(run, shards, tmp_path / "killed", random.Random(0))
        (samples,), parts = whole.result(), killed.result()
    minutes = (time.monotonic() - started) / 60
    print(
        f"\n{minutes:.0f} min, {len(parts) - 1} kills; uninterrupted: {samples[0] / 2**20:.0f} to "
        f"{samples[-1] / 2**20:.0f} MiB, x {growth(samples):.3f}, peak x "
        f"{max(samples) / samples[0]:.3f}; parts: "
        + ", ".join(f"x {growth(part):.3f}" for part in parts if len(part) > 10)
    )
    assert len(parts) > 5
    assert_equal_runs(tmp_path / "whole", tmp_path / "killed")
    steps = [row["step"] for row in rows(tmp_path / "killed")]
    assert steps == list(range(STEPS_PER_EPOCH, STEPS + 1, STEPS_PER_EPOCH))
    assert growth(samples) < 1.05
    assert all(growth(part) < 1.05 for part in parts if len(part) > 10)
