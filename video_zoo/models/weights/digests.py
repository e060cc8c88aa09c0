"""Which published file a file is, by its bytes."""

import functools
import hashlib
import os
import pathlib

from video_zoo.published import RemoteFile, WeightsEntry

_BLOCK = 1 << 20


def _digest(path: str | os.PathLike, digest) -> str:
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_of(path: str | os.PathLike) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    return _digest(path, hashlib.sha256())


def git_blob_of(path: str | os.PathLike) -> str:
    """What git calls the file: the SHA-1 of its size and its bytes, 40 hexadecimal digits."""
    start = f"blob {os.path.getsize(path)}\0".encode()
    return _digest(path, hashlib.sha1(start, usedforsecurity=False))


def why_not(file: RemoteFile, path: str | os.PathLike) -> str | None:
    """Why ``path`` is not the published file; None if it is, or if nothing tells."""
    for what, wanted, found_of in (
        ("SHA-256", file.sha256, sha256_of),
        ("git blob id", file.git_blob, git_blob_of),
    ):
        if wanted is not None and not (found := found_of(path)).startswith(wanted):
            return f"its {what} must begin with {wanted} and is {found}"
    return None


def is_published(entry: WeightsEntry, path: str) -> bool:
    """Whether a file, or a TensorFlow checkpoint of that name, is the one of ``entry``."""
    pinned = [file for file in entry.files if file.sha256 or file.git_blob]
    paths = [path + _end_of(file) for file in pinned]
    return bool(pinned) and all(
        os.path.isfile(found) and _is_the(file, found, os.stat(found).st_mtime_ns)
        for file, found in zip(pinned, paths, strict=True)
    )


@functools.lru_cache(maxsize=64)
def _is_the(file: RemoteFile, path: str, _changed: int) -> bool:
    return why_not(file, path) is None


def _end_of(file: RemoteFile) -> str:
    """What follows the common name of a TensorFlow checkpoint's files."""
    name = pathlib.PurePath(file.name).name
    _, dot, end = name.partition(".ckpt.")
    return f".{end}" if dot else ""
