"""Checks a shard folder record by record, and says what is in it."""

import collections
import dataclasses
import os
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
import tqdm

from . import bad_records, filesystems, finish, flow, manifests, records, tfrecord, transforms
from .augmentation_config import AugmentationConfig
from .inspection_config import InspectionConfig

_NOTES_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is wrong: in which shard or split, at which record if it is one, and how."""

    where: str
    record: int | None
    message: str

    def __str__(self) -> str:
        place = self.where if self.record is None else f"{self.where}, record {self.record}"
        return f"{place}: {self.message}"


@dataclasses.dataclass
class SplitReport:
    """What the records of a split hold, as far as they were read.

    Attributes:
        shards: paths.
        bytes: size of all shards.
        lengths: number of frames of each clip.
        seconds: length of all clips whose frame rate is known.
        sizes: (height, width) of the stored frames, in pixels -> number of clips.
        classes: class name -> number of clips, in order of the label map.
        num_unlabelled: clips without a label.
        usable: (shard, record index) of each clip without a problem.
    """

    shards: list[str]
    bytes: int = 0
    lengths: list[int] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    sizes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    classes: dict[str, int] = dataclasses.field(default_factory=dict)
    num_unlabelled: int = 0
    usable: list[tuple[str, int]] = dataclasses.field(default_factory=list)

    @property
    def num_clips(self) -> int:
        return len(self.lengths)

    @property
    def num_frames(self) -> int:
        return sum(self.lengths)


@dataclasses.dataclass
class DatasetReport:
    """What a shard folder holds, and what is wrong with it.

    Attributes:
        data_dir: the folder.
        class_names: its label map.
        modality: what the frames are: "rgb", or optical flow.
        splits: split name -> :class:`SplitReport`.
        problems: all that were found, in order of the shards.
        notes: (file, what is missing of it) of clips that were not whole when they were converted.
        contact_sheet: the PNG file, if one was written.
    """

    data_dir: str
    class_names: list[str]
    modality: str
    splits: dict[str, SplitReport] = dataclasses.field(default_factory=dict)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    notes: tuple[tuple[str, str], ...] = ()
    contact_sheet: str | None = None

    def summary(self) -> str:
        """The statistics and the problems, as lines of text."""
        lines = [line for name, split in self.splits.items() for line in _describe(name, split)]
        lines += [f"not whole: {file}: {note}" for file, note in self.notes[:_NOTES_SHOWN]]
        if len(self.notes) > _NOTES_SHOWN:
            lines += [f"not whole: {len(self.notes)} in all, see {finish.NOTES_NAME}"]
        lines += [f"problem: {problem}" for problem in self.problems]
        count = len(self.problems)
        lines += [f"{count} problem{'s' * (count != 1)} found" if count else "no problems found"]
        return "\n".join(lines)


def _describe(name: str, split: SplitReport) -> Iterator[str]:
    yield (
        f"{name}: {split.num_clips} clips, {split.num_frames} frames, {split.seconds:.1f} s, "
        f"{split.bytes / 1e6:.1f} MB in {len(split.shards)} shards"
    )
    if not split.num_clips:
        return
    shown = [f"{h}x{w} ({count})" for (h, w), count in split.sizes.most_common(3)]
    more = f" and {len(split.sizes) - 3} more" * (len(split.sizes) > 3)
    yield f"    height x width (clips): {', '.join(shown)}{more}"
    points = np.percentile(split.lengths, [0, 25, 50, 75, 100])
    quantiles = "min {:g}, quartiles {:g} / {:g} / {:g}, max {:g}".format(*points)
    yield f"    frames per clip: {quantiles}"
    counts = list(split.classes.values())
    yield (
        f"    clips per class: min {min(counts)}, mean {np.mean(counts):.1f}, max {max(counts)} "
        f"of {len(counts)} classes"
    )
    if split.num_unlabelled:
        yield f"    clips without a label: {split.num_unlabelled}"


def inspect_dataset(
    config: InspectionConfig, augmentation: AugmentationConfig | None = None
) -> DatasetReport:
    """Reads every record of a shard folder, decodes every frame, and compares with the manifest.

    A damaged record is one problem, and the others are read all the same.

    Args:
        config: what to check, and what to show.
        augmentation: options that the contact sheet shows, beside the clips without them.

    Returns:
        Statistics and problems; ``report.problems`` is empty where all is well.

    Raises:
        ValueError: the folder's label map or manifest cannot be read, there are no shards, or an
            option does not fit the clips.
        FileNotFoundError: the folder or its label map is missing.
    """
    filesystems.check(config.data_dir, "data_dir")
    names = _split_names(config)
    class_names = manifests.load_label_map(config.data_dir)
    manifest = manifests.load_manifest(config.data_dir)
    modality = flow.RGB if manifest is None else manifest.modality
    notes = finish.read_notes(config.data_dir)
    report = DatasetReport(config.data_dir, class_names, modality, notes=notes)
    if config.contact_sheet is not None:
        from . import contact_sheet  # matplotlib is slow to load

        contact_sheet.check(config, names)
        variants = contact_sheet.variants(config, augmentation, modality)
    total = None
    if manifest is not None and config.max_records is None:
        total = sum(manifest.splits[name].num_examples for name in names if name in manifest.splits)
    with tqdm.tqdm(total=total, desc="reading records", unit="record") as progress:
        for name in names:
            _inspect_split(config, report, manifest, name, progress.update)
    if config.contact_sheet is not None:
        contact_sheet.save(config, report, variants, config.sheet_split or names[0])
    return report


def _split_names(config: InspectionConfig) -> list[str]:
    if config.split is not None:
        tfrecord.list_shards(config.data_dir, config.split)  # an error tells which splits there are
        return [config.split]
    if not tf.io.gfile.isdir(config.data_dir):
        tfrecord.list_shards(config.data_dir, "train")
    found = filter(tfrecord.is_shard_name, tf.io.gfile.listdir(config.data_dir))
    names = {name.rsplit("-", 3)[0] for name in found}
    manifest = manifests.load_manifest(config.data_dir)
    names |= set() if manifest is None else set(manifest.splits)
    if not names:
        tfrecord.list_shards(config.data_dir, "train")
    usual = ("train", "val", "test")
    return sorted(names, key=lambda name: (usual.index(name) if name in usual else 3, name))


def _shards_there(config: InspectionConfig, report: DatasetReport, split: str) -> list[str]:
    """The shards of a split, those of an incomplete set too, which is a problem."""
    try:
        return tfrecord.list_shards(config.data_dir, split)
    except (FileNotFoundError, ValueError) as error:
        report.problems.append(Problem(split, None, " ".join(str(error).split())))
    found = filter(tfrecord.is_shard_name, sorted(tf.io.gfile.listdir(config.data_dir)))
    return [os.path.join(config.data_dir, n) for n in found if n.rsplit("-", 3)[0] == split]


def _inspect_split(
    config: InspectionConfig,
    report: DatasetReport,
    manifest: manifests.Manifest | None,
    name: str,
    on_record: Callable[[], object],
) -> None:
    before = len(report.problems)
    split = SplitReport(_shards_there(config, report, name))
    split.classes = dict.fromkeys(report.class_names, 0)
    report.splits[name] = split
    expected = manifest.splits.get(name) if manifest is not None else None
    if manifest is not None and expected is None:
        report.problems.append(Problem(name, None, "the manifest does not list this split"))
    describe = _describer(tuple(report.class_names))
    for shard in split.shards:
        problems = []
        num_records = 0
        for index, record in _records(shard, config.max_records, describe):
            on_record()
            reasons = [record] if isinstance(record, str) else _add(report, name, record)
            problems += [Problem(os.path.basename(shard), index, reason) for reason in reasons]
            num_records += 1
            if not reasons:
                split.usable.append((shard, index))
        split.bytes += (size := _file_size(shard))
        if expected:
            count = num_records if config.max_records is None and not problems else None
            problems += _compare_shard(os.path.basename(shard), count, size, expected)
        report.problems += problems
    # What is missing would be reported twice.
    if expected and config.max_records is None and len(report.problems) == before:
        report.problems += _compare_split(name, split, expected)


def _describer(class_names: tuple[str, ...]) -> Callable:
    """A function record -> what it holds, which fails, when run, if a frame does not decode."""

    def describe(record: tf.Tensor) -> dict[str, tf.Tensor]:
        example = tfrecord.parse_example(record, class_names)
        frames = example.pop("frames")
        spec = tf.TensorSpec([2], tf.int32)
        sizes = tf.map_fn(transforms.decoded_size, frames, fn_output_signature=spec)
        largest, smallest = tf.reduce_max(sizes, axis=0), tf.reduce_min(sizes, axis=0)
        return {**example, "num_frames": tf.size(frames), "largest": largest, "smallest": smallest}

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])  # traced once for all shards
    def described(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        usable, found = bad_records.attempt(describe, record)
        return usable, tf.where(usable, "", record), found

    return described


def _records(
    shard: str, max_records: int | None, describe: Callable
) -> Iterator[tuple[int, dict | str]]:
    """The records of a shard with their index; the reason in place of one that is damaged."""
    try:
        offsets, whole = records.record_bounds(shard)
    except tf.errors.OpError as error:
        yield 0, f"the shard cannot be read: {error.message}"
        return
    found = records.read_places(tf.constant(shard), tf.constant(offsets[:max_records]))
    found = found.map(
        lambda index, record: (index, *describe(record)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    for index, usable, record, about in found.prefetch(tf.data.AUTOTUNE).as_numpy_iterator():
        yield int(index), about if usable else records.reason_of(record, None)
    if not whole and (max_records is None or max_records > len(offsets)):
        yield len(offsets), "the shard is damaged, or cut off, from here on"


def _add(report: DatasetReport, name: str, record: dict) -> list[str]:
    """Counts a record, and returns what is wrong with it."""
    split = report.splits[name]
    num_frames, frame_rate = int(record["num_frames"]), float(record["frame_rate"])
    split.lengths.append(num_frames)
    split.seconds += num_frames / frame_rate if frame_rate > 0 else 0.0
    reasons = _count_label(report, name, record)
    if not num_frames:
        return [*reasons, "has no frames"]
    size, smallest = tuple(record["largest"].tolist()), tuple(record["smallest"].tolist())
    split.sizes[size] += 1
    declared = int(record["height"]), int(record["width"])
    if size != smallest:
        reasons.append(f"frames of several sizes, from {_by(*smallest)} to {_by(*size)}")
    elif any(declared) and declared != size:
        reasons.append(f"frames of {_by(*size)} pixels, declared as {_by(*declared)}")
    return reasons


def _by(height: int, width: int) -> str:
    return f"{height}x{width}"


def _count_label(report: DatasetReport, name: str, record: dict) -> list[str]:
    split, class_names = report.splits[name], report.class_names
    label = int(record["label"])
    texts = [text.decode("utf-8", "replace") for text in record["texts"].tolist() if text]
    if label == tfrecord.UNLABELLED and not texts and name == "test":
        split.num_unlabelled += 1  # the test sets of Kinetics come without labels
        return []
    if 0 <= label < len(class_names):
        split.classes[class_names[label]] += 1
    return bad_records.why_label(label, texts, class_names)


def _compare_shard(
    shard: str, num_records: int | None, size: int, expected: manifests.SplitSummary
) -> list[Problem]:
    known = {summary.name: summary for summary in expected.shards}.get(shard)
    if known is None:
        return [Problem(shard, None, "the manifest does not list this shard")]
    differences = []
    if num_records not in (None, known.num_examples):
        differences.append(f"has {num_records} records, the manifest says {known.num_examples}")
    if size != known.bytes:
        differences.append(f"has {size} bytes, the manifest says {known.bytes}")
    return [Problem(shard, None, difference) for difference in differences]


def _compare_split(
    name: str, split: SplitReport, expected: manifests.SplitSummary
) -> list[Problem]:
    counts = collections.Counter(split.classes) + collections.Counter({"": split.num_unlabelled})
    problems = []
    for label in sorted(counts.keys() | expected.classes.keys()):
        listed = expected.classes.get(label, 0)
        if counts[label] != listed:
            what = f"class {label!r} has {counts[label]} clips, the manifest says {listed}"
            problems.append(Problem(name, None, what))
    if split.num_frames != expected.num_frames:
        what = f"has {split.num_frames} frames, the manifest says {expected.num_frames}"
        problems.append(Problem(name, None, what))
    return problems


def _file_size(path: str) -> int:
    try:
        return tf.io.gfile.stat(path).length
    except tf.errors.OpError:
        return 0
