"""Checks of shard folders, on real shards with real damage."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from video_zoo.data.format import manifests
from video_zoo.data.format.modality import RGB
from video_zoo.data.input.augmentation_config import AugmentationConfig
from video_zoo.data.inspect import contact_sheet
from video_zoo.data.inspect.config import InspectionConfig
from video_zoo.data.inspect.inspection import inspect_dataset
from video_zoo.data.inspect.report import Problem

CLASSES = ["down", "growing", "left", "right", "up"]
SHEET = {"num_frames": 8, "image_size": 32, "num_clips": 3, "columns": 4}


@pytest.fixture
def copied(motion_shards, tmp_path):
    return pathlib.Path(shutil.copytree(motion_shards, tmp_path / "copy"))


def inspect(folder, **settings):
    return inspect_dataset(InspectionConfig(str(folder), **settings))


def shards(folder, split):
    return sorted(pathlib.Path(folder).glob(f"{split}-*"))


def rewrite(shard, change):
    """Writes a shard anew, with ``change(index, example)`` done to each of its examples."""
    records = [bytes(record) for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()]
    with tf.io.TFRecordWriter(str(shard)) as file:
        for index, record in enumerate(records):
            example = tf.train.SequenceExample.FromString(record)
            changed = change(index, example)
            file.write(changed if isinstance(changed, bytes) else example.SerializeToString())


def test_a_whole_folder_has_no_problems_and_its_statistics_are_exact(motion_shards):
    report = inspect(motion_shards)
    assert report.problems == []
    assert list(report.splits) == ["train", "val"]
    train = report.splits["train"]
    assert (train.num_clips, train.num_frames) == (23, 23 * 12)
    assert train.seconds == pytest.approx(23 * 12 / 25)
    assert train.sizes == {(32, 32): 23}
    assert train.classes == {"down": 5, "growing": 5, "left": 5, "right": 5, "up": 3}
    assert train.bytes == sum(shard.stat().st_size for shard in shards(motion_shards, "train"))
    assert len(set(train.usable)) == 23
    text = report.summary()
    assert "train: 23 clips, 276 frames, 11.0 s, " in text
    assert "    height x width (clips): 32x32 (23)\n" in text
    assert "    clips per class: min 3, mean 4.6, max 5 of 5 classes\n" in text
    assert text.endswith("no problems found")


def test_a_folder_without_a_manifest_is_read_as_well(copied):
    (copied / "manifest.json").unlink()
    report = inspect(copied)
    assert report.problems == []
    assert [split.num_clips for split in report.splits.values()] == [23, 10]


def test_one_split_alone_and_a_limit(copied):
    report = inspect(copied, split="train", max_records=3)
    assert report.problems == []
    assert {name: split.num_clips for name, split in report.splits.items()} == {"train": 6}
    with pytest.raises(ValueError, match=r"`split` must be one of \['train', 'val'\]"):
        inspect(copied, split="test")


def test_a_flipped_byte_is_found_at_its_record_and_the_others_go_on(copied):
    first = shards(copied, "train")[0]
    sizes = manifests.load_manifest(copied).shard_sizes("train")
    records = list(tf.data.TFRecordDataset(str(first)).as_numpy_iterator())
    content = bytearray(first.read_bytes())
    start = sum(16 + len(record) for record in records[:4])  # of record 4
    content[start + 12 + len(records[4]) // 2] ^= 1
    first.write_bytes(content)
    report = inspect(copied)
    assert report.problems == [Problem(first.name, 4, "damaged in the file")]
    assert report.splits["train"].num_clips == sum(sizes.values()) - 1
    assert report.splits["val"].num_clips == 10
    problem = f"problem: {first.name}, record 4: damaged in the file\n1 problem found"
    assert problem in report.summary()


def test_a_shard_that_was_cut_short(copied):
    shard = shards(copied, "val")[0]
    records = list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-10])
    last, size = inspect(copied, split="val").problems
    assert (last.where, last.record) == (shard.name, len(records) - 1)
    assert size.message == f"has {len(whole) - 10} bytes, the manifest says {len(whole)}"
    shard.write_bytes(whole[: -16 - len(records[-1])])  # between two records
    number, _ = inspect(copied, split="val").problems
    assert number == Problem(
        shard.name, None, f"has {len(records) - 1} records, the manifest says {len(records)}"
    )


def test_missing_and_foreign_shards(copied):
    missing, shard = shards(copied, "train")
    missing.unlink()
    shutil.copy(shards(copied, "val")[0], copied / "extra-00000-of-00001.tfrecord")
    report = inspect(copied)
    absent, foreign = report.problems
    assert absent.where == "train" and f"lacks {missing.name}" in absent.message
    assert foreign == Problem("extra", None, "the manifest does not list this split")
    assert list(report.splits) == ["train", "val", "extra"]
    known = manifests.load_manifest(copied).shard_sizes("train")[shard.name]
    assert report.splits["train"].num_clips == known


def test_labels_and_texts_are_held_against_the_label_map(copied):
    shard = shards(copied, "val")[0]
    expected = []

    def change(index, example):
        label = example.context.feature["clip/label/index"].int64_list.value
        text = example.context.feature["clip/label/text"].bytes_list.value
        name = CLASSES[label[0]]
        if index == 0:
            label[0] = (label[0] + 1) % 5
            other = CLASSES[label[0]]
            expected.append(f"label {label[0]} is {other!r} in the label map, its text is {name!r}")
        elif index == 2:
            label[0] = 5
            expected.append(f"label 5 ({name}) outside the label map of 5 classes")
        elif index == 3:
            text[0] = b"jump"
            expected.append(f"label {label[0]} is {name!r} in the label map, its text is 'jump'")

    rewrite(shard, change)
    (copied / "manifest.json").unlink()
    report = inspect(copied, split="val")
    found = [(problem.where, problem.record, problem.message) for problem in report.problems]
    assert found == [
        (shard.name, index, text) for index, text in zip([0, 2, 3], expected, strict=True)
    ]
    assert len(report.splits["val"].usable) == 7


def test_a_relabelled_clip_changes_the_counts_of_the_manifest(copied):
    """Index and text agree with each other, and with nothing that the conversion wrote."""

    def change(index, example):
        if index == 0:
            label = example.context.feature["clip/label/index"].int64_list.value
            label[0] = 4 if label[0] != 4 else 0
            for key in ("clip/label/text", "clip/label/string"):
                example.context.feature[key].bytes_list.value[0] = CLASSES[label[0]].encode()

    for shard in shards(copied, "val")[:1]:
        rewrite(shard, change)
    problems = inspect(copied, split="val").problems
    counts = [problem for problem in problems if problem.where == "val"]
    sizes = [problem for problem in problems if problem.where != "val"]
    assert all("bytes, the manifest says" in problem.message for problem in sizes)
    if not sizes:  # both names have the same length
        assert len(counts) == 2
        assert all("clips, the manifest says 2" in problem.message for problem in counts)


def test_bad_frames_are_named(copied):
    def change(index, example):
        frames = example.feature_lists.feature_list["image/encoded"].feature
        if index == 1:
            jpeg = frames[7].bytes_list.value[0]
            frames[7].bytes_list.value[0] = jpeg[: len(jpeg) // 2]
        elif index == 2:
            frames[11].bytes_list.value[0] = b"<html>"
        elif index == 3:
            taller = tf.io.encode_jpeg(np.zeros((48, 32, 3), np.uint8)).numpy()
            frames[0].bytes_list.value[0] = taller
        elif index == 4:
            example.context.feature["image/width"].int64_list.value[0] = 64
        elif index == 5:
            del example.feature_lists.feature_list["image/encoded"].feature[:]
        elif index == 6:
            return b"no example at all"
        return None

    shard = shards(copied, "train")[0]
    rewrite(shard, change)
    (copied / "manifest.json").unlink()
    problems = {problem.record: problem.message for problem in inspect(copied).problems}
    assert problems == {
        1: "frame 7 of 12 is a JPEG that is cut off, or damaged inside",
        2: "frame 11 of 12 is no JPEG",
        3: "frames of several sizes, from 32x32 to 48x32",
        4: "frames of 32x32 pixels, declared as 32x64",
        5: "has no frames",
        6: "it is no tf.train.SequenceExample",
    }


def test_clips_without_a_label_are_for_test_splits_alone(copied):
    def change(index, example):
        if index < 2:
            example.context.feature["clip/label/index"].int64_list.value[0] = -1
            for key in ("clip/label/text", "clip/label/string"):
                example.context.feature[key].bytes_list.value[0] = b""

    shard = shards(copied, "val")[0]
    (copied / "manifest.json").unlink()
    rewrite(shard, change)
    for val in shards(copied, "val"):
        shutil.copy(val, copied / val.name.replace("val", "test"))
    report = inspect(copied)
    without = "it has no label"
    assert report.problems == [Problem(shard.name, index, without) for index in (0, 1)]
    assert report.splits["test"].num_unlabelled == 2
    assert sum(report.splits["test"].classes.values()) == 8
    assert "    clips without a label: 2\n" in report.summary()


def test_what_is_no_shard_folder(copied, tmp_path):
    with pytest.raises(FileNotFoundError, match="`data_dir` must be a folder of TFRecord shards"):
        inspect(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="`data_dir` must hold shards named like"):
        inspect(tmp_path / "empty")
    (copied / "label_map.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"`data_dir` must hold label_map.txt"):
        inspect(copied)
    with pytest.raises(ValueError, match="`columns` must be an integer from 1 to 1,000. Rec"):
        InspectionConfig("folder", columns=0)


def test_the_rows_of_a_contact_sheet_are_the_clips_that_they_name(grey_shards, tmp_path):
    config = InspectionConfig(str(grey_shards), **{**SHEET, "num_clips": 5})
    report = inspect_dataset(config)
    usable = report.splits["train"].usable[:5]
    sources, copied = contact_sheet._copy_sample(usable, report, str(tmp_path))
    assert [source.label for source in sources] == [
        source.filename.removeprefix("train/")[0] for source in sources
    ]
    greys = np.array([20 * int(pathlib.Path(source.filename).stem) for source in sources])
    for options in ({}, {"max_frame_stride": 2, "mixup_alpha": 0.8}, {"cutmix_alpha": 1.0}):
        augmentation = AugmentationConfig(**options)
        batch = contact_sheet._batch(config, copied, augmentation)
        assert batch.frames.shape == (5, 4, 32, 32, 3)
        means = (batch.frames.mean(axis=(1, 2, 3, 4)) + 1) * 127.5
        np.testing.assert_allclose(means, batch.shares @ greys, atol=6)


def png_size(path):
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def test_contact_sheets_are_written_whole(copied, tmp_path):
    path = tmp_path / "sheet.png"
    shard = shards(copied, "val")[0]
    shard.write_bytes(shard.read_bytes()[:-10])  # the rest can be shown all the same
    settings = {**SHEET, "contact_sheet": str(path), "sheet_split": "val"}
    report = inspect(copied, **settings)
    assert report.problems and report.contact_sheet == str(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "sheet.png"]


def test_every_option_by_itself_is_a_page_that_fits_a_screen(copied, tmp_path, monkeypatch):
    """As many rows as there are options; what each of them does takes longer."""
    each = InspectionConfig("folder", augment=True)
    rows = contact_sheet.variants(each, AugmentationConfig(), RGB)
    same = dict.fromkeys(rows, AugmentationConfig())
    monkeypatch.setattr(contact_sheet, "variants", lambda *arguments: same)
    path = tmp_path / "sheet.png"
    settings = {**SHEET, "contact_sheet": str(path), "max_records": 3, "num_clips": 6}
    inspect_dataset(InspectionConfig(str(copied), **settings, split="train", augment=True))
    width, height = png_size(path)
    assert width <= 1920 and 700 < height <= 1080


def test_the_title_of_a_contact_sheet_tells_how_many_of_the_frames_are_shown(copied):
    report = inspect(copied)
    titles = [
        contact_sheet._title(InspectionConfig(str(copied), num_frames=frames), report)
        for frames in (16, 8)
    ]
    assert titles[0].endswith(": 16 frames at stride 1, 224x224 pixels; 8 of the frames are shown")
    assert titles[1].endswith(": 8 frames at stride 1, 224x224 pixels")


@pytest.mark.parametrize(
    ("rate", "expected"), [(25.0, ["0.00 s", "0.64 s"]), (0.0, ["frame 0", "frame 8"])]
)
def test_frames_have_their_time_in_the_clip(rate, expected):
    axes = Figure().subplots()
    config = InspectionConfig("folder", frame_stride=2)
    contact_sheet._draw_times(axes, np.array([0, 8]), config, rate)
    assert [label.get_text() for label in axes.get_xticklabels()] == expected


def test_what_no_contact_sheet_can_be_made_of(copied, tmp_path):
    """Found before the shards are read; problems are told all the same where no clip is left."""
    sheet = str(tmp_path / "sheet.png")
    with pytest.raises(ValueError, match=r"`sheet_split` must be one of \['train', 'val'\]. Rec"):
        inspect(copied, contact_sheet=sheet, sheet_split="test")
    with pytest.raises(FileNotFoundError, match="`contact_sheet` must be a file in a local folder"):
        inspect(copied, contact_sheet=str(tmp_path / "nowhere" / "sheet.png"))
    for shard in shards(copied, "val"):
        shard.write_bytes(b"no shard at all")
    report = inspect(copied, contact_sheet=sheet, split="val")
    assert len(report.problems) == 2
    assert report.contact_sheet is None and not pathlib.Path(sheet).exists()


def test_options_are_shown_together_or_one_by_one():
    each = InspectionConfig("folder", augment=True, frame_stride=2)
    given = AugmentationConfig(rand_augment=1)
    off = AugmentationConfig()
    assert contact_sheet.variants(each, given, RGB) == {"": off, "augmented": given}
    assert contact_sheet.variants(InspectionConfig("folder"), off, RGB) == {"": off}
    assert list(contact_sheet.variants(each, off, RGB)) == [
        "",
        "random_resized_crop",
        "scale_jitter=1.25",
        "max_frame_stride=4",
        "color_jitter=0.4",
        "rand_augment=2",
        "mixup_alpha=0.8",
        "cutmix_alpha=1.0",
    ]
    assert len(contact_sheet.variants(each, off, "flow_dis")) == 6
    with pytest.raises(ValueError, match="`rand_augment` must be 0 for optical flow"):
        contact_sheet.variants(each, given, "flow_dis")


def test_flow_is_coloured_by_its_direction():
    rest_right_left_up = np.array([[[[0, 0], [1, 0], [-1, 0], [0, -1]]]], np.float32)
    colours = contact_sheet._flow_colours(rest_right_left_up)[0, 0]
    np.testing.assert_allclose(colours, [[1, 1, 1], [1, 0, 0], [0, 1, 1], [0.5, 1, 0]], atol=1e-6)
