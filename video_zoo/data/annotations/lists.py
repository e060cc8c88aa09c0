"""Plain lists beside a folder of videos: path,label[,start,end][,split]."""

import os
import unicodedata
from collections.abc import Iterable

from .layouts import Absent, Clip, Listing, Row, class_name

_LIST_COLUMNS = ("path", "label", "start", "end", "split")


def read_list(
    input_dir: str, videos: Iterable[str], path: str, rows: list[tuple[int, list[str]]]
) -> Listing:
    """Reads a plain list `path,label[,start,end][,split]`, with or without a header.

    Args:
        input_dir: str. Folder that the paths are relative to.
        videos: iterable of str. What is there, as of :func:`list_videos`. A path of the list may
            have another Unicode form.
        path: str. The list, for messages.
        rows: as of :func:`read_rows`.

    Returns:
        `Listing`.

    Raises:
        ValueError: if a column or a row is wrong.
    """
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    if "path" in header or "label" in header:
        rows = rows[1:]
        unknown = set(header) - set(_LIST_COLUMNS)
        if unknown or not {"path", "label"} <= set(header):
            raise ValueError(
                "`annotations` must have the columns path and label, and optionally start, end and "
                f"split. Received: {','.join(header)} in {path!r}."
            )
    else:
        header = _columns_of_list(path, rows)
    listing, on_disk = Listing(), {unicodedata.normalize("NFC", name): name for name in videos}
    for number, values in rows:
        row = Row.of(path, header, number, values)
        listed, label = row.fields["path"], class_name(row.fields["label"])
        span, split = row.span("start", "end"), row.split()
        if not listed:
            raise row.bad("lacks a path")
        if not label and split != "test":
            raise row.bad("lacks a label, which only videos of the split test may")
        video = os.path.normpath(os.path.join(input_dir, listed))
        clip_id = os.path.normpath(listed).replace(os.sep, "/")
        if not os.path.isfile(video):
            same = unicodedata.normalize("NFC", os.path.normpath(listed))
            video = os.path.join(input_dir, on_disk.get(same, listed))
        if os.path.isfile(video):
            listing.clips.append(Clip(video, label, split, *span, clip_id))
            listing.named.add(os.path.relpath(video, input_dir))
        else:
            listing.absent.append(Absent(listed, label, clip_id, split))
    return listing


def _columns_of_list(path: str, rows: list[tuple[int, list[str]]]) -> tuple[str, ...]:
    """The columns of a list without a header, from their number."""
    by_count = {
        2: ("path", "label"),
        3: ("path", "label", "split"),
        4: ("path", "label", "start", "end"),
        5: _LIST_COLUMNS,
    }
    count = len(rows[0][1]) if rows else 0
    if count not in by_count:
        raise ValueError(
            "`annotations` must be rows path,label[,start,end][,split]. "
            f"Received: {count} columns in {path!r}."
        )
    return by_count[count]
