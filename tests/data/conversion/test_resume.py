"""A conversion that was killed ends, once continued, with the files of one that was not."""

import dataclasses
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from conversion_runs import SHARDS, SMALL, contents, wait_until, write_times
from processes import run_tool, start_tool

from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.convert import convert
from video_zoo.data.format import manifests
from video_zoo.files.whole_files import temporary_name


def flags_of(config, output, workers):
    return (
        *("--input", config.input_dir, "--output_dir", output, "--num_shards", 3),
        *("--short_side", 32, "--workers", workers, "--max_skipped", 0.2),
    )


def killed_before(config, output, name, workers):
    """Runs the tool up to the moment in which it opens the file `name`, and kills it there."""
    output.mkdir(exist_ok=True)
    done = SHARDS[: SHARDS.index(name)] if name in SHARDS else SHARDS
    # Without a range, the first run would clear the folder, and with it the pipe.
    flags = () if done else ("--shard_range", "0:4")
    process = start_tool("make_tfrecords", *flags_of(config, output, workers), *flags)
    temporary = output / temporary_name(name, process.pid)
    os.mkfifo(temporary)  # who opens a pipe for writing waits for a reader
    records = [output / ".conversion" / f"{record}.json" for record in ("plan", *done)]
    try:
        wait_until(lambda: process.poll() is not None or all(map(Path.exists, records)), 240)
        time.sleep(0.3)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    temporary.unlink()
    temporary.write_bytes(b"half a file")
    assert {name for name in SHARDS if (output / name).exists()} == set(done)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_killed_again_and_again(config, whole, tmp_path):
    output = tmp_path / "out"
    seen = {}
    for workers, name in ((1, SHARDS[0]), (3, SHARDS[2]), (2, "missing.csv")):
        killed_before(config, output, name, workers)
        times = write_times(output)
        assert "manifest.json" not in times
        assert {shard: times[shard] for shard in seen} == seen  # none was made again
        seen = {shard: times[shard] for shard in SHARDS if shard in times}
    assert set(seen) == set(SHARDS)
    shutil.copytree(output / ".conversion", tmp_path / "records")
    run = run_tool("make_tfrecords", *flags_of(config, output, 2))
    assert run.returncode == 0, run.stderr
    assert "skipped: 1, missing: 0, duplicates: 0" in run.stdout
    assert contents(output) == whole[1]
    assert {shard: write_times(output)[shard] for shard in SHARDS} == seen
    # Killed after the manifest, when the records were still there.
    shutil.copytree(tmp_path / "records", output / ".conversion")
    assert convert(dataclasses.replace(config, output_dir=str(output))).manifest
    assert contents(output) == whole[1]


def size_of(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_killed_while_a_shard_is_written(config, whole, videos, tmp_path, write_video):
    """Enough clips that a shard is seconds in the making, however late a busy machine looks."""
    noise = np.random.default_rng(0).integers(0, 255, (20, 240, 320, 3))
    video = write_video(tmp_path / "noise.mp4", noise)
    (tmp_path / "in" / "a").mkdir(parents=True)
    for number in range(60):
        shutil.copy(video, tmp_path / "in" / "a" / f"{number}.mp4")
    output = tmp_path / "out"
    flags = ("--input", tmp_path / "in", "--num_shards", 2, "--val_fraction", 0)
    process = start_tool("make_tfrecords", *flags, "--output_dir", output, "--workers", 2)
    unfinished = output / temporary_name("train-00001-of-00002.tfrecord", process.pid)
    try:
        wait_until(lambda: size_of(unfinished) > 0 or process.poll() is not None, 240)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    assert size_of(unfinished) > 0
    first = write_times(output)["train-00000-of-00002.tfrecord"]
    again = ConversionConfig(
        str(tmp_path / "in"), str(output), num_shards=2, val_fraction=0, workers=1
    )
    convert(again, progress=False)
    assert write_times(output)["train-00000-of-00002.tfrecord"] == first
    assert not unfinished.exists()
    anew = dataclasses.replace(again, output_dir=str(tmp_path / "anew"), workers=2)
    convert(anew, progress=False)
    assert contents(output) == contents(tmp_path / "anew")


def test_a_finished_dataset_stands(config, whole):
    result, files = whole
    times = write_times(config.output_dir)
    again = convert(dataclasses.replace(config, workers=1), progress=False)
    assert again == result
    assert write_times(config.output_dir) == times
    assert contents(config.output_dir) == files
    # The exit code is that of the run that made it.
    strict = convert(dataclasses.replace(config, max_skipped=0.0), progress=False)
    assert strict.problem.startswith("1 of 9 clips were skipped")


def half_done(config, output):
    """The first two shards."""
    part = dataclasses.replace(config, output_dir=str(output), shard_range="0:2")
    convert(part, progress=False)
    return dataclasses.replace(config, output_dir=str(output))


def test_a_shard_that_changed_is_made_again(config, whole, tmp_path):
    again = half_done(config, tmp_path)
    with open(tmp_path / SHARDS[0], "ab") as file:
        file.write(b"more")
    (tmp_path / ".conversion" / f"{SHARDS[1]}.json").write_text("{")
    convert(again, progress=False)
    assert contents(tmp_path) == whole[1]


@pytest.fixture(scope="module")
def half(config, tmp_path_factory):
    return half_done(config, tmp_path_factory.mktemp("half")).output_dir


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"encoding": dataclasses.replace(SMALL, fps=10.0)}, "where `fps` was 25.0 and is 10.0. "),
        ({"num_shards": 2}, "`num_shards` was 3 and is 2"),
        ({"seed": 7}, "`seed` was 0 and is 7"),
        ({"label_map": "labels.txt"}, "the label map had 'jump' as label 0 and has 'wave'"),
        ({"input_dir": "fewer"}, r"the list of 'train' clips changed \(7 clips, and now 6\)"),
    ],
)
def test_changes_are_refused(config, whole, half, videos, tmp_path, changes, difference, finished):
    if "label_map" in changes:
        (tmp_path / "labels.txt").write_text("wave\njump\n")
        changes = {"label_map": str(tmp_path / "labels.txt")}
    if "input_dir" in changes:
        changes = {"input_dir": str(tmp_path / "in")}
        shutil.copytree(videos, tmp_path / "in")
        (tmp_path / "in" / "wave" / "0.mp4").unlink()
    output = config.output_dir if finished else half
    before = contents(output)
    changed = dataclasses.replace(config, output_dir=output, **changes)
    with pytest.raises(ValueError, match=difference):
        convert(changed, progress=False)
    assert contents(output) == before


def test_overwrite_starts_anew(config, whole, tmp_path):
    again = half_done(config, tmp_path)
    old = write_times(tmp_path)
    convert(dataclasses.replace(again, overwrite=True), progress=False)
    new = write_times(tmp_path)
    assert contents(tmp_path) == whole[1]
    assert all(new[name] > old[name] for name in SHARDS[:2])
    other = dataclasses.replace(again, num_shards=1, overwrite=True)
    convert(other, progress=False)
    assert list(manifests.load_manifest(tmp_path).shard_sizes("train")) == [
        "train-00000-of-00001.tfrecord"
    ]
    assert not {*SHARDS[:3]} & set(os.listdir(tmp_path))


def test_what_a_run_without_a_plan_left_is_removed(config, whole, tmp_path):
    stale = ("train-00000-of-00009.tfrecord", ".train-00001-of-00009.tfrecord.tmp", "label_map.txt")
    for name in stale:
        (tmp_path / name).write_bytes(b"stale")
    (tmp_path / "notes.txt").write_text("the user's own")
    convert(dataclasses.replace(config, output_dir=str(tmp_path)), progress=False)
    assert contents(tmp_path) == whole[1] | {"notes.txt": b"the user's own"}
