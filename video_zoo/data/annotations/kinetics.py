"""Kinetics as it comes: its CSV files, and lists of video ids."""

import dataclasses
import os

from video_zoo import errors

from .clip import Absent, Clip, Listing, class_name
from .layout import Layout, Source
from .rows import Row, header_of, read_rows

_COLUMNS = {"label", "youtube_id", "time_start", "time_end", "split", "is_cc"}
_NECESSARY_COLUMNS = {"youtube_id", "time_start", "time_end"}


def _claims(path: str) -> bool:
    return "youtube_id" in header_of(path)


def _read(source: Source) -> Listing:
    """Reads Kinetics CSVs ``[label,]youtube_id,time_start,time_end[,split][,is_cc]``.

    A file ``ID_000010_000020.*`` is taken whole, as it is trimmed already; a file ``ID.*`` is
    trimmed by the times of the row. A row without a label is of the test split and gives a clip
    without.
    """
    listing = Listing()
    for path in source.files:
        _read_csv(source, path, listing)
    return listing


def _read_csv(source: Source, path: str, listing: Listing) -> None:
    rows, files = read_rows(path), source.videos_by_name
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    if set(header) - _COLUMNS or _NECESSARY_COLUMNS - set(header):
        raise ValueError(
            "`annotations` must have the Kinetics columns youtube_id, time_start and time_end, and "
            f"optionally label, split and is_cc. Received: {','.join(header)} in {path!r}. Correct "
            "its first line."
        )
    for number, values in rows[1:]:
        row = Row.of(path, header, number, values)
        video_id, split = row.fields["youtube_id"], row.split()
        label = class_name(row.fields.get("label", ""))
        start, end = row.span("time_start", "time_end")
        if not video_id or start is None or end is None:
            raise row.bad("lacks a value")
        if not label:
            split = split or "test"
            if split != "test":
                raise row.bad("lacks a label, which only the test split may")
        # Looked up by the whole name: ids that begin with "-" or hold "_" need no parsing.
        trimmed = f"{video_id}_{int(start):06d}_{int(end):06d}"
        whole, uncut = files.get(trimmed, []), files.get(video_id, [])
        listing.named.update(whole, uncut)
        if not whole and not uncut:
            listing.absent.append(Absent(trimmed, label, video_id, split))
            continue
        # What is trimmed already is never cut again.
        video, span = (whole[0], (None, None)) if whole else (uncut[0], (start, end))
        path = os.path.join(source.input_dir, video)
        listing.clips.append(Clip(path, label, split, *span, video_id))


def choose_ids(
    listing: Listing, ids_of_split: dict[str, str | os.PathLike], allow_empty: bool = False
) -> Listing:
    """Keeps the labelled clips of listed ids, each in the split of its list whatever it had.

    An id in two lists gives a clip in each. Ids that no labelled entry has become absent.

    Args:
        listing: what the annotations hold.
        ids_of_split: split -> file with one video id a line.
        allow_empty: whether one of two lists may leave no clip. Defaults to False.

    Raises:
        FileNotFoundError: a list does not exist.
        ValueError: a list is empty or not text, or leaves no clip.
    """
    lists = {split: _read_ids(f"{split}_ids", path) for split, path in ids_of_split.items()}
    chosen = [
        dataclasses.replace(clip, split=split)
        for split, ids in lists.items()
        for clip in listing.clips
        if clip.label and clip.clip_id in ids
    ]
    filled = {clip.split for clip in chosen}
    for split in () if allow_empty and chosen else lists.keys() - filled:
        there = next((clip.clip_id for clip in listing.clips if clip.label), None)
        raise ValueError(
            f"`{split}_ids` must list ids of videos in `input_dir`, one a line. Received: "
            f"{split}_ids={os.fspath(ids_of_split[split])!r}, with {len(lists[split])} ids such as "
            f"{min(lists[split])!r}, and none of their ids is there"
            f"{f', where {there!r} is one' if there else ''}. Write them in that form, take the "
            f"list of these videos, or leave it out."
        )
    listed = set().union(*lists.values())
    absent = [each for each in listing.absent if each.label and each.clip_id in listed]
    known = {clip.clip_id for clip in chosen} | {each.clip_id for each in absent}
    absent += [Absent(name, "", name) for name in listed - known]
    return dataclasses.replace(listing, clips=chosen, absent=absent)


def _read_ids(argument: str, path: str | os.PathLike) -> set[str]:
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"`{argument}` must be a file with one video id a line. "
            f"Received: {argument}={path!r}, which is not a file. Check the spelling."
        )
    try:
        with open(path, encoding="utf-8-sig") as file:
            ids = {line.strip() for line in file} - {""}
    except UnicodeDecodeError:
        ids = set()
    if not ids:
        allowed = "a file with one video id a line"
        raise errors.refusal(argument, allowed, path, place=", which has none")
    return ids


KINETICS = Layout("kinetics", "Kinetics: CSV with youtube_id, time_start, time_end", _claims, _read)
