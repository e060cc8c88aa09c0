"""Charades and Charades-Ego: what people do in a video at home, many actions in each."""

import re

from .clip import Listing, class_name, split_of
from .layout import Layout, Source, bad_entry, beginning, read_text
from .rows import Row, header_of, read_rows

_NEEDED = {"id", "actions"}
_CLASS = re.compile(r"(?P<code>c\d{3})\s+(?P<name>.+)")
_CODE = re.compile(r"c\d{3}")


def _claims(path: str) -> bool:
    classes = path.lower().endswith(".txt") and re.match(rb"c\d{3}\s+\S", beginning(path))
    return bool(classes) or _is_list(path)


def _is_list(path: str) -> bool:
    return {*header_of(path)} >= _NEEDED


def _read(source: Source) -> Listing:
    """Rows have ``id`` and ``actions``, ``c092 11.90 21.20;c147 0.00 12.60``: code, start and end.

    A clip is the whole video, with all of its actions, as the field evaluates Charades. The list of
    classes has ``c000 Holding some clothes``; without it, the codes are the names.
    """
    listing = Listing(multi_label=True)
    lists = [path for path in source.files if _is_list(path)]
    names = _names(source, set(source.files) - set(lists))
    listing.labels = list(names.values())
    for path in lists:
        split = split_of(path)
        if split is None:
            raise ValueError(
                "`annotations` must have files whose names tell the split, as Charades_v1_train.csv"
                f" does. Received: annotations={path!r}. Rename it."
            )
        rows = read_rows(path)
        header = [name.strip().lower() for name in rows[0][1]]
        for number, values in rows[1:]:
            row = Row.of(path, header, number, values)
            if not row.fields["id"]:
                raise row.bad("lacks an id")
            source.add(listing, row.fields["id"], _labels(row, names), split)
    return listing


def _labels(row: Row, names: dict[str, str]) -> list[str]:
    """The classes of a row's actions, each once."""
    found = []
    for action in filter(None, row.fields["actions"].split(";")):
        code = action.split()[0] if action.split() else ""
        if not _CODE.fullmatch(code):
            raise row.bad(f"has the action {action!r}, not a code such as c092 and its times")
        if names and code not in names:
            raise row.bad(f"has the action {code}, which the list of classes lacks")
        found.append(names.get(code, code))
    return list(dict.fromkeys(found))


def _names(source: Source, files: set[str]) -> dict[str, str]:
    """Code -> class name, in order of the codes."""
    names = {}
    for path in sorted(files):
        for line in read_text(path):
            match = _CLASS.fullmatch(line)
            if match is None:
                raise bad_entry(path, line, "is not a code such as c092 and a class")
            if match["code"] in names:
                raise bad_entry(path, line, "has the code of another class")
            names[match["code"]] = class_name(match["name"])
    return dict(sorted(names.items()))


CHARADES = Layout(
    "charades",
    "Charades: Charades_v1_train.csv, Charades_v1_test.csv, Charades_v1_classes.txt",
    _claims,
    _read,
)
