"""What a layout gives: clips, and what else it has to say of a folder of videos."""

import dataclasses
import os
import re
import unicodedata
from collections.abc import Iterable

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# In the name of a folder or file, as in Kinetics' `train_256` and `val_256`.
_SPLIT_WORD = re.compile(rf"(?:^|[\W_])({'|'.join(SPLIT_NAMES)})(?=[\W_]|$)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip to convert.

    Args:
        path: the video file.
        label: class name; ``""`` for a clip without a label. Of several, the first.
        split: ``"train"``, ``"val"``, ``"test"``, or ``""`` before one is given.
        start: seconds into the video at which the clip begins; None is the first frame.
        end: seconds at which it ends (exclusive); None is the video's end.
        clip_id: identifier of the source video: the YouTube id, or the path relative to the input
            folder.
        other_labels: its other classes, where a clip may have several.
    """

    path: str
    label: str
    split: str
    start: float | None = None
    end: float | None = None
    clip_id: str = ""
    other_labels: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """All of its classes; none for a clip without a label."""
        return (self.label, *self.other_labels) if self.label else ()

    def with_labels(self, labels: Iterable[str]) -> "Clip":
        """The clip with these classes in place of its own."""
        first, *others = [*labels] or [""]
        return dataclasses.replace(self, label=first, other_labels=tuple(others))


@dataclasses.dataclass(frozen=True)
class Absent:
    """A listed video that is not there: ``name`` as it is reported; the rest as of ``Clip``."""

    name: str
    label: str
    clip_id: str
    split: str = ""


@dataclasses.dataclass
class Listing:
    """What a layout holds, in no particular order.

    Args:
        clips: those that are there.
        absent: listed videos that are not there.
        named: relative paths of the files that are listed, chosen or not.
        duplicates: ``(file, problem)`` of each that the layout itself has to report.
        remarks: what is odd about the folder, in one line each.
        empty_splits: splits that have a folder and no video in it.
        labels: all classes, in the order in which they are published; empty where nothing tells it.
        multi_label: whether its clips may have several classes, or none.
    """

    clips: list[Clip] = dataclasses.field(default_factory=list)
    absent: list[Absent] = dataclasses.field(default_factory=list)
    named: set[str] = dataclasses.field(default_factory=set)
    duplicates: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)
    empty_splits: list[str] = dataclasses.field(default_factory=list)
    labels: list[str] = dataclasses.field(default_factory=list)
    multi_label: bool = False

    def extend(self, other: "Listing") -> None:
        self.clips += other.clips
        self.absent += other.absent
        self.named |= other.named
        self.duplicates += other.duplicates
        self.remarks += other.remarks
        self.empty_splits += other.empty_splits
        self.labels = self.labels or other.labels
        self.multi_label |= other.multi_label


def class_name(text: str) -> str:
    """A class's name as it is kept: one line without spaces around it, in Unicode's form NFC.

    Names that look equal may differ in form: macOS decomposes the names of folders.
    """
    return unicodedata.normalize("NFC", " ".join(text.strip().splitlines()))


def split_of(path: str) -> str | None:
    """The split that the name of a file or folder tells, as in ``train_256``; None for none."""
    words = _SPLIT_WORD.findall(os.path.basename(path))
    return SPLIT_NAMES[words[0].lower()] if words else None
