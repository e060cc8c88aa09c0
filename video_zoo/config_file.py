"""Settings of a config dataclass in a file, YAML or JSON: read, checked, and made a config of."""

import dataclasses
import difflib
import json
import os
import pathlib
import re
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

T = typing.TypeVar("T")

_ALLOWED = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


def read_settings(config_class: type, path: str | os.PathLike) -> dict[str, Any]:
    """The settings that a file gives, by their names, of the types of ``config_class``.

    Settings within settings may be written nested, as ``config.json`` has them, or flat, as the
    flags are. The ``config.json`` of a run gives the settings of that run.

    Args:
        config_class: a dataclass; a field may be a dataclass of further settings.
        path: a ``.json`` file; any other name is read as YAML, where 1e-3 is a number too.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no mapping, is broken, or has a setting that is unknown, given twice, or
            of a wrong type. What a value may be beyond its type is checked by ``config_class``.
    """
    path = pathlib.Path(path)
    content = _read(path)
    if isinstance(content, dict) and {"training", "versions"} <= content.keys():
        content = content["training"]  # config.json of a run, which tells more than its settings
    if not isinstance(content, dict):
        found = {type(None): "nothing", list: "a list"}.get(type(content), "a single value")
        raise ValueError(
            "`config` must be a file of settings, such as `batch_size: 8`. "
            f"Received: config={str(path)!r}, which holds {found}"
        )
    annotations = {field.name: field.type for field in setting_fields(config_class)}
    settings: dict[str, Any] = {}
    for name, value in _entries(config_class, content, path):
        if name in settings:
            raise _given_twice(name, path)
        settings[name] = _checked(name, value, annotations[name], path)
    return settings


def make_config(config_class: type[T], settings: dict[str, Any]) -> T:
    """A config of settings by their names; what is not among them has its default."""
    values = {}
    for field in dataclasses.fields(config_class):
        if dataclasses.is_dataclass(field.type):
            values[field.name] = make_config(field.type, settings)
        elif field.name in settings:
            values[field.name] = settings[field.name]
    return config_class(**values)


def setting_fields(config_class: type) -> Iterator[dataclasses.Field]:
    """The fields of a config class; in place of a dataclass within it, those of that one."""
    for field in dataclasses.fields(config_class):
        if dataclasses.is_dataclass(field.type):
            yield from setting_fields(field.type)
        else:
            yield field


def plain_type(annotation: object) -> type:
    """``int`` of ``int | None``."""
    if isinstance(annotation, types.UnionType):
        return next(t for t in typing.get_args(annotation) if t is not types.NoneType)
    return annotation


class _GivenTwiceError(Exception):
    """A key stands twice in one mapping, of which both readers would take the last."""


def _refuse_twice(keys: Iterable[object]) -> None:
    seen = set()
    for key in keys:
        if key in seen:
            raise _GivenTwiceError(key)
        seen.add(key)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with two differences: see the exponent below, and keys given twice."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        _refuse_twice(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        return node


# PyYAML follows YAML 1.1, to which 1e-3 is a string; 1.2 and everybody who writes it mean a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_twice(key for key, _ in pairs)
    return dict(pairs)


def _read(path: pathlib.Path) -> object:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=_json_object)
        return yaml.load(text, _Loader)
    except OSError as error:
        raise type(error)(_unreadable(path, error.strerror)) from error
    except _GivenTwiceError as error:
        raise _given_twice(error, path) from error
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise ValueError(_unreadable(path, f"{line}{error.problem}")) from error
    except (yaml.YAMLError, ValueError) as error:  # JSON's own, and bytes that are no text
        raise ValueError(_unreadable(path, str(error))) from error


def _unreadable(path: pathlib.Path, reason: str | None) -> str:
    return f"`config` must be a YAML or JSON file. Received: config={str(path)!r} ({reason})"


def _given_twice(name: object, path: pathlib.Path) -> ValueError:
    return ValueError(f"`config` must have every setting once. Received: {name} twice in {path}")


def _entries(
    config_class: type, content: dict, path: pathlib.Path, group: str = ""
) -> Iterator[tuple[str, object]]:
    """Name and value of each setting of a mapping, and of the mappings within it."""
    nested = {f.name: f.type for f in dataclasses.fields(config_class)}
    nested = {name: kind for name, kind in nested.items() if dataclasses.is_dataclass(kind)}
    known = {*nested, *(field.name for field in setting_fields(config_class))}
    unknown = [str(key) for key in content if key not in known]
    if unknown:
        near = [m for key in unknown for m in difflib.get_close_matches(key, sorted(known), 1)]
        remedy = f"Did you mean {', '.join(near)}?" if near else "--help lists them."
        received = ", ".join(f"{group}{key}" for key in unknown)
        raise ValueError(
            f"`config` must have known settings only. Received: {received} in {path}. {remedy}"
        )
    for name, value in content.items():
        if name not in nested:
            yield name, value
        elif isinstance(value, dict):
            yield from _entries(nested[name], value, path, f"{group}{name}.")
        else:
            raise _wrong_type(name, "a mapping of settings", value, path)


def _checked(name: str, value: object, annotation: object, path: pathlib.Path) -> object:
    """The value, if it is of the type of the setting; an integer will do for a number."""
    wanted = plain_type(annotation)
    optional = wanted is not annotation
    if value is None and optional:
        return None
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:  # not isinstance, to which True is an integer
        raise _wrong_type(name, _ALLOWED[wanted] + (", or null" if optional else ""), value, path)
    return value


def _wrong_type(name: str, allowed: str, value: object, path: pathlib.Path) -> ValueError:
    return ValueError(f"`{name}` must be {allowed}. Received: {name}={value!r} in {path}")
