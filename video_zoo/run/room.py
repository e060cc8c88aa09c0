"""Too little memory, too little disk: what is said of them, and what to do."""

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

from video_zoo.files import full_disk


@contextlib.contextmanager
def enough_room(
    remedy: str, file: str = "a file", steps_done: Callable[[], int] | None = None
) -> Iterator[None]:
    """Turns the errors of a block that has too little room into what a user can mend.

    TensorFlow has one error for memory and for disks, and each backend of Keras one of its own.

    Args:
        remedy: a sentence that says what to do where a device has too little memory.
        file: what the message calls a file that cannot be written.
        steps_done: tells how far a run is. Defaults to None: there is none.

    Raises:
        MemoryError: a device has too little memory.
        DiskFullError: a file, of TensorBoard say, cannot be written.
    """
    try:
        yield
    except Exception as error:
        if not _is_lack_of_room(error):
            raise
        if (why := full_disk.reason(error)) is not None:
            raise full_disk.refusal(file, why) from error
        when = "" if steps_done is None else f" after step {steps_done()}"
        raise MemoryError(f"a device is out of memory{when}. {remedy}") from error


def _is_lack_of_room(error: Exception) -> bool:
    if isinstance(error, tf.errors.ResourceExhaustedError | MemoryError):
        return True
    return type(error).__name__ == "OutOfMemoryError" or "RESOURCE_EXHAUSTED" in str(error)
