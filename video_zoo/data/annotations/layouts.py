"""What all layouts of a folder of videos share.

That is: which files are videos, what a clip is, what a row of a list is.
"""

import csv
import dataclasses
import os
import re
import unicodedata
from collections.abc import Hashable, Mapping, Sequence

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# Of Kinetics-400's archives, which repair some corrupted files: REPLACEMENT lies beside the split
# folders and holds the other. A class may be called "replacement".
REPLACEMENT = "replacement"
_OF_CORRUPTED = "replacement_for_corrupted_k400"
# Files that lie beside videos. Anything else in a class folder counts as a video, so that a broken
# download is reported with its reason and not passed over in silence.
_SIDECAR_SUFFIXES = (
    *(".csv", ".json", ".jsonl", ".txt", ".md", ".srt", ".vtt", ".xml", ".yaml", ".yml", ".log"),
    *(".npy", ".npz", ".pkl", ".mat", ".h5", ".part", ".ytdl", ".md5", ".sha256", ".ini", ".db"),
    *(".jpg", ".jpeg", ".png", ".webp", ".wav", ".mp3", ".m4a", ".zip", ".tar", ".gz", ".py"),
    ".tfrecord",
)
_OTHER_DELIMITERS = (";", "\t", "|")
# From the right: an id has 11 characters, which may be "-" and "_" as well.
_KINETICS_NAME = re.compile(r"([\w-]{11})_\d{6}_\d{6}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip to convert.

    Attributes:
        path: str. The video file.
        label: str. Class name; `""` for a clip without a label.
        split: str. `"train"`, `"val"`, `"test"`, or `""` before one is given.
        start: float. Seconds into the video at which the clip begins; None is the first frame.
        end: float. Seconds at which it ends (exclusive); None is the video's end.
        clip_id: str. Identifier of the source video: the YouTube id, or the path relative to the
            input folder.
    """

    path: str
    label: str
    split: str
    start: float | None = None
    end: float | None = None
    clip_id: str = ""


@dataclasses.dataclass(frozen=True)
class Absent:
    """A listed video that is not in the folder: `name` as it is reported; the rest as of `Clip`."""

    name: str
    label: str
    clip_id: str
    split: str = ""


@dataclasses.dataclass
class Listing:
    """What a layout holds, in no particular order.

    Attributes:
        clips: list of `Clip`.
        absent: list of `Absent`.
        named: set of str. Relative paths of the files that are listed, chosen or not.
        duplicates: list of `(file, problem)`. What the layout itself has to report.
        remarks: list of str. What is odd about the folder, in one line each.
        empty_splits: list of str. Splits that have a folder and no video in it.
    """

    clips: list[Clip] = dataclasses.field(default_factory=list)
    absent: list[Absent] = dataclasses.field(default_factory=list)
    named: set[str] = dataclasses.field(default_factory=set)
    duplicates: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)
    empty_splits: list[str] = dataclasses.field(default_factory=list)

    def extend(self, other: "Listing") -> None:
        self.clips += other.clips
        self.absent += other.absent
        self.named |= other.named
        self.duplicates += other.duplicates


@dataclasses.dataclass
class FolderContents:
    """What a folder holds, by relative paths.

    Attributes:
        videos: list of str. All files that may be videos, sorted; all paths of one file are there.
        folders: list of str. All folders, sorted.
        unreadable: list of str. Folders of which the system does not tell what they hold.
    """

    videos: list[str] = dataclasses.field(default_factory=list)
    folders: list[str] = dataclasses.field(default_factory=list)
    unreadable: list[str] = dataclasses.field(default_factory=list)


def scan(input_dir: str) -> FolderContents:
    """Looks through a folder at any depth.

    Hidden files and folders (`._x`) are left out. Links are followed, but not to a folder that they
    lie in.
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
        found.videos += (relative(folder, name) for name in files if _may_be_a_video(name))
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


def class_name(text: str) -> str:
    """A class's name as it is kept: one line without spaces around it, in Unicode's form NFC.

    Names that look equal may differ in form: macOS decomposes the names of folders.
    """
    return unicodedata.normalize("NFC", " ".join(text.strip().splitlines()))


def stem(path: str) -> str:
    """The name of a file without folder and suffix."""
    return os.path.splitext(os.path.basename(path))[0]


def kinetics_id(path: str) -> str | None:
    """The video's id in the name `ID_000010_000020.*` of a trimmed file; None for other names."""
    match = _KINETICS_NAME.fullmatch(stem(path))
    return match[1] if match else None


def is_replacement(relative: str) -> bool:
    """Whether the file is one of Kinetics-400's for corrupted ones: by its folder and its name."""
    folders = os.path.dirname(relative).split(os.sep)
    return lies_in_replacements(folders) and kinetics_id(relative) is not None


def lies_in_replacements(folders: Sequence[str]) -> bool:
    """Whether a path leads through the place of Kinetics-400's replacements."""
    return folders[0] == REPLACEMENT or _OF_CORRUPTED in folders


def read_rows(path: str) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with its number from 1.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not CSV in UTF-8.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"`annotations` must be a CSV file. Received: annotations={path!r}, "
            "which is not a file. Check the spelling."
        )
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return [(number, row) for number, row in enumerate(csv.reader(file), start=1) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"`annotations` must be a CSV file in UTF-8 ({error}). Received: annotations={path!r}. "
            "Save it as UTF-8."
        ) from error


def check_delimiter(input_dir: str, path: str, rows: list[tuple[int, list[str]]]) -> None:
    """ValueError if other signs than commas stand between the columns of a list.

    Commas may be in it all the same, in numbers; so its first column is looked at, which holds a
    path or an id. The arguments are those of :func:`read_list`.
    """
    first = rows[0][1][0] if rows else ""
    found = next((sign for sign in _OTHER_DELIMITERS if sign in first), None)
    if found and not os.path.exists(os.path.join(input_dir, first)):
        raise ValueError(
            "`annotations` must have commas between its columns. Received: "
            f"annotations={path!r}, with {found!r} between them. Save it with commas."
        )


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a list, by its columns' names.

    Attributes:
        path: str. The list, for messages.
        number: int. Counted from 1, the header included.
        fields: mapping of column to value.
    """

    path: str
    number: int
    fields: Mapping[str, str]

    @classmethod
    def of(cls, path: str, header: Sequence[str], number: int, values: Sequence[str]) -> "Row":
        if len(values) != len(header):
            row = cls(path, number, dict(enumerate(values)))
            raise row.bad(f"has {len(values)} columns, not {len(header)}")
        return cls(path, number, {n: v.strip() for n, v in zip(header, values, strict=True)})

    def bad(self, problem: str) -> ValueError:
        return ValueError(
            f"`annotations` must have valid rows; row {self.number} {problem}. "
            f"Received: {','.join(self.fields.values())!r} in {self.path!r}. Correct the row."
        )

    def span(self, start: str, end: str) -> tuple[float | None, float | None]:
        """The seconds in two columns; None where the row says nothing."""
        texts = self.fields.get(start, ""), self.fields.get(end, "")
        try:
            seconds = [float(text) if text else None for text in texts]
            valid = all(value is None or 0 <= value < float("inf") for value in seconds)
        except ValueError:
            valid = False
        if not valid:
            raise self.bad(f"has {texts[0]!r} to {texts[1]!r} where seconds are expected")
        if seconds[1] is not None and seconds[1] <= (seconds[0] or 0.0):
            raise self.bad("ends before it starts")
        return seconds[0], seconds[1]

    def split(self) -> str:
        text = self.fields.get("split", "")
        if text and text.lower() not in SPLIT_NAMES:
            raise self.bad(f"has the split {text!r}, not one of train, val, test")
        return SPLIT_NAMES[text.lower()] if text else ""
