"""Names the most probable classes of videos.

    video-zoo predict --workdir RUN VIDEO...
    video-zoo predict --model i3d --weights kinetics400 VIDEO...
    video-zoo predict --workdir RUN --step 1 --timeline when.png --json when.json LONG_VIDEO

VIDEO is a file, a pattern such as 'clips/*.mp4', or a folder that is searched. With --step it may
be camera:0 or rtsp://... too.

Exit codes: 0 all files were classified; 1 some could not be used; 2 something is wrong with the
flags; 75 after SIGTERM, 130 after Ctrl-C.
"""

import typing

from video_zoo.evaluation import PredictionConfig

from . import cli

if typing.TYPE_CHECKING:
    from video_zoo.evaluation import Prediction

RUN = {"inputs": True, "names": {"filenames": "VIDEO..."}}
_FLAGS = cli.define_flags(PredictionConfig)


def main(*filenames: str) -> int:
    if not filenames:
        raise ValueError(
            "`VIDEO...` must be one or more video files or folders. Received: none. Name one."
        )
    config = cli.from_flags(PredictionConfig, _FLAGS)
    with cli.loading():
        from video_zoo.evaluation import predict_videos

    unusable = 0
    for found in predict_videos(filenames, config, progress=True):
        print(found.filename)
        if found.problem:
            unusable += 1
            print(f"    cannot be used: {found.problem}")
        if config.step is None:
            _tell_classes(found, config.threshold)
        else:
            for each in found.segments:
                span = f"{each.start:8.1f} to {each.end:.1f} s"
                print(f"    {span:<22}{each.probability:6.1%}  {each.name}")
    return 1 if unusable else 0


def _tell_classes(found: "Prediction", threshold: float | None) -> None:
    if not (found.classes or found.problem):
        print(f"    no class has a probability of {threshold:.1%}")
    for name, probability in zip(found.classes, found.probabilities, strict=True):
        print(f"    {probability:6.1%}  {name}")
    for path in found.overlays:
        print(f"    what it looked at: {path}")
