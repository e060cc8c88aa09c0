"""File systems beyond the local one: which the installed TensorFlow reads, and what to do if not.

TensorFlow reads ``gs://`` by itself. ``s3://``, ``hdfs://``, ``az://`` and ``http://`` come with
tensorflow-io, the extra ``[io]``, which is loaded here when a path asks for it.
"""

import importlib.util
import os
import warnings

import tensorflow as tf

from video_zoo import errors

_WEB = {"http", "https"}
_OF_TENSORFLOW_IO = {"s3", "az", "hdfs", "viewfs", "har", "oss", *_WEB}
_COPY = "copy the files to a local folder"
# tensorflow-io installs beside any TensorFlow, but its libraries load with those only.
_INSTALL = (
    "Install what fits together: `pip install 'video_zoo[io]'`, which needs Python 3.10 to 3.12 "
    f"and brings TensorFlow 2.16 or 2.17. Or {_COPY}"
)


def scheme_of(path: str | os.PathLike) -> str:
    """``"s3"`` of ``"s3://bucket/folder"``; ``""`` of a local path."""
    scheme, found, _ = os.fspath(path).partition("://")
    return scheme if found else ""


def lists_files(path: str | os.PathLike) -> bool:
    """Whether the file system of the path can tell which files a folder holds."""
    return scheme_of(path) not in _WEB


def check(path: str | os.PathLike, argument: str) -> None:
    """Refuses a path whose file system the installed TensorFlow cannot read; loads tensorflow-io.

    Args:
        path: folder or file, local or ``scheme://...``.
        argument: what the path was given as, for the message.

    Raises:
        ValueError: there is no file system for the scheme; the message tells the remedy.
    """
    scheme = scheme_of(path)
    if not scheme or scheme in tf.io.gfile.get_registered_schemes():
        return
    problem, remedy = "TensorFlow has no such file system", _COPY.capitalize()
    if scheme in _OF_TENSORFLOW_IO:
        problem, remedy = _load_tensorflow_io(scheme), _INSTALL
    if problem:
        known = ", ".join(f"{name}://" for name in tf.io.gfile.get_registered_schemes() if name)
        allowed = f"a local path or begin with one of {known}"
        raise errors.refusal(argument, allowed, path, f"{remedy}.", f", and {problem}")


def _load_tensorflow_io(scheme: str) -> str | None:
    """Makes its file systems known to TensorFlow; the reason why not, or None."""
    if importlib.util.find_spec("tensorflow_io") is None:
        return f"{scheme}:// needs tensorflow-io, which is not installed"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where its libraries do not load
            import tensorflow_io  # noqa: F401
    except (ImportError, OSError, NotImplementedError, AttributeError) as error:
        return f"the installed tensorflow-io does not load ({' '.join(str(error).split())})"
    if scheme in tf.io.gfile.get_registered_schemes():
        return None
    return f"the installed tensorflow-io does not fit TensorFlow {tf.__version__}"
