"""Finishes a conversion: the manifest and the lists beside the shards, and how it all went."""

import collections
import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from video_zoo.files import whole_files

from ..annotations.coverage import some
from ..format import lists, manifests
from ..format.folder import is_shard_name
from ..format.lists import DUPLICATES_NAME, MISSING_NAME, NOTES_NAME, SKIPPED_NAME, read_list
from . import shards
from .plan import Plan, Shard, by_split
from .shards import ShardReceipt

_OWN_NAMES = (manifests.MANIFEST_NAME, manifests.LABEL_MAP_NAME, *lists.COLUMNS)
_NAMES_SHOWN = 20
_CLIPS = "clips"  # among the manifest's settings: what stands for the lists of clips


@dataclasses.dataclass(frozen=True)
class ConversionResult:
    """How a conversion ended.

    Args:
        manifest: as written; None after a part of a conversion, ``shard_range``.
        output_dir: folder of the shards.
        skipped: ``(file, reason)``, as written to ``skipped.csv``; after a part, its own.
        incomplete: ``(file, note)``, as written to ``notes.csv``: clips of which something is
            missing; after a part, its own.
        duplicates: ``(file, problem)``, as written to ``duplicates.csv``.
        problem: why the dataset should not be used as it is (too many clips skipped, or a split
            without any), in one line; None if all is well.
        unfinished: the shards that are still to be made, after a part.
        remarks: what may be wrong with the input, in one line each; none after
            :func:`video_zoo.data.merge`, which does not see it.
    """

    manifest: manifests.Manifest | None
    output_dir: str
    skipped: tuple[tuple[str, str], ...]
    incomplete: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[str, str], ...]
    problem: str | None
    unfinished: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def summary(self) -> str:
        """What was made, and what is left, in some lines."""
        lines = []
        if self.manifest:
            for name, split in self.manifest.splits.items():
                lines.append(
                    f"{name}: {split.num_examples} clips, {split.num_frames} frames, "
                    f"{split.bytes / 1e6:.1f} MB in {len(split.shards)} shards"
                )
            lines.append(
                f"skipped: {len(self.skipped)}, missing: {self.manifest.num_missing}, "
                f"duplicates: {len(self.duplicates)}"
            )
            if self.incomplete:
                lines.append(f"not whole: {len(self.incomplete)}, see {NOTES_NAME}")
        elif self.unfinished:
            lines.append(
                f"{len(self.unfinished)} shards are left: {some(self.unfinished, _NAMES_SHOWN)}"
            )
        else:
            lines.append("no shard is left: --merge writes the manifest")
        return "\n".join([*lines, f"written to {self.output_dir}"])


def own_files(output_dir: str, temporary: bool = False) -> list[str]:
    """Names of all files in the folder that a conversion writes, the manifest first."""
    found = []
    # An object store has no empty folders.
    there = tf.io.gfile.listdir(output_dir) if tf.io.gfile.isdir(output_dir) else []
    for name in there:
        unfinished = whole_files.final_name(name)
        final = unfinished or name
        ours = is_shard_name(final) or final in _OWN_NAMES
        if ours and (unfinished or not temporary):
            found.append(name)
    return sorted(found, key=lambda name: name != manifests.MANIFEST_NAME)


def finish(
    output_dir: str, plan: Plan, receipts: Mapping[str, ShardReceipt], max_skipped: float
) -> ConversionResult:
    """Writes what stands beside the shards, the manifest last, and forgets the receipts."""
    missing = [name for name in plan.shards if name not in receipts]
    if missing:
        raise FileNotFoundError(
            f"`output_dir` must hold all {len(plan.shards)} shards of the conversion, and their "
            f"receipts. Received: output_dir={output_dir!r}, which lacks "
            f"{some(missing, _NAMES_SHOWN)}. "
            "Make them with the same settings, or copy them there."
        )
    in_order = [receipts[name] for name in plan.shards]
    skipped = _sorted_rows(in_order, "skipped")
    manifests.write_label_map(output_dir, plan.labels)
    lists.write_list(output_dir, SKIPPED_NAME, skipped)
    lists.write_list(output_dir, NOTES_NAME, _sorted_rows(in_order, "incomplete"))
    lists.write_list(output_dir, MISSING_NAME, [(name,) for name in plan.missing])
    lists.write_list(output_dir, DUPLICATES_NAME, plan.duplicates)
    parts = by_split(in_order).items()
    manifest = manifests.Manifest(
        settings={**plan.settings, _CLIPS: plan.clips},
        versions=plan.versions,
        splits={split: _summarize(part, plan.labels) for split, part in parts},
        num_clips=plan.num_clips,
        num_skipped=len(skipped),
        num_missing=len(plan.missing),
    )
    for name in own_files(output_dir, temporary=True):  # of runs that were killed
        tf.io.gfile.remove(os.path.join(output_dir, name))
    manifest.write(output_dir)
    shards.forget(output_dir)
    return finished_result(output_dir, manifest, max_skipped)


def _sorted_rows(receipts: Iterable[ShardReceipt], name: str) -> list[tuple[str, str]]:
    """The rows of all receipts' lists of this name."""
    return sorted(row for receipt in receipts for row in getattr(receipt, name))


def _summarize(receipts: Sequence[ShardReceipt], labels: Sequence[str]) -> manifests.SplitSummary:
    classes = collections.Counter()
    for receipt in receipts:
        classes.update(receipt.classes)
    return manifests.SplitSummary(
        num_examples=sum(receipt.num_examples for receipt in receipts),
        num_frames=sum(receipt.num_frames for receipt in receipts),
        bytes=sum(receipt.bytes for receipt in receipts),
        classes={label: classes[label] for label in labels},
        shards=tuple(
            manifests.ShardSummary(receipt.name, receipt.num_examples, receipt.bytes)
            for receipt in receipts
        ),
    )


def finished_result(
    output_dir: str, manifest: manifests.Manifest, max_skipped: float
) -> ConversionResult:
    """The result of a conversion whose manifest is written."""
    return ConversionResult(
        manifest=manifest,
        output_dir=output_dir,
        skipped=read_list(output_dir, SKIPPED_NAME),
        incomplete=read_list(output_dir, NOTES_NAME),
        duplicates=read_list(output_dir, DUPLICATES_NAME),
        problem=_problem(output_dir, manifest, max_skipped),
    )


def partial_result(
    output_dir: str,
    plan: Plan,
    chosen: Sequence[Shard],
    receipts: Mapping[str, ShardReceipt],
    max_skipped: float,
) -> ConversionResult:
    """The result of a range of shards: what was skipped in it, and what is left of the plan."""
    made = [receipts[shard.name] for shard in chosen]
    skipped = _sorted_rows(made, "skipped")
    return ConversionResult(
        manifest=None,
        output_dir=output_dir,
        skipped=tuple(skipped),
        incomplete=tuple(_sorted_rows(made, "incomplete")),
        duplicates=plan.duplicates,
        problem=_too_many(len(skipped), sum(len(s.clips) for s in chosen), max_skipped),
        unfinished=tuple(name for name in plan.shards if name not in receipts),
    )


def _problem(output_dir: str, manifest: manifests.Manifest, max_skipped: float) -> str | None:
    skipped_csv = os.path.join(output_dir, SKIPPED_NAME)
    empty = [name for name, split in manifest.splits.items() if not split.num_examples]
    if empty:
        return f"no clip of {' and '.join(empty)} could be used; {skipped_csv} has the reasons"
    problem = _too_many(manifest.num_skipped, manifest.num_clips, max_skipped)
    return problem and f"{problem}; {skipped_csv} has the reasons"


def _too_many(skipped: int, clips: int, max_skipped: float) -> str | None:
    if skipped <= max_skipped * clips:
        return None
    return (
        f"{skipped} of {clips} clips were skipped, more than `max_skipped` {max_skipped:g} allows"
    )


def plan_of_finished(output_dir: str, manifest: manifests.Manifest) -> Plan:
    """The plan of a finished dataset, from its files."""
    settings = dict(manifest.settings)
    clips = settings.pop(_CLIPS, None)  # older manifests do not tell
    return Plan(
        settings=settings,
        versions=manifest.versions,
        labels=tuple(manifests.load_label_map(output_dir)),
        missing=tuple(name for (name,) in read_list(output_dir, MISSING_NAME)),
        duplicates=read_list(output_dir, DUPLICATES_NAME),
        clips=clips,
        shards=tuple(s.name for split in manifest.splits.values() for s in split.shards),
    )
