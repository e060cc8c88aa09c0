"""What a layout of annotations is, and what it reads."""

import dataclasses
import functools
import itertools
import json
import os
from collections.abc import Callable, Sequence

from .clip import Absent, Clip, Listing
from .contents import FolderContents, stem
from .replacements import files_by_name


@dataclasses.dataclass(frozen=True)
class Source:
    """What a layout reads.

    Args:
        input_dir: folder of the videos.
        contents: what is in it.
        files: the annotation files that are of this layout.
        fold: which of several published divisions is wanted, from 1; None for the first.
        multi_label: whether a clip may have several classes, or none.
    """

    input_dir: str
    contents: FolderContents
    files: tuple[str, ...] = ()
    fold: int | None = None
    multi_label: bool = False

    @functools.cached_property
    def videos_by_name(self) -> dict[str, list[str]]:
        """Name without folders and suffix -> relative paths of the videos of that name."""
        return files_by_name(self.contents.videos)

    def is_video(self, path: str) -> bool:
        """Whether a file, or a folder of frames, lies there."""
        return (
            os.path.isfile(path) or os.path.relpath(path, self.input_dir) in self.contents.of_frames
        )

    def find(self, name: str) -> str | None:
        """The relative path of the video that a list calls so, whatever its folder and suffix are.

        Of several, it is the one whose folders agree best.
        """
        *folders, last = name.split("/")
        found = self.videos_by_name.get(last) or self.videos_by_name.get(stem(last)) or []

        def agreeing(path: str) -> int:
            parts = path.split(os.sep)[:-1]
            pairs = zip(reversed(folders), reversed(parts), strict=False)
            return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

        return max(found, key=agreeing, default=None)

    def add(
        self,
        listing: Listing,
        name: str,
        labels: str | Sequence[str],
        split: str,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        """Adds the clip of a listed video, or says that the video is not there."""
        label, *others = [labels] if isinstance(labels, str) else [*labels] or [""]
        video = self.find(name)
        if video is None:
            listing.absent.append(Absent(name, label, name, split))
            return
        path = os.path.join(self.input_dir, video)
        listing.named.add(video)
        clip_id = os.path.splitext(name)[0]
        listing.clips.append(Clip(path, label, split, start, end, clip_id, tuple(others)))


@dataclasses.dataclass(frozen=True)
class Layout:
    """One form in which a dataset is published.

    Args:
        name: as ``layout`` calls it.
        words: what it is, in a line.
        claims: whether a file is one of its annotations, told by name and beginning.
        read: reads all its files.
        has_folds: whether there are several published divisions.
    """

    name: str
    words: str
    claims: Callable[[str], bool]
    read: Callable[[Source], Listing]
    has_folds: bool = False


def beginning(path: str) -> bytes:
    """The first bytes of an annotation file, without a mark of UTF-8 and spaces before them."""
    with open(path, "rb") as file:
        return file.read(200).removeprefix(b"\xef\xbb\xbf").lstrip()


def read_text(path: str) -> list[str]:
    """The lines of an annotation file, without spaces around them, empty ones left out.

    Raises:
        ValueError: it is not UTF-8.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise _unreadable(path, "text in UTF-8", error) from error


def read_json(path: str) -> object:
    """What an annotation file in JSON holds.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, "JSON in UTF-8", error) from error


def _unreadable(path: str, wanted: str, error: Exception) -> ValueError:
    return ValueError(
        f"`annotations` must be {wanted} ({error}). Received: annotations={path!r}. "
        "Fetch the file again."
    )


def bad_entry(path: str, entry: object, problem: str) -> ValueError:
    """The error that refuses an entry of an annotation file."""
    shown = str(entry)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}…"
    return ValueError(
        f"`annotations` must have valid entries; {shown!r} {problem}. Received: "
        f"annotations={path!r}. Correct the entry, or pass the right `layout`."
    )
