"""What stands beside the shards: the label map, and the manifest of what a conversion wrote."""

import collections
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence

import tensorflow as tf

from video_zoo import errors
from video_zoo.files import file_content, filesystems
from video_zoo.files.whole_files import write_text
from video_zoo.known_names import LABEL_MAP as LABEL_MAP_NAME

from .encoding import EncodingConfig
from .modality import RGB

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
MULTI_LABEL = "multi_label"  # among the settings
_REMEDY = "Convert the videos again, or remove the file to read the shards without it."


def write_label_map(data_dir: str | os.PathLike, labels: Sequence[str]) -> None:
    """Writes ``label_map.txt``: one class name a line, the line number (from 0) is its index.

    Raises:
        ValueError: a name is empty, holds a line break or occurs twice.
    """
    _check_labels(labels, "labels")
    text = "".join(f"{label}\n" for label in labels)
    write_text(os.path.join(os.fspath(data_dir), LABEL_MAP_NAME), text)


def load_label_map(data_dir: str | os.PathLike) -> list[str]:
    """Reads the class names of a shard folder; a name's place in the list is its label index.

    Raises:
        FileNotFoundError: the folder has no ``label_map.txt``.
        ValueError: it is not UTF-8, is empty, or has an empty or repeated name; or the folder's
            file system cannot be read here.
    """
    data_dir = errors.at_home(data_dir)
    filesystems.check(data_dir, "data_dir")
    path = os.path.join(data_dir, LABEL_MAP_NAME)
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(
            f"`data_dir` must hold {LABEL_MAP_NAME}, one class name a line. "
            f"Received: data_dir={data_dir!r}. Convert the videos with {errors.CONVERT}, write the "
            "file for shards from elsewhere, or pass `data_dir` where the folder has been moved."
        )
    labels = file_content.read_lines(path)
    _check_labels(labels, path)
    return labels


def _check_labels(labels: Sequence[str], where: str) -> None:
    counts = collections.Counter(labels)
    bad = [name for name in counts if not name.strip() or "\n" in name or "\r" in name]
    bad += [name for name, count in counts.items() if count > 1]
    if bad or not labels:
        raise ValueError(
            f"`{where}` must be class names, one a line, none empty and none twice. "
            f"Received: {bad if labels else 'no names'}. Correct the file."
        )


@dataclasses.dataclass(frozen=True)
class ShardSummary:
    """One shard: its file name, the number of examples in it, and its size in bytes."""

    name: str
    num_examples: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class SplitSummary:
    """One split: clips, frames and bytes in all, clips per class name, and its shards in order."""

    num_examples: int
    num_frames: int
    bytes: int
    classes: Mapping[str, int]
    shards: tuple[ShardSummary, ...]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a conversion wrote, kept as ``manifest.json`` beside the shards.

    Args:
        settings: everything that shapes the files: fps, short_side, modality, seed, ...
        versions: versions of video_zoo, python, tensorflow, opencv, av and numpy.
        splits: name of the split -> what is in it.
        num_clips: clips that were to be converted.
        num_skipped: clips that could not be used; listed in ``skipped.csv``.
        num_missing: annotated videos that were not there; listed in ``missing.csv``.
    """

    settings: Mapping[str, object]
    versions: Mapping[str, str]
    splits: Mapping[str, SplitSummary]
    num_clips: int
    num_skipped: int
    num_missing: int = 0
    format_version: int = FORMAT_VERSION

    @property
    def modality(self) -> str:
        """What the stored frames are: one of :data:`video_zoo.limits.MODALITIES`."""
        return self.settings.get("modality", RGB)

    @property
    def multi_label(self) -> bool:
        """Whether a clip may have several classes, or none."""
        return self.settings.get(MULTI_LABEL, False)

    def split(self, split: str) -> SplitSummary:
        """The summary of one split; ValueError names the splits there are."""
        if split not in self.splits:
            raise errors.refusal("split", f"one of {sorted(self.splits)}", split)
        return self.splits[split]

    def num_examples(self, split: str) -> int:
        """Number of clips in ``split``."""
        return self.split(split).num_examples

    def shard_sizes(self, split: str) -> dict[str, int]:
        """Shard file name -> number of examples in it, in order of index."""
        return {shard.name: shard.num_examples for shard in self.split(split).shards}

    def write(self, data_dir: str | os.PathLike) -> None:
        """Writes ``manifest.json`` into ``data_dir``."""
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"
        write_text(os.path.join(os.fspath(data_dir), MANIFEST_NAME), text)


def load_manifest(data_dir: str | os.PathLike) -> Manifest | None:
    """Reads a shard folder's manifest; None if it has none (shards made by other tools).

    Raises:
        ValueError: the manifest is damaged or of another format version, which names the field, or
            the folder's file system cannot be read here.
    """
    data_dir = errors.at_home(data_dir)
    filesystems.check(data_dir, "data_dir")
    path = os.path.join(data_dir, MANIFEST_NAME)
    if not tf.io.gfile.exists(path):
        return None
    content = file_content.read_json(path, object, _REMEDY)
    version = file_content.check(content, _Version, path, _REMEDY).format_version
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{MANIFEST_NAME} must have format_version {FORMAT_VERSION}. "
            f"Received: format_version={version!r} in {path}. Convert the videos again."
        )
    manifest = file_content.check(content, Manifest, path, _REMEDY)
    check_storage(manifest.settings, path, "settings", _REMEDY)
    if not isinstance(several := manifest.settings.get(MULTI_LABEL, False), bool):
        file_content.refuse(path, f"settings.{MULTI_LABEL}", "true or false", several, _REMEDY)
    for name, split in manifest.splits.items():
        total = sum(shard.num_examples for shard in split.shards)
        if split.num_examples != total:
            field = f"splits.{name}.num_examples"
            allowed = f"the sum of its shards, {total}"
            file_content.refuse(path, field, allowed, split.num_examples, _REMEDY)
    return manifest


@dataclasses.dataclass(frozen=True)
class _Version:
    format_version: int


def check_storage(
    settings: Mapping[str, object], path: str | os.PathLike, field: str, remedy: str
) -> None:
    """Checks how a file says that videos are stored.

    Args:
        settings: of a conversion, as the file has them.
        path: the file.
        field: of the file, where they stand.
        remedy: a sentence that ends the error.

    Raises:
        ValueError: one of them is of another type or out of range; one that is absent has its
            default.
    """
    file_content.check({field: settings}, Mapping[str, EncodingConfig], path, remedy)
