"""Plain lists beside a folder of videos: path,label[,start,end][,split]."""

import os
import unicodedata
from collections.abc import Mapping

from .clip import Absent, Clip, Listing, class_name
from .layout import Layout, Source
from .rows import Row, check_delimiter, read_rows

_LIST_COLUMNS = ("path", "label", "start", "end", "split")


def _read(source: Source) -> Listing:
    """Reads plain lists ``path,label[,start,end][,split]``, with or without a header.

    A path of the list may have another Unicode form than the file.
    """
    listing = Listing()
    on_disk = {unicodedata.normalize("NFC", name): name for name in source.contents.videos}
    for path in source.files:
        _read_list(source, on_disk, path, listing)
    return listing


def _read_list(source: Source, on_disk: Mapping[str, str], path: str, listing: Listing) -> None:
    rows, input_dir = read_rows(path), source.input_dir
    check_delimiter(input_dir, path, rows)
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    if "path" in header or "label" in header:
        rows = rows[1:]
        unknown = set(header) - set(_LIST_COLUMNS)
        if unknown or not {"path", "label"} <= set(header):
            raise ValueError(
                "`annotations` must have the columns path and label, and optionally start, end and "
                f"split. Received: {','.join(header)} in {path!r}. Correct its first line."
            )
    else:
        header = _columns_of_list(path, rows)
    for number, values in rows:
        row = Row.of(path, header, number, values)
        listed, label = row.fields["path"], class_name(row.fields["label"])
        span, split = row.span("start", "end"), row.split()
        if not listed:
            raise row.bad("lacks a path")
        if not label and split != "test" and not source.multi_label:
            without = "which only videos of the split test may, and any with multi_label"
            raise row.bad(f"lacks a label, {without}")
        video = os.path.normpath(os.path.join(input_dir, listed))
        clip_id = os.path.normpath(listed).replace(os.sep, "/")
        if not source.is_video(video):
            same = unicodedata.normalize("NFC", os.path.normpath(listed))
            video = os.path.join(input_dir, on_disk.get(same, listed))
        if source.is_video(video):
            listing.clips.append(Clip(video, label, split, *span, clip_id))
            listing.named.add(os.path.relpath(video, input_dir))
        else:
            listing.absent.append(Absent(listed, label, clip_id, split))


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
            f"Received: {count} columns in {path!r}. Correct its rows."
        )
    return by_count[count]


def _claims(path: str) -> bool:
    return path.lower().endswith(".csv")


LIST = Layout("list", "a list path,label[,start,end][,split]", _claims, _read)
