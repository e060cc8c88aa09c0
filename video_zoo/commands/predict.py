"""Names the most probable classes of videos.

    video-zoo predict --workdir RUN VIDEO...
    video-zoo predict --model i3d --weights kinetics400 VIDEO...

VIDEO is a file, or a folder that is searched.

Exit codes: 0 all files were classified; 1 some could not be used; 2 something is wrong with the
flags; 75 after SIGTERM, 130 after Ctrl-C.
"""

from video_zoo.evaluation import PredictionConfig

from . import cli

RUN = {"inputs": True, "names": {"filenames": "VIDEO..."}}
_FLAGS = cli.define_flags(PredictionConfig)


def main(*filenames: str) -> int:
    if not filenames:
        raise ValueError(
            "`VIDEO...` must be one or more video files or folders. Received: none. Name one."
        )
    config = cli.from_flags(PredictionConfig, _FLAGS)
    with cli.loading():
        from video_zoo.evaluation import predict

    unusable = 0
    for prediction in predict(filenames, **vars(config)):
        print(prediction.filename)
        if prediction.problem:
            unusable += 1
            print(f"    cannot be used: {prediction.problem}")
        elif not prediction.classes:
            print(f"    no class has a probability of {config.threshold:.1%}")
        for name, probability in zip(prediction.classes, prediction.probabilities, strict=True):
            print(f"    {probability:6.1%}  {name}")
        for path in prediction.overlays:
            print(f"    what it looked at: {path}")
    return 1 if unusable else 0
