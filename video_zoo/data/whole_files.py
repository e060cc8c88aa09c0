"""Files that appear under their names only when they are whole."""

import contextlib
import os
from collections.abc import Iterator

import tensorflow as tf

from video_zoo import full_disk


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[str]:
    """Gives a temporary name beside `path`, and renames it to `path` when the block succeeds.

    So a file with a final name is always whole. If the block fails the temporary file is removed.

    Raises `DiskFullError` where there is no room for the file, `OSError` where TensorFlow cannot
    write it for another reason.

    A file of the name `path` is replaced. The temporary name starts with a dot, so that no reader
    takes it for a shard.
    """
    path = os.fspath(path)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.tmp")
    try:
        with full_disk.explained(path):
            yield temporary
            tf.io.gfile.rename(temporary, path, overwrite=True)
    except BaseException as error:  # Ctrl-C too must leave nothing behind
        with contextlib.suppress(tf.errors.OpError):
            tf.io.gfile.remove(temporary)
        if temporary in getattr(error, "message", ""):  # TensorFlow's, of which no tool knows
            raise OSError(f"{path} cannot be written: {error.message}") from error
        raise


def write_text(path: str, text: str) -> None:
    """Writes `text` to `path` as UTF-8, whole or not at all."""
    with atomic_write(path) as temporary, tf.io.gfile.GFile(temporary, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
