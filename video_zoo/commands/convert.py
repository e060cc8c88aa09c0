"""Converts videos to TFRecord shards.

    video-zoo convert --input VIDEOS --output_dir SHARDS --dry_run
    video-zoo convert --input VIDEOS --output_dir SHARDS

`--input` is a folder of class folders, or a folder of videos with a Kinetics CSV or a plain list
`path,label[,start,end][,split]` as `--annotations`. The same command continues a conversion that
was ended, however it was. docs/conversion.md and docs/data_format.md tell the rest.

Exit codes: 0 all is well; 1 too many videos were skipped; 2 something is wrong with the flags, the
input, the output folder, PyAV, OpenCV or Apache Beam; 75 after SIGTERM, 130 after Ctrl-C.
"""

import sys

from absl import flags

from video_zoo import errors
from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.videos.video import decoder_versions

from . import cli, program

RUN = {
    "names": {"input_dir": "--input"},
    "interrupted": "Finished shards are kept; the same command continues.",
}
_NO_FOLDER = "`output_dir` must be given, as --output_dir: the folder for the shards."

_FLAGS = cli.define_flags(ConversionConfig, config_file=True)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Decode a sample and print what the conversion will take. Writes nothing."
)
_MERGE = flags.DEFINE_bool(
    "merge", False, "Write the manifest of shards that were made with --shard_range."
)


def main() -> int:
    if _MERGE.value:
        return _merge()
    keeps_all = {"fps": None} if _FLAGS["fps"].value == 0 else {}
    config = cli.from_flags(ConversionConfig, _FLAGS, changes=keeps_all)
    if config.output_dir is None and not _DRY_RUN.value:
        raise ValueError(_NO_FOLDER)
    decoder_versions(config.encoding.modality)
    if _DRY_RUN.value:
        with cli.loading():
            from video_zoo.data.conversion.estimate import estimate

        print(estimate(config))
        return 0
    with cli.loading():
        from video_zoo.data.conversion.convert import convert

    return _report(convert(config))


def _merge() -> int:
    output_dir, max_skipped = (_FLAGS[name].value for name in ("output_dir", "max_skipped"))
    if output_dir is None:
        raise ValueError(_NO_FOLDER)
    errors.check("max_skipped", max_skipped)
    with cli.loading():
        from video_zoo.data.conversion.convert import merge

    return _report(merge(output_dir, max_skipped))


def _report(result) -> int:
    print(result.summary())
    if result.problem:
        print(f"{program.program()}: {result.problem}", file=sys.stderr)
        return 1
    if result.manifest:
        from .next_steps import training_flags

        try:
            arguments = training_flags(result.manifest, result.output_dir, program.clone())
            print(f"next: {cli.command('train', *arguments)}")
        except ValueError as error:
            print(f"next: {error}")
    return 0
