"""What the zoo's own files hold, checked against a dataclass: one schema per file.

The schemas are the dataclasses that the content becomes anyway, and the few types that JSON knows.
A library for it would be another dependency, and its messages would not be the zoo's.
"""

import collections.abc
import csv
import dataclasses
import io
import json
import os
import reprlib
import types
import typing
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

_NAMES = {
    bool: "true or false",
    int: "an integer of at least 0",
    float: "a number",
    str: "a string",
    types.NoneType: "null",
}


class _MismatchError(Exception):
    """A value is not what the schema allows: where it stands, what is allowed, and itself."""


def read_lines(path: str | os.PathLike) -> list[str]:
    """The lines of a text that people may have edited; a line break at its end adds no line."""
    return read_text(path).replace("\r\n", "\n").removesuffix("\n").split("\n")


def read_text(path: str | os.PathLike, errors: str = "strict") -> str:
    """The text of a file that people may have edited: UTF-8, with or without a mark before it.

    Args:
        path: the file.
        errors: what becomes of bytes that are not UTF-8, as in ``bytes.decode``.

    Raises:
        ValueError: it is not UTF-8.
    """
    content = _read(os.fspath(path))
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{os.fspath(path)} must be UTF-8 text. Received: byte {content[error.start]:#04x} at "
            f"place {error.start}. Save it as UTF-8."
        ) from error


def _read(path: str) -> bytes:
    if "://" not in path:
        with open(path, "rb") as file:
            return file.read()
    import tensorflow as tf  # only who reads remote data pays for it

    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()


def read_json(path: str | os.PathLike, schema: type[T], remedy: str) -> T:
    """The content of a JSON file as ``schema`` wants it.

    Integers are counts, so they must be 0 or more. Fields that the schema does not know are passed
    over: they may be those of a later version.

    Args:
        path: the file.
        schema: a dataclass, or a type of the values that JSON knows: bool, int, float, str, object,
            ``X | None``, ``list[X]``, ``tuple[X, ...]``, ``Mapping[str, X]``, ``dict[str, X]``.
        remedy: a sentence that ends the error.

    Raises:
        ValueError: it is no JSON, or a field is missing or of another type; file, field, what is
            allowed and what stands there are told.

    Example:
        >>> read_json("manifest.json", Mapping[str, object], "Convert the videos again.")
    """
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{os.fspath(path)} must be a JSON file. Received: {reprlib.repr(text)} ({error}). "
            f"{remedy}"
        ) from error
    return check(content, schema, path, remedy)


def read_rows(
    path: str | os.PathLike, columns: Sequence[str], remedy: str, errors: str = "strict"
) -> list[tuple[str, dict[str, str]]]:
    """The rows of a CSV file with a header, each with its place, as "line 2".

    Args:
        path: the file.
        columns: that it must have; it may have more.
        remedy: a sentence that ends the error.
        errors: as of :func:`read_text`; "surrogateescape" where names of files stand in it.

    Raises:
        ValueError: it is no CSV, or lacks a column, or a row has more or fewer values than the
            header; what is wrong is told with its line.
    """
    reader = csv.DictReader(io.StringIO(read_text(path, errors), newline=""))
    rows = []
    try:
        for row in reader:
            rows.append((f"line {reader.line_num}", row))
    except csv.Error as error:
        raise ValueError(
            f"`line {reader.line_num + 1}` of {os.fspath(path)} must be values with commas "
            f"between. Received: {error}. {remedy}"
        ) from error
    for place, row in rows:
        if None in row:
            refuse(path, f"{place}, a column without a name", "absent", row[None], remedy)
        for name in (*columns, *row):
            if row.get(name) is None:
                refuse(path, f"{place}, {name}", "there", dataclasses.MISSING, remedy)
    return rows


def check(content: object, schema: type[T], path: str | os.PathLike, remedy: str) -> T:
    """As :func:`read_json`, of content that has been read."""
    try:
        return _built(content, schema, "")
    except _MismatchError as error:
        field, allowed, value = error.args
        refuse(path, field, allowed, value, remedy)
    except ValueError as error:  # of the dataclass itself
        raise ValueError(
            f"{os.fspath(path)} holds a value out of range: {error} {remedy}"
        ) from error


def refuse(
    path: str | os.PathLike, field: str, allowed: str, value: object, remedy: str
) -> NoReturn:
    """Raises the ValueError about one field of a file."""
    where = f"`{field}` of {os.fspath(path)}" if field else os.fspath(path)
    told = "nothing" if value is dataclasses.MISSING else reprlib.repr(value)
    raise ValueError(f"{where} must be {allowed}. Received: {told}. {remedy}") from None


def _built(value: object, schema: Any, field: str) -> Any:
    """The value as the schema wants it; _MismatchError if it is none."""
    if schema is object or schema is Any:
        return value
    if dataclasses.is_dataclass(schema):
        return _built_dataclass(value, schema, field)
    origin, arguments = typing.get_origin(schema), typing.get_args(schema)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        (inner,) = (each for each in arguments if each is not types.NoneType)
        return _built(value, inner, field)
    if origin in (collections.abc.Mapping, dict):
        if not isinstance(value, dict):
            raise _MismatchError(field, "a mapping", value)
        return {k: _built(v, arguments[1], f"{field}.{k}".strip(".")) for k, v in value.items()}
    if origin in (list, tuple):
        return _built_sequence(value, origin, arguments, field)
    if schema is float and type(value) is int:
        return float(value)
    # Not isinstance, to which True is an integer.
    if type(value) is not schema or (schema is int and value < 0):
        raise _MismatchError(field, _NAMES[schema], value)
    return value


def _built_dataclass(value: object, schema: Any, field: str) -> Any:
    if not isinstance(value, dict):
        raise _MismatchError(field, "a mapping", value)
    hints = typing.get_type_hints(schema)
    found = {}
    for each in dataclasses.fields(schema):
        name = f"{field}.{each.name}".strip(".")
        if each.name in value:
            found[each.name] = _built(value[each.name], hints[each.name], name)
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise _MismatchError(name, "there", dataclasses.MISSING)
    return schema(**found)


def _built_sequence(value: object, origin: Any, arguments: tuple, field: str) -> Any:
    if not isinstance(value, list):
        raise _MismatchError(field, "a list", value)
    if origin is list or arguments[-1] is Ellipsis:
        kinds = [arguments[0]] * len(value)
    elif len(arguments) == len(value):
        kinds = arguments
    else:
        raise _MismatchError(field, f"a list of {len(arguments)}", value)
    each = enumerate(zip(value, kinds, strict=True))
    return origin(_built(item, kind, f"{field}[{number}]") for number, (item, kind) in each)
