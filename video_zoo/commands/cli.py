"""What the commands share: flags from a config class, and errors as one line."""

import contextlib
import dataclasses
import io
import os
import re
import shlex
import signal
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence

from absl import flags, logging

from video_zoo.errors import shortened, shown
from video_zoo.files import full_disk
from video_zoo.settings import make_config, setting_fields

from . import program
from .cli_help import HELP_FLAGS, flag_name, help_text, note_groups
from .config_file import plain_type, read_settings
from .quiet import loading as loading  # for the tools

# The flags defined here belong to the tool that asks for them, and stand in its --help.
flags.disclaim_key_flags()

T = typing.TypeVar("T")
_CONFIG = "config"
# 75 is "try again later" (EX_TEMPFAIL): a batch system that moves a job can tell it from a failure.
INTERRUPTED = {signal.SIGINT: 130, signal.SIGTERM: 75}
USER_ERRORS = (ValueError, OSError, ImportError, FloatingPointError, MemoryError)


def define_flags(config_class: type, *, config_file: bool = False) -> dict[str, flags.FlagHolder]:
    """Defines an absl flag for each field of a config dataclass, and of those within it.

    Name, type and default are the field's, the help is its entry under ``Args:`` in the class's
    docstring. A field without a default becomes a required flag.

    Args:
        config_class: the dataclass.
        config_file: whether there is a flag ``--config`` too, for a file of settings. It may give
            what is required, so :func:`from_flags` looks for that.
    """
    holders = _define_flags(config_class, required=not config_file)
    note_groups(config_class, _CONFIG if config_file else None)
    if config_file:
        holders[_CONFIG] = flags.DEFINE_string(
            _CONFIG,
            None,
            "YAML or JSON file of settings, config.json of a run too; other flags override it.",
        )
    return holders


def _define_flags(config_class: type, required: bool) -> dict[str, flags.FlagHolder]:
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
            holders |= _define_flags(field.type, required)
            continue
        no_default = field.default is dataclasses.MISSING
        holders[field.name] = define[plain_type(field.type)](
            flag_name(config_class, field.name),
            None if no_default else field.default,
            help_texts[field.name],
            required=required and no_default,
        )
    return holders


def from_flags(
    config_class: type[T],
    holders: dict[str, flags.FlagHolder],
    *,
    one_of: Sequence[str] = (),
    changes: Mapping[str, object] | None = None,
) -> T:
    """The config that the parsed flags of :func:`define_flags` describe.

    A flag on the command line comes before the file of ``--config``, and that before the default.

    Args:
        config_class: the dataclass.
        holders: its flags.
        one_of: fields that exclude one another: if a flag gives one of them, the file's are left.
        changes: settings in place of all others, such as None, which no flag can say.

    Raises:
        OSError: the file of ``--config`` cannot be read.
        ValueError: a setting is wrong, or one without a default is missing.
        FileNotFoundError: what a setting names is not there.
    """
    settings = given(config_class, holders, one_of=one_of) | dict(changes or {})
    needed = [f.name for f in setting_fields(config_class) if f.default is dataclasses.MISSING]
    missing = [name for name in needed if name not in settings]
    if missing:
        as_flags = ", ".join(f"--{flag_name(config_class, name)}" for name in missing)
        names = ", ".join(map("`{}`".format, missing))
        raise ValueError(f"{names} must be given, as {as_flags} or in the file of --config.")
    config = make_config(config_class, settings)
    if hasattr(config, "check_files"):
        config.check_files()
    return config


def given(
    config_class: type, holders: dict[str, flags.FlagHolder], *, one_of: Sequence[str] = ()
) -> dict[str, object]:
    """The settings that flags, or the file of ``--config``, give; the arguments are those of
    :func:`from_flags`.
    """
    found = {name: holder.value for name, holder in holders.items() if holder.present}
    path = found.pop(_CONFIG, None) if _CONFIG in holders else None
    settings = {} if path is None else read_settings(config_class, path)
    if any(name in found for name in one_of):
        settings = {name: value for name, value in settings.items() if name not in one_of}
    return settings | found


def _argument_texts(docstring: str) -> dict[str, str]:
    section = docstring.split("Args:\n", 1)[1]
    entries = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def parse_flags(argv: list[str]) -> list[str]:
    """Parser for ``absl.app.run``: ``--help`` in groups; a wrong flag is one line, exit code 2."""
    if HELP_FLAGS & set(argv[1 : argv.index("--") if "--" in argv else None]):
        print(help_text())
        sys.exit(0)
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(fail(f"{shortened(str(error))} See --help."))


def fail(message: str) -> int:
    """Prints what a user can mend as one line, and gives the exit code 2."""
    print(f"{program.program()}: {' '.join(message.split())}", file=sys.stderr)
    return 2


def command(name: str, *arguments: object) -> str:
    """A command line that runs another command, to be pasted into a shell."""
    return shlex.join([*program.call(name), *map(str, arguments)])


def run(
    work: Callable[..., int | None],
    argv: Sequence[str] = (),
    *,
    inputs: bool = False,
    names: Mapping[str, str] = types.MappingProxyType({}),
    interrupted: str = "",
) -> int:
    """Runs a tool's work and returns the exit code.

    What a user can mend is printed as one line, with exit code 2; Ctrl-C gives 130, SIGTERM 75.

    Args:
        work: the library call; what it returns is the exit code, None counts as 0.
        argv: what absl left over.
        inputs: whether ``work`` takes what comes after the program's name, which otherwise is
            refused.
        names: argument -> what the user typed for it, where that is no flag of the same name.
        interrupted: what an interrupted run keeps, for the line that says that it was.
    """
    try:
        if argv[1:] and not inputs:
            code = fail(f"unexpected argument {shown(argv[1])}; see --help")
        else:
            code = _exit_code(lambda: work(*argv[1:]), names, interrupted)
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


def _exit_code(work: Callable[[], int | None], names: Mapping[str, str], interrupted: str) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):  # not all file names are UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.set_verbosity(logging.WARNING)  # TensorFlow tells every copy between devices
    with _sigterm_interrupts() as asked:
        try:
            with full_disk.explained():
                code = work() or 0
            if code == INTERRUPTED[signal.SIGTERM]:  # the work took the signal itself
                asked.append(signal.SIGTERM)
            return code
        except USER_ERRORS as error:
            if not asked:
                return fail(shortened(_as_typed(str(error), names)))
        except KeyboardInterrupt:
            pass
    print(f"{program.program()}: interrupted{interrupted and f'. {interrupted}'}", file=sys.stderr)
    return INTERRUPTED[asked[0] if asked else signal.SIGINT]


def _as_typed(message: str, names: Mapping[str, str]) -> str:
    """A message of the library with the arguments as the user knows them."""
    for argument, typed in names.items():
        message = re.sub(rf"`{argument}`", f"`{typed}`", message)
        message = re.sub(rf"\b{argument}=", f"{typed}=", message)
    return message


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[list[int]]:
    """Lets SIGTERM end the work as Ctrl-C does. Gives a list that has the signal once it came.

    A process that ends because of it takes no notice of more of them.
    """
    asked = []

    def end(signum: int, frame: object) -> None:
        asked.append(signum)
        if len(asked) > 1:  # it is ending
            return
        if not hasattr(sys.modules.get("tensorflow"), "__version__"):
            # An exception could get lost in the middle of an import, and nothing is begun yet.
            os._exit(INTERRUPTED[signal.SIGTERM])
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if asked else before)
