"""One process at a time works in a folder, or several on parts of it."""

import contextlib
import os
import shutil
import socket
import stat
import sys
from collections.abc import Iterator

from . import filesystems, full_disk

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"
_UNNAMED = "another process"


@contextlib.contextmanager
def sole_owner(folder: str | os.PathLike, argument: str, shared: bool = False) -> Iterator[None]:
    """Holds a ``folder`` for this process while the block runs.

    The kernel keeps the lock and frees it when the process ends, however it ends; so a lock never
    outlives its owner. Network file systems that pass locks on hold it between machines too. Where
    there are none, nothing is held, and a line on stderr says so. In an object store nothing is
    held either.

    Args:
        folder: an existing folder.
        argument: the user's name of it, for the message.
        shared: whether other processes may hold it in the same way, each for a part of the work.

    Raises:
        ValueError: another process holds it; the message says which. Or its lock cannot be made.
        DiskFullError: the lock has no room.
    """
    if filesystems.scheme_of(folder):
        yield
        return
    path = os.path.join(os.fspath(folder), LOCK)
    with contextlib.ExitStack() as stack:
        descriptor = _lock(path, argument, folder, shared)
        if descriptor is not None:
            stack.callback(os.close, descriptor)  # frees the lock
            stack.callback(_remove, path, descriptor)
            with full_disk.explained(path):
                _write(descriptor, f"process {os.getpid()} on {socket.gethostname()}")
        yield


def remove_unowned(folder: str | os.PathLike) -> None:
    """Removes a folder that a process held by :func:`sole_owner` until it was killed.

    One that is held stays, one that never was too, and where there are no locks all do.
    """
    path = os.path.join(os.fspath(folder), LOCK)
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        if fcntl is None:
            return
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)


def _lock(path: str, argument: str, folder: str | os.PathLike, shared: bool) -> int | None:
    """The descriptor that holds the lock, or None where the file system has none."""
    received = f"Received: {argument}={os.fspath(folder)!r}"
    while fcntl is not None:
        descriptor = _open(path, argument, received)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 1000).decode(errors="replace") or _UNNAMED
            os.close(descriptor)
            raise ValueError(
                f"`{argument}` must be a folder that no other process works in. {received}, where "
                f"{owner} is at work. Wait for it, end it, or take another folder."
            ) from None
        except OSError:
            os.close(descriptor)
            _unlink(path)
            break
        # The owner before may have removed the file after it was opened here.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)
    print(
        f"warning: the file system of {folder} has no locks: start no second process there.",
        file=sys.stderr,
        flush=True,
    )
    return None


def _open(path: str, argument: str, received: str) -> int:
    """The file of the lock. What a link of its name leads to is somebody else's."""
    try:
        with full_disk.explained(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        problem = "no regular file"
    except full_disk.DiskFullError:
        raise
    except OSError as error:
        problem = error.strerror
    raise ValueError(
        f"`{argument}` must be a folder in which a file {LOCK} can tell who works there. "
        f"{received}, where {path} is in the way ({problem}). Remove it, or take another folder."
    )


def _write(descriptor: int, owner: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, owner.encode(), 0)


def _remove(path: str, descriptor: int) -> None:
    """Removes the lock's file; where others share it, it tells no longer of this process."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(OSError):
            _write(descriptor, _UNNAMED)
    else:
        _unlink(path)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
