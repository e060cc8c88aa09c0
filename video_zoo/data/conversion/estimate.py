"""What a conversion will take, from a sample of its clips."""

import collections
import contextlib
import dataclasses
import os
import random
from collections.abc import Iterator, Mapping, Sequence

import tqdm

from video_zoo import errors

from ..annotations.clip import Clip
from . import workers
from .config import ConversionConfig
from .plan import by_split, make_plan, relative_name
from .shards import encode_labelled

# TFRecord: a length and two checksums around every example.
_BYTES_AROUND_EXAMPLE = 16
_NAMES_SHOWN = 5
_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclasses.dataclass(frozen=True)
class ConversionEstimate:
    """What a conversion will take and give; ``str`` of it is the report.

    Args:
        num_clips: split -> clips.
        num_classes: split -> classes with a clip in it.
        num_shards: of all splits.
        workers: processes that ``hours`` is for.
        num_samples: clips that were decoded.
        unusable: ``(file, reason)`` of each of them that would be skipped.
        bytes_per_clip: mean of the usable ones, as stored; nan if there is none.
        hours: for all clips, unusable ones too.
        missing: annotated videos that are not in the folder.
        unnamed: files in the folder that the annotations do not name.
        duplicates: ``(file, problem)`` of each.
        remarks: what may be wrong with the input, in one line each.
    """

    num_clips: Mapping[str, int]
    num_classes: Mapping[str, int]
    num_shards: int
    workers: int
    num_samples: int
    unusable: tuple[tuple[str, str], ...]
    bytes_per_clip: float
    hours: float
    missing: tuple[str, ...]
    unnamed: tuple[str, ...]
    duplicates: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...] = ()

    @property
    def unusable_share(self) -> float:
        """Part of the sample that would be skipped."""
        return len(self.unusable) / self.num_samples

    @property
    def bytes_of_all(self) -> float:
        """Bytes of the shards if every clip is usable."""
        return self.bytes_per_clip * sum(self.num_clips.values())

    @property
    def bytes(self) -> float:
        """Bytes of the shards if as large a part is skipped as of the sample."""
        return self.bytes_of_all * (1 - self.unusable_share)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for split, clips in self.num_clips.items():
            yield f"{split}: {clips} clips of {self.num_classes[split]} classes"
        yield f"shards: {self.num_shards}"
        bad = f"{len(self.unusable)} of them unusable ({self.unusable_share:.0%})"
        yield f"sample: {self.num_samples} clips, {bad}"
        reasons = collections.Counter(reason for _, reason in self.unusable)
        yield from _first([f"{count} x {reason}" for reason, count in reasons.most_common()])
        if len(self.unusable) < self.num_samples:
            whole = f"{_in_bytes(self.bytes_of_all)} if every clip is usable"
            yield f"expected size: {_in_bytes(self.bytes)} ({whole})"
        yield f"expected time: {_in_hours(self.hours)} with {self.workers} workers"
        yield from _listed("named, but not in the folder", self.missing)
        yield from _listed("in the folder, but not named", self.unnamed)
        yield from _listed("duplicates", [": ".join(row) for row in self.duplicates])
        yield from (f"note: {note}" for note in self.remarks)


def estimate(
    config: ConversionConfig, num_samples: int = 24, *, progress: bool = True
) -> ConversionEstimate:
    """Decodes a sample of the clips and tells what the whole conversion will take.

    Writes nothing. The sample is drawn by the seed, from every split by its size, with at least one
    clip of each.

    Args:
        config: the conversion; its ``output_dir`` is not looked at.
        num_samples: clips to decode. Defaults to 24.
        progress: whether to show a progress bar. Defaults to True.

    Raises:
        FileNotFoundError: the input does not exist.
        ValueError: the input cannot be read, or ``num_samples`` is below 1.
        ImportError: OpenCV cannot be loaded.
    """
    errors.check("num_samples", num_samples)
    plan, planned, annotations = make_plan(config)
    sample = _sample(annotations.clips, num_samples, config.seed)
    cpus = os.cpu_count() or 1
    num_workers = config.workers or cpus
    # No more than can be busy at once: else a clip's time would hold waiting for a CPU.
    busy = min(num_workers, cpus)
    sizes, unusable, seconds = [], [], 0.0
    processes = min(busy, len(sample))
    results = workers.encode_clips(sample, config.encoding, processes, config.clip_timeout)
    bar = {"total": len(sample), "unit": "clip", "disable": not progress, "dynamic_ncols": True}
    with contextlib.closing(results):
        for clip, outcome, clip_seconds in tqdm.tqdm(results, **bar):
            seconds += clip_seconds
            name = relative_name(clip.path, config.input_dir)
            if isinstance(outcome, str):
                unusable.append((name, outcome))
            else:
                example = encode_labelled(clip, outcome, name, plan.labels, annotations.multi_label)
                sizes.append(len(example) + _BYTES_AROUND_EXAMPLE)
    classes = {(clip.split, label) for clip in annotations.clips for label in clip.labels}
    return ConversionEstimate(
        num_clips={split: clips["num_clips"] for split, clips in plan.clips.items()},
        num_classes=collections.Counter(split for split, _ in classes),
        num_shards=len(planned),
        workers=num_workers,
        num_samples=len(sample),
        unusable=tuple(unusable),
        bytes_per_clip=sum(sizes) / len(sizes) if sizes else float("nan"),
        hours=seconds / len(sample) * plan.num_clips / busy / 3600,
        missing=plan.missing,
        unnamed=tuple(annotations.unnamed),
        duplicates=plan.duplicates,
        remarks=annotations.remarks,
    )


def _sample(clips: Sequence[Clip], number: int, seed: int) -> list[Clip]:
    sample = []
    for split, members in sorted(by_split(clips).items()):
        share = max(1, round(number * len(members) / len(clips)))
        members = random.Random(f"{seed}/{split}/sample").sample(members, min(share, len(members)))
        sample += members
    return sample


def _in_bytes(number: float) -> str:
    unit, name = next((u for u in _UNITS if number >= u[0]), _UNITS[-1])
    return f"{number / unit:.3g} {name}"


def _in_hours(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"


def _listed(title: str, names: Sequence[str]) -> Iterator[str]:
    yield f"{title}: {len(names)}"
    yield from _first(names)


def _first(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:_NAMES_SHOWN])
    if len(lines) > _NAMES_SHOWN:
        yield f"  ... and {len(lines) - _NAMES_SHOWN} more"
