"""Settings of a config dataclass in a file, YAML or JSON: read, checked, and made a config of."""

import contextlib
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

from video_zoo.errors import LONGEST, refusal, shown, typed
from video_zoo.settings import setting_fields

_SEARCH = "search"
# A file of settings has hundreds of bytes, and config.json the names of all classes.
_MOST_BYTES, _MOST_LEVELS, _MOST_TOLD = 2**20, 20, 10


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
    return _checked(config_class, content, path)


def read_grid(
    grid_class: type, recipe_class: type, path: str | os.PathLike
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    """What a file of a comparison gives: settings of the grid, of all recipes, and of each.

    Args:
        grid_class: dataclass of the grid; lists in the file become texts with commas.
        recipe_class: dataclass of a recipe; its settings may stand beside those of the grid, for
            all recipes, and in ``recipes``, by the name of each.
        path: the file, as of :func:`read_settings`.

    Raises:
        OSError, ValueError: as :func:`read_settings`.
    """
    path = pathlib.Path(path)
    with _named("grid"):
        return _read_grid(grid_class, recipe_class, path)


def _read_grid(
    grid_class: type, recipe_class: type, path: pathlib.Path
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    content = _read(path)
    if not isinstance(content, dict) or not isinstance(content.get("recipes", {}), dict):
        allowed = "a file with `models`, and `recipes` as a mapping of their names to settings"
        raise refusal("grid", allowed, str(path))
    of_grid = {field.name for field in dataclasses.fields(grid_class)}
    grid = {
        name: ",".join(map(str, value)) if isinstance(value, list) else value
        for name, value in content.items()
        if name in of_grid
    }
    shared = {n: v for n, v in content.items() if n not in of_grid | {"recipes", _SEARCH}}
    return (
        _checked(grid_class, grid, path),
        _checked(recipe_class, shared, path),
        {
            str(name): _checked(recipe_class, recipe or {}, path)
            for name, recipe in content.get("recipes", {}).items()
        },
    )


@contextlib.contextmanager
def _named(argument: str) -> Iterator[None]:
    """Errors about ``config`` are about ``argument`` within."""
    try:
        yield
    except (ValueError, OSError) as error:
        told = str(error).replace("`config`", f"`{argument}`").replace("config=", f"{argument}=")
        raise type(error)(told) from error


def read_search(path: str | os.PathLike) -> object:
    """What a file that :func:`read_grid` takes says of a search; {} if nothing. Not checked."""
    return _read(pathlib.Path(path)).get(_SEARCH) or {}


def _checked(config_class: type, content: object, path: pathlib.Path) -> dict[str, Any]:
    """The settings of a mapping, flat, each of its type."""
    if not isinstance(content, dict):
        found = {type(None): "nothing", list: "a list"}.get(type(content), "a single value")
        raise ValueError(
            "`config` must be a file of settings, such as `batch_size: 8`. "
            f"Received: config={str(path)!r}, which holds {found}. Write NAME: VALUE on each line."
        )
    annotations = {field.name: field.type for field in setting_fields(config_class)}
    settings: dict[str, Any] = {}
    for name, value in _entries(config_class, content, path):
        if name in settings:
            raise ValueError(
                f"`config` must have every setting once. Received: {name} twice in {path}. Remove "
                "one of them."
            )
        settings[name] = typed(name, value, annotations[name], f" in {path}")
    return settings


def plain_type(annotation: object) -> type:
    """``int`` of ``int | None``."""
    if isinstance(annotation, types.UnionType):
        return next(t for t in typing.get_args(annotation) if t is not types.NoneType)
    return annotation


class _Refused(Exception):  # noqa: N818
    """What a file must not have, though YAML and JSON allow it."""


def _refuse_twice(keys: Iterable[object]) -> None:
    seen = set()
    for key in keys:
        if key in seen:
            raise _Refused(f"every setting once. Received: {shown(key)[1:-1]} twice in")
        seen.add(key)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader for settings: no key twice, no anchors, few levels, numbers of YAML 1.2.

    An anchor and its aliases are a few bytes that can become gigabytes. PyYAML follows YAML 1.1, to
    which 010 is eight, 1:30 is ninety and 1e-3 is a string; everybody who writes these means
    something else, or does not know.
    """

    depth = 0
    yaml_implicit_resolvers: typing.ClassVar[dict] = {}

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            line = event.start_mark.line + 1
            raise _Refused(f"no anchors and aliases (& and *). Received: one in line {line} of")
        self.depth += 1
        if self.depth > _MOST_LEVELS:
            raise _too_deep()
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        _refuse_twice(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        return node


for _kind, _first, _pattern in (
    ("null", ["~", "n", "N", ""], r"~|null|Null|NULL|"),
    ("bool", list("yYnNtTfFoO"), r"(?i:yes|no|true|false|on|off)"),
    # Python makes no number of more digits: they are a float then, which is infinite.
    ("int", list("-+0123456789"), r"[-+]?(0|[1-9]\d{0,4000})"),
    (
        "float",
        list("-+.0123456789"),
        r"[-+]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?\.inf|\.nan",
    ),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$"), _first
    )


def _too_deep() -> _Refused:
    return _Refused(f"at most {_MOST_LEVELS} levels. Received: more in")


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_twice(key for key, _ in pairs)
    return dict(pairs)


def _json_int(text: str) -> int | float:
    return int(text) if len(text) <= 4000 else float(text)


def _read(path: pathlib.Path) -> object:
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise _Refused(f"at most {_MOST_BYTES:,} bytes. Received: more in")
        text = content.decode("utf-8-sig")
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=_json_object, parse_int=_json_int)
        return yaml.load(text, _Loader)
    except OSError as error:
        raise type(error)(_unreadable(path, error.strerror)) from error
    except _Refused as error:
        raise ValueError(f"`config` must have {error} {path}") from error
    except RecursionError as error:  # of JSON
        raise ValueError(f"`config` must have {_too_deep()} {path}") from error
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise ValueError(_unreadable(path, f"{line}{error.problem}")) from error
    except (yaml.YAMLError, ValueError) as error:  # JSON's own, and bytes that are no text
        raise ValueError(_unreadable(path, str(error))) from error


def _unreadable(path: pathlib.Path, reason: str | None) -> str:
    reason = reason if reason is None or len(reason) <= LONGEST else f"{reason[:LONGEST]}..."
    return f"`config` must be a YAML or JSON file. Received: config={str(path)!r} ({reason})"


def _entries(
    config_class: type, content: dict, path: pathlib.Path, group: str = ""
) -> Iterator[tuple[str, object]]:
    """Name and value of each setting of a mapping, and of the mappings within it."""
    nested = {f.name: f.type for f in dataclasses.fields(config_class)}
    nested = {name: kind for name, kind in nested.items() if dataclasses.is_dataclass(kind)}
    known = {*nested, *(field.name for field in setting_fields(config_class))}
    unknown = [shown(key)[1:-1] if isinstance(key, str) else shown(key) for key in content]
    unknown = [text for text, key in zip(unknown, content, strict=True) if key not in known]
    if unknown:
        told = unknown[:_MOST_TOLD]
        near = [m for key in told for m in difflib.get_close_matches(key, sorted(known), 1)]
        remedy = f"Did you mean {', '.join(near)}?" if near else "--help lists them."
        received = ", ".join(f"{group}{key}" for key in told)
        received += f" and {len(unknown) - len(told)} more" if unknown[_MOST_TOLD:] else ""
        raise ValueError(
            f"`config` must have known settings only. Received: {received} in {path}. {remedy}"
        )
    for name, value in content.items():
        if name not in nested:
            yield name, value
        elif isinstance(value, dict):
            yield from _entries(nested[name], value, path, f"{group}{name}.")
        else:
            raise refusal(name, "a mapping of settings", value, place=f" in {path}")
