"""Which command runs, and how it was started: ``video-zoo NAME``, or by a file of a clone."""

import importlib
import os
import pathlib
import sys
import types

# Name of the command -> the file of a clone that starts it.
COMMANDS = {
    "convert": "make_tfrecords",
    "inspect": "inspect_dataset",
    "train": "train",
    "evaluate": "evaluate",
    "evaluate-two-stream": "evaluate_two_stream",
    "compare": "compare",
    "probe": "probe",
    "metrics": "metrics",
    "fuse": "fuse",
    "predict": "predict",
    "demo": "demo",
    "extract-features": "extract_features",
    "kernels": "kernels",
    "summary": "summary",
    "convert-weights": "convert_weights",
    "data-service": "data_service",
    "benchmark": "benchmark",
    "quickstart": "quickstart",
}
# What started this process, without the name of the command; None in that of a clone's file.
_started_as: list[str] | None = None
_running = ""


def begin(name: str, started_as: list[str] | None) -> None:
    """Notes the command that runs from here on.

    Args:
        name: of the command; "" as long as it is not known.
        started_as: what started this process; None for a clone's file.
    """
    global _started_as, _running
    _running, _started_as = name, started_as


def command_module() -> types.ModuleType:
    """The module of the command that runs."""
    return importlib.import_module(module_name(_running))


def module_name(name: str) -> str:
    """The module of a command."""
    return f"{__package__}.{name.replace('-', '_')}"


def program() -> str:
    """What messages call the command that runs."""
    if _started_as is None:
        return pathlib.Path(sys.argv[0]).stem
    return " ".join(["video-zoo", *filter(None, [_running])])


def call(name: str = "") -> list[str]:
    """The beginning of a command line for another command, or for the one that runs."""
    name = name or _running
    if _started_as is not None:
        return [*_started_as, name]
    return ["python", os.path.join(os.path.dirname(sys.argv[0]), f"{COMMANDS[name]}.py")]


def clone() -> str | None:
    """The folder of the clone whose file was started; None if the package was."""
    if _started_as is not None:
        return None
    return os.path.normpath(os.path.join(os.path.dirname(sys.argv[0]), ".."))
