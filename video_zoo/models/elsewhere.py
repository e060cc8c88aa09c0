"""Networks from elsewhere: inflated, saved in a file, or built by a function of the user's."""

import collections
import dataclasses
import inspect
from collections.abc import Callable, Mapping

import keras

from video_zoo import errors, known_names
from video_zoo.inflation_config import InflationConfig
from video_zoo.published import InputConvention

from .inflation.inflate import inflate
from .transfer import call_again, call_of, inputs_of, is_functional
from .weights import network_files
from .weights.load import WeightsInfo, check_finite, info_of_file

InputShape = tuple[int | None, int | None, int | None, int]
_IMAGENET = "imagenet"
_TOLD = ("fps", "short_side", "frame_stride")
# Where an image network tells no size of its own.
_DEFAULT_SHAPE = (64, 224, 224, 3)
_CLASSIFIER_WEIGHTS = 2  # kernel and bias


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A network that is asked for.

    Args:
        model: "inflate:NAME", a ``.keras`` file, or "module:function".
        num_classes: of a classifier that is made anew; None for whichever the network brings.
        input_shape: (frames, height, width, channels) of the clips; None for its own.
        weights: "imagenet" for an inflated network, or a file; None for random ones.
        inflation: settings of an inflated network.
    """

    model: str
    num_classes: int | None = None
    input_shape: InputShape | None = None
    weights: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)

    def refuse(self, argument: str, allowed: str, value: object, remedy: str = "") -> ValueError:
        """The error that refuses a part of it."""
        received = f" and model={self.model!r}"
        return errors.refusal(argument, allowed, value, remedy, place=received)


def build(wanted: Wanted) -> tuple[keras.Model, WeightsInfo | None]:
    """A network from elsewhere, ready for clips in [-1, 1]; it gives logits.

    Args:
        wanted: what is asked for.

    Returns:
        The functional network, and what its weights tell of their clips and classes: None if all
        is random; ``num_classes`` None if its classifier is new.

    Raises:
        ValueError: there is no such network, it is no classifier of clips, or takes other clips
            than those asked for.
        FileNotFoundError, ImportError: the file, or the module, is not there.
        OSError: weights cannot be fetched.
    """
    network, info, _ = _built(wanted)
    return network, info


def ready(wanted: Wanted) -> tuple[keras.Model, WeightsInfo]:
    """A network from elsewhere that is to score clips as it is; it gives logits.

    A builder of the user's may bring weights of its own, of which nothing tells.

    Raises:
        ValueError, FileNotFoundError, ImportError, OSError: as :func:`build`.
    """
    network, info, activation = _built(wanted)
    if info is None:
        several = activation == "sigmoid"
        info = dataclasses.replace(_unknown_clips(network), multi_label=several)
    return network, info


def _built(wanted: Wanted) -> tuple[keras.Model, WeightsInfo | None, str | None]:
    network, info = _BUILDERS[known_names.kind_of(wanted.model)](wanted)
    network, activation = with_logits(_checked(network, wanted))
    _check_logits(network, wanted)
    if info is not None:
        info = dataclasses.replace(info, multi_label=info.multi_label or activation == "sigmoid")
        check_finite(network.weights, f"model={wanted.model!r}, weights={wanted.weights!r}")
        if info.num_classes is None and not info.of_images:
            info = dataclasses.replace(info, num_classes=network.output_shape[-1])
    return network, info, activation


def _unknown_clips(network: keras.Model) -> WeightsInfo:
    """What is told of a network's clips where nothing but its shapes tells."""
    _, frames, size, _, channels = network.input_shape
    known = {"num_frames": frames, "image_size": size}
    taken = InputConvention(**{name: value for name, value in known.items() if value})
    assumed = (*_TOLD, *(name for name, value in known.items() if not value))
    return WeightsInfo(network.output_shape[-1], channels, "same", taken, assumed=assumed)


def _inflated(wanted: Wanted) -> tuple[keras.Model, WeightsInfo | None]:
    name = wanted.model.removeprefix(known_names.INFLATE)
    weights = wanted.weights
    if weights in (None, _IMAGENET):
        image_model = _image_network(wanted, name, weights)
    else:
        image_model = _image_network(wanted, name, None)
        if weights.endswith(".h5"):
            errors.check_file("weights", weights)
            with network_files.reading(weights, "weights", f"file of weights of {name}"):
                image_model.load_weights(weights)
        else:
            saved, told = _of_file(wanted, "weights")
            if len(saved.input_shape) == 5:  # it is inflated already
                _check_same_layers(wanted, saved, _inflate(wanted, image_model))
                return saved, told
            _check_same_layers(wanted, saved, image_model)
            image_model = saved
    network = _inflate(wanted, image_model)
    if weights is None:
        return network, None
    info = dataclasses.replace(_unknown_clips(network), of_images=True)
    new = wanted.num_classes is not None
    return network, dataclasses.replace(info, num_classes=None) if new else info


def _image_network(wanted: Wanted, name: str, weights: str | None) -> keras.Model:
    """The network of ``keras.applications``, with its classifier where that is to stay."""
    builder = getattr(keras.applications, name)
    options = {"weights": weights, "include_top": wanted.num_classes is None}
    if wanted.input_shape is not None:
        options["input_shape"] = wanted.input_shape[1:]
    try:
        return builder(**options)
    except ValueError as error:  # of Keras: the input is too small, has two channels, ...
        told = " ".join(str(error).split())
        raise wanted.refuse(
            "image_size", f"one that {name} takes, with its weights ({told})", wanted.input_shape
        ) from error
    except Exception as error:
        if "URL fetch failure" not in str(error):
            raise
        raise OSError(f"the weights of {name} cannot be fetched: {error}") from error


def _inflate(wanted: Wanted, image_model: keras.Model) -> keras.Model:
    settings = wanted.inflation
    return inflate(
        image_model,
        (wanted.input_shape or _DEFAULT_SHAPE)[0],
        convolution=settings.convolution,
        temporal_kernel=settings.temporal_kernel,
        temporal_from=settings.temporal_from,
        temporal_strides=settings.strides(),
        num_classes=wanted.num_classes,
    )


def _saved(wanted: Wanted) -> tuple[keras.Model, WeightsInfo]:
    return _of_file(wanted, "model")


def _of_file(wanted: Wanted, argument: str) -> tuple[keras.Model, WeightsInfo]:
    path = errors.at_home(getattr(wanted, argument))
    errors.check_file(argument, path)
    return network_files.load(path, argument), info_of_file(path, argument)


def _of_function(wanted: Wanted) -> tuple[keras.Model, WeightsInfo | None]:
    module, _, function = wanted.model.partition(":")
    builder = getattr(known_names.import_module(module, "model"), function, None)
    if not callable(builder):
        raise errors.refusal("model", f"a function of the module {module!r}", wanted.model)
    signature = inspect.signature(builder)
    given = {"num_classes": wanted.num_classes, "input_shape": wanted.input_shape}
    given = {name: value for name, value in given.items() if value is not None}
    if wanted.weights is not None and not given:
        if wanted.weights.endswith(known_names.SAVED):  # it holds all of the network
            return _of_file(wanted, "weights")
        given = _told_by_weights(wanted.weights, signature)
    try:
        signature.bind(**given)
    except TypeError as error:
        raise wanted.refuse(
            "model", "a function that takes `num_classes` and `input_shape`", str(error)
        ) from error
    network = builder(**given)
    if not isinstance(network, keras.Model):
        raise wanted.refuse("model", "a function that gives a keras.Model", type(network).__name__)
    if wanted.weights is None:
        return network, None
    if wanted.weights.endswith(".weights.h5"):
        with network_files.reading(wanted.weights, "weights", "file of this network's weights"):
            network.load_weights(errors.at_home(wanted.weights))
        return network, info_of_file(wanted.weights)
    saved, info = _of_file(wanted, "weights")
    _check_same_layers(wanted, saved, network)
    return saved, info


def _told_by_weights(weights: str, signature: inspect.Signature) -> dict[str, object]:
    """What a file tells of the arguments that a builder needs."""
    info = info_of_file(errors.at_home(weights))
    taken = info.convention
    shape = (taken.num_frames, taken.image_size, taken.image_size, info.channels or 3)
    told = {"num_classes": info.num_classes, "input_shape": shape}
    needed = [name for name, each in signature.parameters.items() if each.default is each.empty]
    return {name: value for name, value in told.items() if name in needed and value is not None}


_BUILDERS: Mapping[str, Callable[[Wanted], tuple[keras.Model, WeightsInfo | None]]] = {
    "inflated": _inflated,
    "saved": _saved,
    "function": _of_function,
}


def _check_same_layers(wanted: Wanted, saved: keras.Model, built: keras.Model) -> None:
    """Refuses weights of another network; classifiers may differ.

    By shapes, as Keras gives some layers other names each time.
    """
    shapes, needed = (
        collections.Counter(tuple(weight.shape) for weight in model.weights)
        for model in (saved, built)
    )
    missing = needed - shapes
    if missing.total() > _CLASSIFIER_WEIGHTS:
        listed = ", ".join(map(str, list(missing)[:3]))
        remedy = f"They lack {missing.total()} of its {needed.total()} arrays, of shapes {listed}."
        raise wanted.refuse("weights", "those of this network", wanted.weights, remedy)


def _checked(network: keras.Model, wanted: Wanted) -> keras.Model:
    """The network as a functional one of a single output, of the clips asked for."""
    if not is_functional(network):
        shape = wanted.input_shape or _DEFAULT_SHAPE
        inputs = keras.Input(shape, name="video")
        network = keras.Model(inputs, network(inputs), name=network.name)
    if len(network.outputs) > 1 or isinstance(network.output, Mapping):  # auxiliary classifiers
        network = keras.Model(inputs_of(network), network.outputs[0], name=network.name)
    shape = network.input_shape
    if not isinstance(shape, tuple) or len(shape) != 5 or len(network.output_shape) != 2:
        raise wanted.refuse(
            "model",
            "a classifier from [batch, time, height, width, channels] to [batch, classes]",
            f"{shape} to {network.output_shape}",
        )
    asked = wanted.input_shape or shape[1:]
    if any(has not in (None, size) for has, size in zip(shape[1:], asked, strict=True)):
        raise ValueError(
            "`num_frames`, `image_size` and the channels of the clips must be those that the "
            f"network takes: {shape[1:]}. Received: {tuple(asked)} and model={wanted.model!r}. "
            "Set them, or build the network for clips of any size."
        )
    if wanted.input_shape is not None and None in shape[1:]:
        return of_shape(network, wanted.input_shape)
    return network


def of_shape(network: keras.Model, shape: InputShape) -> keras.Model:
    """A copy of a network, with its weights, for clips of another shape.

    Raises:
        ValueError: its layers are made for theirs.
    """
    copy = keras.models.clone_model(network, input_tensors=keras.Input(shape))
    copy.set_weights(network.get_weights())
    return copy


def _check_logits(network: keras.Model, wanted: Wanted) -> None:
    last, _ = call_of(network.outputs[0])
    activation = getattr(last, "activation", None)
    if activation not in (None, keras.activations.linear):
        raise wanted.refuse(
            "model",
            "a network that ends with logits, or with a softmax or sigmoid over the classes",
            getattr(activation, "__name__", str(activation)),
            "Leave it out.",
        )


def with_logits(model: keras.Model) -> tuple[keras.Model, str | None]:
    """The network that gives the logits of ``model``, whose other layers it shares.

    That is ``model`` itself, unless the last that it does is to make probabilities of them.

    Returns:
        The network, and what it did last: "softmax", "sigmoid" (a clip may have several classes),
        or None.
    """
    output = model.outputs[0]
    last, node = call_of(output)
    if is_functional(last):
        inner, activation = with_logits(last)
        if inner is last:
            return model, None
        logits = call_again(inner, node, *node.input_tensors)
        return keras.Model(inputs_of(model), logits), activation
    if isinstance(last, keras.layers.Softmax):
        activation = "softmax"
    else:
        activation = _PROBABILITIES.get(getattr(last, "activation", None))
    if activation is None:
        return model, None
    if isinstance(last, keras.layers.Softmax | keras.layers.Activation):
        logits = node.input_tensors[0]
    else:
        linear = type(last).from_config(last.get_config() | {"activation": "linear"})
        logits = call_again(linear, node, *node.input_tensors)
        linear.set_weights(last.get_weights())
    return keras.Model(inputs_of(model), logits, name=model.name), activation


_PROBABILITIES = {
    keras.activations.softmax: "softmax",
    keras.activations.sigmoid: "sigmoid",
}
