"""What is said where a file cannot be written since there is no room for it. Loads no framework."""

import contextlib
import errno
import os
from collections.abc import Iterator

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "the file is larger than its disk, or `ulimit -f`, allows",
}


class DiskFullError(OSError):
    """A file could not be written, for want of room; the message says which, and the remedy."""


def reason(error: BaseException | None) -> str | None:
    """Why there is no room, if that is what ``error``, or what led to it, is about; else None.

    TensorFlow, Keras and HDF5 have errors of their own, with the system's words in them.
    """
    while error is not None:
        text = str(error)
        for number, why in _REASONS.items():
            if getattr(error, "errno", None) == number or os.strerror(number) in text:
                return why
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def explained(path: str | os.PathLike | None = None) -> Iterator[None]:
    """Turns errors of a block that writes ``path`` into a :class:`DiskFullError` where they fit.

    Without a ``path`` it is the file that the error names, if it does.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        why = reason(error)
        if why is None:
            raise
        raise refusal(path or getattr(error, "filename", None) or "a file", why) from error


def refusal(path: str | os.PathLike, why: str) -> DiskFullError:
    """The error that says of ``path`` that it cannot be written, and what to do."""
    return DiskFullError(
        f"{path} cannot be written: {why}. Nothing that was finished is lost: make "
        "room, and the same command continues."
    )
