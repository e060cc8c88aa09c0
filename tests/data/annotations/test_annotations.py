import collections
import os

import pytest
from found import counts, names

from video_zoo.data.annotations.listing import read_annotations


@pytest.fixture
def ten_classes(make_files):
    """Ten classes of 20 files."""
    return make_files(*(f"class{c}/{n:02d}.mp4" for c in range(10) for n in range(20)))


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_lists_and_label_maps_name_one_class_in_any_form(make_files, make_csv):
    rows = (f"1.mp4,{COMPOSED}", f"2.mp4,{DECOMPOSED}")
    label_map = make_csv("other", DECOMPOSED, name="map.txt")
    found = read_annotations(
        make_files("1.mp4", "2.mp4"), make_csv(*rows), label_map=label_map, val_fraction=0
    )
    assert found.labels == ("other", COMPOSED)
    assert counts(found) == {(COMPOSED, "train"): 2}
    twice = make_csv(COMPOSED, DECOMPOSED, name="map.txt")
    with pytest.raises(ValueError, match="none of them empty or twice"):
        read_annotations(make_files("1.mp4"), make_csv(*rows), label_map=twice)


def test_a_list_finds_a_file_whose_name_looks_equal(make_files, make_csv):
    folder = make_files(f"{DECOMPOSED}/1.mp4", f"{COMPOSED}.mp4")
    rows = (f"{COMPOSED}/1.mp4,a", f"{DECOMPOSED}.mp4,b")
    found = read_annotations(folder, make_csv(*rows), val_fraction=0)
    assert all(os.path.isfile(clip.path) for clip in found.clips)
    assert (len(found.clips), found.missing, found.unnamed) == (2, (), ())


def test_val_fraction(ten_classes, make_files):
    found = read_annotations(ten_classes)
    assert set(counts(found).values()) == {2, 18}
    assert len(found.clips) == 200
    folder = make_files("one/1.mp4", "two/1.mp4", "two/2.mp4")
    few = read_annotations(folder, allow_empty_splits=True)
    assert counts(few)[("two", "val")] == 1  # at least one where there are two
    assert counts(few)[("one", "train")] == 1  # but never the only one


def test_limits_per_class(ten_classes):
    found = read_annotations(ten_classes, train_per_class=5, val_per_class=3)
    assert set(counts(found).values()) == {5, 3}
    assert len({clip.path for clip in found.clips}) == 80


def test_limits_that_leave_nothing(ten_classes):
    with pytest.raises(ValueError, match="must leave some clips"):
        read_annotations(ten_classes, train_per_class=0, val_per_class=0)


def test_num_classes_draws_by_seed(ten_classes):
    drawn = [read_annotations(ten_classes, num_classes=3, seed=seed) for seed in range(6)]
    assert all(len(found.labels) == 3 for found in drawn)
    assert all(found.labels == tuple(sorted(found.labels)) for found in drawn)
    assert len({found.labels for found in drawn}) > 1
    assert read_annotations(ten_classes, num_classes=3, seed=4) == drawn[4]
    # A class is divided alike whatever other classes there are.
    everything = set(read_annotations(ten_classes, seed=4).clips)
    assert set(drawn[4].clips) <= everything


def test_clips_of_one_video_stay_in_one_split(make_files, make_csv):
    ids = [f"abcdefghi{n:02d}" for n in range(10)]
    folder = make_files(*(f"{name}.mp4" for name in ids))
    rows = [
        f"{label},{name},{start},{start + 10}"
        for name in ids
        for label in ("run", "jump")
        for start in (0, 10, 20)
    ]
    csv = make_csv("label,youtube_id,time_start,time_end", *rows)
    found = read_annotations(folder, csv, val_fraction=0.3)
    splits = collections.defaultdict(set)
    for clip in found.clips:
        splits[clip.path].add(clip.split)
    assert len(found.clips) == 60
    assert all(len(of_video) == 1 for of_video in splits.values())
    assert set.union(*splits.values()) == {"train", "val"}


@pytest.mark.parametrize(
    "rows",
    [
        ("path,label,split", "a/1.mp4,run,train", "2.mp4,jump,val"),
        ("split,label,path", "train,run,a/1.mp4", "val,jump,2.mp4"),
        ("a/1.mp4,run,train", "", "2.mp4,jump,val", "gone.mp4,run,val"),
        ("a/1.mp4,run,,,train", '2.mp4,"jump",,,val'),
    ],
)
def test_plain_list(make_files, make_csv, rows):
    folder = make_files("a/1.mp4", "2.mp4")
    found = read_annotations(folder, make_csv(*rows), allow_empty_splits=True)
    assert [(clip.label, clip.split, clip.start) for clip in found.clips] == [
        ("run", "train", None),
        ("jump", "val", None),
    ]
    assert found.missing == (("gone.mp4",) if len(rows) == 4 else ())


def test_rows_of_a_plain_list_without_a_label_are_a_test_set(make_files, make_csv):
    rows = ("1.mp4,run,train", "2.mp4,run,val", "3.mp4,,test")
    found = read_annotations(make_files("1.mp4", "2.mp4", "3.mp4"), make_csv(*rows))
    assert found.labels == ("run",)
    assert counts(found) == {("run", "train"): 1, ("run", "val"): 1, ("", "test"): 1}


def test_a_class_name_is_one_line_wherever_it_comes_from(make_files, make_csv):
    folder = make_files("wash\u2028car/1.mp4", "run/1.mp4")
    assert read_annotations(folder, val_fraction=0).labels == ("run", "wash car")
    label_map = make_csv("run", "wash\u2028car", "", name="map.txt")
    assert read_annotations(folder, label_map=label_map).labels == ("run", "wash car")


def test_plain_list_with_times(make_files, make_csv):
    csv = make_csv("1.mp4,run,0.5,2", "1.mp4,jump,,3", "1.mp4,rest,4,", encoding="utf-8-sig")
    found = read_annotations(make_files("1.mp4"), csv, val_fraction=0)
    assert {clip.label: (clip.start, clip.end) for clip in found.clips} == {
        "run": (0.5, 2),
        "jump": (None, 3),
        "rest": (4, None),
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("path,label,colour", "1.mp4,run,red"), "path and label.*Received: path,label,colour"),
        (("1.mp4,run", "1.mp4"), "row 2 has 1 columns"),
        (("1.mp4,run,a,2",), "row 1 has 'a' to '2'"),
        (("1.mp4,run,3,2",), "row 1 ends before it starts"),
        (("1.mp4,run,-1,2",), "row 1"),
        (("1.mp4,run,nan,2",), "row 1"),
        (("1.mp4,",), "row 1 lacks a label, which only videos of the split test may"),
        (("1.mp4,run,dev",), "row 1 has the split 'dev'"),
        (("1.mp4,run,,,train", "1.mp4,run,,,"), "every clip a split, or none"),
        (("gone.mp4,run",), "none of them is there, such as gone.mp4"),
        (("onecolumn",), "1 columns"),
        (("",), "0 columns"),
    ],
)
def test_bad_lists(make_files, make_csv, rows, message):
    with pytest.raises(ValueError, match=message):
        read_annotations(make_files("1.mp4"), make_csv(*rows))


@pytest.mark.parametrize("sign", [";", "\t", "|"])
@pytest.mark.parametrize("rows", [("path,label", "1.mp4,run"), ("1.mp4,run,0#5,2#5",)])
def test_a_list_with_other_delimiters_names_them(make_files, make_csv, rows, sign):
    rows = [row.replace(",", sign).replace("#", ",") for row in rows]
    with pytest.raises(ValueError, match="must have commas between its columns") as error:
        read_annotations(make_files("1.mp4"), make_csv(*rows))
    assert f"with {sign!r} between them" in str(error.value)


def test_a_path_with_a_semicolon_is_a_path(make_files, make_csv):
    found = read_annotations(make_files("1;a.mp4"), make_csv("1;a.mp4,run"))
    assert names(found) == ["1;a.mp4"]


def test_a_list_in_another_encoding(make_files, make_csv):
    with pytest.raises(ValueError, match="UTF-8"):
        read_annotations(make_files("1.mp4"), make_csv("1.mp4,gähnen", encoding="latin-1"))


def test_what_is_not_there(make_files, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`input_dir`.*Received: input_dir="):
        read_annotations(tmp_path / "none")
    with pytest.raises(ValueError, match="one folder of videos for each class"):
        read_annotations(make_files("1.mp4"))
    with pytest.raises(FileNotFoundError, match=r"`annotations`.*Received: annotations="):
        read_annotations(make_files("1.mp4"), tmp_path / "none.csv")


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_classes": 0},
        {"num_classes": 11},
        {"train_per_class": -1},
        {"val_per_class": -1},
        {"val_fraction": 1.0},
        {"val_fraction": -0.1},
    ],
)
def test_numbers_are_checked(ten_classes, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: {name}={value}"):
        read_annotations(ten_classes, **arguments)


def test_files_that_a_list_does_not_name(make_files, make_csv):
    folder = make_files("a/1.mp4", "a/2.mp4", "3.avi", "notes.txt", "._3.avi")
    found = read_annotations(folder, make_csv("a/../a/1.mp4,run"), val_fraction=0)
    assert found.unnamed == ("3.avi", "a/2.mp4")
    assert found.clips[0].clip_id == "a/1.mp4"
    assert read_annotations(folder, val_fraction=0).unnamed == ()


def test_a_list_may_name_files_elsewhere_and_hidden_ones(make_files, make_csv):
    folder = make_files("in/1.mp4", "2.mp4", "in/.3.mp4") / "in"
    listed = make_csv("../2.mp4,run", ".3.mp4,run", "1.mp4,run")
    found = read_annotations(folder, listed, val_fraction=0)
    assert names(found) == ["2.mp4", ".3.mp4", "1.mp4"]
    chosen = read_annotations(folder, listed, train_ids=make_csv("1.mp4", name="ids.txt"))
    assert names(chosen) == ["1.mp4"]
    assert found.unnamed == chosen.unnamed == ()


def test_a_list_in_several_files(make_files, make_csv):
    lists = [
        make_csv("path,label,split", "1.mp4,run,train", name="one.csv"),
        make_csv("2.mp4,jump,val", name="two.csv"),
    ]
    folder = make_files("1.mp4", "2.mp4")
    found = read_annotations(folder, ", ".join(map(str, lists)), allow_empty_splits=True)
    assert counts(found) == {("run", "train"): 1, ("jump", "val"): 1}
    with pytest.raises(FileNotFoundError, match="none.csv"):
        read_annotations(folder, f"{lists[0]},none.csv")


def test_each_of_several_lists_may_lie_at_home(make_files, make_csv, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_csv("1.mp4,run,train", name="one.csv")
    make_csv("2.mp4,run,val", name="two.csv")
    found = read_annotations(make_files("1.mp4", "2.mp4"), "~/one.csv,~/two.csv")
    assert counts(found) == {("run", "train"): 1, ("run", "val"): 1}


def test_a_comma_in_the_name_of_a_list(make_files, make_csv):
    found = read_annotations(make_files("1.mp4"), make_csv("1.mp4,run", name="a,b.csv"))
    assert found.labels == ("run",)


def test_what_a_list_has_twice(make_files, make_csv):
    rows = (
        *("1.mp4,run,0,2,train", "1.mp4,run,0,2,train", "2.mp4,run,,,train", "2.mp4,jump,,,train"),
        *("3.mp4,run,0,1,train", "3.mp4,run,1,2,val", "4.mp4,run,0,1,val"),
    )
    folder = make_files(*(f"{n}.mp4" for n in range(1, 5)))
    found = read_annotations(folder, make_csv(*rows), allow_empty_splits=True)
    assert found.duplicates == (
        ("1.mp4", "listed more than once; converted once"),
        ("2.mp4", "the same clip has 2 labels: jump, run"),
        ("3.mp4", "clips of video 3.mp4 are in 2 splits: train, val"),
    )
    assert names(found, "train") == ["2.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert names(found, "val") == ["3.mp4", "4.mp4"]


def test_label_map(make_files, make_csv):
    folder = make_files("wave/1.mp4", "jump/2.mp4")
    found = read_annotations(folder, label_map=make_csv("wave\r", "sit down", "jump", ""))
    assert found.labels == ("wave", "sit down", "jump")


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("wave\nsit", {}, "it lacks 1, such as 'jump'.*Received: label_map="),
        ("wave\n\njump", {}, "none of them empty or twice"),
        ("wave\njump\nwave", {}, "none of them empty or twice"),
        ("", {}, "class names in UTF-8"),
        ("wave\njump", {"num_classes": 1}, "`num_classes` must be left out"),
    ],
)
def test_bad_label_maps(make_files, make_csv, text, arguments, message):
    with pytest.raises(ValueError, match=message):
        read_annotations(
            make_files("wave/1.mp4", "jump/2.mp4"), label_map=make_csv(text), **arguments
        )


def test_label_map_that_is_not_there(make_files):
    with pytest.raises(FileNotFoundError, match=r"`label_map`.*Received: label_map='none"):
        read_annotations(make_files("wave/1.mp4"), label_map="none.txt")
