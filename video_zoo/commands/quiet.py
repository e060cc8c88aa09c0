"""TensorFlow without its start-up lines, and bars that do not fill a log, for the tools.

TensorFlow tells of its kernels, and of the GPU drivers of machines without a GPU, in lines that
read like errors. Some come before it looks at TF_CPP_MIN_LOG_LEVEL, so they are taken off stderr.
A choice of the user's stands.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"
_USERS_OWN = _VARIABLE in os.environ
# TensorFlow reads it when it is first imported. What it logs as an error and matters is raised too.
os.environ.setdefault(_VARIABLE, "3")
if not sys.stderr.isatty():
    # tqdm reads it when it is imported: in a log, each state of a bar is a line.
    os.environ.setdefault("TQDM_MININTERVAL", "30")
_NOISE = re.compile(rb"(WARNING: All log messages before absl::|[IWE]\d{4} \d\d:).*\n?")


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Keeps TensorFlow's lines off stderr while it is imported; all else comes through.

    If the import fails, so do its lines.

    Example:
        >>> with loading():
        ...     from video_zoo.training import train
    """
    try:
        stderr = None if _USERS_OWN else os.dup(2)
    except OSError:  # it is closed
        stderr = None
    if stderr is None:
        yield
        return
    sys.stderr.flush()
    seen = os.isatty(stderr)
    if seen:
        os.write(stderr, b"loading TensorFlow\r")
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            if seen:
                os.write(2, b"\033[K")  # the line was for those who wait
            log.seek(0)
            lines = log.readlines()
            os.write(2, b"".join(line for line in lines if failed or not _NOISE.match(line)))
