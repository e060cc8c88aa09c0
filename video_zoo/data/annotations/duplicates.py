"""Clips that occur more than once: by video and times, as one file of several paths, by content."""

import collections
import functools
import hashlib
import itertools
import os
import re
from collections.abc import Hashable, Iterable, Sequence

from .clip import Clip
from .contents import file_identity, stem

_TIMES = re.compile(r"(\d{6})_(\d{6})", re.ASCII)
# Bytes at both ends of a file that are compared: few first, as nearly all files differ in those.
_COMPARED = (4096, 1 << 20)


class Videos:
    """Which paths lead to one file, by links of both kinds, and so to one video.

    Args:
        paths: all paths that will be asked for.
    """

    def __init__(self, paths: Iterable[str]):
        first_of: dict[Hashable, str] = {}
        self._first = {
            path: first_of.setdefault(file_identity(path), path) for path in sorted(set(paths))
        }
        self._ids: dict[str, str] = {}

    def first(self, path: str) -> str:
        """The first of all paths of the same file."""
        return self._first[path]

    def name(self, clips: Iterable[Clip]) -> None:
        """Takes the ids of the videos from their clips: that of a file's first path."""
        for clip in sorted(clips, key=lambda clip: clip.path):
            self._ids.setdefault(self.first(clip.path), clip.clip_id)

    def id(self, clip: Clip) -> str:
        """The same for all clips of one video."""
        return self._ids[self.first(clip.path)]

    def moment(self, clip: Clip) -> tuple[str, float | None, float | None]:
        """Video, start and end of a clip; a trimmed file tells its times by its name."""
        video = self.id(clip)
        times = _TIMES.fullmatch(stem(self.first(clip.path)).removeprefix(f"{video}_"))
        if times and clip.start is None and clip.end is None:
            return video, int(times[1]), int(times[2])
        return video, clip.start, clip.end


def find_duplicates(
    clips: Sequence[Clip], videos: Videos, input_dir: str
) -> tuple[list[Clip], list[tuple[str, str]]]:
    """Clips that occur more than once, by video and times.

    The same clip again, in the same split and with the same label, is dropped. Nothing else is: a
    clip with two labels or in two splits, and a video in two splits at other times, stay.

    Args:
        clips: in the order in which the first of equals is kept.
        videos: with the ids of all the clips.
        input_dir: folder that reported files are relative to.

    Returns:
        The clips that remain, and a sorted list of ``(file, problem)``.
    """
    kept, problems = {}, set()
    for clip in clips:
        key = (videos.moment(clip), clip.split, clip.labels)
        first = kept.setdefault(key, clip)
        if first is not clip:
            other = f"the same clip as {_name(first, input_dir)}"
            problem = "listed more than once" if first.path == clip.path else other
            problems.add((_name(clip, input_dir), f"{problem}; converted once"))
    by_video = collections.defaultdict(lambda: collections.defaultdict(list))
    for (moment, _, _), clip in kept.items():
        by_video[moment[0]][moment].append(clip)
    for video, by_moment in by_video.items():
        for same in by_moment.values():
            if len(same) > 1:
                problem = f"the same clip has {_conflict(same)}"
                problems |= {(_name(clip, input_dir), problem) for clip in same}
        if len(by_moment) > 1:
            split_sets = [{clip.split for clip in same} for same in by_moment.values()]
            splits = sorted(set().union(*split_sets))
            # Unless each clip is in all of them, which has been said of each.
            if any(len(each) < len(splits) for each in split_sets):
                problem = f"clips of video {video} are in {len(splits)} splits: {', '.join(splits)}"
                members = itertools.chain.from_iterable(by_moment.values())
                problems |= {(_name(clip, input_dir), problem) for clip in members}
    return list(kept.values()), sorted(problems)


def find_copies(clips: Sequence[Clip], videos: Videos, input_dir: str) -> list[tuple[str, str]]:
    """Files of equal content whose clips are in two splits, or have two labels.

    Files of equal size are compared by the first and the last megabyte, which is nearly sure and
    quick. Files of one video, by name or by link, are left to ``find_duplicates``.

    Args:
        clips: each in its split.
        videos: of the clips.
        input_dir: folder that reported files are relative to.

    Returns:
        A sorted list of ``(file, problem)``.
    """
    by_file = collections.defaultdict(list)
    for clip in clips:
        by_file[videos.first(clip.path)].append(clip)
    groups = [list(by_file)]
    for key in (_size, *(functools.partial(_digest, amount=amount) for amount in _COMPARED)):
        # What crosses nothing needs no reading.
        parts = (part for group in groups for part in _parted(group, key) if len(part) > 1)
        groups = [p for p in parts if _cross([c for path in p for c in by_file[path]], videos)]
    problems = set()
    for group in groups:
        members = [clip for path in sorted(group) for clip in by_file[path]]
        for clip in members:
            others = [other for other in members if videos.id(other) != videos.id(clip)]
            other = next((other for other in others if _conflict([clip, other])), others[0])
            problem = f"the same content as {_name(other, input_dir)} has {_conflict(members)}"
            problems.add((_name(clip, input_dir), problem))
    return sorted(problems)


def _cross(clips: Sequence[Clip], videos: Videos) -> bool:
    """Whether several videos have what only one may have; of one video it has been said."""
    return len({videos.id(clip) for clip in clips}) > 1 and bool(_conflict(clips))


def _parted(paths: Iterable[str], key: functools.partial) -> list[list[str]]:
    """The paths in groups of equal key; those without one are left out."""
    parts = collections.defaultdict(list)
    for path in paths:
        parts[key(path)].append(path)
    parts.pop(None, None)
    return list(parts.values())


def _size(path: str) -> int | None:
    """Bytes of a file; None if there are none, which is no video."""
    try:
        return os.path.getsize(path) or None
    except OSError:
        return None


def _digest(path: str, amount: int) -> bytes | None:
    """Stands for the first and the last ``amount`` bytes of a file; None if it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            digest = hashlib.sha256(file.read(amount))
            file.seek(max(0, os.fstat(file.fileno()).st_size - amount))
            digest.update(file.read(amount))
    except OSError:
        return None
    return digest.digest()


def _conflict(same: Sequence[Clip]) -> str:
    """What differs between clips that should have one label and split; ``""`` if nothing does."""
    values = {
        "labels": {" + ".join(clip.labels) for clip in same},
        "splits": {clip.split for clip in same},
    }
    return " and ".join(
        f"{len(each)} {what}: {', '.join(sorted(value or 'none' for value in each))}"
        for what, each in values.items()
        if len(each) > 1
    )


def _name(clip: Clip, input_dir: str) -> str:
    return os.path.relpath(clip.path, input_dir).replace(os.sep, "/")
