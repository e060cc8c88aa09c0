"""Videos that a user names: files, and folders that are searched for them."""

import os
from collections.abc import Sequence

from video_zoo.data.annotations.contents import list_videos
from video_zoo.errors import at_home


def list_inputs(inputs: Sequence[str | os.PathLike], argument: str) -> list[tuple[str, str]]:
    """(name, file) of every video, in order; the name is its path in the folder that was given.

    Args:
        inputs: files, which need not exist, and folders, of videos or of frames.
        argument: what they were given as, for the message.

    Raises:
        ValueError: there are folders alone, and no videos in them.
    """
    found = []
    for each in map(at_home, inputs):
        if os.path.isdir(each):
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
