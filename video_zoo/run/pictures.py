"""Frames side by side, with words above them."""

import functools
import os
from collections.abc import Sequence

import numpy as np

from video_zoo.data.videos import readers
from video_zoo.files import whole_files
from video_zoo.lettering import fitting, text_line

_GAP = 4  # pixels between the frames of a row


def side_by_side(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Frames of one height, uint8 [height, width, 3], as one row, with light gaps."""
    height = len(frames[0])
    gap = np.full((height, _GAP, 3), 255, np.uint8)
    row = [piece for frame in frames for piece in (gap, frame)]
    return np.concatenate(row[1:], axis=1)


def captioned(picture: np.ndarray, name: str, before: str = "", size: int = 15) -> np.ndarray:
    """A picture, uint8 [height, width, 3], with a line of text above it.

    Args:
        picture: below the text.
        name: of a class, say; its middle is cut out where it is too long.
        before: what stands before it, and is never cut.
        size: of the letters, in pixels.
    """
    return np.concatenate([_line(name, before, size, picture.shape[1]), picture])


@functools.lru_cache(maxsize=16)  # the frames of a film have one
def _line(name: str, before: str, size: int, width: int) -> np.ndarray:
    return text_line(before + fitting(name, width - 4, size, before), width, size)


def evenly(number: int, most: int) -> np.ndarray:
    """Which of ``number`` things are shown where there is room for ``most``: int [shown]."""
    return np.linspace(0, number - 1, min(most, number)).round().astype(int)


def save_png(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes uint8 RGB [height, width, 3] as PNG, whole or not at all."""
    _, png = readers.load_opencv().imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    with whole_files.atomic_write(path) as temporary, open(temporary, "wb") as file:
        file.write(png.tobytes())
