"""Files whose names are not UTF-8: the lists of a conversion have them by their own bytes."""

import dataclasses
import os

import processes
import pytest
from conversion_runs import SMALL, contents

from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.convert import convert
from video_zoo.data.conversion.plan import make_plan
from video_zoo.data.conversion.shards import encode_labelled
from video_zoo.data.format import tfrecord
from video_zoo.data.format.encoding import EncodedClip

ODD = b"caf\xe9.mp4"
HIDDEN_BYTE = os.fsdecode(b"\xe9")


@pytest.fixture
def config(tmp_path, make_files):
    """Two files that are no videos, with equal content and an odd name each, and an empty one."""
    folder = os.fsencode(make_files("train/a/1.mp4", "val/a/2.mp4"))
    try:
        for split in (b"train", b"val"):
            with open(os.path.join(folder, split, b"a", ODD), "wb") as file:
                file.write(b"no video")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    return ConversionConfig(
        os.fsdecode(folder), str(tmp_path / "out"), encoding=SMALL, workers=1, num_shards=2
    )


def test_the_lists_have_the_bytes_of_the_names(config, tmp_path):
    result = convert(config, progress=False)
    skipped = (tmp_path / "out" / "skipped.csv").read_bytes()
    assert b"\ntrain/a/" + ODD + b"," in skipped
    duplicates = (tmp_path / "out" / "duplicates.csv").read_bytes().splitlines()
    assert duplicates == [
        b"file,problem",
        b'train/a/%b,"the same content as val/a/%b has 2 splits: train, val"' % (ODD, ODD),
        b'val/a/%b,"the same content as train/a/%b has 2 splits: train, val"' % (ODD, ODD),
    ]
    assert f"val/a/caf{HIDDEN_BYTE}.mp4" in dict(result.skipped)
    assert convert(config, progress=False) == result  # read again from the files


def test_a_part_is_continued(config, tmp_path):
    whole = convert(config, progress=False)
    part = dataclasses.replace(config, output_dir=str(tmp_path / "parts"))
    assert convert(dataclasses.replace(part, shard_range="0:1"), progress=False).unfinished
    assert convert(part, progress=False).skipped == whole.skipped
    assert contents(part.output_dir) == contents(config.output_dir)


def test_an_example_has_the_bytes_of_the_name(config):
    _, _, annotations = make_plan(config)
    (clip,) = (c for c in annotations.clips if HIDDEN_BYTE in c.path and c.split == "val")
    encoded = EncodedClip([b"jpeg"], [0], 1, 1, frame_rate=25.0, start_us=0, end_us=40_000)
    example = tfrecord.parse_example(encode_labelled(clip, encoded, clip.clip_id, ("a",)))
    assert example["filename"].numpy() == b"val/a/" + ODD


def test_a_tool_prints_any_name():
    code = "from video_zoo.commands import cli; cli.run(lambda: print('caf\\udce9'))"
    run = processes.run("-c", code, PYTHONIOENCODING="utf-8")
    assert run.stderr == ""
    assert run.stdout.rstrip() == r"caf\udce9"
