"""What ``--help`` of a tool prints: the required flags first, the others in groups."""

import dataclasses
import re
import shlex
import textwrap
from collections.abc import Iterator

from absl import flags

from . import program

HELP_FLAGS = {"--help", "-help", "-h", "--h", "-?", "--?", "--helpshort", "-helpshort"}
_OTHERS = "options"
# Group -> names of its flags, in the order of the definitions.
_groups: dict[str, list[str]] = {}


def flag_name(config_class: type, field: str) -> str:
    """The flag of a setting: its own name, unless ``FLAGS`` of its class says another."""
    return getattr(config_class, "FLAGS", {}).get(field, field)


def note_groups(config_class: type, file_flag: str | None) -> None:
    """Remembers in which group of the help the flags of a config class stand.

    A class may have ``GROUPS``, first field of a group -> its title; its fields follow one another.

    Args:
        config_class: the dataclass.
        file_flag: the flag for a file of settings, which may give what is required too.
    """
    required = "required" + (f", here or in the file of --{file_flag}" if file_flag else "")
    titles = getattr(config_class, "GROUPS", {})
    title = _OTHERS
    for field in dataclasses.fields(config_class):
        title = titles.get(field.name, title)
        if dataclasses.is_dataclass(field.type):
            _groups.setdefault(title, []).extend(f.name for f in dataclasses.fields(field.type))
            continue
        no_default = field.default is dataclasses.MISSING
        name = flag_name(config_class, field.name)
        _groups.setdefault(required if no_default else title, []).append(name)
    if file_flag is not None:
        _groups[required].append(file_flag)


def help_text() -> str:
    """The documentation of the tool that runs, and its flags with their defaults."""
    module = program.command_module()
    defined = [flag.name for flag in flags.FLAGS.get_key_flags_for_module(module.__name__)]
    grouped = {name for names in _groups.values() for name in names}
    groups = {title: list(names) for title, names in _groups.items()}
    # Those that a tool defines by itself.
    groups.setdefault(_OTHERS, [])[:0] = [name for name in defined if name not in grouped]
    # It is written for one of the ways to start it.
    called = f"video-zoo {module.__name__.rpartition('.')[2].replace('_', '-')}"
    documentation = (module.__doc__ or "").strip().replace(called, shlex.join(program.call()))
    return "\n".join(_lines(documentation, groups))


def _lines(documentation: str, groups: dict[str, list[str]]) -> Iterator[str]:
    yield documentation
    # Required flags first, and last what belongs to no group.
    for title in sorted(groups, key=lambda title: (title == _OTHERS, not title.startswith("req"))):
        if groups[title]:
            yield f"\n{title}:"
        for name in groups[title]:
            yield from _flag(flags.FLAGS[name])
    yield "\n--helpfull lists the flags of absl too."


def _flag(flag: flags.Flag) -> Iterator[str]:
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
    # The texts are those of docstrings, with their marks for names.
    text = re.sub(r":\w+:`([^`]*)`", r"\1", flag.help or "").replace("``", "`")
    default = "" if flag.default is None else f" (default: {flag.default_as_str})"
    yield from textwrap.wrap(
        f"{name}: {text}{default}",
        width=100,
        initial_indent="  ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )
