"""A trained network for another task: a new classifier, features of its endpoints, frozen layers.

Works on the graph that Keras keeps, so on any functional model: the zoo's own, inflated ones, and
ones with nested models.
"""

import difflib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras

from video_zoo import errors

from .tables.inception_v1 import INCEPTION_V1
from .tables.inception_v3 import INCEPTION_V3
from .tables.resnet18 import RESNET_18

UNCHANGED = "unchanged"
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def is_functional(model: Any) -> bool:
    """Whether ``model`` has a graph: a functional model, or a sequential one that is built."""
    if isinstance(model, keras.Sequential):
        return model.built
    return isinstance(model, keras.Model) and hasattr(model, "operations")


def operations_of(model: keras.Model) -> list[keras.Operation]:
    """The layers, operations and nested models of a graph, in order."""
    return model.layers if isinstance(model, keras.Sequential) else model.operations


def inputs_of(model: keras.Model) -> Any:
    """The inputs in the structure in which ``model`` is called: no list around a single one."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def _check_functional(model: Any) -> None:
    if not is_functional(model):
        raise ValueError(
            "`model` must be a functional keras.Model, such as the zoo's builders and `inflate` "
            f"give: only such a one knows its graph. Received: model={model!r}"
        )


def call_of(tensor) -> tuple[keras.Operation, Any]:
    """The layer or operation that gives ``tensor``, and Keras's record of the call."""
    operation, node_index, _ = tensor._keras_history
    return operation, operation._inbound_nodes[node_index]


def _ancestors(tensors: Iterable) -> list[keras.Operation]:
    """The operations that ``tensors`` are computed with; of nested models, their operations."""
    found, seen, waiting = {}, set(), list(tensors)
    while waiting:
        operation, node = call_of(waiting.pop())
        if id(node) in seen:
            continue
        seen.add(id(node))
        inner = _ancestors(operation.outputs) if is_functional(operation) else [operation]
        found.update((id(each), each) for each in inner)
        waiting.extend(node.input_tensors)
    return list(found.values())


def _classifier_chain(output) -> list | None:
    """The outputs of the calls from the classifier to ``output``, or None without a classifier.

    The classifier is the last call with weights: a dense layer or 1x1x1 convolution with one output
    per class, or a nested model that ends with such a one.
    """
    chain, tensor = [], output
    while True:
        operation, node = call_of(tensor)
        chain.insert(0, tensor)
        if getattr(operation, "weights", None):
            if is_functional(operation):
                return chain if _classifier_chain(operation.outputs[0]) else None
            return chain if _classifies(operation, output) else None
        if len(node.input_tensors) != 1:
            return None
        (tensor,) = node.input_tensors


def _width_argument(operation: keras.Operation) -> str | None:
    """The argument that holds the number of classes of a layer that may be a classifier."""
    if isinstance(operation, keras.layers.Dense):
        return "units"
    if isinstance(operation, _CONVOLUTIONS) and math.prod(operation.kernel_size) == 1:
        return "filters"
    return None


def _classifies(operation: keras.Operation, output) -> bool:
    argument = _width_argument(operation)
    return (
        argument is not None
        and len(output.shape) == 2
        and output.shape[-1] == getattr(operation, argument)
    )


def replace_head(
    model: keras.Model,
    num_classes: int,
    *,
    dropout_rate: float | None = None,
    classifier_activation: str | None = UNCHANGED,
    seed: int | None = None,
) -> keras.Model:
    """A network with a new, randomly initialised classifier for ``num_classes`` classes.

    The classifier is the last layer with weights on the way to each output, an auxiliary one
    included: a dense layer or a 1x1x1 convolution. It and what comes after it are made anew, with
    their names, types and initialisers, so weights saved from the result load with
    ``video_zoo.s3d_v1(num_classes, weights=...)``.

    All other layers are shared: they are the same objects in both networks, and training one
    changes the other. ``keras.models.clone_model`` and ``set_weights`` make a copy.

    Args:
        model: a functional classifier. It keeps its own head and is not changed.
        num_classes: number of classes of the new classifier.
        dropout_rate: in [0, 1), before the classifier of the first output. Defaults to None:
            as it is.
        classifier_activation: None for logits, or for instance "softmax". Defaults to "unchanged":
            what the given network has.
        seed: of the new weights. Defaults to None: Keras's global seed.

    Returns:
        A functional ``keras.Model`` with the same inputs, name and number of outputs, not compiled.

    Raises:
        ValueError: an argument is out of range, the model is not functional, or has no classifier.

    Example:
        >>> model = video_zoo.s3d_v1(400, input_shape=(16, 112, 112, 3))
        >>> video_zoo.replace_head(model, 5).output_shape
        (None, 5)
    """
    _check_functional(model)
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
        raise errors.refusal("num_classes", "a positive integer", num_classes)
    if dropout_rate is not None and not 0 <= dropout_rate < 1:
        raise errors.refusal("dropout_rate", "None, or at least 0 and less than 1", dropout_rate)
    chains = [_classifier_chain(output) for output in model.outputs]
    if None in chains:
        raise ValueError(
            "`model` must have a classifier: a dense layer or 1x1x1 convolution after which there "
            f"are no other weights. Received: model={model.name!r}, which has none. Was it built "
            "with `include_top=False`? Then add a head to `model.output` yourself."
        )
    changes = {
        "num_classes": num_classes,
        "dropout_rate": dropout_rate,
        "classifier_activation": classifier_activation,
        "seed": seed,
    }
    made, outputs = {}, []
    for chain in chains:
        outputs.append(_new_head(chain, changes, made))
        changes["dropout_rate"] = None  # only that of the first output changes
    return keras.Model(
        inputs_of(model), outputs[0] if len(outputs) == 1 else outputs, name=model.name
    )


def _new_head(chain: list, changes: dict, made: dict[int, keras.Operation]) -> Any:
    """Calls the classifier and what comes after it again, as new layers; returns the output."""
    calls = [call_of(tensor) for tensor in chain]
    classifier, node = calls[0]
    (x,) = node.input_tensors
    alone = len(calls) == 1
    if is_functional(classifier):  # it takes the dropout and the activation along
        if id(classifier) not in made:
            # Where something comes after it, its own activation is not the last one.
            own = {} if alone else {"classifier_activation": UNCHANGED}
            made[id(classifier)] = replace_head(classifier, **changes | own)
    else:
        if changes["dropout_rate"] is not None:
            x = _dropout(x, changes["dropout_rate"], classifier.name)
        if id(classifier) not in made:
            fused = alone and changes["classifier_activation"] != UNCHANGED
            made[id(classifier)] = _new_classifier(classifier, changes, linear=fused)
    x = call_again(made[id(classifier)], node, x)
    name = f"{classifier.name}_activation"
    for operation, node in calls[1:]:
        last = operation is calls[-1][0]
        activates = isinstance(operation, (keras.layers.Activation, keras.layers.Softmax))
        if last and activates and changes["classifier_activation"] != UNCHANGED:
            name = operation.name
            continue
        if id(operation) not in made:
            made[id(operation)] = type(operation).from_config(operation.get_config())
        x = call_again(made[id(operation)], node, x)
    wanted = changes["classifier_activation"]
    if wanted in (None, UNCHANGED) or (is_functional(classifier) and alone):
        return x
    return keras.layers.Activation(wanted, dtype="float32", name=name)(x)


def call_again(operation: keras.Operation, node: Any, x) -> Any:
    """Calls ``operation`` as ``node`` was called, with ``x`` in the place of its tensor."""
    (before,) = node.input_tensors
    args, kwargs = keras.tree.map_structure(
        lambda value: x if value is before else value,
        (node.arguments.args, node.arguments.kwargs),
    )
    return operation(*args, **kwargs)


def _new_classifier(layer: keras.Layer, changes: dict, linear: bool) -> keras.Layer:
    config = layer.get_config()
    config[_width_argument(layer)] = changes["num_classes"]
    config["trainable"] = True
    if linear:
        config["activation"] = "linear"
    if changes["seed"] is not None:
        initializer = config["kernel_initializer"]["config"]
        initializer.update({"seed": changes["seed"]} if "seed" in initializer else {})
    return type(layer).from_config(config)


def _dropout(x, rate: float, name: str) -> Any:
    """The input of the classifier ``name`` after dropout of ``rate``, in place of what it had."""
    operation, node = call_of(x)
    if isinstance(operation, keras.layers.Dropout):
        layer = type(operation).from_config(operation.get_config() | {"rate": rate})
        return call_again(layer, node, node.input_tensors[0])
    return keras.layers.Dropout(rate, name=f"{name}_Dropout")(x)


def list_endpoints(model: keras.Model) -> list[str]:
    """Names of the endpoints of a network of the zoo, in order; none for other models."""
    names = {operation.name for operation in operations_of(model)}
    for table in (INCEPTION_V1, INCEPTION_V3, RESNET_18):
        if {table[0][0], table[1][0]} <= names:
            return [endpoint for endpoint, _ in table if endpoint in names]
    return []


def _models_in(model: keras.Model) -> Iterator[keras.Model]:
    """``model`` and all models nested in it."""
    yield model
    for operation in operations_of(model):
        if is_functional(operation):
            yield from _models_in(operation)


def find_layer(model: keras.Model, name: str, argument: str = "endpoint") -> keras.Operation:
    """The layer, operation or nested model ``name`` of ``model``, or of a model nested in it.

    Raises:
        ValueError: there is none; lists the endpoints of a network of the zoo, and the most similar
            names of other models. ``argument`` is what the message calls it.
    """
    layers = {each.name: each for inner in _models_in(model) for each in operations_of(inner)}
    if name in layers:
        return layers[name]
    endpoints = list_endpoints(model)
    if endpoints:
        allowed = f"an endpoint of {model.name!r}: {', '.join(endpoints)}; or the name of any layer"
    else:
        nearest = difflib.get_close_matches(str(name), layers, n=5, cutoff=0.4)
        similar = f", such as {', '.join(map(repr, nearest))}" if nearest else ""
        allowed = f"the name of a layer of {model.name!r}{similar}"
    raise errors.refusal(argument, allowed, name)


def feature_extractor(
    model: keras.Model, endpoints: str | Sequence[str], *, pooling: str | None = None
) -> keras.Model:
    """A network that gives the features of some endpoints of ``model``, whose layers it shares.

    Args:
        model: a functional model.
        endpoints: names of endpoints, or of any layers or nested models; one name or several.
        pooling: None for feature maps as they are; "avg" or "max" for vectors, float32 [batch,
            channels], over all positions in time and space. Defaults to None.

    Returns:
        A functional ``keras.Model`` from the same inputs to a dict endpoint -> features. One name
        that is no sequence gives its features alone.

    Raises:
        ValueError: an endpoint is unknown, or an argument is out of range.

    Example:
        >>> model = video_zoo.s3d_v1(400, input_shape=(16, 112, 112, 3))
        >>> features = video_zoo.feature_extractor(model, ["Mixed_4f", "Mixed_5c"], pooling="avg")
        >>> features.output_shape
        {'Mixed_4f': (None, 832), 'Mixed_5c': (None, 1024)}
    """
    _check_functional(model)
    names = [endpoints] if isinstance(endpoints, str) else list(endpoints)
    if not names:
        raise errors.refusal("endpoints", "one name or more", endpoints)
    if pooling not in (None, "avg", "max"):
        raise errors.refusal("pooling", "None, 'avg' or 'max'", pooling)
    outputs = {}
    for name in names:
        layer = find_layer(model, name, "endpoints")
        if not any(layer is operation for operation in operations_of(model)):
            raise ValueError(
                "`endpoints` must be layers of the model itself, or nested models as a whole. "
                f"Received: endpoints={endpoints!r}, and {name!r} lies in a nested model. Pass "
                "that one: `model.get_layer(...)`."
            )
        x = layer._inbound_nodes[0].output_tensors[0]  # a nested model's `output` is its own
        outputs[name] = _pooled(x, name, pooling)
    return keras.Model(
        inputs_of(model),
        outputs[endpoints] if isinstance(endpoints, str) else outputs,
        name=f"{model.name}_features",
    )


def _pooled(x, name: str, pooling: str | None) -> Any:
    axes = len(x.shape) - 2
    if pooling is None or axes not in (1, 2, 3):
        return x
    kind = {"avg": "Average", "max": "Max"}[pooling]
    layer = getattr(keras.layers, f"Global{kind}Pooling{axes}D")
    return layer(data_format="channels_last", dtype="float32", name=f"{name}_{pooling}_pool")(x)


def backbone_layers(model: keras.Model) -> list[keras.Layer]:
    """The layers that the classifier of the first output is computed from, without itself.

    So an auxiliary classifier is none of them. All layers, where there is no classifier. Layers of
    nested models stand for these.
    """
    _check_functional(model)
    return [each for each in _backbone(model) if isinstance(each, keras.Layer)]


def _backbone(model: keras.Model) -> list[keras.Operation]:
    chain = _classifier_chain(model.outputs[0])
    if chain is None:
        return _ancestors(model.outputs)
    classifier, node = call_of(chain[0])
    inner = _backbone(classifier) if is_functional(classifier) else []
    return _ancestors(node.input_tensors) + inner


def freeze(model: keras.Model, until: str | None = None) -> None:
    """Keeps layers from being trained: those that ``until`` is computed from, and itself.

    Sets ``trainable=False`` on them. Batch normalisation then takes its saved mean and variance in
    training too and no longer updates them, so a frozen layer computes what it computed before. The
    flags are saved in a ``.keras`` file. Call it before ``compile``. Layers that are frozen already
    stay so: :func:`unfreeze` thaws all.

    Args:
        model: a functional model. It is changed.
        until: name of an endpoint, or of any layer or nested model. What branches off from the
            frozen part, as an auxiliary classifier does, stays trainable. Defaults to None:
            everything but the classifiers, or everything if there is none.

    Raises:
        ValueError: there is no such endpoint, or the model is not functional.
    """
    _check_functional(model)
    if until is None:
        frozen = _backbone(model)
    else:
        frozen = _ancestors_of_layer(model, find_layer(model, until, "until"))
    for operation in frozen:
        if isinstance(operation, keras.Layer):
            operation.trainable = False


def _ancestors_of_layer(model: keras.Model, layer: keras.Operation) -> list[keras.Operation]:
    """``layer`` and what it is computed from in ``model``, also where it lies in a nested model."""
    if any(layer is operation for operation in operations_of(model)):
        own = {id(each) for inner in _models_in(model) for each in operations_of(inner)}
        tensors = [tensor for node in layer._inbound_nodes for tensor in node.output_tensors]
        return [each for each in _ancestors(tensors) if id(each) in own]
    nested = next(
        each
        for each in operations_of(model)
        if is_functional(each) and any(layer in operations_of(inner) for inner in _models_in(each))
    )
    around = [tensor for node in nested._inbound_nodes for tensor in node.input_tensors]
    return _ancestors(around) + _ancestors_of_layer(nested, layer)


def unfreeze(model: keras.Model) -> None:
    """Lets all layers of ``model`` be trained again, those of nested models included."""
    # Under TensorFlow, an assignment that changes nothing is skipped, and would not be handed down.
    model.trainable = False
    model.trainable = True
