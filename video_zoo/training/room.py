"""Too little memory, too little disk: what a run says of them, and what to do."""

import contextlib
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from video_zoo.files import full_disk

from .clock import Clock


@contextlib.contextmanager
def enough_room(workdir: pathlib.Path, clock: Clock) -> Iterator[None]:
    """Turns the errors of a block that has too little room into what a user can mend.

    TensorFlow has one error for memory and for disks.

    Args:
        workdir: folder of the run.
        clock: how far it is.

    Raises:
        MemoryError: a device has too little memory.
        DiskFullError: a file, of TensorBoard say, cannot be written.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        why = full_disk.reason(error)
        if why is not None:
            raise full_disk.refusal(f"a file in {workdir}", why) from error
        raise MemoryError(
            f"a device is out of memory after step {clock.step}. Lower `batch_size`, "
            "`image_size` or `num_frames`, raise `accumulate_steps`, or set `dtype` to "
            "'mixed_bfloat16'."
        ) from error
