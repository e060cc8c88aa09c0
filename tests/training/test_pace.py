"""What a run says of its speed after the first steps."""

import re
import subprocess
import sys

import psutil
import pytest

from video_zoo.training import TrainingConfig, pace, train


def test_after_ten_steps_a_run_says_how_fast_it_is_and_what_makes_it_slow(
    motion_shards, tiny_run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    settings = tiny_run | {"num_frames": 2, "image_size": 16, "steps": 11}
    train(TrainingConfig(**settings, data_dir=str(motion_shards), workdir=str(tmp_path / "run")))
    (line,) = re.findall("first 10 steps.*", capsys.readouterr().out)
    assert " s each, about 1 min left" in line
    assert "set TF_ENABLE_ONEDNN_OPTS=1" in line


def test_the_estimate_of_hours_and_of_the_end():
    assert pace.estimate(4.7, 3600.0, []) == "first 10 steps: 4.70 s each, about 60 min left"
    assert pace.left(86_400.0) == ", about 24 h left"
    assert pace.left(5.0) == ", about 1 min left"
    assert pace.estimate(4.7, None, ["a", "b"]) == (
        "first 10 steps: 4.70 s each; slower than it could be: a; b"
    )


def test_work_of_another_program_is_counted_and_ones_own_is_not():
    machine = pace.Machine()
    code = "n = 0\nwhile True:\n    n += 1\n    if n % 1000000 == 0: print(n, flush=True)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        process = psutil.Process(other.pid)
        while process.cpu_times().user < 1:
            other.stdout.readline()
        busy = machine.share_of_others()
    finally:
        other.kill()
        other.communicate()
    # This process only waited, so whatever was not idle is the other's, or a third one's.
    assert busy > 0.5 / psutil.cpu_count()
    alone = pace.Machine()
    spent = psutil.Process().cpu_times().user + 1
    while psutil.Process().cpu_times().user < spent:
        pass
    total, idle, own = (a - b for a, b in zip(alone._times(), alone._before, strict=True))
    assert own >= 1
    assert alone.share_of_others() == pytest.approx((total - idle - own) / total, abs=0.1)
