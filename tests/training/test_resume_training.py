"""Runs that were killed end like runs that were not."""

import shutil
import signal
import time

import keras
import pytest
from killed_runs import (
    assert_equal_runs,
    finish,
    kill_after_a_checkpoint,
    newest_step,
    rows,
    start,
    train_with_kills,
    wait_for_step,
)

from video_zoo.training import checkpoint, latest_checkpoint

STEPS = ("--steps=12", "--checkpoint_steps=3")


def whole_run(shards, folder, *arguments):
    finish(start(shards, folder, *STEPS, *arguments))
    return folder


@pytest.fixture(scope="module")
def on_two_devices(motion_shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "two"
    return whole_run(motion_shards, folder, "--virtual_devices=2")


@pytest.mark.slow
def test_killed_on_two_devices(on_two_devices, motion_shards, tmp_path):
    """With the same command each time; the kills fall within epochs of four steps."""
    arguments = (*STEPS, "--virtual_devices=2")
    assert train_with_kills(motion_shards, tmp_path, 2, 0, *arguments) >= 1
    assert_equal_runs(on_two_devices, tmp_path)
    assert [row["step"] for row in rows(tmp_path)] == [4, 8, 12]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("devices", [0, 2])
def test_killed_ten_times(devices, motion_shards, tmp_path):
    arguments = ("--steps=90", "--checkpoint_steps=3", f"--virtual_devices={devices}")
    finish(start(motion_shards, tmp_path / "whole", *arguments))
    killed = train_with_kills(motion_shards, tmp_path / "killed", 10, devices, *arguments)
    assert killed == 10
    assert_equal_runs(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_that_the_same_command_continues(
    sent, code, motion_shards, tmp_path
):
    process = start(motion_shards, tmp_path, "--epochs=500", "--batch_size=1")
    assert kill_after_a_checkpoint(process, tmp_path, 0.3, sent)
    output = finish(process, code=code)
    step = newest_step(tmp_path)
    path = checkpoint.path_of_step(tmp_path, step)
    assert f"interrupted after step {step}; saved {path}" in output
    assert "The same command continues from there." in output
    assert int(keras.saving.load_model(path).optimizer.iterations) == step
    output = finish(start(motion_shards, tmp_path, f"--steps={step + 1}", "--batch_size=1"))
    assert f"continuing {tmp_path} after step {step}" in output
    assert rows(tmp_path)[-1]["step"] == step + 1


def test_a_killed_run_leaves_whole_files_and_continues(motion_shards, tmp_path):
    process = start(motion_shards, tmp_path, "--epochs=500")
    wait_for_step(tmp_path, 12, process)
    process.kill()
    process.communicate()
    assert len(rows(tmp_path)) >= 2
    keras.saving.load_model(tmp_path / "best.keras")
    step = int(keras.saving.load_model(latest_checkpoint(tmp_path)).optimizer.iterations)
    assert step % 4 == 0  # a whole epoch
    finish(start(motion_shards, tmp_path, f"--steps={step + 1}"))
    assert [row["step"] for row in rows(tmp_path)] == [*range(4, step + 1, 4), step + 1]


def test_sigterm_has_its_code_while_tensorflow_is_imported(motion_shards, tmp_path):
    # Python then says of each module that it is imported.
    process = start(motion_shards, tmp_path, "--epochs=1", PYTHONVERBOSE="1")
    for line in process.stdout:
        if "tensorflow" in line:
            break
    process.send_signal(signal.SIGTERM)
    finish(process, code=75)
    assert list(tmp_path.iterdir()) == []


def test_sigterm_again_and_again_has_the_same_code(motion_shards, tmp_path):
    process = start(motion_shards, tmp_path, "--epochs=500", "--checkpoint_steps=1")
    assert kill_after_a_checkpoint(process, tmp_path, 0, signal.SIGTERM)
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    finish(process, code=75)
    assert latest_checkpoint(tmp_path) is not None


def test_a_damaged_checkpoint_is_passed_over(on_two_devices, motion_shards, tmp_path, capsys):
    run = shutil.copytree(on_two_devices, tmp_path / "run")
    newest, before = sorted((run / "checkpoints").iterdir(), reverse=True)[:2]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    assert latest_checkpoint(run) == before
    assert f"warning: {newest} cannot be continued from: " in capsys.readouterr().err
    output = finish(start(motion_shards, run, *STEPS, "--virtual_devices=2"))
    assert f"continuing {run} after step {checkpoint.load_position(before).step}" in output
    assert_equal_runs(on_two_devices, run)


@pytest.mark.slow
def test_a_run_goes_on_with_other_devices(on_two_devices, motion_shards, tmp_path):
    """The rows of the next epoch are those of the run that kept its two."""
    stayed, moved = (shutil.copytree(on_two_devices, tmp_path / name) for name in ("two", "one"))
    longer = ("--steps=16", "--checkpoint_minutes=1e-6", "--keep_checkpoints=2")
    finish(start(motion_shards, stayed, *longer, "--virtual_devices=2"))
    output = finish(start(motion_shards, moved, *longer))
    assert f"continuing {moved} after step 12" in output
    for row, other in zip(rows(stayed), rows(moved), strict=True):
        for name in ("epoch", "step", "learning_rate"):
            assert other[name] == row[name]
        # Batch normalisation sees other clips together, and nothing else differs.
        assert other["loss"] == pytest.approx(row["loss"], rel=0.2)
    names = sorted(path.name for path in (moved / "checkpoints").iterdir())
    assert names == ["step_00000015.keras", "step_00000016.keras"]


def test_the_last_ones_are_kept_and_the_best(on_two_devices):
    names = sorted(path.name for path in (on_two_devices / "checkpoints").iterdir())
    assert names == [f"step_{step:08d}.keras" for step in (8, 9, 12)]
    assert keras.saving.load_model(on_two_devices / "best.keras").count_params()
