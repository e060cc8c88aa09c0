"""Too little memory for the clips of a network: told in one line, with what to do."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from video_zoo.files import full_disk


@contextlib.contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """Turns the error of a device that has too little memory into a MemoryError.

    Args:
        remedy: a sentence that says what to do.
    """
    try:
        yield
    except Exception as error:
        if not _is_lack_of_memory(error) or full_disk.reason(error) is not None:
            raise
        raise MemoryError(f"a device is out of memory. {remedy}") from error


def _is_lack_of_memory(error: Exception) -> bool:
    """Each backend of Keras has an error of its own."""
    if isinstance(error, tf.errors.ResourceExhaustedError | MemoryError):
        return True
    return type(error).__name__ == "OutOfMemoryError" or "RESOURCE_EXHAUSTED" in str(error)
