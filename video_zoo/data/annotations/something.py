"""Something-Something v1 and v2, and Jester, as they are published by 20BN and Qualcomm."""

import os
import re
from collections.abc import Iterator, Mapping

from .clip import Listing, class_name, split_of
from .layout import Layout, Source, bad_entry, beginning, read_json, read_text

_V1_NAME = re.compile(r"(something-something|jester)-v1-(train|validation|test|labels)\.csv")
_V2_NAME = re.compile(r"(something-something-v2-)?(train|validation|test|labels)\.json")
_ANSWERS = "test-answers.csv"


def _is_v1(path: str) -> bool:
    return _V1_NAME.fullmatch(os.path.basename(path)) is not None


def _is_v2(path: str) -> bool:
    name = os.path.basename(path)
    return name == _ANSWERS or (_V2_NAME.fullmatch(name) is not None and _starts_like_v2(path))


def _starts_like_v2(path: str) -> bool:
    """Whether it is a list, or a table of numbers: Kinetics has a ``train.json`` too."""
    start = beginning(path)
    return start.startswith(b"[") or re.match(rb'\{\s*"[^"]*"\s*:\s*"?\d', start) is not None


def _read_v1(source: Source) -> Listing:
    """Rows are ``ID;LABEL``, of a test list ``ID``; the list of labels has one a line."""
    listing = Listing()
    for path in source.files:
        if "-labels" in os.path.basename(path):
            listing.labels = [class_name(line) for line in read_text(path)]
            continue
        for line in read_text(path):
            name, _, label = line.partition(";")
            _add(source, listing, path, line, (name.strip(), class_name(label)))
    return listing


def _read_v2(source: Source) -> Listing:
    """Entries are ``{"id", "template"}``; the label is the template without its brackets.

    ``labels.json`` has label -> index; ``test-answers.csv`` the labels of the test videos.
    """
    listing = Listing()
    answers = dict(_answers(source))
    for path in source.files:
        entries = [] if os.path.basename(path) == _ANSWERS else read_json(path)
        if isinstance(entries, Mapping):
            listing.labels = _in_order(path, entries)
            continue
        if not isinstance(entries, list):
            raise bad_entry(path, entries, "is neither a list of videos nor a table of labels")
        for entry in entries:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str | int):
                raise bad_entry(path, entry, 'lacks an "id"')
            name = str(entry["id"])
            template = entry.get("template", answers.get(name, ""))
            if not isinstance(template, str):
                raise bad_entry(path, entry, 'has a "template" that is no text')
            _add(source, listing, path, entry, (name, _of_template(template)))
    return listing


def _of_template(template: str) -> str:
    return class_name(template.replace("[", "").replace("]", ""))


def _in_order(path: str, entries: Mapping) -> list[str]:
    try:
        order = sorted(entries, key=lambda name: int(entries[name]))
    except (TypeError, ValueError, OverflowError) as error:
        raise bad_entry(path, entries, "is no table of labels and their numbers") from error
    return [_of_template(name) for name in order]


def _answers(source: Source) -> Iterator[tuple[str, str]]:
    for path in source.files:
        if os.path.basename(path) == _ANSWERS:
            for line in read_text(path):
                name, _, label = line.partition(";")
                yield name.strip(), label


def _add(source: Source, listing: Listing, path: str, entry: object, row: tuple[str, str]) -> None:
    name, label = row
    split = split_of(path)
    if split is None:
        raise ValueError(
            "`annotations` must have files whose names tell the split: train, validation or test. "
            f"Received: annotations={path!r}. Rename it."
        )
    if not name or (not label and split != "test"):
        raise bad_entry(path, entry, "lacks its id or label, which only a test video may")
    source.add(listing, name, label, split)


SOMETHING_V1 = Layout(
    "something_v1",
    "Something-Something v1 and Jester: something-something-v1-train.csv, with ID;LABEL",
    _is_v1,
    _read_v1,
)
SOMETHING_V2 = Layout(
    "something_v2",
    "Something-Something v2: train.json, validation.json, test.json, labels.json",
    _is_v2,
    _read_v2,
)
