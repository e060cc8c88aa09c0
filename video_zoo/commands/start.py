"""Starts a command: the one that a clone's file is for, or that the first argument names."""

import ast
import importlib.util
import os
import pathlib
import shlex
import sys

from absl import app

from . import cli, program
from .cli_help import HELP_FLAGS
from .program import COMMANDS


def main(name: str | None = None) -> None:
    """Runs a command with the arguments of this process, and ends it with the command's exit code.

    Args:
        name: one of ``COMMANDS``, of a file that is for it alone; None where the first argument
            tells it.
    """
    argv = sys.argv
    if name is None:
        module = os.path.basename(argv[0]) == "__main__.py"
        started_as = ["python", "-m", "video_zoo"] if module else ["video-zoo"]
        program.begin("", started_as)
        program.begin(_first_argument(argv, started_as), started_as)
        argv = [argv[0], *argv[2:]]
    else:
        program.begin(name, None)
    command = program.command_module()
    if hasattr(command, "prepare"):  # its flags depend on its first argument
        argv = command.prepare(argv)
    options = getattr(command, "RUN", {})
    app.run(lambda left: cli.run(command.main, left, **options), argv, flags_parser=cli.parse_flags)


def _first_argument(argv: list[str], started_as: list[str]) -> str:
    given = argv[1] if len(argv) > 1 else ""
    if given in {*HELP_FLAGS, "help"}:
        sys.exit(print(_overview(started_as)))
    if given not in COMMANDS:
        sys.exit(cli.fail(f"the command must be one of {', '.join(COMMANDS)}. Received: {given!r}"))
    return given


def _overview(started_as: list[str]) -> str:
    lines = [f"{shlex.join(started_as)} COMMAND ...", ""]
    for name in COMMANDS:
        source = pathlib.Path(importlib.util.find_spec(program.module_name(name)).origin)
        documentation = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
        lines.append(f"  {name:<20}  {documentation.splitlines()[0]}")
    return "\n".join([*lines, "", "COMMAND --help lists the flags of a command."])
