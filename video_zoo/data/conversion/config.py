"""What to convert, as settings. Loads no framework, for the tool's flags and its workers."""

import dataclasses
import os
import re
from typing import ClassVar

from video_zoo import errors

from ..annotations import layouts, listing
from ..format.encoding import EncodingConfig


@dataclasses.dataclass(frozen=True)
class ConversionConfig:
    """What to convert, and how.

    Args:
        input_dir: Folder of the videos.
        output_dir: Folder for the shards; made if it does not exist. May be remote. None for an
            estimate, which writes nothing.
        annotations: List, or folder of lists, or several with commas between: path,label[,...], or
            as the datasets of the field are published. None for class folders.
        layout: What the annotations are, by a name of docs/data_format.md. None where the files
            tell.
        fold: Which of the three published divisions of UCF101 and HMDB51. None for the first.
        num_shards: Shards of the largest split, which is "train" where there is one; the other
            splits get shards of about the same size. None for one for every 50 clips.
        workers: Worker processes. None for as many as there are CPUs.
        label_map: File of class names, one a line, in the order of their indices.
        train_ids: File of video ids to train on, one a line.
        val_ids: File of video ids for validation, one a line.
        num_classes: So many classes, drawn by the seed. None for all.
        train_per_class: At most so many training videos of a class. None for all.
        val_per_class: At most so many validation videos of a class. None for all.
        val_fraction: Part of each class for validation where the input gives no splits.
        seed: Draws classes, splits and the order of the clips over the shards.
        allow_empty_splits: Go on where a split that is asked for would have no video, or a class no
            training or validation video.
        multi_label: A clip may have several classes, or none: rows of the same video and times are
            then one clip with all of theirs. Layouts that always have several, as Charades, need no
            flag.
        encoding: Frame rate, size and quality of the stored frames, and whether they are pictures
            or optical flow: an :class:`EncodingConfig`.
        max_skipped: Part of the clips that may be unusable before the result is called a problem,
            from 0 to 1.
        clip_timeout: Seconds that one clip may take before its decoder counts as crashed.
        shard_range: FIRST:END, as 0:64, makes only these shards of the plan, all splits in a row;
            the end may lie beyond the last. None for all, and then the manifest.
        runner: Apache Beam runner that makes the shards, as DirectRunner or FlinkRunner. None for
            worker processes of this one.
        beam_options: Options of the runner, in one string.
        overwrite: Start anew, whatever the folder holds; otherwise an unfinished conversion is
            continued, and a finished one stands.

    Raises:
        ValueError: if a value is out of range.
    """

    FLAGS: ClassVar = {"input_dir": "input"}
    GROUPS: ClassVar = {
        "encoding": "stored frames",
        "num_shards": "shards",
        "label_map": "classes, splits and their videos",
        "max_skipped": "clips that cannot be used",
        "shard_range": "several machines",
        "overwrite": "options",
    }

    input_dir: str
    output_dir: str | None = None
    annotations: str | None = None
    layout: str | None = None
    fold: int | None = None
    encoding: EncodingConfig = dataclasses.field(default_factory=EncodingConfig)
    num_shards: int | None = None
    workers: int | None = None
    label_map: str | None = None
    train_ids: str | None = None
    val_ids: str | None = None
    num_classes: int | None = None
    train_per_class: int | None = None
    val_per_class: int | None = None
    val_fraction: float = 0.1
    seed: int = 0
    allow_empty_splits: bool = False
    multi_label: bool = False
    max_skipped: float = 0.05
    clip_timeout: float = 600.0
    shard_range: str | None = None
    runner: str | None = None
    beam_options: str = ""
    overwrite: bool = False

    def __post_init__(self):
        errors.check_settings(self)
        layouts.check_layout(self.layout, self.annotations)
        if self.shard_range is not None:
            parse_range(self.shard_range)
            if self.overwrite:
                raise ValueError(
                    "`overwrite` must not go with `shard_range`: it would remove the shards of "
                    f"other ranges. Received: shard_range={self.shard_range!r}, overwrite=True. "
                    "Empty the folder first."
                )
        if self.beam_options and not self.runner:
            raise ValueError(
                "`beam_options` must go with `runner`. "
                f"Received: beam_options={self.beam_options!r}, runner=None."
            )

    def check_files(self) -> None:
        """Raises FileNotFoundError if the input is not there; no framework is loaded for it."""
        input_dir = os.path.abspath(self.input_dir)
        listing.check_input(input_dir, self.label_map, self.num_classes)


def parse_range(text: str) -> tuple[int, int]:
    """``(0, 64)`` of ``"0:64"``; ValueError if it is not a range that holds something."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    first, end = map(int, match.groups()) if match else (0, 0)
    if first >= end:
        allowed = "FIRST:END, with the first shard from 0 and END after the last"
        raise errors.refusal("shard_range", allowed, text, "Write 0:64 for the first 64 shards.")
    return first, end
