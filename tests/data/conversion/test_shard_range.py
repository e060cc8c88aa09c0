"""Parts of a conversion, made apart, are the whole."""

import dataclasses
import os
import re
import shutil

import pytest
from conversion_runs import SHARDS, SMALL, contents
from processes import run_tool

from video_zoo.data.annotations.clip import Clip
from video_zoo.data.conversion.convert import convert, merge
from video_zoo.data.conversion.plan import Shard
from video_zoo.data.conversion.shards import ShardJob, check_writable, load_receipts
from video_zoo.data.conversion.workers import Result
from video_zoo.data.format.encoding import EncodedClip


def test_the_receipt_of_a_shard_counts_what_is_in_it(tmp_path):
    check_writable(tmp_path)
    clips = [Clip(f"{n}.mp4", label, "train") for n, label in enumerate("baab")]
    outcomes = [EncodedClip([b"jpeg"] * n, [0] * n, 4, 6, 25.0, 0, 1) for n in (5, 1, 3)]
    results = [Result(c, o, 0.0) for c, o in zip(clips, [*outcomes, "no video"], strict=True)]
    job = ShardJob("", str(tmp_path), SMALL, 9.0, ("a", "b"), "a plan")
    shard = Shard("train", SHARDS[0], tuple(clips))
    written = []
    receipt = job.write(shard, results, lambda: written.append(1))
    assert (receipt.num_clips, receipt.num_examples, receipt.num_frames) == (4, 3, 9)
    assert (receipt.split, receipt.name, receipt.plan) == ("train", SHARDS[0], "a plan")
    assert (receipt.classes, receipt.skipped) == ({"b": 1, "a": 2}, [("3.mp4", "no video")])
    assert receipt.bytes == (tmp_path / SHARDS[0]).stat().st_size
    assert len(written) == 4
    assert load_receipts(tmp_path, SHARDS, "a plan") == {SHARDS[0]: receipt}
    assert load_receipts(tmp_path, SHARDS, "another plan") == {}


def part_of(config, output, shard_range):
    part = dataclasses.replace(config, output_dir=str(output), shard_range=shard_range, workers=1)
    return convert(part, progress=False)


def test_two_machines_one_folder(config, whole, tmp_path):
    second = part_of(config, tmp_path, "2:9")
    assert second.manifest is None
    assert second.unfinished == tuple(SHARDS[:2])
    assert second.summary().startswith(f"2 shards are left: {SHARDS[0]}, {SHARDS[1]}")
    assert {n for n in os.listdir(tmp_path) if n.endswith(".tfrecord")} == set(SHARDS[2:])
    with pytest.raises(FileNotFoundError, match=f"lacks {SHARDS[0]}, {SHARDS[1]}"):
        merge(tmp_path)
    assert part_of(config, tmp_path, "0:2").unfinished == ()
    assert merge(tmp_path, max_skipped=0.2).manifest == whole[0].manifest
    assert contents(tmp_path) == whole[1]
    assert merge(tmp_path, max_skipped=0.2).problem is None  # once more does no harm
    assert part_of(config, tmp_path, "0:2").manifest == whole[0].manifest


def test_the_folder_to_merge_may_lie_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"output_dir='{re.escape(str(tmp_path))}/shards'"):
        merge("~/shards")


def test_each_machine_its_own_folder(config, whole, tmp_path):
    for index in range(4):
        part_of(config, tmp_path / str(index), f"{index}:{index + 1}")
        shutil.copytree(tmp_path / str(index), tmp_path / "all", dirs_exist_ok=True)
    (tmp_path / "all" / f".{SHARDS[0]}.tmp").write_bytes(b"of a run that was killed")
    run = run_tool(
        "make_tfrecords", "--merge", "--output_dir", tmp_path / "all", "--max_skipped", 0.2
    )
    assert run.returncode == 0, run.stderr
    assert "skipped: 1, missing: 0, duplicates: 0" in run.stdout
    assert contents(tmp_path / "all") == whole[1]


def test_a_whole_run_takes_up_a_part(config, whole, tmp_path):
    part_of(config, tmp_path, "1:2")
    changed = os.stat(tmp_path / SHARDS[1]).st_mtime_ns
    convert(dataclasses.replace(config, output_dir=str(tmp_path)), progress=False)
    assert os.stat(tmp_path / SHARDS[1]).st_mtime_ns == changed
    assert contents(tmp_path) == whole[1]


def test_parts_of_different_conversions_do_not_mix(config, tmp_path):
    part_of(config, tmp_path / "one", "0:2")
    other = dataclasses.replace(config, seed=1)
    part_of(other, tmp_path / "two", "2:4")
    with pytest.raises(ValueError, match="`seed` was 0 and is 1"):
        part_of(other, tmp_path / "one", "2:4")
    shutil.copytree(tmp_path / "two", tmp_path / "one", dirs_exist_ok=True)
    with pytest.raises(FileNotFoundError, match="`output_dir` must hold all 4 shards"):
        merge(tmp_path / "one")


def test_another_machines_files_are_left_alone(config, tmp_path):
    foreign = tmp_path / f".{SHARDS[3]}.tmp"
    foreign.write_bytes(b"in the making")
    part_of(config, tmp_path, "0:1")
    assert foreign.read_bytes() == b"in the making"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "train-00000-of-00009.tfrecord").touch()
    with pytest.raises(ValueError, match="must hold no shards of another conversion"):
        part_of(config, tmp_path / "other", "0:1")


def test_a_range_after_the_last_shard(config, tmp_path):
    with pytest.raises(ValueError, match="`shard_range` must begin below 4"):
        part_of(config, tmp_path, "4:8")


def test_nothing_to_merge(tmp_path):
    with pytest.raises(FileNotFoundError, match="`output_dir` must hold the parts of a conversion"):
        merge(tmp_path)
