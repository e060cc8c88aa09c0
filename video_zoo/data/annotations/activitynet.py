"""ActivityNet's JSON, which HACS, THUMOS and others share: segments of videos with their labels."""

import math
import re
from collections.abc import Mapping

from .clip import SPLIT_NAMES, Listing, class_name
from .layout import Layout, Source, bad_entry, beginning, read_json

_START = re.compile(rb'\{\s*"(?:database|version|taxonomy)"\s*:')


def _claims(path: str) -> bool:
    return path.lower().endswith(".json") and _START.match(beginning(path)) is not None


def _read(source: Source) -> Listing:
    """Each segment of ``database`` is a clip; a test video without any is one without a label."""
    listing = Listing()
    for path in source.files:
        root = read_json(path)
        database = root.get("database") if isinstance(root, Mapping) else None
        if not isinstance(database, Mapping):
            raise bad_entry(path, root, 'has no "database" of videos')
        for name, entry in database.items():
            try:
                split = SPLIT_NAMES[entry["subset"].lower()]
                segments = [
                    (class_name(each["label"]), *map(float, each["segment"]))
                    for each in entry.get("annotations") or []
                ]
                valid = all(len(row) == 3 and 0 <= row[1] < row[2] < math.inf for row in segments)
            except (AttributeError, KeyError, TypeError, ValueError):
                valid = False
            if not valid:
                raise bad_entry(path, {name: entry}, 'lacks a "subset", or segments with labels')
            if not segments and split == "test":
                segments = [("", None, None)]
            # Files are called by the id, with `v_` before it in ActivityNet's own download.
            called = name if source.find(f"v_{name}") is None else f"v_{name}"
            for label, start, end in segments:
                source.add(listing, called, label, split, start, end)
    return listing


ACTIVITYNET = Layout(
    "activitynet", 'ActivityNet, HACS and alike: JSON with a "database" of segments', _claims, _read
)
