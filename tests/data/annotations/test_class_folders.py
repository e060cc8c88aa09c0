"""Class folders, with splits or without: what becomes a class, and what is told or refused."""

import os

import pytest
from found import counts, names, relative

from video_zoo.data.annotations.listing import read_annotations

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_class_folders(make_files):
    folder = make_files(
        "wave/a.mp4",
        "wave/deep/er/b.avi",
        "jump/c.webm",
        "jump/._c.webm",
        "jump/.hidden.mp4",
        "jump/notes.txt",
        "jump/c.JSON",
        ".cache/x/d.mp4",
        "stray.mp4",
    )
    found = read_annotations(folder, val_fraction=0)
    assert found.labels == ("jump", "wave")
    assert names(found) == ["c.webm", "a.mp4", "b.avi"]
    assert {clip.split for clip in found.clips} == {"train"}
    assert [clip.clip_id for clip in found.clips][-1] == "wave/deep/er/b.avi"


def test_split_folders(make_files):
    folder = make_files("train/a/1.mp4", "validate/a/2.mp4", "test/b/3.mp4", "val/b/x/4.mp4")
    found = read_annotations(folder, val_fraction=0.5, allow_empty_splits=True)
    assert counts(found) == {
        ("a", "train"): 1,
        ("a", "val"): 1,
        ("b", "test"): 1,
        ("b", "val"): 1,
    }


def test_a_class_may_be_called_test(make_files):
    found = read_annotations(make_files("test/a/1.mp4", "drive/2.mp4"))
    assert found.labels == ("drive", "test")


@pytest.mark.parametrize("name", ["replacement", "replacement of tyres", "replacement_tire"])
def test_a_class_may_be_called_like_the_folder_of_replacements(make_files, name):
    """Its files have names that Kinetics has not, and that other classes have too."""
    files = [f"{name}/001.mp4", "wash_car/001.mp4", "wash_car/002.mp4"]
    folder = make_files(*files)
    found = read_annotations(folder, val_fraction=0.0)
    assert found.labels == (name, "wash_car")
    assert relative(found, folder) == files
    assert all(clip.label == os.path.basename(os.path.dirname(clip.path)) for clip in found.clips)


def test_class_folders_that_look_equal_are_one_class(make_files):
    folder = make_files(f"train/{COMPOSED}/1.mp4", f"val/{DECOMPOSED}/2.mp4")
    if len(list(folder.glob("*/*"))) < 2:
        pytest.skip("this file system has one form of names")
    found = read_annotations(folder)
    assert found.labels == (COMPOSED,)
    assert {clip.clip_id for clip in found.clips} == {
        f"train/{COMPOSED}/1.mp4",
        f"val/{DECOMPOSED}/2.mp4",
    }


@pytest.mark.parametrize("name", [b"caf\xe9", b" "])
def test_a_class_folder_whose_name_is_no_text_is_refused(make_files, name):
    folder = make_files("a/1.mp4")
    try:
        os.rename(folder / "a", os.path.join(os.fsencode(folder), name))
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    with pytest.raises(ValueError, match="must have class folders whose names are UTF-8") as error:
        read_annotations(folder)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize(
    "names", [("training", "validation", "testing"), ("Train", "Valid", "TEST"), ("train", "val")]
)
def test_splits_by_the_fields_other_names(names, make_files):
    files = [f"{name}/{label}/{n}.mp4" for name in names for label in "ab" for n in range(2)]
    found = read_annotations(make_files(*files))
    assert found.labels == ("a", "b")
    expected = ("train", "val", "test")[: len(names)]
    assert counts(found) == {(label, split): 2 for label in "ab" for split in expected}


@pytest.mark.parametrize(
    "files",
    [
        ("train/a/1.mp4", "holdout/b/2.mp4"),
        ("Training/a/1.mp4", "Training/b/2.mp4", "holdout/c/deep/3.mp4"),
        ("train/a/1.mp4", "val/a/2.mp4", "junk/3.mp4"),
        ("train/a/1.mp4", "train/3.mp4", "holdout/a/2.mp4", "holdout/3.mp4"),
    ],
)
def test_split_folders_beside_another_are_refused_with_what_is_meant(make_files, files):
    meant = r"split folders alone with class folders in each \(train/CLASS/VIDEO\)"
    other = "junk" if "junk/3.mp4" in files else "holdout"
    told = rf"{meant}.*'(t|T)rain(ing)?' looks like a split and '{other}' is none\. Rename or"
    with pytest.raises(ValueError, match=told):
        read_annotations(make_files(*files))


@pytest.mark.parametrize(
    "folders", [("train_256", "val_256"), ("videos_train", "videos_val"), ("My Test", "my-train.1")]
)
def test_folders_that_are_named_after_splits_are_no_classes(make_files, folders):
    one, other = folders
    folder = make_files(f"{one}/wave/a.mp4", f"{other}/wave/b.mp4", f"{other}/jump/c.mp4")
    told = rf"where '{one}' and '{other}' look like splits\. Rename them '\w+' and '(train|val)'"
    with pytest.raises(ValueError, match=told):
        read_annotations(folder)


def test_classes_may_have_the_words_of_splits_in_their_names(make_files):
    names = [
        "train_ride/day1/a.mp4",
        "test_tube/day2/b.mp4",
        "invalid/day1/c.mp4",
        "contrain/d.mp4",
    ]
    clips = read_annotations(make_files(*names)).clips
    assert {clip.label for clip in clips} == {"train_ride", "test_tube", "invalid", "contrain"}


@pytest.mark.parametrize("name", ["test", "Train", "valid"])
def test_a_folder_of_videos_is_a_class_whatever_its_name(make_files, name):
    found = read_annotations(make_files(f"{name}/1.mp4", "drive/session/2.mp4", "walk/3.mp4"))
    assert set(found.labels) == {name, "drive", "walk"}


def test_split_folders_without_class_folders(make_files):
    with pytest.raises(ValueError, match="`annotations`"):
        read_annotations(make_files("train/1.mp4", "val/2.mp4"))


@pytest.mark.parametrize("empty", ["val", "val/a", "Validation/a/deep"])
def test_an_empty_split_folder_is_refused_unless_allowed(make_files, empty):
    folder = make_files("train/a/1.mp4", "train/a/2.mp4")
    (folder / empty).mkdir(parents=True)
    with pytest.raises(ValueError, match="where that of 'val' has none.*pass allow_empty_splits"):
        read_annotations(folder)
    assert counts(read_annotations(folder, allow_empty_splits=True)) == {("a", "train"): 2}


def test_a_split_of_which_the_folder_has_nothing_is_refused_unless_allowed(make_files, make_csv):
    rows = ("1.mp4,a,val", "2.mp4,a,train", "3.mp4,a,train")
    folder, listed = make_files("1.mp4"), make_csv(*rows)
    with pytest.raises(ValueError, match=r"none of the 2 'train' videos is, such as 2\.mp4"):
        read_annotations(folder, listed)
    found = read_annotations(folder, listed, allow_empty_splits=True)
    assert found.missing == ("2.mp4", "3.mp4")
    assert found.remarks == ("all videos are of one class, 'a'", "no class has a training video")


def test_a_split_that_a_limit_leaves_out_is_no_empty_one(make_files, make_csv):
    rows = ("1.mp4,a,val", "2.mp4,a,train", "3.mp4,b,train")
    folder = make_files("1.mp4", "2.mp4", "3.mp4")
    found = read_annotations(folder, make_csv(*rows), train_per_class=0)
    assert counts(found) == {("a", "val"): 1}
    assert found.remarks == ("all videos are of one class, 'a'",)


def test_classes_that_lack_a_split_are_refused_unless_allowed(make_files):
    folder = make_files(
        *("train/a/1.mp4", "train/b/1.mp4", "val/a/2.mp4", "val/c/2.mp4"),
        *(f"train/t{n}/1.mp4" for n in range(5)),
    )
    lacks = (
        "1 of 8 classes have no training video: c",
        "6 of 8 classes have no validation video: b, t0, t1, t2, t3 and 1 more",
    )
    with pytest.raises(ValueError, match="; ".join(lacks) + r"\. .* or pass allow_empty_splits"):
        read_annotations(folder)
    assert read_annotations(folder, allow_empty_splits=True).remarks == lacks


@pytest.mark.parametrize(
    ("arguments", "notes"),
    [
        ({"allow_empty_splits": True}, ("2 of 3 classes have no validation video: b, c",)),
        ({"val_fraction": 0}, ()),
        ({"val_per_class": 0}, ()),
        ({"num_classes": 1, "seed": 1}, ("all videos are of one class, 'a'",)),
    ],
)
def test_what_is_left_out_on_purpose_is_not_told(make_files, arguments, notes):
    folder = make_files("a/1.mp4", "a/2.mp4", "b/1.mp4", "c/1.mp4")
    assert read_annotations(folder, **arguments).remarks == notes


def test_so_many_validation_videos_that_none_is_left_to_train_on_are_refused(make_files):
    folder = make_files("a/1.mp4", "a/2.mp4", "b/1.mp4", "b/2.mp4")
    with pytest.raises(ValueError, match="Received: no class has a training video"):
        read_annotations(folder, val_per_class=5)
    found = read_annotations(folder, val_per_class=5, allow_empty_splits=True)
    assert counts(found) == {("a", "val"): 2, ("b", "val"): 2}


def test_videos_without_a_class_and_classes_without_videos_are_told(make_files):
    folder = make_files("a/1.mp4", "b/1.mp4", "c/notes.txt", "loose.mp4", "readme.md")
    (folder / "d" / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    assert read_annotations(folder, val_fraction=0).remarks == (
        "videos beside the class folders have no class and are left out: loose.mp4",
        "class folders without a video: c, d",
    )


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be read by root"
)
def test_folders_that_cannot_be_read_are_told(make_files):
    folder = make_files("a/1.mp4", "b/1.mp4", "c/1.mp4")
    (folder / "c").chmod(0)
    notes = read_annotations(folder, val_fraction=0).remarks
    (folder / "c").chmod(0o700)
    assert notes == ("folders that cannot be read are left out: c",)


def test_empty_class_folders_within_splits_are_told(make_files):
    folder = make_files("train/a/1.mp4", "val/a/1.mp4", "val/b/notes.txt", "scripts/run.py")
    assert read_annotations(folder).remarks == (
        f"class folders without a video: scripts, val{os.sep}b",
        "all videos are of one class, 'a'",
    )
