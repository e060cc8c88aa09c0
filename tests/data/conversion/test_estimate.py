"""What the dry run says is what the conversion then does."""

import dataclasses
import os

import pytest
from conversion_runs import contents
from processes import run_tool

from video_zoo.data.conversion.convert import convert
from video_zoo.data.conversion.estimate import ConversionEstimate, estimate


@pytest.fixture(scope="module")
def config(config, tmp_path_factory):
    """A list that names all videos but one, and two others."""
    folder = tmp_path_factory.mktemp("estimate")
    files = [f"{label}/{number}.mp4" for label in ("jump", "wave") for number in range(4)]
    files += ["wave/empty.mp4", "wave/gone.mp4", "jump/gone.mp4"]
    files.remove("jump/3.mp4")
    rows = [f"{name},{name[:4]},{'val' if '0' in name else 'train'}" for name in files]
    (folder / "list.csv").write_text("\n".join(["path,label,split", *rows]))
    place = {"output_dir": str(folder / "out"), "annotations": str(folder / "list.csv")}
    return dataclasses.replace(config, **place, num_shards=2, max_skipped=1.0)


def test_a_sample_of_everything_is_exact(config):
    found = estimate(config, num_samples=100, progress=False)
    assert not os.path.exists(config.output_dir)
    manifest = convert(config, progress=False).manifest
    assert found.num_samples == 8
    assert found.num_clips == {"train": 6, "val": 2}
    assert found.num_classes == {"train": 2, "val": 2}
    assert found.num_shards == 3
    assert found.unusable == (("wave/empty.mp4", "empty: the file has 0 bytes"),)
    assert found.bytes == pytest.approx(sum(split.bytes for split in manifest.splits.values()))
    assert found.bytes_of_all == pytest.approx(found.bytes * 8 / 7)
    assert 0 < found.hours < 1
    assert found.missing == ("jump/gone.mp4", "wave/gone.mp4")
    assert found.unnamed == ("jump/3.mp4",)


def test_the_sample_is_drawn_by_the_seed_from_all_splits(config):
    found = estimate(config, num_samples=4, progress=False)
    again = estimate(config, num_samples=4, progress=False)
    assert found.num_samples == 4  # three to train, one to val
    assert found.bytes_per_clip == again.bytes_per_clip
    with pytest.raises(ValueError, match="`num_samples` must be an integer from 1"):
        estimate(config, num_samples=0)


def test_the_report_tells_how_many_names_it_leaves_out_and_what_may_be_wrong():
    found = ConversionEstimate(
        num_clips={"train": 1},
        num_classes={"train": 1},
        num_shards=1,
        workers=1,
        num_samples=1,
        unusable=(),
        bytes_per_clip=1.0,
        hours=1.0,
        missing=tuple(f"{n}.mp4" for n in range(8)),
        unnamed=(),
        duplicates=(("1.mp4", "listed more than once; converted once"),),
        remarks=("all videos are of one class, 'a'",),
    )
    lines = str(found).splitlines()
    assert lines[lines.index("  4.mp4") + 1] == "  ... and 3 more"
    assert lines[-3:] == [
        "duplicates: 1",
        "  1.mp4: listed more than once; converted once",
        "note: all videos are of one class, 'a'",
    ]


def test_the_tool_prints_it_and_writes_nothing(config, tmp_path):
    before = contents(config.input_dir)
    run = run_tool(
        *("make_tfrecords", "--input", config.input_dir, "--annotations", config.annotations),
        *("--short_side", 32, "--num_shards", 2, "--workers", 2),
        *("--output_dir", tmp_path / "out", "--dry_run"),
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[:6] == [
        "train: 6 clips of 2 classes",
        "val: 2 clips of 2 classes",
        "shards: 3",
        "sample: 8 clips, 1 of them unusable (12%)",
        "  1 x empty: the file has 0 bytes",
        lines[5],
    ]
    assert lines[5].startswith("expected size: ") and lines[5].endswith("if every clip is usable)")
    assert lines[6].startswith("expected time: ") and lines[6].endswith("with 2 workers")
    assert lines[7:12] == [
        "named, but not in the folder: 2",
        "  jump/gone.mp4",
        "  wave/gone.mp4",
        "in the folder, but not named: 1",
        "  jump/3.mp4",
    ]
    assert not (tmp_path / "out").exists()
    assert contents(config.input_dir) == before
