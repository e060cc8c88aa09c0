"""Files of trimmed Kinetics clips, and those that its archives replace corrupted ones by."""

import collections
import os
import re
from collections.abc import Iterable, Sequence

from .contents import stem

# Of Kinetics-400's archives, which repair some corrupted files: REPLACEMENT lies beside the split
# folders and holds the other. A class may be called "replacement".
REPLACEMENT = "replacement"
_OF_CORRUPTED = "replacement_for_corrupted_k400"
# From the right: an id has 11 characters, which may be "-" and "_" as well.
_KINETICS_NAME = re.compile(r"([\w-]{11})_\d{6}_\d{6}", re.ASCII)


def files_by_name(videos: Iterable[str]) -> dict[str, list[str]]:
    """Name without suffix -> relative paths of the files of that name, replacements first."""
    # The common copy of K400 has a folder of replacements for corrupted files.
    files = collections.defaultdict(list)
    for relative in sorted(videos, key=lambda path: not is_replacement(path)):
        files[stem(relative)].append(relative)
    return dict(files)


def kinetics_id(path: str) -> str | None:
    """The video's id in the name ``ID_000010_000020.*`` of a trimmed file; None for other names."""
    match = _KINETICS_NAME.fullmatch(stem(path))
    return match[1] if match else None


def is_replacement(relative: str) -> bool:
    """Whether the file is one of Kinetics-400's for corrupted ones: by its folder and its name."""
    folders = os.path.dirname(relative).split(os.sep)
    return lies_in_replacements(folders) and kinetics_id(relative) is not None


def lies_in_replacements(folders: Sequence[str]) -> bool:
    """Whether a path leads through the place of Kinetics-400's replacements."""
    return folders[0] == REPLACEMENT or _OF_CORRUPTED in folders
