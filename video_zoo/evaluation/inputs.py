"""Videos that a user names: files, patterns, and folders that are searched for them."""

import glob
import itertools
import os
from collections.abc import Sequence

from video_zoo.data.annotations.contents import list_videos
from video_zoo.data.videos import readers
from video_zoo.errors import at_home


def list_inputs(inputs: Sequence[str | os.PathLike], argument: str) -> list[tuple[str, str]]:
    """(name, file) of every video, in order; the name is its path in the folder that was given.

    Args:
        inputs: files, which need not exist, patterns of names such as ``clips/*.mp4``, folders of
            videos or of frames, and live sources.
        argument: what they were given as, for the message.

    Raises:
        ValueError: there are folders and patterns alone, and no videos in them.
    """
    found = []
    for each in itertools.chain.from_iterable(map(_named_by, inputs)):
        if readers.is_live(each):
            found.append((each.replace("/", "_").replace(":", "_"), each))
        elif os.path.isdir(each):
            names = list_videos(each)
            if names == [os.curdir]:  # a folder of frames
                found.append((os.path.basename(os.path.abspath(each)), each))
            else:
                found += [(name, os.path.join(each, name)) for name in names]
        else:
            found.append((os.path.basename(each), each))
    if inputs and not found:
        folders = ", ".join(map(os.fspath, inputs))
        raise ValueError(
            f"`{argument}` must hold videos. Received: {folders}, without any. Check the spelling."
        )
    return found


def _named_by(each: str | os.PathLike) -> list[str]:
    """The files of a pattern; ``each`` itself where it is none."""
    path = os.fspath(each)
    if readers.is_live(path):
        return [path]
    path = at_home(path)
    is_pattern = glob.has_magic(path) and not os.path.lexists(path)
    return sorted(glob.glob(path, recursive=True)) if is_pattern else [path]
