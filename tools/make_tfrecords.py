"""Converts videos to TFRecord shards.

    python tools/make_tfrecords.py --input VIDEOS --output_dir SHARDS --dry_run
    python tools/make_tfrecords.py --input VIDEOS --output_dir SHARDS

`--input` is a folder of class folders, or a folder of videos with a Kinetics CSV or a plain list
`path,label[,start,end][,split]` as `--annotations`. The same command continues a conversion that
was ended, however it was. docs/conversion.md and docs/data_format.md tell the rest.

Exit codes: 0 all is well; 1 too many videos were skipped; 2 something is wrong with the flags, the
input, the output folder, PyAV, OpenCV or Apache Beam; 75 after SIGTERM, 130 after Ctrl-C.
"""

# Every worker process imports this file again: nothing heavy may be imported at its top.
import sys

from absl import app, flags

from video_zoo import errors
from video_zoo.commands import cli

_INPUT = flags.DEFINE_string("input", None, "Folder of the videos.")
_ANNOTATIONS = flags.DEFINE_string(
    "annotations", None, "CSV file, or several with commas: Kinetics, or path,label[,...]."
)
_LABEL_MAP = flags.DEFINE_string(
    "label_map", None, "File of class names, one a line, in the order of their indices."
)
_TRAIN_IDS = flags.DEFINE_string("train_ids", None, "File of video ids to train on, one a line.")
_VAL_IDS = flags.DEFINE_string("val_ids", None, "File of video ids for validation, one a line.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the shards.")
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards", None, "Shards of the training split. Default: one for every 50 clips."
)
_WORKERS = flags.DEFINE_integer("workers", None, "Processes. Default: the number of CPUs.")
_NUM_CLASSES = flags.DEFINE_integer(
    "num_classes", None, "So many classes, drawn by the seed. Default: all."
)
_TRAIN_PER_CLASS = flags.DEFINE_integer("train_per_class", None, "At most so many. Default: all.")
_VAL_PER_CLASS = flags.DEFINE_integer("val_per_class", None, "At most so many. Default: all.")
_VAL_FRACTION = flags.DEFINE_float(
    "val_fraction", 0.1, "Part of each class for validation where the input gives no splits."
)
_SEED = flags.DEFINE_integer("seed", 0, "Draws classes, splits and the order of the clips.")
_ALLOW_EMPTY_SPLITS = flags.DEFINE_bool(
    "allow_empty_splits", False, "Go on where a split that is asked for would have no video."
)
_FPS = flags.DEFINE_float("fps", 25.0, "Frames per second to store; 0 keeps every frame.")
_SHORT_SIDE = flags.DEFINE_integer("short_side", 256, "Pixels of the shorter side.")
_JPEG_QUALITY = flags.DEFINE_integer("jpeg_quality", 95, "From 1 to 100.")
_MIN_FRAMES = flags.DEFINE_integer("min_frames", 1, "Skip clips with fewer stored frames.")
_MIN_FRACTION = flags.DEFINE_float(
    "min_fraction", 0.5, "Skip videos of which less than this part of the duration decodes."
)
_MAX_CLIP_SECONDS = flags.DEFINE_float(
    "max_clip_seconds", None, "Store the first seconds of longer clips. Default: all of them."
)
_MODALITY = flags.DEFINE_string(
    "modality", "rgb", "rgb, or optical flow: flow_dis (fast), flow_tvl1 (I3D's)."
)
_FLOW_BOUND = flags.DEFINE_float("flow_bound", 20.0, "Pixels that flow is clipped to.")
_MAX_SKIPPED = flags.DEFINE_float(
    "max_skipped", 0.05, "Exit with 1 if more than this fraction of the clips was skipped."
)
_CLIP_TIMEOUT = flags.DEFINE_float(
    "clip_timeout", 600.0, "Skip clips whose decoder takes more seconds than this."
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Decode a sample and print what the conversion will take. Writes nothing."
)
_SHARD_RANGE = flags.DEFINE_string(
    "shard_range", None, "FIRST:END, as 0:64. Make these shards only; --merge comes last."
)
_MERGE = flags.DEFINE_bool(
    "merge", False, "Write the manifest of shards that were made with --shard_range."
)
_RUNNER = flags.DEFINE_string(
    "runner", None, "Make the shards by this Apache Beam runner, as DirectRunner or FlinkRunner."
)
_BEAM_OPTIONS = flags.DEFINE_string("beam_options", "", "The runner's options, in one string.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Start anew, whatever the folder holds.")

flags.register_multi_flags_validator(
    ["input", "merge"],
    lambda given: given["input"] or given["merge"],
    message="--input must have a value, the folder of the videos.",
)
flags.register_multi_flags_validator(
    ["output_dir", "dry_run"],
    lambda given: given["output_dir"] or given["dry_run"],
    message="--output_dir must have a value, the folder for the shards.",
)


def main(argv: list[str]) -> int:
    return cli.run(
        _merge if _MERGE.value else _convert,
        argv,
        names={"input_dir": "--input"},
        interrupted="Finished shards are kept; the same command continues.",
    )


def _convert() -> int:
    from video_zoo.data.conversion.config import ConversionConfig
    from video_zoo.data.format.encoding import EncodingConfig
    from video_zoo.data.videos.video import decoder_versions

    encoding = EncodingConfig(
        fps=_FPS.value or None,
        short_side=_SHORT_SIDE.value,
        jpeg_quality=_JPEG_QUALITY.value,
        min_frames=_MIN_FRAMES.value,
        min_fraction=_MIN_FRACTION.value,
        max_clip_seconds=_MAX_CLIP_SECONDS.value,
        modality=_MODALITY.value,
        flow_bound=_FLOW_BOUND.value,
    )
    config = ConversionConfig(
        input_dir=_INPUT.value,
        output_dir=_OUTPUT_DIR.value,
        annotations=_ANNOTATIONS.value,
        encoding=encoding,
        num_shards=_NUM_SHARDS.value,
        workers=_WORKERS.value,
        label_map=_LABEL_MAP.value,
        train_ids=_TRAIN_IDS.value,
        val_ids=_VAL_IDS.value,
        num_classes=_NUM_CLASSES.value,
        train_per_class=_TRAIN_PER_CLASS.value,
        val_per_class=_VAL_PER_CLASS.value,
        val_fraction=_VAL_FRACTION.value,
        seed=_SEED.value,
        allow_empty_splits=_ALLOW_EMPTY_SPLITS.value,
        max_skipped=_MAX_SKIPPED.value,
        clip_timeout=_CLIP_TIMEOUT.value,
        shard_range=_SHARD_RANGE.value,
        runner=_RUNNER.value,
        beam_options=_BEAM_OPTIONS.value,
        overwrite=_OVERWRITE.value,
    )
    config.check_files()
    decoder_versions(encoding.modality)
    if _DRY_RUN.value:
        with cli.loading():
            from video_zoo.data.conversion.estimate import estimate

        print(estimate(config))
        return 0
    with cli.loading():
        from video_zoo.data.conversion.convert import convert

    return _report(convert(config))


def _merge() -> int:
    errors.check("max_skipped", _MAX_SKIPPED.value)
    with cli.loading():
        from video_zoo.data.conversion.convert import merge

    return _report(merge(_OUTPUT_DIR.value, _MAX_SKIPPED.value))


def _report(result) -> int:
    print(result.summary())
    if result.problem:
        print(f"make_tfrecords: {result.problem}", file=sys.stderr)
        return 1
    if result.manifest:
        from video_zoo.commands.next_steps import training_flags

        try:
            arguments = training_flags(result.manifest, result.output_dir, cli.recipes())
            print(f"next: {cli.command('train', *arguments)}")
        except ValueError as error:
            print(f"next: {error}")
    return 0


if __name__ == "__main__":
    app.run(main, flags_parser=cli.parse_flags)
