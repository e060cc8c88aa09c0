"""Kinetics as it comes: the copies that exist, their CSV files, lists of ids, duplicates."""

import collections

import pytest
from found import counts, relative

from video_zoo.data.annotations.listing import read_annotations

HEADER = "label,youtube_id,time_start,time_end,split"
TEST_HEADER = "youtube_id,time_start,time_end,split"
CVDF_REPLACEMENTS = "replacement/replacement_for_corrupted_k400"


def by_id(found):
    return {clip.clip_id: clip for clip in found.clips}


def test_kinetics(make_files, make_csv):
    folder = make_files(
        "train/-abcdefghij_000010_000020.mp4",
        "train/_b_cdefghij_000005_000015.mkv",
        "-wholefile_.mp4",
        "._-gone_000000_000010.mp4",
    )
    found = read_annotations(
        folder,
        make_csv(
            HEADER,
            '"playing, loudly",-abcdefghij,10,20,train',
            "abseiling,_b_cdefghij,5,15,validate",
            "abseiling,-wholefile_,30,40,train",
            "abseiling,-gone,0,10,val",
        ),
        allow_empty_splits=True,
    )
    clips = by_id(found)
    assert found.labels == ("abseiling", "playing, loudly")
    assert found.missing == ("-gone_000000_000010",)
    first = clips["-abcdefghij"]
    assert (first.start, first.end, first.split) == (None, None, "train")  # trimmed already
    assert clips["_b_cdefghij"].split == "val"
    assert (clips["-wholefile_"].start, clips["-wholefile_"].end) == (30, 40)


@pytest.fixture
def cvdf(make_files, make_csv):
    """The flat layout of CVDF's K400 copy with its CSV files, the test's without labels."""
    folder = make_files(
        "k400/train/-aaaaaaaaaa_000000_000010.mp4",
        "k400/train/_bbbbbbbbbb_000001_000011.mp4",
        "k400/val/c_ccccccc-c_000002_000012.mp4",
        "k400/test/ddddddddddd_000003_000013.mp4",
        "k400/test/eeeeeeeeeee_000003_000013.mp4",
        "k400/train/stranger.mp4",
        f"k400/{CVDF_REPLACEMENTS}/_bbbbbbbbbb_000001_000011.mp4",
    )
    train = make_csv(
        f"{HEADER},is_cc",
        '"waiting in line",-aaaaaaaaaa,0,10,train,1',
        '"waiting in line",_bbbbbbbbbb,1,11,train,0',
        '"waiting in line",-notthere__,1,11,train,0',
        '"never there",-notthere-_,1,11,train,0',
        name="train.csv",
    )
    val = make_csv(HEADER, "abseiling,c_ccccccc-c,2,12,validate", name="val.csv")
    test = make_csv(TEST_HEADER, "ddddddddddd,3,13,test", "eeeeeeeeeee,3,13,test", name="test.csv")
    return folder / "k400", train, val, test


def test_the_flat_copy(cvdf):
    folder, *lists = cvdf
    found = read_annotations(folder, ",".join(map(str, lists)), allow_empty_splits=True)
    assert found.labels == ("abseiling", "waiting in line")
    assert counts(found) == {
        ("waiting in line", "train"): 2,
        ("abseiling", "val"): 1,
        ("", "test"): 2,
    }
    assert by_id(found)["_bbbbbbbbbb"].path.startswith(str(folder / CVDF_REPLACEMENTS))
    assert found.missing == ("-notthere-__000001_000011", "-notthere___000001_000011")
    assert found.unnamed == ("train/stranger.mp4",)
    assert found.duplicates == ()


def test_the_flat_copy_needs_its_csv(cvdf):
    with pytest.raises(ValueError, match="directly in a split folder. Pass the CSV"):
        read_annotations(cvdf[0])


def test_test_clips_alone_need_a_label_map(cvdf, make_csv):
    folder, *_, test = cvdf
    with pytest.raises(ValueError, match=r"`label_map` must be given.*Received: label_map=None"):
        read_annotations(folder, test)
    names = make_csv("waiting in line", "abseiling", name="names.txt")
    found = read_annotations(folder, test, label_map=names)
    assert found.labels == ("waiting in line", "abseiling")
    assert [(clip.label, clip.split) for clip in found.clips] == [("", "test")] * 2


def test_classes_cannot_be_drawn_where_labels_are_unknown(cvdf):
    folder, train, val, test = cvdf
    with pytest.raises(ValueError, match=r"Received: num_classes=1\. Leave out the CSV without"):
        read_annotations(folder, f"{train},{val},{test}", num_classes=1)
    found = read_annotations(folder, f"{train},{val}", num_classes=1)
    assert len(found.labels) == 1


def test_labels_that_look_equal_are_one_class(make_files, make_csv):
    folder = make_files("aaaaaaaaaaa.mp4", "bbbbbbbbbbb.mp4")
    rows = (HEADER, "caf\u00e9,aaaaaaaaaaa,0,10,train", "cafe\u0301,bbbbbbbbbbb,0,10,val")
    assert read_annotations(folder, make_csv(*rows)).labels == ("caf\u00e9",)


def test_unlabelled_rows_are_test_rows(make_files, make_csv):
    folder = make_files("aaaaaaaaaaa.mp4", "bbbbbbbbbbb.mp4")
    rows = (HEADER, "run,aaaaaaaaaaa,0,10,train", ",bbbbbbbbbbb,0,10,test")
    assert counts(read_annotations(folder, make_csv(*rows))) == {
        ("run", "train"): 1,
        ("", "test"): 1,
    }
    with pytest.raises(ValueError, match="row 3 lacks a label, which only the test split may"):
        read_annotations(folder, make_csv(*rows[:2], ",bbbbbbbbbbb,0,10,train"))


@pytest.fixture
def k600(make_files):
    """Class folders, with what macOS leaves in archives."""
    return make_files(
        "train/jump rope/-aaaaaaaaaa_000000_000010.mp4",
        "train/jump rope/._-aaaaaaaaaa_000000_000010.mp4",
        "train/yoga/_bbbbbbbbbb_000001_000011.mp4",
        "validate/yoga/c_ccccccc-c_000002_000012.mp4",
        "validate/._yoga/c_ccccccc-c_000002_000012.mp4",
        "validate/.DS_Store",
    )


def test_class_folders_with_junk(k600):
    found = read_annotations(k600, allow_empty_splits=True)
    assert counts(found) == {("jump rope", "train"): 1, ("yoga", "train"): 1, ("yoga", "val"): 1}
    assert set(by_id(found)) == {"-aaaaaaaaaa", "_bbbbbbbbbb", "c_ccccccc-c"}
    assert found.unnamed == ()


def test_class_folders_with_a_csv(k600, make_csv):
    rows = (HEADER, "skipping,-aaaaaaaaaa,0,10,train", "yoga,c_ccccccc-c,2,12,train")
    found = read_annotations(k600, make_csv(*rows))
    assert counts(found) == {("skipping", "train"): 1, ("yoga", "train"): 1}  # the CSV's word
    assert found.unnamed == ("train/yoga/_bbbbbbbbbb_000001_000011.mp4",)


def test_class_folders_with_replacements(make_files):
    name = "-aaaaaaaaaa_000000_000010.mp4"
    folder = make_files(
        f"train/yoga/{name}",
        "train/yoga/other.mp4",
        f"{CVDF_REPLACEMENTS}/{name}",
        f"{CVDF_REPLACEMENTS}/_bbbbbbbbbb_000001_000011.mp4",
    )
    found = read_annotations(folder)
    assert relative(found, folder) == [f"{CVDF_REPLACEMENTS}/{name}", "train/yoga/other.mp4"]
    assert counts(found) == {("yoga", "train"): 2}
    assert found.duplicates == (
        (
            f"{CVDF_REPLACEMENTS}/_bbbbbbbbbb_000001_000011.mp4",
            "replaces no Kinetics clip of that name",
        ),
    )


def test_a_class_called_replacement_within_a_split_replaces_nothing(make_files, make_csv):
    name = "-aaaaaaaaaa_000000_000010.mp4"
    folder = make_files(f"train/replacement/{name}", f"train/a/{name}")
    row = "a,-aaaaaaaaaa,0,10,train"
    found = read_annotations(folder, make_csv(HEADER, row))
    assert relative(found, folder) == [f"train/a/{name}"]


def test_replacements_are_found_below_a_folder_of_folders(make_files, make_csv):
    name = "-aaaaaaaaaa_000000_000010.mp4"
    folder = make_files(f"k400/{CVDF_REPLACEMENTS}/{name}", f"k400/a/{name}")
    found = read_annotations(folder, make_csv(HEADER, "a,-aaaaaaaaaa,0,10,train"))
    assert relative(found, folder) == [f"k400/{CVDF_REPLACEMENTS}/{name}"]


def test_the_files_of_one_video_stay_in_one_split(make_files):
    ids = [f"-{n:010d}" for n in range(20)]
    folder = make_files(
        *(f"run/{name}_{second:06d}_{second + 10:06d}.mp4" for name in ids for second in (0, 30))
    )
    splits = collections.defaultdict(set)
    for clip in read_annotations(folder, val_fraction=0.3).clips:
        splits[clip.clip_id].add(clip.split)
    assert set(splits) == set(ids)
    assert collections.Counter(map(tuple, splits.values())) == {("train",): 14, ("val",): 6}


def test_given_splits_are_only_cut(make_files, make_csv):
    ids = [f"abcdefghi{n:02d}" for n in range(20)]
    folder = make_files(*(f"{name}_000000_000010.mp4" for name in ids))
    rows = [f"run,{name},0,10,{'train' if n < 14 else 'val'}" for n, name in enumerate(ids)]
    found = read_annotations(folder, make_csv(HEADER, *rows), train_per_class=10, val_per_class=4)
    assert counts(found) == {("run", "train"): 10, ("run", "val"): 4}
    assert all((clip.clip_id >= ids[14]) == (clip.split == "val") for clip in found.clips)


@pytest.fixture
def mini(make_files, make_csv):
    """Five videos, a CSV with all of them and one that is gone."""
    ids = ("-aaaaaaaaaa", "_bbbbbbbbbb", "ccccccccccc", "ddddddddddd", "eeeeeeeeeee")
    folder = make_files(*(f"{name}_000000_000010.mp4" for name in ids))
    rows = [f"run,{name},0,10,train" for name in (*ids[:3], "-gone_-----", "-other_----")]
    csv = make_csv(HEADER, *rows, "jump,ddddddddddd,0,10,val", "sit,eeeeeeeeeee,0,10,train")
    return folder, csv


def test_mini_kinetics(mini, make_csv):
    folder, csv = mini
    found = read_annotations(
        folder,
        csv,
        train_ids=make_csv("ddddddddddd", "-aaaaaaaaaa\r", "-gone_-----", "", name="train.txt"),
        val_ids=make_csv("  _bbbbbbbbbb", "-notlisted-", name="val.txt"),
        allow_empty_splits=True,
    )
    assert {clip.clip_id: (clip.label, clip.split) for clip in found.clips} == {
        "ddddddddddd": ("jump", "train"),
        "-aaaaaaaaaa": ("run", "train"),
        "_bbbbbbbbbb": ("run", "val"),
    }
    assert found.labels == ("jump", "run")
    assert found.missing == ("-gone_-----_000000_000010", "-notlisted-")
    assert found.unnamed == ()


def test_one_list_of_ids(mini, make_csv):
    found = read_annotations(*mini, val_ids=make_csv("-aaaaaaaaaa", name="val.txt"))
    assert counts(found) == {("run", "val"): 1}


def test_ids_choose_among_class_folders(k600, make_csv):
    found = read_annotations(k600, train_ids=make_csv("c_ccccccc-c", name="train.txt"))
    assert counts(found) == {("yoga", "train"): 1}


def test_ids_of_clips_without_labels_are_missing(cvdf, make_csv):
    folder, train, _, test = cvdf
    ids = make_csv("-aaaaaaaaaa", "ddddddddddd", name="ids.txt")
    found = read_annotations(folder, f"{train},{test}", train_ids=ids)
    assert counts(found) == {("waiting in line", "train"): 1}
    assert found.missing == ("ddddddddddd",)


def test_an_id_in_both_lists(mini, make_csv):
    ids = make_csv("-aaaaaaaaaa", name="ids.txt")
    found = read_annotations(*mini, train_ids=ids, val_ids=ids)
    assert counts(found) == {("run", "train"): 1, ("run", "val"): 1}
    problem = "the same clip has 2 splits: train, val"
    assert found.duplicates == (("-aaaaaaaaaa_000000_000010.mp4", problem),)


def test_bad_lists_of_ids(mini, make_csv):
    with pytest.raises(FileNotFoundError, match=r"`val_ids`.*Received: val_ids='none.txt'"):
        read_annotations(*mini, val_ids="none.txt")
    with pytest.raises(ValueError, match=r"`train_ids`.*which has none"):
        read_annotations(*mini, train_ids=make_csv("", name="ids.txt"))
    with pytest.raises(ValueError, match="none of their ids is there"):
        read_annotations(*mini, train_ids=make_csv("fffffffffff", name="ids.txt"))


def test_one_of_two_lists_that_match_nothing_is_refused_unless_allowed(mini, make_csv):
    lists = {
        "train_ids": make_csv("https://youtu.be/-aaaaaaaaaa", "https://youtu.be/x", name="t.txt"),
        "val_ids": make_csv("_bbbbbbbbbb", name="v.txt"),
    }
    with pytest.raises(ValueError, match="`train_ids` must list ids.*with 2 ids such as") as error:
        read_annotations(*mini, **lists)
    assert "'https://youtu.be/-aaaaaaaaaa'" in str(error.value)
    assert "where '-aaaaaaaaaa' is one" in str(error.value)
    found = read_annotations(*mini, **lists, allow_empty_splits=True)
    assert counts(found) == {("run", "val"): 1}
    assert "no class has a training video" in found.remarks


def test_duplicates_of_a_csv(make_files, make_csv):
    ids = ("-aaaaaaaaaa", "_bbbbbbbbbb", "ccccccccccc", "ddddddddddd")
    trimmed = [f"{name}_000000_000010.mp4" for name in ids]
    folder = make_files(*trimmed, "ddddddddddd_000030_000040.mp4", "-untrimmed-.mp4")
    rows = (
        *("run,-aaaaaaaaaa,0,10,train", "run,-aaaaaaaaaa,0,10,train"),
        *("run,_bbbbbbbbbb,0,10,train", "jump,_bbbbbbbbbb,0,10,train"),
        *("run,ccccccccccc,0,10,train", "run,ccccccccccc,0,10,val"),
        *("run,ddddddddddd,0,10,train", "run,ddddddddddd,30,40,validate"),
        *("run,-untrimmed-,0,10,train", "run,-untrimmed-,10,20,train"),
    )
    found = read_annotations(folder, make_csv(HEADER, *rows), allow_empty_splits=True)
    assert found.duplicates == (
        ("-aaaaaaaaaa_000000_000010.mp4", "listed more than once; converted once"),
        ("_bbbbbbbbbb_000000_000010.mp4", "the same clip has 2 labels: jump, run"),
        ("ccccccccccc_000000_000010.mp4", "the same clip has 2 splits: train, val"),
        (
            "ddddddddddd_000000_000010.mp4",
            "clips of video ddddddddddd are in 2 splits: train, val",
        ),
        (
            "ddddddddddd_000030_000040.mp4",
            "clips of video ddddddddddd are in 2 splits: train, val",
        ),
    )
    assert len(found.clips) == len(rows) - 1  # only the row that says nothing new is left out


def test_duplicates_of_class_folders(make_files):
    folder = make_files(
        "train/run/-aaaaaaaaaa_000000_000010.mp4",
        "train/run/again/-aaaaaaaaaa_000000_000010.mkv",
        "train/jump/_bbbbbbbbbb_000000_000010.mp4",
        "train/run/_bbbbbbbbbb_000000_000010.mp4",
        "train/run/ccccccccc_c_000000_000010.mp4",
        "val/run/ccccccccc_c_000030_000040.mp4",
        "train/run/same.mp4",
        "val/run/same.mp4",  # no Kinetics name: two videos
    )
    found = read_annotations(folder, allow_empty_splits=True)
    labels, splits = "the same clip has 2 labels: jump, run", "2 splits: train, val"
    assert found.duplicates == (
        ("train/jump/_bbbbbbbbbb_000000_000010.mp4", labels),
        ("train/run/_bbbbbbbbbb_000000_000010.mp4", labels),
        (
            "train/run/again/-aaaaaaaaaa_000000_000010.mkv",
            "the same clip as train/run/-aaaaaaaaaa_000000_000010.mp4; converted once",
        ),
        (
            "train/run/ccccccccc_c_000000_000010.mp4",
            f"clips of video ccccccccc_c are in {splits}",
        ),
        ("val/run/ccccccccc_c_000030_000040.mp4", f"clips of video ccccccccc_c are in {splits}"),
    )
    assert len(found.clips) == 7


def test_ids_of_other_lengths(make_files, make_csv):
    """Clips of one video are told apart by their times, whatever its id looks like."""
    folder = make_files("short_000000_000010.mp4", "short_000010_000020.mp4")
    rows = (HEADER, "run,short,0,10,train", "run,short,10,20,train")
    found = read_annotations(folder, make_csv(*rows))
    assert len(found.clips) == 2
    assert found.duplicates == ()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("label,youtube_id,when", "run,x,1"), "Kinetics columns.*Received: label,youtube_id,when"),
        ((f"{HEADER},colour", "run,x,0,1,train,red"), "Kinetics columns"),
        ((HEADER, "run,x,a,2,train"), "row 2 has 'a' to '2'"),
        ((HEADER, "run,x,,2,train"), "row 2 lacks a value"),
        ((HEADER, "run,,1,2,train"), "row 2 lacks a value"),
        ((HEADER, "run,x,1,2,dev"), "row 2 has the split 'dev'"),
        ((HEADER, "run,x,1,2"), "row 2 has 4 columns, not 5"),
        ((HEADER, "run,-gone,0,10,train"), "none of them is there, such as -gone_000000_000010"),
    ],
)
def test_bad_rows(make_files, make_csv, rows, message):
    with pytest.raises(ValueError, match=message):
        read_annotations(make_files("x.mp4"), make_csv(*rows))
