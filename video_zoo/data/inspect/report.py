"""What an inspection found: statistics and problems, as lines of text."""

import collections
import dataclasses
from collections.abc import Iterator

import numpy as np

from ..format.lists import NOTES_NAME

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

    Args:
        shards: paths.
        bytes: size of all shards.
        lengths: number of frames of each clip.
        seconds: length of all clips whose frame rate is known.
        sizes: (height, width) of the stored frames, in pixels -> number of clips.
        classes: class name -> number of clips, in order of the label map.
        num_unlabelled: clips without a label, or of no class.
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

    Args:
        data_dir: the folder.
        class_names: its label map.
        modality: what the frames are: "rgb", or optical flow.
        multi_label: whether a clip may have several classes, or none.
        splits: split name -> :class:`SplitReport`.
        problems: all that were found, in order of the shards.
        incomplete: (file, what is missing of it) of clips that were converted and are not whole.
        contact_sheet: the PNG file, if one was written.
    """

    data_dir: str
    class_names: list[str]
    modality: str
    multi_label: bool = False
    splits: dict[str, SplitReport] = dataclasses.field(default_factory=dict)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    incomplete: tuple[tuple[str, str], ...] = ()
    contact_sheet: str | None = None

    def summary(self) -> str:
        """The statistics and the problems, as lines of text."""
        lines = [
            line
            for name, split in self.splits.items()
            for line in _describe(name, split, self.multi_label)
        ]
        lines += [f"not whole: {file}: {note}" for file, note in self.incomplete[:_NOTES_SHOWN]]
        if len(self.incomplete) > _NOTES_SHOWN:
            lines += [f"not whole: {len(self.incomplete)} in all, see {NOTES_NAME}"]
        lines += [f"problem: {problem}" for problem in self.problems]
        count = len(self.problems)
        lines += [f"{count} problem{'s' * (count != 1)} found" if count else "no problems found"]
        return "\n".join(lines)


def _describe(name: str, split: SplitReport, multi_label: bool) -> Iterator[str]:
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
        without = "of no class" if multi_label else "without a label"
        yield f"    clips {without}: {split.num_unlabelled}"
