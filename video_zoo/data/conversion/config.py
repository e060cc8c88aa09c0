"""What to convert, as settings. Loads no framework, for the tool's flags and its workers."""

import dataclasses
import os
import re

from video_zoo import errors

from ..annotations import listing
from ..format.encoding import EncodingConfig


@dataclasses.dataclass(frozen=True)
class ConversionConfig:
    """What to convert, and how.

    Attributes:
        input_dir: str. Folder of the videos.
        output_dir: str. Folder for the shards; made if it does not exist. May be remote.
            None for an estimate, which writes nothing.
        annotations: str. CSV file, or several with commas between; None for class folders. See
            :func:`video_zoo.data.read_annotations`.
        encoding: `EncodingConfig`: frame rate, size and quality of the stored frames, and whether
            they are pictures or optical flow.
        num_shards: int. Shards of the largest split that is `"train"` where there is one; the other
            splits get shards of about the same size. Defaults to None: one for every 50 clips.
        workers: int. Worker processes. Defaults to None: as many as there are CPUs.
        label_map, train_ids, val_ids, num_classes, train_per_class, val_per_class, val_fraction,
            seed, allow_empty_splits: see `read_annotations`. The seed also shuffles the clips over
            the shards.
        max_skipped: float. Part of the clips that may be unusable before `ConversionResult.problem`
            tells of it, from 0 to 1. Defaults to 0.05.
        clip_timeout: float. Seconds that one clip may take before its decoder counts as crashed.
            Defaults to 600.
        shard_range: str. `"0:64"` makes only the first 64 shards of the plan, all splits in a row;
            the end may lie beyond the last. Defaults to None: all, and then the manifest.
        runner: str. Apache Beam runner that makes the shards, such as `"DirectRunner"`. Defaults to
            None: worker processes of this one.
        beam_options: str. Options of the runner, as on a command line. Defaults to none.
        overwrite: bool. Whether to start anew, whatever `output_dir` holds. Defaults to False:
            an unfinished conversion is continued, and a finished one stands.

    Raises:
        ValueError: if a value is out of range.
    """

    input_dir: str
    output_dir: str | None
    annotations: str | None = None
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
    max_skipped: float = 0.05
    clip_timeout: float = 600.0
    shard_range: str | None = None
    runner: str | None = None
    beam_options: str = ""
    overwrite: bool = False

    def __post_init__(self):
        errors.check_settings(self)
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
        raise ValueError(
            "`shard_range` must be FIRST:END, with the first shard from 0 and END after the last. "
            f"Received: shard_range={text!r}. Write 0:64 for the first 64 shards."
        )
    return first, end
