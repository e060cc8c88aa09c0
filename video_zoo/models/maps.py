"""Where a network still has maps over time and space, and where it begins: found in its graph."""

import collections
import math
from collections.abc import Iterator
from typing import Any

import keras

from .transfer import call_of, is_functional, operations_of


def last_maps(model: keras.Model) -> keras.Operation | None:
    """The last layer whose output is [batch, time, height, width, channels], before the pooling.

    That is the one whose maps the head pools, as the last convolution of most networks. Where the
    clips are so small that it has one position in space, an earlier one that has several; where no
    layer has, the last with several positions in time.

    Args:
        model: a functional model; those nested in it are searched too.

    Returns:
        A layer, operation or nested model; None where weights give no such maps.
    """
    steps = [
        (operation, tensor)
        for operation, tensor in _backwards(model.outputs[0])
        if _is_maps(tensor) and not isinstance(operation, keras.layers.ZeroPadding3D)
    ]
    for several in (_positions_in_space, _positions_in_time):
        for operation, tensor in steps:
            if several(tensor) > 1 and _has_weights_before(operation, tensor):
                return operation
    return None


def first_kernel(model: keras.Model) -> tuple[str, Any] | None:
    """Name and weights of the first convolution: [time, height, width, in, out].

    That of an image network which sees the frames one by one is [1, height, width, in, out]. None
    where there is no convolution.
    """
    for operation in operations_of(model):
        if is_functional(operation):
            found = first_kernel(operation)
            if found is not None:
                return found
        layer = getattr(operation, "layer", operation)  # of keras.layers.TimeDistributed
        kernel = getattr(layer, "kernel", None)
        if hasattr(layer, "kernel_size") and kernel is not None and len(kernel.shape) in (4, 5):
            kernel = keras.ops.convert_to_numpy(kernel)
            return operation.name, kernel.reshape((1,) * (5 - kernel.ndim) + kernel.shape)
    return None


def _is_maps(tensor: Any) -> bool:
    return len(tensor.shape) == 5


def _positions_in_space(tensor: Any) -> float:
    return math.prod(math.inf if size is None else size for size in tensor.shape[2:4])


def _positions_in_time(tensor: Any) -> float:
    return math.inf if tensor.shape[1] is None else tensor.shape[1]


def _backwards(output: Any) -> Iterator[tuple[keras.Operation, Any]]:
    """The calls that ``output`` is computed with, and their outputs, the nearest first.

    It begins before the pooling of the head, and goes into nested models.
    """
    waiting, seen = collections.deque([_before_pooling(output)]), set()
    while waiting:
        tensor = waiting.popleft()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        operation, node = call_of(tensor)
        yield operation, tensor
        if is_functional(operation):
            yield from _backwards(operation.outputs[0])
        waiting.extend(node.input_tensors)


def _before_pooling(output: Any) -> Any:
    """What the head of a network pools; ``output`` itself if it pools nothing.

    The head is what comes after the last layer that mixes positions, or merges branches.
    """
    found = tensor = output
    while True:
        operation, node = call_of(tensor)
        if is_functional(operation) or len(node.input_tensors) != 1:
            return found
        before = node.input_tensors[0]
        if _is_maps(before):
            if not _is_pointwise(operation):
                return found
            if _pools(operation, before, tensor):
                found = before
        tensor = before


def _is_pointwise(operation: keras.Operation) -> bool:
    """Whether a layer has no weights, or they are the same at each position, and see it alone."""
    kernel_size = getattr(operation, "kernel_size", (math.inf,))
    return not getattr(operation, "weights", None) or math.prod(kernel_size) == 1


def _pools(operation: keras.Operation, before: Any, after: Any) -> bool:
    if getattr(operation, "weights", None):
        return False
    # Sizes may be unknown.
    is_pooling = not _is_maps(after) or hasattr(operation, "pool_size")
    return is_pooling or _all_positions(after) < _all_positions(before)


def _all_positions(tensor: Any) -> float:
    return _positions_in_time(tensor) * _positions_in_space(tensor)


def _has_weights_before(operation: keras.Operation, tensor: Any) -> bool:
    """Whether maps are learnt: pixels are maps too, and nothing that a network has seen in them."""
    if getattr(operation, "weights", None):
        return True
    _, node = call_of(tensor)
    return any(_has_weights_before(call_of(each)[0], each) for each in node.input_tensors)
