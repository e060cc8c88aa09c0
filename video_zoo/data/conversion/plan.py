"""Plans a conversion: which clip goes into which shard, and all that the shards depend on.

The plan is a pure function of the annotations, the settings and the seed. So a run that continues,
machines that share the work, and an Apache Beam pipeline all make the same files.
"""

import collections
import dataclasses
import hashlib
import json
import math
import os
import platform
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import tensorflow as tf

import video_zoo
from video_zoo import errors

from ..annotations.clip import Clip
from ..annotations.listing import Annotations, read_annotations
from ..format import manifests
from ..format.folder import shard_name
from ..videos import video
from .config import ConversionConfig

T = TypeVar("T")
_CLIPS_PER_SHARD = 50
# Versions that the manifest tells for information, as they change no picture.
_HARMLESS_VERSIONS = {"python", "tensorflow", "numpy"}


@dataclasses.dataclass(frozen=True)
class Shard:
    """One shard of the plan: its split, its file name, and the clips that go into it, in order."""

    split: str
    name: str
    clips: tuple[Clip, ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that the files of a conversion depend on, as it is kept until they are finished.

    Args:
        settings: everything that shapes the files.
        versions: versions of the decoders and of what else had a part in it.
        labels: class names by label index.
        missing: annotated videos that are not there.
        duplicates: ``(file, problem)`` of each, as a report: what they change is in ``clips``.
        clips: split -> ``{"num_clips": int, "sha256": str}``, which stand for its list of clips;
            None in what the files of an older dataset tell.
        shards: their file names, split by split.
    """

    settings: Mapping[str, object]
    versions: Mapping[str, str]
    labels: tuple[str, ...]
    missing: tuple[str, ...]
    duplicates: tuple[tuple[str, str], ...]
    clips: Mapping[str, Mapping[str, object]] | None
    shards: tuple[str, ...]

    @property
    def num_clips(self) -> int:
        """Clips of all splits."""
        return sum(split["num_clips"] for split in self.clips.values())

    @property
    def fingerprint(self) -> str:
        """Equal for plans that give equal shards."""
        fields = dataclasses.asdict(self) | {"versions": _versions_of_bytes(self)}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """The plan as text. Not all file names are UTF-8, so it is ASCII."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


def make_plan(config: ConversionConfig) -> tuple[Plan, list[Shard], Annotations]:
    """Reads the annotations and deals the clips over shards.

    Args:
        config: the conversion.

    Returns:
        The plan, its shards with their clips, and the annotations.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_annotations`.
        ImportError: as :func:`decoder_versions`.
    """
    versions = {
        "video_zoo": video_zoo.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    } | video.decoder_versions(config.encoding.modality)
    annotations = read_annotations(
        config.input_dir,
        config.annotations,
        layout=config.layout,
        fold=config.fold,
        label_map=config.label_map,
        train_ids=config.train_ids,
        val_ids=config.val_ids,
        num_classes=config.num_classes,
        train_per_class=config.train_per_class,
        val_per_class=config.val_per_class,
        val_fraction=config.val_fraction,
        seed=config.seed,
        allow_empty_splits=config.allow_empty_splits,
        multi_label=config.multi_label,
    )
    if annotations.frame_folders and config.encoding.frames_fps is None:
        raise errors.refusal(
            "frames_fps",
            f"given for folders of frames, such as {annotations.frame_folders[0]!r}",
            None,
            "Something-Something v1 and Jester have 12 frames per second; frames that you made of "
            "videos have the rate at which you made them.",
        )
    shards = plan_shards(annotations, config.num_shards, config.seed)
    plan = Plan(
        settings=_settings(config, annotations.multi_label),
        versions=versions,
        labels=tuple(annotations.labels),
        missing=tuple(annotations.missing),
        duplicates=tuple(annotations.duplicates),
        clips=_clip_lists(annotations.clips, config.input_dir),
        shards=tuple(shard.name for shard in shards),
    )
    return plan, shards, annotations


def by_split(members: Iterable[T]) -> dict[str, list[T]]:
    """Split -> its clips, or whatever else has a ``split``, in the order in which they came."""
    parts = collections.defaultdict(list)
    for member in members:
        parts[member.split].append(member)
    return parts


def plan_shards(annotations: Annotations, num_shards: int | None, seed: int) -> list[Shard]:
    """Deals the clips of each split over its shards: shuffled by ``seed``, then in turn.

    Args:
        annotations: all clips, with their splits.
        num_shards: shards of ``"train"`` (or of the largest split where there is no such); others
            get a number in proportion to their clips. None: one for every 50 clips.
        seed: of the order.

    Returns:
        The shards, by split and index. Always the same for the same arguments.
    """
    parts = by_split(annotations.clips)
    leading = len(parts.get("train") or max(parts.values(), key=len))
    if num_shards is None:
        num_shards = math.ceil(leading / _CLIPS_PER_SHARD)
    plan = []
    for split, clips in sorted(parts.items()):
        count = max(1, round(num_shards * len(clips) / leading))
        random.Random(f"{seed}/{split}").shuffle(clips)
        plan += [
            Shard(split, shard_name(split, index, count), tuple(clips[index::count]))
            for index in range(count)
        ]
    return plan


def relative_name(path: str, input_dir: str) -> str:
    """The path inside the input folder, or only the name of a file from elsewhere."""
    relative = os.path.relpath(path, input_dir)
    outside = relative.startswith(os.pardir + os.sep)
    return (os.path.basename(path) if outside else relative).replace(os.sep, "/")


def _settings(config: ConversionConfig, multi_label: bool) -> dict[str, object]:
    """All that shapes the files; not where they lie, nor how many processes made them."""
    names = (
        "num_shards",
        "num_classes",
        "train_per_class",
        "val_per_class",
        "val_fraction",
        "seed",
    )
    settings = dataclasses.asdict(config.encoding) | {name: getattr(config, name) for name in names}
    # Where it is the exception: a dataset of an earlier version says nothing.
    return settings | ({manifests.MULTI_LABEL: True} if multi_label else {})


def _clip_lists(clips: Sequence[Clip], input_dir: str) -> dict[str, dict[str, object]]:
    lists = {}
    for split, members in sorted(by_split(clips).items()):
        names = [relative_name(clip.path, input_dir) for clip in members]
        rows = [
            [name, clip.label, clip.start, clip.end, clip.clip_id, *clip.other_labels]
            for name, clip in zip(names, members, strict=True)
        ]
        digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
        lists[split] = {"num_clips": len(rows), "sha256": digest}
    return lists


def _versions_of_bytes(plan: Plan) -> dict[str, str]:
    return {name: text for name, text in plan.versions.items() if name not in _HARMLESS_VERSIONS}


def check_unchanged(old: Plan, new: Plan, output_dir: str) -> None:
    """ValueError if ``new`` would give other files than ``old``; it tells the differences."""
    found = list(_differences(old, new))
    if found:
        raise ValueError(
            f"`output_dir` must hold the same conversion, or none. Received: output_dir="
            f"{output_dir!r}, where {'; '.join(found)}. Choose another folder, go back to what "
            "was, or pass overwrite to start anew."
        )


def _differences(old: Plan, new: Plan) -> Iterator[str]:
    for name, was, now in _changed(old.settings, new.settings):
        yield f"`{name}` was {was} and is {now}"
    for name, was, now in _changed(_versions_of_bytes(old), _versions_of_bytes(new)):
        yield f"the version of {name} was {was or 'none'} and is {now or 'none'}"
    if len(old.labels) != len(new.labels):
        yield f"the label map had {len(old.labels)} names and has {len(new.labels)}"
    elif old.labels != new.labels:
        pairs = enumerate(zip(old.labels, new.labels, strict=True))
        index, (was, now) = next((index, pair) for index, pair in pairs if pair[0] != pair[1])
        yield f"the label map had {was!r} as label {index} and has {now!r}"
    if old.clips is not None:
        for split, was, now in _changed(old.clips, new.clips):
            numbers = [0 if clips is None else clips["num_clips"] for clips in (was, now)]
            yield f"the list of {split!r} clips changed ({numbers[0]} clips, and now {numbers[1]})"
    if old.missing != new.missing:
        numbers = f"{len(old.missing)} entries, and now {len(new.missing)}"
        yield f"the list of missing videos changed ({numbers})"


def _changed(old: Mapping, new: Mapping) -> Iterator[tuple[str, object, object]]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)
