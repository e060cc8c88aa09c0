"""Checks a folder of shards, prints what is in it, and shows clips as a network will see them.

    video-zoo inspect --data_dir SHARDS [--contact_sheet clips.png]
    video-zoo inspect --data_dir SHARDS --contact_sheet clips.png --augment

Every record is parsed, every frame decoded, and all is compared with the manifest and the label
map. The options of augmentation are those of training; docs/augmentation.md tells about them.

Exit codes: 0 no problems; 1 problems were found; 2 something is wrong with the flags or the folder;
75 after SIGTERM, 130 after Ctrl-C.
"""

from video_zoo.data.input.augmentation_config import AugmentationConfig
from video_zoo.data.inspect.config import InspectionConfig

from . import cli

_FLAGS = cli.define_flags(InspectionConfig)
_AUGMENTATION = cli.define_flags(AugmentationConfig)


def main() -> int:
    config = cli.from_flags(InspectionConfig, _FLAGS)
    augmentation = cli.from_flags(AugmentationConfig, _AUGMENTATION)
    with cli.loading():
        from video_zoo.data.inspect.inspection import inspect_dataset

    report = inspect_dataset(config, augmentation)
    print(report.summary())
    if report.contact_sheet is not None:
        print(f"written to {report.contact_sheet}")
    return 1 if report.problems else 0
