"""Names the most probable classes of videos.

    python tools/predict.py --workdir RUN VIDEO...
    python tools/predict.py --model i3d --weights kinetics400 VIDEO...

VIDEO is a file, or a folder that is searched.

Exit codes: 0 all files were classified; 1 some could not be used; 2 something is wrong with the
flags; 130 after Ctrl-C.
"""

from absl import app, flags

from video_zoo import cli

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run; its best.keras is taken.")
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "A .keras file instead of that.")
_MODEL = flags.DEFINE_string("model", None, "Name of a network instead, with --weights.")
_WEIGHTS = flags.DEFINE_string(
    "weights", None, "Published name, or file; docs/weights.md lists them."
)
_NUM_CLIPS = flags.DEFINE_integer("num_clips", 1, "Clips per video, evenly spaced in time.")
_NUM_CROPS = flags.DEFINE_integer("num_crops", 1, "1 (centre) or 3 (along the long side).")
_TOP = flags.DEFINE_integer("top", 5, "Number of classes to name.")


def main(argv: list[str]) -> int:
    return cli.run(lambda: _predict(argv[1:]))


def _predict(filenames: list[str]) -> int:
    if not filenames:
        raise ValueError("`VIDEO...` must be one or more video files or folders. Received: none")
    from video_zoo.evaluation import predict

    unusable = 0
    for prediction in predict(
        filenames,
        workdir=_WORKDIR.value,
        checkpoint=_CHECKPOINT.value,
        model=_MODEL.value,
        weights=_WEIGHTS.value,
        num_clips=_NUM_CLIPS.value,
        num_crops=_NUM_CROPS.value,
        top=_TOP.value,
    ):
        print(prediction.filename)
        if prediction.problem:
            unusable += 1
            print(f"    cannot be used: {prediction.problem}")
        for name, probability in zip(prediction.classes, prediction.probabilities, strict=True):
            print(f"    {probability:6.1%}  {name}")
    return 1 if unusable else 0


if __name__ == "__main__":
    app.run(main, flags_parser=cli.parse_flags)
