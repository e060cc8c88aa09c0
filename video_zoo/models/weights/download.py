"""Files of published weights: from the cache, or fetched into it, and never a part of one."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import time
import urllib.error
import zipfile

import keras

from video_zoo.files import full_disk
from video_zoo.published import RemoteFile, WeightsEntry

from .digests import sha256_of, why_not
from .formats import read, reader_of

_SECONDS_OF_LEFTOVERS = 24 * 3600


def cache_folder(model: str) -> pathlib.Path:
    """Where files of the network ``model`` are kept: in the folder of Keras itself."""
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return pathlib.Path(home, "models", "video_zoo", model)


def fetch(entry: WeightsEntry) -> str:
    """Returns the path of the first file of ``entry``, fetching what is not in the cache yet.

    Files that were put into the cache by hand are used like fetched ones, and checked like them.

    Raises:
        OSError: a file cannot be fetched; the message says from where to where.
        DiskFullError: the cache has no room for it.
        ValueError: a file is not the published one, or came in part only.
    """
    folder = cache_folder(entry.model)
    missing = [file for file in entry.files if not (folder / file.name).is_file()]
    for file in entry.files:
        if file not in missing:
            _check(entry, file, folder / file.name, "Delete it, so that it is fetched again.")
    if missing:
        with full_disk.explained(folder):  # no other way of fetching would help
            _fetch(entry, missing, folder)
    return str(folder / entry.files[0].name)


def _fetch(entry: WeightsEntry, missing: list[RemoteFile], folder: pathlib.Path) -> None:
    """Fetches files into a folder of this call alone, and moves them when all are whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(entry, folder)
        unfinished = tempfile.TemporaryDirectory(suffix=".part", dir=folder)
    except OSError as error:
        raise _not_fetched(entry, error) from error
    with unfinished as name:
        for file in missing:
            path = pathlib.Path(name, file.name)
            _download(entry, file, path)
            _check_content(entry, file, path)
            _check(entry, file, path, "Nothing was kept; try again.")
        _check_whole(entry, pathlib.Path(name), folder)
        for file in missing:
            target = folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(name, file.name).replace(target)
            if file.sha256 is None or len(file.sha256) < 64:
                print(f"sha256 {sha256_of(target)}  {target}")


def _download(entry: WeightsEntry, file: RemoteFile, path: pathlib.Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.get_file(path.name, file.url, cache_dir=str(path.parent), cache_subdir="")
    except Exception as error:  # that is what Keras raises
        if isinstance(error.__context__, urllib.error.HTTPError):
            error.__context__.close()  # Keras leaves the server's answer open
        raise _not_fetched(entry, error) from error


def _not_fetched(entry: WeightsEntry, error: Exception) -> OSError:
    return OSError(
        f"{_received(entry)} A file cannot be fetched ({' '.join(str(error).split())}). Fetch "
        f"it by any other way and try again: {_missing(entry)}."
    )


def _remove_leftovers(entry: WeightsEntry, folder: pathlib.Path) -> None:
    """What killed processes left half fetched; one that lives began within a day."""
    for file in entry.files:
        (folder / f"{file.name}.part").unlink(missing_ok=True)  # of earlier versions
    for path in folder.glob("*.part"):
        with contextlib.suppress(OSError):  # its process may just have finished
            if time.time() - path.stat().st_mtime > _SECONDS_OF_LEFTOVERS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _check_whole(entry: WeightsEntry, unfinished: pathlib.Path, folder: pathlib.Path) -> None:
    """Reads what was fetched as the network will: a server need not say how long its file is."""
    first = unfinished / entry.files[0].name
    for file in entry.files:
        if not (unfinished / file.name).exists():
            (unfinished / file.name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file.name, unfinished / file.name)
    if reader_of(first) is None:
        return
    try:
        read(first)
    except ImportError:  # of a package that reads it, which is told where it is needed
        return
    except ValueError as error:
        cause = getattr(error, "cause", error)
        urls = " or ".join(file.url for file in entry.files)
        raise ValueError(
            f"{_received(entry)} {urls} gave a part of the file, or a damaged one ({cause}). "
            f"Nothing was kept; try again, or fetch it by any other way: {_missing(entry)}."
        ) from error


def _check_content(entry: WeightsEntry, file: RemoteFile, path: pathlib.Path) -> None:
    """Refuses a page in place of the file, and the parts of one that its first bytes betray."""
    with open(path, "rb") as opened:
        start = opened.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    problem = None
    if not start:
        problem = "an empty file"
    elif start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        problem = "a web page, as of a log-in or an error"
    elif start.startswith(b"pk") and not zipfile.is_zipfile(path):
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
    problem = why_not(file, path)
    if problem is not None:
        raise ValueError(
            f"{_received(entry)} {path} is not the published file: {problem}. {remedy}"
        )


def _received(entry: WeightsEntry) -> str:
    return f"Received: weights={entry.name!r} of {entry.model}."
