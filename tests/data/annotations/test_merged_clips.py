"""Clips of several classes: rows that are one clip, and what limits and splits make of them."""

import os

import pytest

from video_zoo.data import read_annotations


@pytest.fixture
def write_list(make_files, tmp_path):
    """A function (rows) -> a folder of the videos that they name, and the list of them."""

    def write(*rows):
        names = sorted({row.split(",")[0] for row in rows})
        path = tmp_path / "list.csv"
        path.write_text("path,label,split\n" + "".join(f"{row}\n" for row in rows))
        return make_files(*names), path

    return write


def labels_of(found):
    return {(clip.clip_id, clip.split): clip.labels for clip in found.clips}


ROWS = ("a.mp4,run,train", "a.mp4,jump,train", "b.mp4,run,train", "c.mp4,jump,val", "d.mp4,,train")


def test_rows_of_one_clip_become_one_with_all_classes(write_list):
    folder, path = write_list(*ROWS, "c.mp4,run,val", "c.mp4,run,val")
    found = read_annotations(folder, path, multi_label=True)
    assert found.multi_label
    assert found.labels == ("jump", "run")
    assert labels_of(found) == {
        ("a.mp4", "train"): ("jump", "run"),
        ("b.mp4", "train"): ("run",),
        ("c.mp4", "val"): ("jump", "run"),
        ("d.mp4", "train"): (),
    }
    assert found.duplicates == ()


def test_without_the_setting_they_stay_apart(write_list):
    rows = [row for row in ROWS if ",," not in row]
    folder, path = write_list(*rows, "c.mp4,run,val")
    found = read_annotations(folder, path)
    assert not found.multi_label
    assert [clip.labels for clip in found.clips if clip.clip_id == "a.mp4"] == [("jump",), ("run",)]
    assert ("a.mp4", "the same clip has 2 labels: jump, run") in found.duplicates


def test_one_file_in_several_class_folders_has_all_of_their_classes(make_files):
    folder = make_files("run/a.mp4", "run/b.mp4", "jump/c.mp4", "jump/d.mp4")
    os.link(folder / "run" / "a.mp4", folder / "jump" / "a.mp4")
    found = read_annotations(folder, multi_label=True, val_fraction=0)
    assert sorted(clip.labels for clip in found.clips) == [
        ("jump",), ("jump",), ("jump", "run"), ("run",)
    ]  # fmt: skip


def test_drawn_classes_leave_the_others_out_of_a_clip(write_list):
    folder, path = write_list(*ROWS, "c.mp4,run,val", "e.mp4,swim,train", "c.mp4,swim,val")
    found = read_annotations(folder, path, multi_label=True, num_classes=1)
    (label,) = found.labels
    assert all(set(clip.labels) <= {label} for clip in found.clips)
    assert {clip.clip_id for clip in found.clips if not clip.labels} == {"d.mp4"}


def test_limits_and_splits_take_a_clip_for_one_of_its_rarest_class(write_list):
    rows = [f"{n}.mp4,frequent," for n in range(8)] + ["0.mp4,rare,", "1.mp4,rare,"]
    folder, path = write_list(*rows)
    found = read_annotations(folder, path, multi_label=True, val_per_class=1)
    counts = {
        (split, label): sum(clip.split == split and label in clip.labels for clip in found.clips)
        for split in ("train", "val")
        for label in ("frequent", "rare")
    }
    # One of the two rare ones, and one of the six that are frequent alone.
    assert counts == {
        ("val", "rare"): 1,
        ("val", "frequent"): 2,
        ("train", "rare"): 1,
        ("train", "frequent"): 6,
    }


def test_one_class_beside_clips_of_none_is_told_as_such(write_list):
    folder, path = write_list("a.mp4,run,train", "b.mp4,,train", "c.mp4,run,val")
    found = read_annotations(folder, path, multi_label=True)
    assert found.remarks == ("all videos are of one class, or none, 'run'",)


def test_a_class_that_lacks_a_split_is_refused_by_all_classes_of_clips(write_list):
    folder, path = write_list(*ROWS)
    message = "1 of 2 classes have no validation video: run"
    with pytest.raises(ValueError, match=message):
        read_annotations(folder, path, multi_label=True)
