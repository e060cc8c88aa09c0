"""Says why a file is not a video, from its own bytes. Standard library only."""

import os
from collections.abc import Iterator
from typing import BinaryIO

ENCRYPTED = "encrypted: it cannot be decoded without its key"
_HEAD_BYTES = 4096
# What a part of a stream begins with, or has in place of an index.
_SEGMENT_BOXES = {b"styp", b"sidx", b"moof"}
_MP4_BOXES = {*b"ftyp moov mdat free skip wide pnot".split(), *_SEGMENT_BOXES}
# Boxes of the index that hold boxes alone.
_NESTED_BOXES = {b"trak", b"mdia", b"minf", b"stbl"}


def why_not_video(path: str) -> str | None:
    """The reason why the file cannot be a video, or None if it may be one."""
    if os.path.exists(path) and not os.path.isfile(path):
        return "not a video: a folder or device"  # to open a pipe would wait forever
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not head:
        return "empty: the file has 0 bytes"
    if not head.strip(b"\0"):
        return "not a video: the file begins with zeros only"
    if head.startswith(b"version https://git-lfs"):
        return "not a video: a git-lfs pointer (fetch the file with `git lfs pull`)"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "not a video: an HTML page"
    return "not a video: text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) < _HEAD_BYTES or error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")  # the head ends inside a character
    return all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)


def why_no_frame(path: str, otherwise: str) -> str:
    """The reason why a decoder finds no frame, as far as the file itself tells.

    Args:
        path: the video file, or a live source.
        otherwise: the reason where the file tells none.
    """
    if not os.path.isfile(path):  # a live source
        return otherwise
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[4:8] in _MP4_BOXES:
            return _why_no_frame_of_mp4(file) or otherwise
    if head[8:12] == b"WEBP" and b"ANIM" in head:
        return "an animated WebP, which this FFmpeg does not decode: convert it to a video"
    return otherwise


def _why_no_frame_of_mp4(file: BinaryIO) -> str | None:
    size = os.fstat(file.fileno()).st_size
    boxes = list(_boxes(file, 0, size))
    kinds = {kind for kind, _, _ in boxes}
    index = next((box for box in boxes if box[0] == b"moov"), None)
    if index is None and kinds & _SEGMENT_BOXES:
        return "a part of a stream without its beginning: the initialisation segment is missing"
    if index is None:
        return "cannot be opened: no moov atom (cut short, or never finished)"
    _, begin, end = index
    if end > size:
        return "cut short: the file ends inside its index (moov)"
    if not _is_sound(file, begin, end):
        return "cannot be opened: its index (moov) is damaged"
    file.seek(begin)
    content = file.read(end - begin)
    if b"encv" in content:
        return ENCRYPTED
    if b"mvex" in content and b"moof" not in kinds:
        return "an initialisation segment alone: the frames are in other files"
    if boxes[-1][2] > size:
        return "cut short: the file ends before its first frame does"
    return None


def _is_sound(file: BinaryIO, begin: int, end: int) -> bool:
    """Whether the boxes there fill their place, and so do the boxes in them."""
    place = begin
    for kind, inner, place in _boxes(file, begin, end):
        if place > end or (kind in _NESTED_BOXES and not _is_sound(file, inner, place)):
            return False
    # QuickTime closes some lists with a zero of four bytes.
    return place in (end, end - 4)


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Boxes of an MP4 or MOV file in a row, as (kind, where its content begins, where it ends).

    The last may end beyond ``end``. A length that cannot be ends them.
    """
    while begin + 8 <= end:
        file.seek(begin)
        header = file.read(16)
        length, kind, content = int.from_bytes(header[:4], "big"), header[4:8], begin + 8
        if length == 1:
            length, content = int.from_bytes(header[8:16], "big"), begin + 16
        elif length == 0 and kind.strip(b"\0"):  # to the end of the file
            length = end - begin
        if length < content - begin:
            return
        yield kind, content, begin + length
        begin += length
