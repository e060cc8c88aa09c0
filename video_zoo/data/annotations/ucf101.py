"""UCF101 as it is published: ``classInd.txt``, ``trainlist01.txt``, ``testlist01.txt``."""

import os
import re

from .clip import Listing, class_name
from .layout import Layout, Source, bad_entry, read_text
from .published import chosen_fold

_LIST = re.compile(r"(train|test)list(\d+)\.txt")
_CLASSES = "classInd.txt"


def _claims(path: str) -> bool:
    name = os.path.basename(path)
    return name == _CLASSES or _LIST.fullmatch(name) is not None


def _read(source: Source) -> Listing:
    """Rows are ``CLASS/VIDEO.avi INDEX`` in a training list, ``CLASS/VIDEO.avi`` in a test list."""
    listing = Listing()
    numbers = _numbers(source)
    listing.labels = sorted(numbers, key=numbers.get)
    lists = {path: _LIST.fullmatch(os.path.basename(path)) for path in source.files}
    folds = {path: int(match[2]) for path, match in lists.items() if match}
    for path in chosen_fold(folds, source.fold):
        for line in read_text(path):
            name, _, number = line.partition(" ")
            label = class_name(name.split("/")[0]) if "/" in name else ""
            if not label:
                raise bad_entry(path, line, "names no class: CLASS/VIDEO is expected")
            if numbers and label not in numbers:
                raise bad_entry(path, line, f"is of a class that {_CLASSES} lacks")
            if numbers and number and number != str(numbers[label]):
                raise bad_entry(path, line, f"has another number than {_CLASSES}")
            source.add(listing, name, label, lists[path][1])
    return listing


def _numbers(source: Source) -> dict[str, int]:
    """Class -> its number in ``classInd.txt``; nothing without that file."""
    numbers = {}
    for path in source.files:
        if os.path.basename(path) == _CLASSES:
            for line in read_text(path):
                number, _, name = line.partition(" ")
                if not number.isdecimal() or not name:
                    raise bad_entry(path, line, "is not a number and a class")
                numbers[class_name(name)] = int(number)
    return numbers


UCF101 = Layout(
    "ucf101",
    "UCF101: classInd.txt, trainlist01.txt, testlist01.txt",
    _claims,
    _read,
    has_folds=True,
)
