"""HMDB51 as it is published: one file ``CLASS_test_split1.txt`` a class and split."""

import os
import re

from .clip import Listing, class_name
from .layout import Layout, Source, bad_entry, read_text
from .published import chosen_fold

_NAME = re.compile(r"(.+)_test_split(\d+)\.txt")
_SPLITS = {"0": None, "1": "train", "2": "test"}  # 0: in neither


def _claims(path: str) -> bool:
    return _NAME.fullmatch(os.path.basename(path)) is not None


def _read(source: Source) -> Listing:
    """Rows are ``VIDEO.avi 0``, 1 for training, 2 for test; the file's name tells the class."""
    listing = Listing()
    matches = {path: _NAME.fullmatch(os.path.basename(path)) for path in source.files}
    for path in chosen_fold({path: int(match[2]) for path, match in matches.items()}, source.fold):
        folder = matches[path][1]
        for line in read_text(path):
            name, _, mark = line.rpartition(" ")
            if not name or mark not in _SPLITS:
                raise bad_entry(path, line, "is not a video and 0, 1 or 2")
            name = f"{folder}/{name.strip()}"
            if _SPLITS[mark] is None:
                listing.named.update(filter(None, [source.find(name)]))
            else:
                source.add(listing, name, class_name(folder), _SPLITS[mark])
    return listing


HMDB51 = Layout(
    "hmdb51", "HMDB51: CLASS_test_split1.txt, with 0, 1 and 2", _claims, _read, has_folds=True
)
