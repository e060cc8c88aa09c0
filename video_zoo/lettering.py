"""Names from files and label maps as text that a picture can show."""

import bisect
import functools
import itertools
import sys

import numpy as np
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font


@functools.cache
def _known_characters() -> frozenset[int]:
    """Code points that matplotlib's font has a glyph for."""
    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    return frozenset(font.get_charmap())


def lettered(name: str, longest: int = 40) -> str:
    """``name`` with an escape in place of each character that the font lacks, in one line.

    So Chinese, Japanese and Korean names and emoji are told apart, where they would all be empty
    boxes; a name of more than ``longest`` characters keeps its two ends.

    Example:
        >>> lettered("跳舞 (dancing)")
        '\\\\u8df3\\\\u821e (dancing)'
    """
    known = _known_characters()
    shown = "".join(
        each
        if ord(each) in known and each.isprintable()
        else each.encode("unicode_escape").decode("ascii")
        for each in name
    )
    if len(shown) <= longest:
        return shown
    half = (longest - 1) // 2
    return f"{shown[:half]}…{shown[-half:]}"


def all_lettered(names: list[str]) -> list[str]:
    """The same of several names; those that a cut made alike get their number in front."""
    shown = [lettered(name) for name in names]
    return [
        f"{number} {each}" if shown.count(each) > 1 else each
        for number, each in zip(itertools.count(), shown)
    ]


def fitting(name: str, width: int, size: int, others: str = "") -> str:
    """``name``, lettered, with its middle cut out until it fits into a width with ``others``.

    Args:
        name: the text that may be cut.
        width: of the picture, in pixels.
        size: height of the letters, in pixels.
        others: what stands beside it, and stays whole.
    """
    lengths = range(3, max(4, len(lettered(name, sys.maxsize)) + 1))
    fits = bisect.bisect_right(
        lengths, width, key=lambda longest: _width(others + lettered(name, longest), size)
    )
    return lettered(name, lengths[max(0, fits - 1)])


def text_line(text: str, width: int, size: int) -> np.ndarray:
    """White letters on black, a line of ``width`` pixels, uint8 [height, width, 3].

    Args:
        text: lettered; what does not fit is cut off.
        width: in pixels.
        size: height of the letters, in pixels; the line is half as high again, and even.
    """
    line = np.zeros((2 * round(0.75 * size), width), np.uint8)
    letters, below = _drawn(text, size)
    letters = letters[:, : width - 2]
    bottom = min(len(line), round(1.1 * size) + below)
    letters = letters[-bottom:]
    line[bottom - len(letters) : bottom, 2 : 2 + letters.shape[1]] = letters
    return np.repeat(line[..., np.newaxis], 3, axis=-1)


def _width(text: str, size: int) -> int:
    return _with_text(text, size).get_width_height()[0] // 64


def _drawn(text: str, size: int) -> tuple[np.ndarray, int]:
    """The letters as a picture, uint8 [height, width], and how far they reach below the line."""
    font = _with_text(text, size)
    font.draw_glyphs_to_bitmap(antialiased=True)
    return np.array(font.get_image()), round(font.get_descent() / 64)


def _with_text(text: str, size: int) -> FT2Font:
    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    font.set_size(size, 72)
    font.set_text(text, 0.0)
    return font
