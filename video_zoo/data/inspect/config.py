"""What to check of a shard folder, as settings. Loads no framework, for the tools' flags."""

import dataclasses

from video_zoo import errors


@dataclasses.dataclass(frozen=True)
class InspectionConfig:
    """What to check, and what to show.

    Args:
        data_dir: folder of shards.
        split: this split alone.
        max_records: check at most so many records of each shard.
        contact_sheet: PNG file to write, which shows sampled clips as a network would see them.
        sheet_split: split that the contact sheet samples; the first that is checked by default.
        num_clips: clips on the contact sheet; fewer with ``augment``, whose page fits a screen.
        columns: frames of a clip that the contact sheet shows, evenly spaced in the clip.
        num_frames: frames of a clip.
        frame_stride: step between the frames of a clip, in stored frames.
        image_size: height and width of a clip in pixels.
        random_flip: whether clips are mirrored at random.
        augment: show clips augmented as well, by each option alone unless options are given.
        seed: of the sample and of all that is random in a clip.
    """

    data_dir: str
    split: str | None = None
    max_records: int | None = None
    contact_sheet: str | None = None
    sheet_split: str | None = None
    num_clips: int = 6
    columns: int = 8
    num_frames: int = 64
    frame_stride: int = 1
    image_size: int = 224
    random_flip: bool = True
    augment: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        errors.check_settings(self)

    def check_files(self) -> None:
        """Raises FileNotFoundError if the folder is not there."""
        errors.check_shards(self.data_dir)
