"""What lies in a folder of videos: which files are videos, and which paths lead to one file."""

import dataclasses
import os
from collections.abc import Hashable

from ..format.frame_folders import frames_among

# Files that lie beside videos. Anything else in a class folder counts as a video, so that a broken
# download is reported with its reason and not passed over in silence.
_SIDECAR_SUFFIXES = (
    *(".csv", ".json", ".jsonl", ".txt", ".md", ".srt", ".vtt", ".xml", ".yaml", ".yml", ".log"),
    *(".npy", ".npz", ".pkl", ".mat", ".h5", ".part", ".ytdl", ".md5", ".sha256", ".ini", ".db"),
    *(".jpg", ".jpeg", ".png", ".webp", ".wav", ".mp3", ".m4a", ".zip", ".tar", ".gz", ".py"),
    ".tfrecord",
)


@dataclasses.dataclass
class FolderContents:
    """What a folder holds, by relative paths.

    Args:
        videos: all files that may be videos, and folders of frames, sorted; all paths of one file
            are there.
        of_frames: those of them that are folders of frames.
        folders: all folders, sorted.
        unreadable: folders of which the system does not tell what they hold.
    """

    videos: list[str] = dataclasses.field(default_factory=list)
    of_frames: set[str] = dataclasses.field(default_factory=set)
    folders: list[str] = dataclasses.field(default_factory=list)
    unreadable: list[str] = dataclasses.field(default_factory=list)


def scan(input_dir: str) -> FolderContents:
    """Looks through a folder at any depth.

    Hidden files and folders (``._x``) are left out. Links are followed, but not to a folder that
    they lie in.
    """
    found = FolderContents()

    def relative(*names: str) -> str:
        return os.path.relpath(os.path.join(*names), input_dir)

    def on_error(error: OSError) -> None:
        found.unreadable.append(relative(error.filename))

    trails = {input_dir: {file_identity(input_dir)}}  # a folder -> all that it lies in, and itself
    for folder, folders, files in os.walk(input_dir, followlinks=True, onerror=on_error):
        trail, shown, folders[:] = trails.pop(folder), sorted(folders), []
        for name in (name for name in shown if not name.startswith(".")):
            path = os.path.join(folder, name)
            identity = file_identity(path)
            if identity not in trail:
                folders.append(name)
                trails[path] = trail | {identity}
        found.folders += (relative(folder, name) for name in folders)
        videos = [name for name in files if _may_be_a_video(name)]
        if not videos and frames_among(files):
            found.of_frames.add(relative(folder))
        found.videos += (relative(folder, name) for name in videos)
    found.videos += found.of_frames
    found.videos.sort()
    found.folders.sort()
    return found


def list_videos(input_dir: str | os.PathLike) -> list[str]:
    """Relative paths of all files that may be videos, as of :func:`scan`."""
    return scan(os.fspath(input_dir)).videos


def _may_be_a_video(name: str) -> bool:
    return not name.startswith(".") and not name.lower().endswith(_SIDECAR_SUFFIXES)


def file_identity(path: str) -> Hashable:
    """Equal for all paths of one file or folder; the path where the file system tells none."""
    try:
        status = os.stat(path)
    except OSError:
        return path
    return (status.st_dev, status.st_ino) if status.st_ino else path


def stem(path: str) -> str:
    """The name of a file without folder and suffix."""
    return os.path.splitext(os.path.basename(path))[0]
