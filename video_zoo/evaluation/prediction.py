"""What prediction says of one video."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The classes of one video, most probable first.

    Args:
        filename: the video.
        classes: names of the top classes; none where no class reaches the threshold.
        probabilities: of each of them, in [0, 1]. They share 1, unless a clip may have several
            classes: then each is the probability that the video has it.
        problem: why there are none: the video cannot be used.
        overlays: files that show what the network looked at.
    """

    filename: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    problem: str | None = None
    overlays: tuple[str, ...] = ()
