"""What the command-line tools share: flags from a config class, and errors as one line."""

import dataclasses
import os
import pathlib
import re
import signal
import sys
import traceback
import types
import typing
from collections.abc import Callable

from absl import flags, logging

# TensorFlow reads this when it is first imported, which is after this module.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# The flags defined here belong to the tool that asks for them, and stand in its --help.
flags.disclaim_key_flags()

T = typing.TypeVar("T")
# 75 is "try again later" (EX_TEMPFAIL): a batch system that moves a job can tell it from a failure.
INTERRUPTED = {signal.SIGINT: 130, signal.SIGTERM: 75}
USER_ERRORS = (ValueError, OSError, ImportError, FloatingPointError, MemoryError)


def define_flags(config_class: type) -> dict:
    """Defines an absl flag for each field of a config dataclass, and of those within it.

    Name, type and default are the field's, the help is its entry under ``Args:`` in the class's
    docstring. A field without a default becomes a required flag.
    """
    define = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }
    help_texts = _argument_texts(config_class.__doc__)
    holders = {}
    for field in dataclasses.fields(config_class):
        if dataclasses.is_dataclass(field.type):
            holders[field.name] = define_flags(field.type)
            continue
        required = field.default is dataclasses.MISSING
        default = None if required else field.default
        holders[field.name] = define[_plain_type(field.type)](
            field.name, default, help_texts[field.name], required=required
        )
    return holders


def from_flags(config_class: type[T], holders: dict) -> T:
    """The config that the parsed flags of :func:`define_flags` describe."""
    values = {
        field.name: from_flags(field.type, holders[field.name])
        if dataclasses.is_dataclass(field.type)
        else holders[field.name].value
        for field in dataclasses.fields(config_class)
    }
    return config_class(**values)


def _plain_type(annotation: object) -> type:
    """``int`` of ``int | None``."""
    if isinstance(annotation, types.UnionType):
        return next(t for t in typing.get_args(annotation) if t is not types.NoneType)
    return annotation


def _argument_texts(docstring: str) -> dict[str, str]:
    section = docstring.split("Args:\n", 1)[1]
    entries = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def parse_flags(argv: list[str]) -> list[str]:
    """Parser for ``absl.app.run``: a wrong flag is one line, and the exit code 2."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        print(f"{pathlib.Path(argv[0]).stem}: {error} See --help.", file=sys.stderr)
        sys.exit(2)


def fail(message: str) -> int:
    """Prints what a user can mend as one line, and gives the exit code 2."""
    print(f"{pathlib.Path(sys.argv[0]).stem}: {' '.join(message.split())}", file=sys.stderr)
    return 2


def run(work: Callable[[], int | None], argv: list[str] | None = None) -> int:
    """Runs a tool's work and returns the exit code.

    What a user can mend is printed as one line, with exit code 2; Ctrl-C gives 130.

    Args:
        work: the library call; what it returns is the exit code, None counts as 0.
        argv: what absl left over: anything behind the program's name is refused.
    """
    try:
        code = _exit_code(work, argv)
    except Exception:
        if "tensorflow_io" not in sys.modules:
            raise
        traceback.print_exc()
        code = 1
    if "tensorflow_io" in sys.modules:
        # A process that has used its file systems aborts while the interpreter ends (exit code
        # 134), after all is done. So it ends here.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _exit_code(work: Callable[[], int | None], argv: list[str] | None) -> int:
    tool = pathlib.Path(sys.argv[0]).stem
    logging.set_verbosity(logging.WARNING)  # TensorFlow tells every copy between devices
    if argv is not None and len(argv) > 1:
        return fail(f"unexpected argument {argv[1]!r}; see --help")
    try:
        return work() or 0
    except USER_ERRORS as error:
        return fail(str(error))
    except KeyboardInterrupt:
        print(f"{tool}: interrupted", file=sys.stderr)
        return 130
