"""The graph of a functional model as a list of calls, in an order in which they can be repeated.

It is read from ``model.get_config()``, the form in which Keras saves models: public, the same in
all versions of Keras 3, and it knows layers that are called more than once. Nested models are
unrolled in place.
"""

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from video_zoo import errors

from ..transfer import is_functional


class UncopyableNetworkError(ValueError):
    """A network that cannot be made again, layer by layer. The message says why."""


@contextlib.contextmanager
def copying(model: keras.Model, operation: keras.Operation | None = None) -> Iterator[None]:
    """Raises UncopyableNetworkError if Keras, or a layer, refuses what is done inside.

    Args:
        model: the network that is copied.
        operation: what is copied of it. Defaults to None: its config.
    """
    try:
        yield
    except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
        what = "a layer"
        if operation is not None:
            what = f"the layer {operation.name!r} of the class {type(operation).__name__}"
        told = errors.shown(" ".join(str(error).split()))
        raise UncopyableNetworkError(
            "`model` must be a network that Keras can make again from its config. Received: "
            f"model={errors.shown(model.name)}, of which {what} cannot be made so ({told}). Give "
            "it a `get_config` that tells all of its arguments, or use the network as it is."
        ) from error


def is_graph(model: Any) -> bool:
    """Whether the graph of a model is all that it computes: it has no ``call`` of its own."""
    return is_functional(model) and type(model).call.__module__.startswith("keras.")


@dataclasses.dataclass(frozen=True)
class Ref:
    """One output tensor of one call; call -1 stands for the inputs of the model."""

    call: int
    index: int = 0


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a layer or operation.

    Args:
        operation: the ``keras.Layer`` or ``keras.Operation``.
        path: names of the nested models around it, outermost first, and its own.
        args: positional arguments, with a ``Ref`` for each tensor.
        kwargs: keyword arguments, likewise.
    """

    operation: keras.Operation
    path: tuple[str, ...]
    args: Any
    kwargs: Any

    @property
    def inputs(self) -> list[Ref]:
        return _refs([self.args, self.kwargs])


def _refs(value: Any) -> list[Ref]:
    return [leaf for leaf in keras.tree.flatten(value) if isinstance(leaf, Ref)]


def substitute(value: Any, tensors: Callable[[Ref], Any]) -> Any:
    """``value`` with ``tensors(ref)`` in the place of each reference."""
    return keras.tree.map_structure(
        lambda leaf: tensors(leaf) if isinstance(leaf, Ref) else leaf, value
    )


def copy_of(operation: keras.Operation, name: str, **changes) -> keras.Operation:
    """The layer or operation again, with the changes of its config; its weights are new ones."""
    if isinstance(operation, keras.layers.Layer):
        config = {**operation.get_config(), **changes, "name": name}
        return type(operation).from_config(config)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(operation))
    copy.name = name
    return copy


def _saved_tensors(value: Any) -> list[tuple]:
    """(layer, node, tensor) of each tensor in ``input_layers`` or ``output_layers``."""
    if value and isinstance(value[0], str):
        return [tuple(value)]
    return [tensor for inner in value for tensor in _saved_tensors(inner)]


def _parse(value: Any, known: dict[tuple, Ref]) -> Any:
    """An argument as Keras saves it, as a value; KeyError if it needs a call not yet made."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return known[tuple(value["config"]["keras_history"])]
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value)
    if isinstance(value, dict):
        return {key: _parse(inner, known) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_parse(inner, known) for inner in value)
    return value


def _first_output(operation: keras.Operation) -> int:
    """Number of a layer's first call where outputs are saved: there, Keras counts a functional
    model's own graph as its call 0. Where arguments are saved, it does not."""
    return int(is_functional(operation) and not isinstance(operation, keras.Sequential))


class Graph:
    """The calls of a functional model.

    Args:
        model: a functional or sequential model.

    Raises:
        UncopyableNetworkError: a layer does not tell its config, or the graph cannot be followed.

    Attributes:
        calls: of all layers; each comes after those whose outputs it takes.
        outputs: references to the outputs of the model.
        consumers: reference -> indices of the calls that take it.
        names: a name per call: the layer's own, after those around it where it occurs twice, or is
            that of an input.
    """

    def __init__(self, model: keras.Model) -> None:
        self.calls: list[Call] = []
        self.outputs = self._unroll(model, (), [Ref(-1, i) for i in range(len(model.inputs))])
        self.consumers: dict[Ref, list[int]] = collections.defaultdict(list)
        for index, call in enumerate(self.calls):
            for ref in call.inputs:
                self.consumers[ref].append(index)
        self._times = collections.Counter(id(call.operation) for call in self.calls)
        self.names = self._unique_names({tensor.name for tensor in model.inputs})

    def _unique_names(self, inputs: set[str]) -> list[str]:
        paths = {id(call.operation): call.path for call in self.calls}
        times = collections.Counter(path[-1] for path in paths.values())
        taken = inputs | {name for name, count in times.items() if count == 1}
        names = {}
        for key, path in paths.items():
            names[key] = path[-1]
            if times[path[-1]] > 1 or path[-1] in inputs:
                names[key] = "_".join(path)
                while names[key] in taken:
                    names[key] += "_again"
                taken.add(names[key])
        return [names[id(call.operation)] for call in self.calls]

    def _unroll(self, model: keras.Model, path: tuple[str, ...], inputs: list[Ref]) -> list[Ref]:
        # In the one form that all of them share: lists of tensors, and Keras's own config.
        model = keras.Model(model.inputs, model.outputs, name=model.name)
        with copying(model):
            config = model.get_config()
        operations = {operation.name: operation for operation in model.operations}
        known = dict(zip(_saved_tensors(config["input_layers"]), inputs, strict=True))
        waiting = [
            (saved["name"], number, node)
            for saved in config["layers"]
            for number, node in enumerate(saved["inbound_nodes"])
        ]
        while waiting:
            later = []
            for name, number, node in waiting:
                try:
                    args, kwargs = _parse(node["args"], known), _parse(node["kwargs"], known)
                except KeyError:
                    later.append((name, number, node))
                    continue
                outputs = self._add(operations[name], (*path, name), args, kwargs)
                known.update({(name, number, i): ref for i, ref in enumerate(outputs)})
            if len(later) == len(waiting):
                lost = ", ".join(sorted({name for name, _, _ in waiting}))
                raise UncopyableNetworkError(
                    "the graph of a network must be one that can be followed. Received: "
                    f"{model.name!r}, which is lost before {lost}. Use the network as it is."
                )
            waiting = later
        return [
            known[name, number - _first_output(operations[name]), index]
            for name, number, index in _saved_tensors(config["output_layers"])
        ]

    def _add(self, operation: keras.Operation, path: tuple[str, ...], args, kwargs) -> list[Ref]:
        if is_graph(operation):
            return self._unroll(operation, path, _refs([args, kwargs]))
        self.calls.append(Call(operation, path, args, kwargs))
        outputs = operation.output
        count = len(outputs) if isinstance(outputs, (list, tuple)) else 1
        return [Ref(len(self.calls) - 1, i) for i in range(count)]

    def find(self, name: str) -> list[int]:
        """Indices of the calls of the layer, or in the nested model, ``name``."""
        return [index for index, call in enumerate(self.calls) if name in call.path]

    def after(self, start: list[int]) -> set[int]:
        """Indices of ``start`` and of all calls that are computed from them."""
        found = set(start)
        for index, call in enumerate(self.calls):
            if any(ref.call in found for ref in call.inputs):
                found.add(index)
        return found

    def only_consumer(self, index: int) -> int | None:
        """The call that alone takes the output of call ``index``, if there is just one."""
        consumers = self.consumers[Ref(index)]
        if len(consumers) == 1 and Ref(index) not in self.outputs:
            return consumers[0]
        return None

    def is_shared(self, index: int) -> bool:
        """Whether the layer of call ``index`` is called more than once."""
        return self._times[id(self.calls[index].operation)] > 1

    def follower(self, index: int) -> int | None:
        """The call that alone takes the output of call ``index``, of a layer called just once."""
        found = self.only_consumer(index)
        # A layer called twice belongs to no one unit.
        return None if found is None or self.is_shared(found) else found

    def repeat(self, index: int, chain: Sequence[Callable], tensors: dict[Ref, Any]) -> None:
        """Makes call ``index`` again, with ``chain`` in the place of its layer.

        Args:
            index: of the call.
            chain: layers, one after the other.
            tensors: those that the references stand for; the outputs are added.
        """
        call, (first, *rest) = self.calls[index], chain
        y = first(
            *substitute(call.args, tensors.__getitem__),
            **substitute(call.kwargs, tensors.__getitem__),
        )
        for layer in rest:
            y = layer(y)
        outputs = y if isinstance(y, (list, tuple)) else [y]
        tensors.update({Ref(index, i): tensor for i, tensor in enumerate(outputs)})

    def top(self) -> int | None:
        """The call with which the classifier begins: the pool or flattening that nothing evades."""
        pools = (
            keras.layers.GlobalAveragePooling2D,
            keras.layers.GlobalMaxPooling2D,
            keras.layers.Flatten,
        )
        for index, call in enumerate(self.calls):
            if not isinstance(call.operation, pools) or len(call.operation.input.shape) != 4:
                continue
            if self._dominates(index):
                return index
        return None

    def has_classifier(self) -> bool:
        """Whether anything after the top's pool has weights."""
        top = self.top()
        return top is not None and any(
            getattr(call.operation, "weights", None) for call in self.calls[top:]
        )

    def _dominates(self, gate: int) -> bool:
        """Whether every path from the input to the outputs passes through call ``gate``."""
        reached = {-1}
        for index, call in enumerate(self.calls):
            if index != gate and any(ref.call in reached for ref in call.inputs):
                reached.add(index)
        return not any(ref.call in reached for ref in self.outputs)
