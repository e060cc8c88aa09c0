"""Files of published weights: from the cache, or fetched into it, and never a part of one."""

import contextlib
import hashlib
import os
import pathlib
import secrets
import time
import urllib.error
import zipfile

import h5py
import keras

from video_zoo.published import RemoteFile, WeightsEntry

_SECONDS_OF_LEFTOVERS = 24 * 3600


def cache_folder(model: str) -> pathlib.Path:
    """Where files of the network ``model`` are kept: in the folder of Keras itself."""
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return pathlib.Path(home, "models", "video_zoo", model)


def sha256_of(path: pathlib.Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(entry: WeightsEntry) -> str:
    """Returns the path of the first file of ``entry``, fetching what is not in the cache yet.

    Files that were put into the cache by hand are used like fetched ones, and checked like them.

    Raises:
        OSError: a file cannot be fetched; the message says from where to where.
        ValueError: a file is not the published one.
    """
    paths = [_one(entry, file) for file in entry.files]
    return str(paths[0])


def _one(entry: WeightsEntry, file: RemoteFile) -> pathlib.Path:
    target = cache_folder(entry.model) / file.name
    if target.is_file():
        _check(entry, file, target, "Delete it, so that it is fetched again.")
        return target
    if file.by_hand:
        raise FileNotFoundError(
            f"{_received(entry)} Its file can be fetched with a browser only: {_missing(entry)}."
        )
    # Keras takes what is there for a whole file, so that two processes must not share a name.
    unfinished = target.with_name(f"{target.name}.{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        keras.utils.get_file(
            unfinished.name, file.url, cache_dir=str(target.parent), cache_subdir=""
        )
    except Exception as error:  # that is what Keras raises
        if isinstance(error.__context__, urllib.error.HTTPError):
            error.__context__.close()  # Keras leaves the server's answer open
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise OSError(
            f"{_received(entry)} A file cannot be fetched ({' '.join(str(error).split())}). Fetch "
            f"it by any other way and try again: {_missing(entry)}."
        ) from error
    try:
        _check_content(entry, file, unfinished)
        _check(entry, file, unfinished, "Nothing was kept; try again.")
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    if file.sha256 is None or len(file.sha256) < 64:
        print(f"sha256 {sha256_of(target)}  {target}")
    return target


def _remove_leftovers(target: pathlib.Path) -> None:
    """What killed processes left half fetched; one that lives writes to its file all the time."""
    target.with_name(f"{target.name}.part").unlink(missing_ok=True)  # of earlier versions
    for path in target.parent.glob(f"{target.name}.*.part"):
        with contextlib.suppress(OSError):  # its process may just have finished
            if time.time() - path.stat().st_mtime > _SECONDS_OF_LEFTOVERS:
                path.unlink()


def _check_content(entry: WeightsEntry, file: RemoteFile, path: pathlib.Path) -> None:
    """Refuses a page in place of the file, and a file that was cut short where none says so."""
    with open(path, "rb") as opened:
        start = opened.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    problem = None
    if not start:
        problem = "an empty file"
    elif start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        problem = "a web page, as of a log-in or an error"
    elif start.startswith(b"pk") and not zipfile.is_zipfile(path):
        problem = "a part of the file"
    elif start.startswith(b"\x89hdf"):
        try:
            h5py.File(path, "r").close()
        except OSError:
            problem = "a part of the file"
    if problem is not None:
        raise ValueError(
            f"{_received(entry)} {file.url} gave {problem} ({path.stat().st_size} bytes). Nothing "
            f"was kept; try again, or fetch it by any other way: {_missing(entry)}."
        )


def _missing(entry: WeightsEntry) -> str:
    """What to save where, so that ``entry`` is whole."""
    targets = [(file.url, cache_folder(entry.model) / file.name) for file in entry.files]
    return "; ".join(f"save {url} as {path}" for url, path in targets if not path.is_file())


def _check(entry: WeightsEntry, file: RemoteFile, path: pathlib.Path, remedy: str) -> None:
    if file.sha256 is None:
        return
    found = sha256_of(path)
    if not found.startswith(file.sha256):
        raise ValueError(
            f"{_received(entry)} {path} is not the published file: its SHA-256 must begin with "
            f"{file.sha256} and is {found}. {remedy}"
        )


def _received(entry: WeightsEntry) -> str:
    return f"Received: weights={entry.name!r} of {entry.model}."
