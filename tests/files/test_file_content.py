"""The zoo's own files, edited by hand into all that they must not be."""

import json
import os

import pytest

from video_zoo.data.conversion.plan import Plan
from video_zoo.data.conversion.shards import load_plan, load_receipts, write_plan
from video_zoo.data.format import manifests
from video_zoo.data.format.lists import NOTES_NAME, read_list
from video_zoo.data.input.records import SkippedRecords
from video_zoo.run.config import read_config
from video_zoo.run.history import read_history
from video_zoo.training.batches import read_skipped, write_skipped

MANIFEST = {
    "settings": {"fps": 25.0, "modality": "rgb"},
    "versions": {"numpy": "2"},
    "splits": {
        "train": {
            "num_examples": 3,
            "num_frames": 30,
            "bytes": 100,
            "classes": {"a": 3},
            "shards": [{"name": "train-00000-of-00001", "num_examples": 3, "bytes": 100}],
        }
    },
    "num_clips": 3,
    "num_skipped": 0,
    "format_version": 1,
}
CONFIG = {
    "training": {"data_dir": "shards", "num_frames": 8, "image_size": 32, "frame_stride": 1},
    "class_names": ["a", "b"],
    "data": {"fps": 25.0, "short_side": 32, "modality": "rgb"},
}
PLAN = Plan(
    settings={"fps": 25.0},
    versions={"numpy": "2"},
    labels=("a",),
    missing=(),
    duplicates=(("a.mp4", "twice"),),
    clips={"train": {"num_clips": 1, "sha256": "0"}},
    shards=("train-00000-of-00001.tfrecord",),
)
NOTHING = object()
LONG = "field larger than field limit (131072)"
HISTORY = "epoch,step,learning_rate,top1,val_loss,val_top1,loss\n0,5,0.1,0.2,0.3,0.5"


def with_value(content, field, value):
    """The content with another value at ``field``, or without it."""
    changed = json.loads(json.dumps(content))
    *way, last = field.split(".")
    inner = changed
    for name in way:
        inner = inner[int(name) if name.isdigit() else name]
    if value is NOTHING:
        del inner[last]
    else:
        inner[last] = value
    return changed


def told(path, field, allowed, received):
    """The beginning of the error about one field."""
    return f"`{field}` of {path} must be {allowed}. Received: {received}. "


@pytest.mark.parametrize(
    ("field", "value", "allowed", "received"),
    [
        ("format_version", "1", "an integer of at least 0", "'1'"),
        ("format_version", NOTHING, "there", "nothing"),
        ("settings", [], "a mapping", "[]"),
        ("settings.fps", "fast", "a number", "'fast'"),
        ("settings.short_side", 25.5, "an integer of at least 0", "25.5"),
        ("settings.multi_label", "false", "true or false", "'false'"),
        ("versions.numpy", 2, "a string", "2"),
        ("splits", None, "a mapping", "None"),
        ("splits.train", 3, "a mapping", "3"),
        ("splits.train.classes.a", -1, "an integer of at least 0", "-1"),
        ("splits.train.shards", {}, "a list", "{}"),
        ("splits.train.shards.0.bytes", "many", "an integer of at least 0", "'many'"),
        ("splits.train.num_examples", True, "an integer of at least 0", "True"),
        ("splits.train.num_examples", 4, "the sum of its shards, 3", "4"),
        ("num_clips", NOTHING, "there", "nothing"),
    ],
)
def test_a_wrong_field_of_a_manifest_is_named(tmp_path, field, value, allowed, received):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(MANIFEST))
    assert manifests.load_manifest(tmp_path).num_examples("train") == 3
    path.write_text(json.dumps(with_value(MANIFEST, field, value)))
    with pytest.raises(ValueError) as caught:
        manifests.load_manifest(tmp_path)
    named = field.replace(".0", "[0]")
    assert str(caught.value).startswith(told(path, named, allowed, received))


def test_a_modality_that_there_is_not_is_not_taken_for_flow(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(with_value(MANIFEST, "settings.modality", "x")))
    with pytest.raises(
        ValueError, match="`modality` must be one of 'rgb', 'flow_dis'.*modality='x'"
    ) as e:
        manifests.load_manifest(tmp_path)
    assert str(path) in str(e.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe{\x00", b'{"format_version": 1, "splits": {}}'],
)
@pytest.mark.parametrize("name", ["manifest.json", "config.json"])
def test_what_is_no_such_file_at_all_is_told_with_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}"):
        manifests.load_manifest(tmp_path) if "man" in name else read_config(tmp_path)


def test_a_mark_before_the_text_is_no_part_of_it(tmp_path):
    (tmp_path / "label_map.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    assert manifests.load_label_map(tmp_path) == ["a", "b"]
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8-sig")
    assert manifests.load_manifest(tmp_path).modality == "rgb"
    (tmp_path / "history.csv").write_bytes(b"\xef\xbb\xbf" + HISTORY.encode() + b",1\r\n")
    names = HISTORY.split("\n")[0].split(",")
    wanted = dict(zip(names, (0, 5, 0.1, 0.2, 0.3, 0.5, 1), strict=True))
    assert read_history(tmp_path / "history.csv") == [wanted]


@pytest.mark.parametrize(
    ("field", "value", "allowed", "received"),
    [
        ("training", None, "a mapping", "None"),
        ("training.num_frames", "8", "an integer of at least 0", "'8'"),
        ("training.data_dir", 1, "a string", "1"),
        ("class_names", "ab", "a list", "'ab'"),
        ("class_names", NOTHING, "there", "nothing"),
        ("data.fps", "25", "a number", "'25'"),
    ],
)
def test_a_wrong_field_of_the_config_of_a_run_is_named(tmp_path, field, value, allowed, received):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    assert read_config(tmp_path).class_names == ["a", "b"]
    path.write_text(json.dumps(with_value(CONFIG, field, value)))
    with pytest.raises(ValueError) as caught:
        read_config(tmp_path)
    assert str(caught.value).startswith(told(path, field, allowed, received))


@pytest.mark.parametrize(
    ("field", "value", "allowed", "received"),
    [
        ("labels", "a", "a list", "'a'"),
        ("duplicates", [["a.mp4"]], "a list of 2", "['a.mp4']"),
        ("clips", None, "there", "None"),
        ("clips.train.num_clips", "1", "an integer of at least 0", "'1'"),
        ("shards", NOTHING, "there", "nothing"),
    ],
)
def test_a_wrong_field_of_a_plan_is_named(tmp_path, field, value, allowed, received):
    write_plan(str(tmp_path), PLAN)
    assert load_plan(str(tmp_path)) == PLAN
    path = tmp_path / ".conversion" / "plan.json"
    path.write_text(json.dumps(with_value(json.loads(path.read_text()), field, value)))
    with pytest.raises(ValueError) as caught:
        load_plan(str(tmp_path))
    named = "duplicates[0]" if field == "duplicates" else field
    assert str(caught.value).startswith(told(path, named, allowed, received))


@pytest.mark.parametrize(
    ("text", "field", "allowed", "received"),
    [
        (f"{HISTORY},low\n", "line 2, loss", "a number", "'low'"),
        (f"{HISTORY}\n", "line 2, loss", "there", "nothing"),
        (f"{HISTORY},1\n1,half,0,0,0,0,0\n", "line 3, step", "a whole number", "'half'"),
        (f"{HISTORY},1\n1,5.5,0,0,0,0,0\n", "line 3, step", "a whole number", "'5.5'"),
        (f"{HISTORY},1,7\n", "line 2, a column without a name", "absent", "['7']"),
        ("epoch,loss\n0,5\n", "line 2, step", "there", "nothing"),
        ("epoch,step,learning_rate\n0,5,1\n", "line 2, loss", "there", "nothing"),
        (f"{HISTORY},{'1' * 200_000}\n", "line 2", "values with commas between", LONG),
    ],
)
def test_a_wrong_value_of_a_history_is_named(tmp_path, text, field, allowed, received):
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        read_history(path)
    assert str(caught.value).startswith(told(path, field, allowed, received))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("file,note\na.mp4\n", "line 2, note"),
        ("file,note\na.mp4,short,1\n", "line 2, a column without a name"),
        ("file,reason\na.mp4,short\n", "line 2, note"),
    ],
)
def test_a_damaged_list_beside_the_shards_is_named(tmp_path, text, field):
    path = tmp_path / "notes.csv"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        read_list(str(tmp_path), NOTES_NAME)
    assert str(caught.value).startswith(f"`{field}` of {path} must be ")


def test_records_that_were_skipped_are_listed_by_names_of_any_bytes(tmp_path):
    shard = os.fsdecode(b"/shards \xff/train-00000-of-00001.tfrecord")
    first, second = SkippedRecords(), SkippedRecords()
    first.add(shard, "3", "damaged, as it seems")
    second.add(shard, "1", "empty")
    write_skipped(tmp_path, first, read_skipped(tmp_path))
    write_skipped(tmp_path, second, read_skipped(tmp_path))
    assert read_skipped(tmp_path) == second.rows() + first.rows()


def test_a_damaged_list_of_skipped_records_is_named(tmp_path):
    path = tmp_path / "skipped_records.csv"
    path.write_text("shard,record,reason\ntrain-00000-of-00001,3\n")
    with pytest.raises(ValueError) as caught:
        read_skipped(tmp_path)
    assert str(caught.value).startswith(told(path, "line 2, reason", "there", "nothing"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("classes", [1]), ("classes.a", "3"), ("num_frames", "x"), ("skipped", [[1]]), ("plan", [])],
)
def test_a_shard_whose_record_is_damaged_is_not_finished(tmp_path, field, value):
    name = "train-00000-of-00001.tfrecord"
    (tmp_path / name).write_bytes(b"12345")
    (tmp_path / ".conversion").mkdir()
    record = tmp_path / ".conversion" / f"{name}.json"
    known = {"split": "train", "name": name, "plan": "p", "num_clips": 1, "num_frames": 1}
    known |= {"bytes": 5, "classes": {"a": 1}, "skipped": [["b.mp4", "empty"]], "incomplete": []}
    record.write_text(json.dumps(known))
    assert load_receipts(str(tmp_path), [name], "p")[name].skipped == [("b.mp4", "empty")]
    record.write_text(json.dumps(with_value(known, field, value)))
    assert load_receipts(str(tmp_path), [name], "p") == {}
