"""Folders of frames, each one video: ``VIDEO/img_00001.jpg``. Standard library only."""

import re
from collections.abc import Iterable

_NUMBERED = re.compile(r"(.*?)(\d+)\.(?:jpe?g|png|bmp|webp)", re.IGNORECASE | re.DOTALL)
# Displacements of optical flow lie beside the pictures in some copies (`flow_x_00001.jpg`).
_FLOW = re.compile(r"(?:flow_?)?[xyuv]_?", re.IGNORECASE)
# Of the numbers from the first to the last: pictures of anything else leave more out.
_LEAST_PART = 0.5


def frames_among(names: Iterable[str]) -> list[str]:
    """The files of a folder that are the frames of a video, in order; none if it is no such folder.

    They are pictures whose names differ in a number, two or more. Most numbers between the first
    and the last must be there. Where several kinds lie side by side, the most numerous one counts,
    and optical flow does not.

    Args:
        names: file names of one folder.
    """
    kinds: dict[str, dict[int, str]] = {}
    for name in sorted(names):
        match = _NUMBERED.fullmatch(name)
        if match and not _FLOW.fullmatch(match[1]):
            kinds.setdefault(match[1], {})[int(match[2])] = name
    numbered = max(kinds.values(), key=len, default={})
    if len(numbered) < 2:
        return []
    possible = max(numbered) - min(numbered) + 1
    if len(numbered) < _LEAST_PART * possible:
        return []
    return [numbered[number] for number in sorted(numbered)]
