"""Names from files and label maps as text that a picture can show."""

import functools
import itertools

from matplotlib import font_manager


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
