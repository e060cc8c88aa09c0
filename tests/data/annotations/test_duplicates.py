"""One video in several places: loops and links, hard links, copies of equal content."""

import os

import pytest
from conversion_runs import SMALL, contents
from found import relative

from video_zoo.data.annotations.contents import list_videos
from video_zoo.data.annotations.listing import read_annotations
from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.convert import convert


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_folder_that_links_to_where_it_lies_gives_each_video_once(make_files, target):
    folder = make_files("a/1.mp4", "a/2.mp4", "b/3.mp4")
    (folder / "a" / "loop").symlink_to(target, target_is_directory=True)
    assert list_videos(folder) == ["a/1.mp4", "a/2.mp4", "b/3.mp4"]
    assert relative(read_annotations(folder, val_fraction=0), folder) == list_videos(folder)


def test_folders_that_link_to_one_another_end(make_files):
    folder = make_files("a/1.mp4", "b/2.mp4")
    (folder / "a" / "to_b").symlink_to(folder / "b")
    (folder / "b" / "to_a").symlink_to(folder / "a")
    assert list_videos(folder) == [
        *("a/1.mp4", "a/to_b/2.mp4", "b/2.mp4", "b/to_a/1.mp4"),
    ]


def test_links_to_folders_elsewhere_are_followed(make_files, tmp_path):
    folder = make_files("../store/1.mp4", "../store/deep/2.mp4", "a/3.mp4")
    (folder / "b").symlink_to(tmp_path / "store")
    found = read_annotations(folder, val_fraction=0)
    assert relative(found, folder) == ["a/3.mp4", "b/1.mp4", "b/deep/2.mp4"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_second_path_in_one_class_is_converted_once(make_files, link):
    folder = make_files("a/1.mp4", "a/3.mp4")
    link(folder / "a" / "1.mp4", folder / "a" / "2.mp4")
    found = read_annotations(folder, val_fraction=0)
    assert relative(found, folder) == ["a/1.mp4", "a/3.mp4"]
    assert found.duplicates == (("a/2.mp4", "the same clip as a/1.mp4; converted once"),)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_in_two_classes_is_reported_and_stays_in_one_split(make_files, link):
    folder = make_files(*(f"a/{n}.mp4" for n in range(20)), "b/own.mp4")
    for n in range(20):
        link(folder / "a" / f"{n}.mp4", folder / "b" / f"of_a_{n}.mp4")
    found = read_annotations(folder, val_fraction=0.3)
    splits = {}
    for clip in found.clips:
        splits.setdefault(os.path.basename(clip.path).removeprefix("of_a_"), set()).add(clip.split)
    assert len(found.clips) == 41
    assert all(len(each) == 1 for each in splits.values())
    assert set.union(*splits.values()) == {"train", "val"}
    assert ("a/3.mp4", "the same clip has 2 labels: a, b") in found.duplicates
    assert len(found.duplicates) == 40


def test_a_file_in_two_given_splits_is_reported(make_files):
    folder = make_files("train/a/1.mp4", "val/a/2.mp4")
    os.link(folder / "train" / "a" / "1.mp4", folder / "val" / "a" / "1.mp4")
    found = read_annotations(folder)
    assert len(found.clips) == 3
    problem = "the same clip has 2 splits: train, val"
    assert found.duplicates == (("train/a/1.mp4", problem), ("val/a/1.mp4", problem))


def test_a_list_may_name_any_path_of_a_file(make_files, make_csv):
    folder = make_files("store/1.mp4", "store/2.mp4")
    (folder / "links").mkdir()
    (folder / "links" / "first.mp4").symlink_to(folder / "store" / "1.mp4")
    found = read_annotations(folder, make_csv("links/first.mp4,run"), val_fraction=0)
    assert relative(found, folder) == ["links/first.mp4"]
    assert found.clips[0].clip_id == "links/first.mp4"
    assert found.unnamed == ("store/2.mp4",)


def test_a_csv_of_kinetics_finds_the_name_that_a_link_has(make_files, make_csv):
    folder = make_files("store/1.mp4")
    (folder / "-aaaaaaaaaa_000000_000010.mp4").symlink_to(folder / "store" / "1.mp4")
    rows = ("label,youtube_id,time_start,time_end,split", "run,-aaaaaaaaaa,0,10,train")
    ids = make_csv("-aaaaaaaaaa", name="ids.txt")
    found = read_annotations(folder, make_csv(*rows), train_ids=ids)
    assert relative(found, folder) == ["-aaaaaaaaaa_000000_000010.mp4"]
    assert found.unnamed == ()


def test_copies_that_cross_splits_are_reported(make_files):
    folder = make_files("train/a/1.mp4", "train/a/2.mp4", "val/a/3.mp4", "val/a/4.mp4")
    megabytes = os.urandom(3 << 20)
    for name in ("train/a/1.mp4", "val/a/3.mp4"):
        (folder / name).write_bytes(megabytes)
    # Of the same size and the same end, and of the same begin.
    (folder / "train/a/2.mp4").write_bytes(b"other" + megabytes[5:])
    (folder / "val/a/4.mp4").write_bytes(megabytes[:-5] + b"other")
    found = read_annotations(folder)
    assert len(found.clips) == 4
    assert found.duplicates == (
        ("train/a/1.mp4", "the same content as val/a/3.mp4 has 2 splits: train, val"),
        ("val/a/3.mp4", "the same content as train/a/1.mp4 has 2 splits: train, val"),
    )


def test_copies_in_one_split_and_class_are_not_reported(make_files):
    folder = make_files("train/a/1.mp4", "train/a/2.mp4", "train/b/3.mp4", "val/a/4.mp4")
    for name in ("train/a/1.mp4", "train/a/2.mp4"):
        (folder / name).write_bytes(b"the same")
    assert read_annotations(folder, allow_empty_splits=True).duplicates == ()
    (folder / "train/b/3.mp4").write_bytes(b"the same")
    found = dict(read_annotations(folder, allow_empty_splits=True).duplicates)
    assert found["train/a/2.mp4"] == "the same content as train/b/3.mp4 has 2 labels: a, b"


def test_empty_and_missing_files_are_no_copies(make_files):
    folder = make_files("train/a/1.mp4", "val/a/2.mp4")
    for name in ("train/a/1.mp4", "val/a/2.mp4"):
        (folder / name).write_bytes(b"")
    (folder / "train" / "a" / "gone.mp4").symlink_to("nowhere")
    found = read_annotations(folder)
    assert len(found.clips) == 3
    assert found.duplicates == ()


def test_a_dataset_without_the_report_of_copies_still_stands(tmp_path, write_video, counter_frames):
    for name in ("train/a/1.mp4", "val/a/2.mp4"):
        write_video(tmp_path / "in" / name, counter_frames(4))
    config = ConversionConfig(str(tmp_path / "in"), str(tmp_path / "out"), encoding=SMALL)
    result = convert(config, progress=False)
    assert [file for file, _ in result.duplicates] == ["train/a/1.mp4", "val/a/2.mp4"]
    (tmp_path / "out" / "duplicates.csv").write_text("file,problem\n")
    before = contents(config.output_dir)
    assert convert(config, progress=False).duplicates == ()
    assert contents(config.output_dir) == before
