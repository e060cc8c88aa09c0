"""Settings by their names, flat, and the config dataclass that they make. Loads no framework."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

T = typing.TypeVar("T")


def make_config(config_class: type[T], settings: Mapping[str, Any]) -> T:
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
