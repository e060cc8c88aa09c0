"""Videos in, shards out: what is in them, and what the tool says of damaged ones."""

import dataclasses
import os
import re

import numpy as np
import pytest
import tensorflow as tf
from conversion_runs import SHARDS, SMALL, contents, last_lines, read_skipped, read_split
from processes import run_tool

from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.convert import convert
from video_zoo.data.format import manifests
from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos.video import encode_clip


@pytest.fixture(scope="module")
def converted(whole):
    return whole[0]


def test_files(converted):
    lists = [f"{name}.csv" for name in ("duplicates", "missing", "notes", "skipped")]
    wanted = {"label_map.txt", "manifest.json", *lists, *SHARDS}
    assert set(os.listdir(converted.output_dir)) == wanted
    assert manifests.load_label_map(converted.output_dir) == ["jump", "wave"]
    assert converted.problem is None
    skipped = {"wave/empty.mp4": "empty: the file has 0 bytes"}
    assert dict(converted.skipped) == read_skipped(converted.output_dir) == skipped


def test_examples(converted, read_counter):
    examples = read_split(converted.output_dir, "train") + read_split(converted.output_dir, "val")
    found = {}
    for example in examples:
        name = example["filename"].decode()
        numbers = [read_counter(jpeg) for jpeg in example["frames"]]
        assert numbers == list(range(len(numbers)))
        assert (example["height"], example["width"]) == (32, 64)
        assert example["label"] == ["jump", "wave"].index(name.split("/")[0])
        found[name] = len(numbers)
    expected = {f"wave/{n}.mp4": 4 + n for n in range(4)}
    expected |= {f"jump/{n}.mp4": 8 + n for n in range(4)}
    assert found == expected


def test_manifest(converted):
    manifest = manifests.load_manifest(converted.output_dir)
    assert manifest == converted.manifest
    assert (manifest.num_clips, manifest.num_skipped) == (9, 1)
    assert manifest.num_examples("train") == 6
    assert manifest.splits["val"].classes == {"jump": 1, "wave": 1}
    assert manifest.shard_sizes("train") == dict(zip(SHARDS, (3, 1, 2), strict=False))
    frames = sum(len(e["frames"]) for e in read_split(converted.output_dir, "train"))
    assert manifest.splits["train"].num_frames == frames
    for split in manifest.splits.values():
        sizes = [os.path.getsize(os.path.join(converted.output_dir, s.name)) for s in split.shards]
        assert sizes == [shard.bytes for shard in split.shards]
        assert split.bytes == sum(sizes)
    assert manifest.settings["short_side"] == 32
    assert manifest.settings["seed"] == 0
    assert manifest.versions.keys() == {
        *("video_zoo", "python", "tensorflow", "opencv", "av", "numpy")
    }


def test_same_bytes_for_any_number_of_workers(config, whole, tmp_path):
    again = dataclasses.replace(config, output_dir=str(tmp_path / "again"), workers=1)
    convert(again, progress=False)
    assert contents(again.output_dir) == whole[1]


def test_unwritable_output_folder(videos, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="`output_dir` must be a folder that can be written"):
        convert(ConversionConfig(str(videos), str(tmp_path / "file" / "out")), progress=False)


def test_kinetics(tmp_path, write_video, counter_frames, read_counter):
    """Ids that begin with "-" or "_"; one file is trimmed already, one is cut by the row."""
    folder = tmp_path / "in"
    write_video(folder / "train" / "-abcdefghij_000010_000020.mp4", counter_frames(30))
    write_video(folder / "val" / "_bcdefghijk.mp4", counter_frames(100))
    rows = [
        "label,youtube_id,time_start,time_end,split",
        '"playing, loudly",-abcdefghij,10,20,train',
        "run,_bcdefghijk,1,3,validate",
        "run,-gonegonego,0,10,train",
    ]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    config = ConversionConfig(
        str(folder),
        str(tmp_path / "out"),
        str(tmp_path / "list.csv"),
        encoding=SMALL,
        workers=1,
        allow_empty_splits=True,
    )
    result = convert(config, progress=False)
    (train,) = read_split(config.output_dir, "train")
    (val,) = read_split(config.output_dir, "val")
    assert [read_counter(jpeg) for jpeg in train["frames"]] == list(range(30))
    assert [read_counter(jpeg) for jpeg in val["frames"]] == list(range(25, 75))
    assert result.manifest.num_missing == 1
    assert (tmp_path / "out" / "missing.csv").read_text() == "file\n-gonegonego_000000_000010\n"


@pytest.fixture(scope="module")
def odd_run(shared_data, tmp_path_factory):
    """All of `odd/` in one class folder, through the tool. Gives the run and its output folder."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "in").mkdir()
    (folder / "in" / "odd").symlink_to(shared_data / "odd")
    flags = ("--short_side", 64, "--workers", 2, "--val_fraction", 0)
    place = ("--input", folder / "in", "--output_dir", folder / "out")
    run = run_tool("make_tfrecords", *place, *flags)
    return run, folder / "out"


def test_odd_videos_skip_and_convert(odd_run, shared_data):
    _, output = odd_run
    skipped = read_skipped(output)
    assert len(skipped) == 9
    examples = read_split(output, "train")
    assert len(examples) + len(skipped) == 33
    for example in examples:
        path = shared_data / "odd" / os.path.basename(example["filename"].decode())
        own = encode_clip(path, EncodingConfig(fps=None, short_side=8))
        seconds = len(own.frames) / own.frame_rate
        assert len(example["frames"]) == pytest.approx(seconds * 25, abs=1), path
        assert tf.io.decode_jpeg(example["frames"][0]).shape[2] == 3


def test_too_many_skipped(odd_run):
    run, output = odd_run
    assert run.returncode == 1
    assert re.fullmatch(
        r"make_tfrecords: (9|1[0-3]) of 33 clips were skipped, .*skipped\.csv has the reasons",
        last_lines(run.stderr, 1)[0],
    )
    assert manifests.load_manifest(output).num_skipped == len(read_skipped(output))
    assert "next:" not in run.stdout  # a problem comes first
    assert "clip/s" in run.stderr  # the progress bar


def test_tool_succeeds(videos, tmp_path):
    (tmp_path / "in" / "wave").mkdir(parents=True)
    for number in range(3):
        os.symlink(videos / "wave" / f"{number}.mp4", tmp_path / "in" / "wave" / f"{number}.mp4")
    (tmp_path / "in" / "wave" / "bad.mp4").write_bytes(b"")
    flags = ("--fps", 0, "--short_side", 16, "--workers", 1, "--max_skipped", 0.25)
    place = ("--input", tmp_path / "in", "--output_dir", tmp_path / "out")
    run = run_tool("make_tfrecords", *place, *flags)
    assert run.returncode == 0, run.stderr
    assert read_skipped(tmp_path / "out") == {"wave/bad.mp4": "empty: the file has 0 bytes"}
    manifest = manifests.load_manifest(tmp_path / "out")
    assert manifest.settings["fps"] is None
    assert sum(split.num_frames for split in manifest.splits.values()) == 4 + 5 + 6


def test_what_may_be_wrong_is_said_before_the_work(tmp_path, write_video, capsys):
    write_video(tmp_path / "in" / "a" / "1.mp4", np.zeros((5, 32, 32, 3)))
    (tmp_path / "in" / "b").mkdir()
    config = ConversionConfig(str(tmp_path / "in"), str(tmp_path / "out"), workers=1)
    result = convert(config)
    notes = [f"note: {note}" for note in result.remarks]
    assert notes == [
        "note: class folders without a video: b",
        "note: all videos are of one class, 'a'",
        "note: no class has a validation video",
    ]
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert [line for line in lines if line][:3] == notes


def test_a_split_without_any_usable_clip(tmp_path, write_video):
    write_video(tmp_path / "in" / "train" / "a" / "1.mp4", np.zeros((5, 32, 32, 3)))
    (tmp_path / "in" / "val" / "a").mkdir(parents=True)
    (tmp_path / "in" / "val" / "a" / "2.mp4").write_bytes(b"")
    config = ConversionConfig(
        str(tmp_path / "in"), str(tmp_path / "out"), workers=1, max_skipped=1.0
    )
    result = convert(config, progress=False)
    assert result.problem.startswith("no clip of val could be used")
    assert result.manifest.shard_sizes("val") == {"val-00000-of-00001.tfrecord": 0}
    assert read_split(config.output_dir, "val") == []
