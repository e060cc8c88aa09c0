"""What the dry run says is what the conversion then does."""

import os

import pytest
from conversion_runs import SMALL, contents, run_tool

from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.convert import convert
from video_zoo.data.conversion.estimate import ConversionEstimate, estimate


@pytest.fixture(scope="module")
def config(tmp_path_factory, write_video, counter_frames):
    """Two classes of six videos, one empty, and a list that names most of them and two others."""
    folder = tmp_path_factory.mktemp("estimate")
    rows = ["path,label,split"]
    for label in ("wave", "jump"):
        for number in range(6):
            path = write_video(folder / "in" / label / f"{number}.mp4", counter_frames(4 + number))
            rows.append(f"{label}/{path.name},{label},{'val' if number == 5 else 'train'}")
    (folder / "in" / "wave" / "0.mp4").write_bytes(b"")
    (folder / "in" / "unlisted.mp4").write_bytes(b"x")
    rows += ["wave/gone.mp4,wave,train", "jump/gone.mp4,jump,val"]
    (folder / "list.csv").write_text("\n".join(rows))
    return ConversionConfig(
        str(folder / "in"),
        str(folder / "out"),
        str(folder / "list.csv"),
        encoding=SMALL,
        workers=2,
        num_shards=2,
        max_skipped=1.0,
    )


def test_a_sample_of_everything_is_exact(config):
    found = estimate(config, num_samples=100, progress=False)
    assert not os.path.exists(config.output_dir)
    manifest = convert(config, progress=False).manifest
    assert found.num_samples == 12
    assert found.num_clips == {"train": 10, "val": 2}
    assert found.num_classes == {"train": 2, "val": 2}
    assert found.num_shards == 3
    assert found.unusable == (("wave/0.mp4", "empty: the file has 0 bytes"),)
    assert found.bytes == pytest.approx(sum(split.bytes for split in manifest.splits.values()))
    assert found.bytes_of_all == pytest.approx(found.bytes * 12 / 11)
    assert 0 < found.hours < 1
    assert found.missing == ("jump/gone.mp4", "wave/gone.mp4")
    assert found.unnamed == ("unlisted.mp4",)


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
        *("--input", config.input_dir, "--annotations", config.annotations, "--dry_run"),
        *("--short_side", 32, "--num_shards", 2, "--workers", 2),
        *("--output_dir", tmp_path / "out"),
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[:6] == [
        "train: 10 clips of 2 classes",
        "val: 2 clips of 2 classes",
        "shards: 3",
        "sample: 12 clips, 1 of them unusable (8%)",
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
        "  unlisted.mp4",
    ]
    assert not (tmp_path / "out").exists()
    assert contents(config.input_dir) == before
