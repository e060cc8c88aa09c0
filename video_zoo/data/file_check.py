"""Says why a file is not a video, from its first bytes. Standard library only."""

import os

_HEAD_BYTES = 4096
_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"}

# Codecs for which FFmpeg's own decoder, the only one in OpenCV's packages, needs a GPU (AV1), or is
# younger than many of those packages (VVC).
_NEWER_CODECS = {"av01", "vvc1"}


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


def why_not_opened(path: str, has_av: bool) -> str:
    """The reason why no decoder opens the file, as far as its container tells.

    Args:
        path: str.
        has_av: bool. Whether PyAV was there to try it, too.
    """
    with open(path, "rb") as file:
        head = file.read(8)
        if head[4:8] in _MP4_BOXES:
            moov = _find_moov(file)
            if moov is None:
                return "cannot be opened: no moov atom (cut short, or never finished)"
            if b"vide" not in moov:
                return "no video stream (audio only?)"
            codec = _codec(moov)
            hint = "" if has_av else _install_hint(codec)
            return f"cannot be opened: damaged, or no decoder for codec {codec}{hint}"
    return "cannot be opened: damaged, without a video stream, or no decoder for its codec"


def why_no_frame(codec: str, has_av: bool) -> str:
    """The reason why no frame decodes of a file that opens.

    Args:
        codec: str. Its four characters.
        has_av: bool. Whether PyAV was there to try it, too.
    """
    hint = "" if has_av else _install_hint(codec)
    if hint:
        return f"no decoder for codec {codec} in this OpenCV{hint}"
    return f"no frame decodes (codec {codec}): encrypted or damaged"


def _install_hint(codec: str) -> str:
    """What to do about a codec that PyAV decodes and OpenCV may not."""
    if codec.lower() not in _NEWER_CODECS:
        return ""
    return (
        ": install `video_zoo[av]`, or re-encode the file with `ffmpeg -i IN -c:v libx264 OUT.mp4`"
    )


def _codec(moov: bytes) -> str:
    """The four-character code of the first video track; "?" if the index is too damaged."""
    # The sample description: name, version and flags, number of entries, size of the first, code.
    video_track = moov[moov.index(b"vide") :]
    code = video_track.partition(b"stsd")[2][12:16].decode("ascii", "replace")
    return code.strip() if code.isprintable() and code.strip() else "?"


def _find_moov(file) -> bytes | None:
    """The contents of an MP4 or MOV file's index, or None if it has none."""
    size = os.fstat(file.fileno()).st_size
    offset = 0
    while offset + 8 <= size:
        file.seek(offset)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if kind == b"moov":
            return file.read(length)
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0 means "to the end of the file"; 1 to 7 are damage
            return None
        offset += length
    return None
