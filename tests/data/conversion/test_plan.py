import collections
import dataclasses

import pytest

from video_zoo.data.annotations.clip import Clip
from video_zoo.data.annotations.listing import Annotations
from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.plan import Plan, check_unchanged, make_plan, plan_shards
from video_zoo.files import file_content


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("workers", 0), ("num_shards", 0), ("max_skipped", -0.1), ("max_skipped", 5)),
        *(("clip_timeout", 0), ("shard_range", "64"), ("shard_range", "5:5")),
    ],
)
def test_config_is_checked(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: {name}={value!r}"):
        ConversionConfig("in", "out", **{name: value})


def make_annotations(**clips_of_split):
    clips = tuple(
        Clip(f"/{split}/{number}", "a", split)
        for split, count in clips_of_split.items()
        for number in range(count)
    )
    return Annotations(clips, ("a",))


@pytest.mark.parametrize(
    ("num_shards", "clips", "expected"),
    [
        (None, {"train": 120, "val": 51}, {"train": 3, "val": 1}),
        (8, {"train": 100, "val": 25, "test": 1}, {"train": 8, "val": 2, "test": 1}),
        (4, {"train": 2}, {"train": 4}),
        (None, {"val": 101}, {"val": 3}),
    ],
)
def test_plan(num_shards, clips, expected):
    plan = plan_shards(make_annotations(**clips), num_shards, seed=0)
    assert collections.Counter(shard.split for shard in plan) == expected
    planned = [clip for shard in plan for clip in shard.clips]
    assert sorted(planned, key=str) == sorted(make_annotations(**clips).clips, key=str)
    for split in clips:
        sizes = [len(shard.clips) for shard in plan if shard.split == split]
        assert max(sizes) - min(sizes) <= 1


def test_plan_depends_on_the_seed_only():
    annotations = make_annotations(train=60, val=10)
    assert plan_shards(annotations, 4, 1) == plan_shards(annotations, 4, 1)
    assert plan_shards(annotations, 4, 1) != plan_shards(annotations, 4, 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shard_range": "0:1", "overwrite": True}, "`overwrite` must not go with `shard_range`"),
        ({"beam_options": "--x=1"}, "`beam_options` must go with `runner`"),
    ],
)
def test_settings_that_do_not_go_together(fields, message):
    with pytest.raises(ValueError, match=message):
        ConversionConfig("in", "out", **fields)


def test_the_fingerprint_tells_plans_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "in" / "label").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "label" / f"{name}.mp4").touch()
    config = ConversionConfig(str(tmp_path / "in"), "out", val_fraction=0)
    plan, _, _ = make_plan(config)
    (tmp_path / "plan.json").write_text(plan.to_json())
    assert file_content.read_json(tmp_path / "plan.json", Plan, "") == plan
    same = dataclasses.replace(config, output_dir="elsewhere", workers=7, val_fraction=0.0)
    assert make_plan(same)[0].fingerprint == plan.fingerprint
    python = dataclasses.replace(plan, versions=plan.versions | {"python": "3.99"})
    assert python.fingerprint == plan.fingerprint
    opencv = dataclasses.replace(plan, versions=plan.versions | {"opencv": "99"})
    assert opencv.fingerprint != plan.fingerprint
    with pytest.raises(ValueError, match="the version of opencv was .* and is 99"):
        check_unchanged(plan, opencv, "out")
    (tmp_path / "in" / "label" / "b.mp4").rename(tmp_path / "in" / "label" / "c.mp4")
    renamed, _, _ = make_plan(config)
    assert renamed.fingerprint != plan.fingerprint
    with pytest.raises(ValueError, match="the list of 'train' clips changed"):
        check_unchanged(plan, renamed, "out")
