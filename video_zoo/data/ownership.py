"""One process at a time works in a folder."""

import contextlib
import os
import socket
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"


@contextlib.contextmanager
def sole_owner(folder: str | os.PathLike, argument: str) -> Iterator[None]:
    """Holds a local ``folder`` for this process while the block runs.

    The kernel keeps the lock and frees it when the process ends, however it ends; so a lock never
    outlives its owner. Network file systems that pass locks on hold it between machines too. Where
    there are no locks, nothing is held.

    Args:
        folder: an existing folder.
        argument: the user's name of it, for the message.

    Raises:
        ValueError: another process holds it; the message says which.
    """
    path = os.path.join(os.fspath(folder), LOCK)
    with contextlib.ExitStack() as stack:
        descriptor = _lock(path, argument, folder)
        if descriptor is not None:
            stack.callback(os.close, descriptor)  # frees the lock
            stack.callback(_remove, path)
        yield


def _lock(path: str, argument: str, folder: str | os.PathLike) -> int | None:
    """The descriptor that holds the lock, or None where the file system has none."""
    while fcntl is not None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 1000).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise ValueError(
                f"`{argument}` must be a folder that no other process works in. Received: "
                f"{argument}={os.fspath(folder)!r}, where {owner} is at work. Wait for it, end it, "
                "or take another folder."
            ) from None
        except OSError:
            os.close(descriptor)
            return None
        # The owner before may have removed the file after it was opened here.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
        os.close(descriptor)
    return None


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
