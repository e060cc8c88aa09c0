"""Name -> builder. Builders enter themselves when imported."""

from collections.abc import Callable
from typing import Any

from video_zoo import known_names

from .architecture import Architecture

_BUILDERS: dict[str, Callable[..., Any]] = {}
_ARCHITECTURES: dict[str, Architecture] = {}


def register(builder: Callable[..., Any]) -> Callable[..., Any]:
    """Enters a builder of networks under its own name, for ``get_model`` and ``--model``.

    Args:
        builder: a function ``(num_classes, *, input_shape, ...)`` that returns a functional
            ``keras.Model`` from clips in [-1, 1] to logits. Training passes it those of
            ``width_multiplier``, ``gating``, ``dropout_rate``, ``weights`` that are set.

    Returns:
        ``builder``, so that it can be a decorator.

    Raises:
        ValueError: the name is taken.

    Example:
        >>> @video_zoo.register
        ... def tiny(num_classes, *, input_shape):
        ...     return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(),
        ...                              keras.layers.Dense(num_classes)])
    """
    if builder.__name__ in _BUILDERS:
        raise ValueError(f"a builder is already registered as {builder.__name__!r}")
    _BUILDERS[builder.__name__] = builder
    known_names.enter(builder.__name__)
    return builder


def describes(architecture: Architecture) -> Callable:
    """Enters a builder, as :func:`register` does, with what is to be known of its network."""

    def enter(builder: Callable[..., Any]) -> Callable[..., Any]:
        _ARCHITECTURES[builder.__name__] = architecture
        return register(builder)

    return enter


def architecture_of(name: str) -> Architecture:
    """What a network of the zoo says of itself."""
    known_names.check_network(name, "name")
    return _ARCHITECTURES[name]


def width_marks() -> dict[str, int]:
    """Beginning of a layer's name -> its filters at width 1, over all networks of the zoo."""
    return dict(architecture.width_mark for architecture in _ARCHITECTURES.values())


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
