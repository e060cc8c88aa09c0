"""Checks of settings and arguments, and how a refusal reads: one form for all. Loads no framework.

A config class calls :func:`check_settings` when it is made: types come from its annotations, ranges
and choices from :mod:`video_zoo.limits`.
"""

import dataclasses
import difflib
import numbers
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence

from .limits import LIMITS, Range

LONGEST = 200
CONVERT, INSPECT = "`video-zoo convert`", "`video-zoo inspect`"
_KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


def shown(value: object) -> str:
    """``repr`` of a value for a message: at most 200 characters of it, and never an error.

    Example:
        >>> shown("s3d")
        "'s3d'"
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str | bytes):
        text = repr(value[:LONGEST])
        return text if len(value) <= LONGEST else f"{text}... ({len(value):,} characters)"
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits, which Python does not write out
        return f"an integer of {value.bit_length():,} bits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"


def shortened(text: str) -> str:
    """A message with its long words cut: those are values that somebody gave."""
    return re.sub(rf"\S{{{LONGEST + 1},}}", lambda word: f"{word[0][:LONGEST]}...", text)


def refusal(
    argument: str, allowed: object, value: object, remedy: str = "", place: str = ""
) -> ValueError:
    """The error that refuses ``value``.

    Args:
        argument: its name.
        allowed: what it must be.
        value: what it is.
        remedy: what to do, one sentence or more.
        place: where it was found, such as " in settings.yaml".

    Example:
        >>> print(refusal("top", "an integer from 1 to 5", 9))
        `top` must be an integer from 1 to 5. Received: top=9
    """
    text = f"`{argument}` must be {allowed}. Received: {argument}={shown(value)}{place}"
    return ValueError(f"{text}. {remedy}" if remedy else text)


def changes(earlier: Mapping, now: Mapping) -> list[str]:
    """What is not as it was, as in "seed was 1 and is 2"; what ``earlier`` lacks was None."""
    return [
        f"{name} was {earlier.get(name)!r} and is {value!r}"
        for name, value in now.items()
        if earlier.get(name) != value
    ]


def nearest(word: str, known: Iterable[str]) -> str:
    """ "Did you mean ...?" with the names that are most like ``word``; "" if none is."""
    # Comparing takes time in the square of the length.
    found = difflib.get_close_matches(word[:LONGEST], list(known), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(map(repr, found))}?" if found else ""


def typed(argument: str, value: object, annotation: object, place: str = "") -> object:
    """``value``, if it is of the type that a config class says.

    An integer will do for a number, and becomes one; NumPy's numbers become Python's, and paths
    strings. True is no integer, and a string is never read as a number.

    Args:
        argument: name of the setting.
        value: what is given.
        annotation: type of the field: bool, int, float, str, a dataclass, or these with None.
        place: where it was found; "" is Python, anything else a file, where None is null.

    Raises:
        ValueError: it is of another type.
    """
    union = isinstance(annotation, types.UnionType)
    kinds = typing.get_args(annotation) if union else (annotation,)
    for kind in kinds:
        fits, found = _fits(value, kind)
        if fits:
            return found
    names = [_name(kind, bool(place)) for kind in kinds]
    raise refusal(argument, ", or ".join(names), value, place=place)


def _name(kind: object, in_file: bool) -> str:
    if kind is types.NoneType:
        return "null" if in_file else "None"
    if typing.get_origin(kind) is not None:
        return "several of them"
    return _KINDS.get(kind) or f"{kind.__name__}(...)"


def _fits(value: object, kind: object) -> tuple[bool, object]:
    """Whether ``value`` is of a kind, and as what."""
    if typing.get_origin(kind) is not None:  # Sequence[str]
        several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        return several and all(isinstance(each, str) for each in value), value
    if kind is int or kind is float:
        wanted = numbers.Integral if kind is int else numbers.Real
        if isinstance(value, bool) or not isinstance(value, wanted):
            return False, value
        try:
            return True, kind(value)
        except OverflowError:  # an integer that is too long for a float
            return True, float("inf")
    if kind is str and isinstance(value, os.PathLike):
        value = os.fspath(value)
    return isinstance(value, kind), value


def check_settings(config: object, **own: Range | tuple | str) -> None:
    """Checks all fields of a config dataclass, for its ``__post_init__``.

    Values get the types that the class says. Strings must not be empty, unless that is the default.
    A path that begins with ``~`` gets the home folder in its place, as a shell does only for some.

    Args:
        config: the dataclass, which may be frozen.
        **own: limits of its own, by name of the field, in place of those of the zoo. "" lets a
            string be empty.

    Raises:
        ValueError: a setting is of a wrong type, out of its range, or empty.
    """
    for field in dataclasses.fields(config):
        given = getattr(config, field.name)
        value = at_home(typed(field.name, given, field.type))
        if value is not given:
            object.__setattr__(config, field.name, value)
        if value is None:
            continue
        limit = own.get(field.name, LIMITS.get(field.name))
        if isinstance(limit, Range | tuple):
            optional = types.NoneType in typing.get_args(field.type)
            _check_limit(field.name, value, limit, given, optional)
        elif isinstance(value, str) and limit != "" and field.default != "":
            check_text(field.name, value)


def at_home(value: object) -> object:
    """``value`` with the home folder in place of a ``~`` that a path begins with.

    Nothing else that the zoo takes begins with one. A path becomes a string.
    """
    is_text = isinstance(value, str | os.PathLike)
    return os.path.expanduser(os.fspath(value)) if is_text else value


def check(argument: str, value: object) -> None:
    """Raises ValueError unless ``value`` is what the zoo's limits allow for ``argument``."""
    limit = LIMITS[argument]
    if isinstance(limit, Range):
        typed(argument, value, int if limit.whole else float)
    _check_limit(argument, value, limit, value, False)


def check_choice(argument: str, value: object, allowed: Sequence) -> None:
    """Raises ValueError unless ``value`` is one of ``allowed``."""
    _check_limit(argument, value, tuple(allowed), value, False)


def _check_limit(
    argument: str, value: object, limit: Range | tuple, given: object, optional: bool
) -> None:
    if isinstance(limit, Range):
        if value not in limit:
            raise refusal(argument, f"{limit}, or None" if optional else limit, given)
    elif value not in limit or isinstance(value, bool):
        listed = ", ".join(map(repr, limit))
        remedy = nearest(value, limit) if isinstance(value, str) else ""
        raise refusal(argument, f"one of {listed}", given, remedy)


def check_text(argument: str, value: str) -> None:
    """Raises ValueError if a string says nothing, or holds what no file name can hold."""
    if not value.strip():
        raise refusal(argument, "a string that is not empty", value)
    if "\0" in value:
        raise refusal(argument, "a string without NUL characters", value)


def check_file(argument: str, path: str) -> None:
    """Raises FileNotFoundError unless ``path`` is an existing file."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"`{argument}` must be an existing file. Received: {argument}={shown(path)}"
        )


def check_shards(data_dir: str | None, argument: str = "data_dir") -> None:
    """Raises FileNotFoundError if the folder of shards is not there.

    Args:
        data_dir: the folder; None and ``scheme://...`` are not looked at.
        argument: what it was given as.
    """
    if data_dir is not None and "://" not in data_dir and not os.path.isdir(data_dir):
        raise no_folder_of_shards(data_dir, argument)


def no_folder_of_shards(data_dir: str, argument: str = "data_dir") -> FileNotFoundError:
    """The error that refuses what is no folder of shards; the arguments are as above."""
    unreachable = ", or cannot be reached" if "://" in data_dir else ""
    return FileNotFoundError(
        f"`{argument}` must be a folder of TFRecord shards. Received: {argument}="
        f"{shown(data_dir)}, which is no folder{unreachable}. Make it with {CONVERT}."
    )
