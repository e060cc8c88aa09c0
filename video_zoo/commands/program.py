"""Which command runs, and how it was started: ``video-zoo NAME``, or by a file of a clone."""

import ast
import importlib
import importlib.util
import os
import pathlib
import shlex
import sys
import types

# Name of the command -> the file of a clone that starts it.
COMMANDS = {
    "convert": "make_tfrecords",
    "inspect": "inspect_dataset",
    "train": "train",
    "evaluate": "evaluate",
    "evaluate-two-stream": "evaluate_two_stream",
    "predict": "predict",
    "extract-features": "extract_features",
    "summary": "summary",
    "convert-weights": "convert_weights",
    "data-service": "data_service",
    "benchmark": "benchmark",
    "quickstart": "quickstart",
}
_HELP = ("-h", "--h", "-help", "--help", "help")
# What started this process, without the name of the command; None in that of a clone's file.
_started_as: list[str] | None = None
_running = ""


def main(name: str | None = None) -> None:
    """Runs a command with the arguments of this process, and ends it with the command's exit code.

    Args:
        name: one of ``COMMANDS``, of a file that is for it alone; None where the first argument
            tells it.
    """
    global _started_as, _running
    argv = sys.argv
    if name is None:
        module = os.path.basename(argv[0]) == "__main__.py"
        _started_as = ["python", "-m", "video_zoo"] if module else ["video-zoo"]
        name = _first_argument(argv)
        argv = [argv[0], *argv[2:]]
    _running = name
    from absl import app

    from . import cli

    command = command_module()
    if hasattr(command, "prepare"):  # its flags depend on its first argument
        argv = command.prepare(argv)
    app.run(command.main, argv, flags_parser=cli.parse_flags)


def command_module() -> types.ModuleType:
    """The module of the command that runs."""
    return importlib.import_module(_module_name(_running))


def _module_name(name: str) -> str:
    return f"{__package__}.{name.replace('-', '_')}"


def _first_argument(argv: list[str]) -> str:
    given = argv[1] if len(argv) > 1 else ""
    if given in _HELP:
        sys.exit(print(_overview()))
    if given not in COMMANDS:
        from . import cli

        sys.exit(cli.fail(f"the command must be one of {', '.join(COMMANDS)}. Received: {given!r}"))
    return given


def _overview() -> str:
    lines = [f"{shlex.join(_started_as or [])} COMMAND ...", ""]
    for name in COMMANDS:
        source = pathlib.Path(importlib.util.find_spec(_module_name(name)).origin)
        documentation = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
        lines.append(f"  {name:<20}  {documentation.splitlines()[0]}")
    return "\n".join([*lines, "", "COMMAND --help lists the flags of a command."])


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
