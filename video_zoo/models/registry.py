"""Name -> builder. Builders enter themselves when imported."""

from collections.abc import Callable
from typing import Any

from video_zoo import known_names

_BUILDERS: dict[str, Callable[..., Any]] = {}


def register(builder: Callable[..., Any]) -> Callable[..., Any]:
    """Enters ``builder`` under its own name and returns it."""
    if builder.__name__ in _BUILDERS:
        raise ValueError(f"a builder is already registered as {builder.__name__!r}")
    _BUILDERS[builder.__name__] = builder
    known_names.enter(builder.__name__)
    return builder


def list_models() -> list[str]:
    """Names of all networks of the zoo, sorted."""
    return sorted(_BUILDERS)


def get_model(name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Builds a network by name.

    Args:
        name: one of :func:`list_models`.
        *args: passed to the builder, as are the keyword arguments.
        **kwargs: see the builder, for instance :func:`video_zoo.s3d_v1`.

    Returns:
        A functional ``keras.Model``.

    Raises:
        ValueError: ``name`` is unknown.
    """
    return get_builder(name)(*args, **kwargs)


def get_builder(name: str) -> Callable[..., Any]:
    """The builder registered as ``name``; ValueError lists the known ones."""
    known_names.check_network(name, "name")
    return _BUILDERS[name]
