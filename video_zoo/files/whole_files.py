"""Files that appear under their names only when they are whole."""

import contextlib
import csv
import json
import os
import platform
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence

import tensorflow as tf

from video_zoo.errors import at_home, refusal

from . import full_disk

# Of earlier versions too, whose temporary names did not tell the process.
_TEMPORARY = re.compile(r"\.(?P<name>.+?)(\.\w+-\d+)?\.tmp(\.\w+)?")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, ending: str = "") -> Iterator[str]:
    """Gives a temporary name beside ``path``, and renames it to ``path`` when the block succeeds.

    So a file with a final name is always whole. If the block fails the temporary file is removed.

    A file of the name ``path`` is replaced. The temporary name tells machine and process, so that
    two processes never write into one file, and it starts with a dot, so that no reader takes it
    for a shard.

    Args:
        path: the final name.
        ending: what the temporary name ends with, for writers that insist on one.

    Yields:
        The temporary name.

    Raises:
        DiskFullError: there is no room for the file.
        OSError: TensorFlow cannot write it for another reason.
    """
    path = at_home(path)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, temporary_name(name, os.getpid()) + ending)
    try:
        with full_disk.explained(path):
            yield temporary
            # TensorFlow takes a name that is not UTF-8 as bytes only.
            tf.io.gfile.rename(os.fsencode(temporary), os.fsencode(path), overwrite=True)
    except BaseException as error:  # Ctrl-C too must leave nothing behind
        with contextlib.suppress(tf.errors.OpError):
            tf.io.gfile.remove(os.fsencode(temporary))
        if isinstance(error, tf.errors.OpError) and temporary in error.message:
            raise OSError(f"{path} cannot be written: {error.message}") from error
        raise


def make_folder(folder: str | os.PathLike, argument: str) -> None:
    """Makes a local folder, unless it is there, and refuses one that cannot be written to.

    To be called before the work whose results go there.

    Args:
        folder: the folder.
        argument: the user's name of it, for the message.

    Raises:
        ValueError: a file is in its place, or it cannot be written to.
    """
    _try_to_write(at_home(folder), argument, folder, "a folder that can be written to")


def check_file_place(path: str | os.PathLike, argument: str) -> None:
    """Makes the folder of a local file that is to be written, and refuses what can be none.

    Args:
        path: the file, which may be there.
        argument: the user's name of it, or of the folder above, for the message.

    Raises:
        ValueError: a folder is in its place, or its folder cannot be written to.
    """
    whole, allowed = os.path.abspath(at_home(path)), "a file that can be written"
    if os.path.isdir(whole):
        raise refusal(argument, allowed, path, place=", which is a folder")
    _try_to_write(os.path.dirname(whole), argument, path, allowed)


def _try_to_write(
    folder: str | os.PathLike, argument: str, value: str | os.PathLike, allowed: str
) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "Choose another place."
        raise refusal(argument, allowed, value, remedy, f" ({error.strerror})") from error


def temporary_name(name: str, pid: int) -> str:
    """The name under which a process of this machine writes the file ``name``."""
    machine = re.sub(r"\W", "_", platform.node())
    return f".{name}.{machine}-{pid}.tmp"


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes ``text`` to ``path`` as UTF-8, whole or not at all."""
    with atomic_write(path) as temporary, tf.io.gfile.GFile(os.fsencode(temporary), "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def write_json(path: str | os.PathLike, content: object) -> None:
    """Writes ``content`` as JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_rows(
    path: str | os.PathLike, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Writes a CSV file to a local disk, whole or not at all.

    Args:
        path: the file.
        header: names of the columns.
        rows: values of each row; names of files among them may be any bytes.
    """
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def final_name(name: str) -> str | None:
    """The name that a temporary file would have got; None if ``name`` is not a temporary one."""
    match = _TEMPORARY.fullmatch(name)
    return match and match["name"]


def remove_unfinished(folder: str | os.PathLike) -> None:
    """Removes what killed processes left half written. Only for the owner of a local folder."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if final_name(entry.name) and entry.is_file():
                os.unlink(entry.path)
