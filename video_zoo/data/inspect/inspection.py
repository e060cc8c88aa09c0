"""Checks a shard folder record by record, and says what is in it."""

import os
from collections.abc import Callable, Iterator

import tensorflow as tf
import tqdm

from ..format import lists, manifests, tfrecord
from ..format.folder import is_shard_name, list_shards
from ..format.modality import RGB
from ..input import bad_records, records, transforms
from ..input.augmentation_config import AugmentationConfig
from .config import InspectionConfig
from .report import DatasetReport, Problem, SplitReport


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
    manifest = manifests.load_manifest(config.data_dir)
    names = _split_names(config, manifest)
    class_names = manifests.load_label_map(config.data_dir)
    modality = RGB if manifest is None else manifest.modality
    incomplete = lists.read_list(config.data_dir, lists.NOTES_NAME)
    multi_label = manifest is not None and manifest.multi_label
    report = DatasetReport(
        config.data_dir, class_names, modality, multi_label, incomplete=incomplete
    )
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


def _split_names(config: InspectionConfig, manifest: manifests.Manifest | None) -> list[str]:
    if config.split is not None:
        list_shards(config.data_dir, config.split)  # an error tells which splits there are
        return [config.split]
    if not tf.io.gfile.isdir(config.data_dir):
        list_shards(config.data_dir, "train")
    found = filter(is_shard_name, tf.io.gfile.listdir(config.data_dir))
    names = {name.rsplit("-", 3)[0] for name in found}
    names |= set() if manifest is None else set(manifest.splits)
    if not names:
        list_shards(config.data_dir, "train")
    usual = ("train", "val", "test")
    return sorted(names, key=lambda name: (usual.index(name) if name in usual else 3, name))


def _shards_there(config: InspectionConfig, report: DatasetReport, split: str) -> list[str]:
    """The shards of a split, those of an incomplete set too, which is a problem."""
    try:
        return list_shards(config.data_dir, split)
    except (FileNotFoundError, ValueError) as error:
        report.problems.append(Problem(split, None, " ".join(str(error).split())))
    found = filter(is_shard_name, sorted(tf.io.gfile.listdir(config.data_dir)))
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
    describe = _describer(tuple(report.class_names), report.multi_label)
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


def _describer(class_names: tuple[str, ...], multi_label: bool) -> Callable:
    """A function record -> what it holds, which fails, when run, if a frame does not decode."""

    def describe(record: tf.Tensor) -> dict[str, tf.Tensor]:
        example = tfrecord.parse_example(record, class_names, multi_label)
        frames = example.pop("frames")
        sizes = transforms.decoded_sizes(frames)
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
    labels = tfrecord.labels_of(record)
    # The test sets of Kinetics come without labels; of several classes, none is a label too.
    if not labels or (labels == [(tfrecord.UNLABELLED, [])] and name == "test"):
        split.num_unlabelled += 1
        return []
    for label, _ in labels:
        if 0 <= label < len(class_names):
            split.classes[class_names[label]] += 1
    return bad_records.why_labels(record, class_names)


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
    problems = []
    for label in sorted(split.classes.keys() | expected.classes.keys()):
        count, listed = split.classes.get(label, 0), expected.classes.get(label, 0)
        if count != listed:
            what = f"class {label!r} has {count} clips, the manifest says {listed}"
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
