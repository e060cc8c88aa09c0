"""The zoo's own files, ``.keras`` and ``.weights.h5``: which network they hold, and where from."""

import collections
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Literal

import h5py
import keras
import numpy as np

from video_zoo import known_names
from video_zoo.published import InputConvention

from ..registry import width_marks
from ..tables.inception_v1 import GATED_FROM
from ..tables.spec import GATINGS, Gating
from . import network_files

ENDINGS = known_names.WEIGHT_ENDINGS
NORMALISATION = "input_normalization"
HEAD_CONV, LOGITS = "Logits_Conv3d_0c_1x1", "Logits"
# Keras reads its own members of an archive, and its own attributes, only.
_MEMBER = "video_zoo_weights.json"
_ATTRIBUTE = "video_zoo_weights"


@dataclasses.dataclass(frozen=True)
class SavedNetwork:
    """What a saved network is.

    Args:
        num_classes: of the classifier; None without one.
        channels: of the input, None if the file does not tell.
        padding: "same" or "symmetric".
        normalised: whether the network normalises its input.
        scale, offset: how, None if the file does not tell.
        num_frames, image_size: of the input, None where any size fits or the file does not tell.
        width_multiplier: factor on the width of every layer; None if the file does not tell.
        gating: where it has gates, as a builder's ``gating=``; None likewise.
        epsilon: of its batch normalisation; None likewise.
    """

    num_classes: int | None
    channels: int | None
    padding: str
    normalised: bool
    scale: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    num_frames: int | None = None
    image_size: int | None = None
    width_multiplier: float | None = None
    gating: Gating | Literal[False] | None = None
    epsilon: float | None = None


def write_provenance(path: str, provenance: Mapping) -> None:
    """Adds to a ``.keras`` or ``.weights.h5`` file what its network cannot say itself.

    Args:
        path: the file.
        provenance: "class_names", "convention" (fields of :class:`InputConvention`, those that are
            known), "name" of published weights, "multi_label" where a clip may have several
            classes, "gating", "epsilon" and "embedding" as
            :class:`~video_zoo.models.weights.load.WeightsInfo` has them; any may be missing.
    """
    if path.endswith(".keras"):
        network_files.write_member(path, _MEMBER, provenance)
    else:
        with h5py.File(path, "a") as file:
            file.attrs[_ATTRIBUTE] = json.dumps(provenance)


def read_provenance(path: str, argument: str = "weights") -> dict:
    """What :func:`write_provenance` added; empty if nothing.

    Raises:
        UnreadableFileError: the file is damaged, or what was added is no such thing.
    """
    if path.endswith(".keras"):
        provenance = network_files.read_member(path, _MEMBER, argument)
    else:
        with network_files.open_hdf5(path, argument) as file:
            provenance = json.loads(file.attrs.get(_ATTRIBUTE, "{}"))
    with network_files.reading(path, argument, "file whose notes on its clips and classes fit"):
        return _checked({} if provenance is None else provenance)


def _checked(provenance: object) -> dict:
    if not isinstance(provenance, dict):
        raise ValueError(f"{_MEMBER} in it is {_shown(provenance)}, and not a mapping")
    names = provenance.get("class_names")
    if names is not None and not (
        isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    ):
        raise ValueError(f"class_names in it are {_shown(names)}, and not a list of names")
    several = provenance.get("multi_label", False)
    if not isinstance(several, bool):
        raise ValueError(f"multi_label in it is {_shown(several)}, and not true or false")
    for name, fits in (
        ("gating", lambda value: value is False or value in GATINGS),
        ("epsilon", lambda value: isinstance(value, float) and 0 < value < 1),
        ("embedding", lambda value: isinstance(value, bool)),
    ):
        if provenance.get(name) is not None and not fits(provenance[name]):
            raise ValueError(f"{name} in it is {_shown(provenance[name])}")
    told = provenance.get("convention")
    if told is not None:
        if not isinstance(told, dict):
            raise ValueError(f"convention in it is {_shown(told)}, and not a mapping")
        _convention_of(told)
    return provenance


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _convention_of(told: Mapping) -> InputConvention:
    """The convention that a file tells; a ValueError where a value can be none of it."""
    known = {field.name for field in dataclasses.fields(InputConvention)}
    if unknown := set(told) - known:
        raise ValueError(
            f"it tells of its clips {', '.join(sorted(unknown))}, which this version does not know"
        )
    lists = {key: tuple(value) for key, value in told.items() if isinstance(value, list)}
    return InputConvention(**{**told, **lists})


def check_class_names(path: str, provenance: Mapping, count: int | None, argument: str) -> None:
    """Raises UnreadableFileError if a file names other than its network's ``count`` classes."""
    names = provenance.get("class_names")
    if names is not None and count is not None and len(names) != count:
        with network_files.reading(path, argument, "file with a name for each class"):
            raise ValueError(f"class_names in it are {len(names)}, and its network has {count}")


def convention(network: SavedNetwork, provenance: Mapping) -> InputConvention:
    """The clips that a saved network takes; what neither says is as everywhere in the zoo."""
    sizes = {"num_frames": network.num_frames, "image_size": network.image_size}
    known = {key: value for key, value in sizes.items() if value is not None}
    if network.scale is not None:
        # Six digits give back the published figures, which the division had blurred.
        pairs = list(zip(network.scale, network.offset, strict=True))
        known["deviation"] = tuple(round(0.5 / scale, 6) for scale, _ in pairs)
        known["mean"] = tuple(round(0.5 - offset * 0.5 / scale, 6) for scale, offset in pairs)
    return _convention_of({**known, **(provenance.get("convention") or {})})


def normalisation(taken: InputConvention) -> keras.layers.Layer:
    """The layer from clips in [-1, 1] to those that the mean and deviation of ``taken`` give."""
    pairs = list(zip(taken.mean, taken.deviation, strict=True))
    return keras.layers.Rescaling(
        [0.5 / deviation for _, deviation in pairs],
        [(0.5 - mean) / deviation for mean, deviation in pairs],
        name=NORMALISATION,
    )


def is_whole_network(path: str) -> bool:
    """Whether ``path`` is an ``.h5`` file of Keras 3 with the network in it, from ``model.save``.

    Those of Keras 2 are published ones, whose layers have other names.
    """
    if not path.endswith((".h5", ".hdf5")) or path.endswith(".weights.h5"):
        return False
    with network_files.open_hdf5(path) as file:
        version = _text(file.attrs.get("keras_version", ""))
        return "model_config" in file.attrs and version.startswith("3.")


def network_of(path: str, argument: str = "weights") -> SavedNetwork:
    """Reads what the network in a file is, without building it.

    Raises:
        UnreadableFileError: it is no such file, or is damaged.
    """
    if path.endswith(".keras"):
        config = network_files.read_config(path, argument)
        with network_files.reading(path, argument, network_files.ARCHIVE):
            return _network_of_config(config)
    with network_files.open_hdf5(path, argument) as file:
        if "model_config" in file.attrs:
            config = json.loads(file.attrs["model_config"])
            network_files.check_config(config)
            return _network_of_config(config)
        return _network_of_weights(network_weights(file), _layer_groups(file))


def takes_clips(path: str) -> bool:
    """Whether the network of a ``.keras`` file takes clips, and not images."""
    config = network_files.read_config(path)
    return len(_input_shape(config["config"].get("layers", []))) == 5


def _input_shape(layers: Sequence[Mapping]) -> Sequence[int | None]:
    """Shape of a network's first input; that of a clip of any size where no layer tells it."""
    inputs = (each["config"] for each in layers if each["class_name"] == "InputLayer")
    return next(inputs, {}).get("batch_shape") or [None] * 5


def values_of(path: str) -> dict[str, np.ndarray]:
    """Path -> values of the weights of an ``.h5`` file with the network in it."""
    with network_files.open_hdf5(path) as file:
        layers = file["model_weights"]
        return {
            name: layers[layer][name][()]
            for layer in layers
            for name in (_text(each) for each in layers[layer].attrs.get("weight_names", ()))
            if "seed_generator" not in name
        }


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def network_of_model(model: keras.Model) -> SavedNetwork:
    """The same of a network that is built."""
    return _network_of_config(json.loads(model.to_json()))


def _network_of_config(config: Mapping) -> SavedNetwork:
    layers = {layer["config"].get("name"): layer for layer in config["config"].get("layers", [])}
    of_class = {layer["class_name"]: layer["config"] for layer in reversed(layers.values())}
    shape = _input_shape(config["config"].get("layers", []))
    rescaling = layers.get(NORMALISATION, {}).get("config", {})
    head = layers.get(HEAD_CONV) or layers.get(LOGITS) or {"config": {}}
    return SavedNetwork(
        num_classes=head["config"].get("filters") or head["config"].get("units"),
        channels=shape[-1],
        padding=_padding(sum(each["class_name"] == "ZeroPadding3D" for each in layers.values())),
        normalised=bool(rescaling),
        scale=tuple(rescaling["scale"]) if rescaling else None,
        offset=tuple(rescaling["offset"]) if rescaling else None,
        num_frames=shape[1],
        image_size=shape[2] if len(shape) == 5 else None,
        width_multiplier=_width(layers),
        gating=_gating([str(name) for name in layers if str(name).endswith("_gate")]),
        epsilon=of_class.get("BatchNormalization", {}).get("epsilon"),
    )


def _padding(padded: int) -> str:
    """The padding of a network with so many layers that pad: one alone is of a stem of its own."""
    return "symmetric" if padded > 1 else "same"


def _gating(gates: Sequence[str]) -> Gating | Literal[False]:
    """Where gates of these names stand."""
    # After a 1x1 convolution, which looks at one frame, none stands but at the end of a branch.
    if any(name.endswith("1x1_gate") for name in gates):
        return "released" if f"{GATED_FROM}_gate" in gates else "blocks"
    return "paper" if gates else False


def _width(layers: Mapping[str, Mapping]) -> float | None:
    """The factor on the width of a builder's network, by one of its layers.

    Of the factors that round to what is found, it is the plainest.
    """
    marks = width_marks()
    for name, layer in layers.items():
        whole = next((w for start, w in marks.items() if str(name).startswith(start)), None)
        found = layer["config"].get("filters")
        if whole is None or not isinstance(found, int):
            continue
        exact = found / whole
        if (exact * 64).is_integer():
            return exact
        plain = (round(exact, digits) for digits in (1, 2, 3))
        return next((c for c in plain if int(whole * c + 0.5) == found), exact)
    return None


def network_weights(file: h5py.File) -> dict[str, tuple[int, ...]]:
    """Path -> shape of the network's weights in an open file: no optimizer, metrics, seeds."""
    return {
        name: tuple(array.shape)
        for name, array in network_files.arrays_of(file).items()
        if "layer" in name.split("/")[0] and "seed_generator" not in name
    }


def _layer_groups(file: h5py.File) -> Mapping[str, int]:
    """Class -> number of its layers; those without weights have an empty group."""
    groups = collections.Counter()
    file.visititems(lambda name, node: groups.update([name.split("/")[-1].rstrip("0123456789_")]))
    return groups


def head_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The classifier among weights without layer names.

    It is a 1x1x1 convolution with a bias, as no other of the zoo has; where it is a dense layer, it
    is one that is not square, as gates are. Auxiliary classifiers are dense layers too, so there
    may be two.
    """
    biased = [name for name in shapes if name.endswith("/1") and len(shapes[name]) == 1]
    pairs = [(f"{name[:-1]}0", name) for name in biased]
    ones = (1, 1, 1)
    convs = [p for p in pairs if len(s := shapes.get(p[0], ())) == 5 and s[:3] == ones]
    denses = [
        pair
        for pair in pairs
        if len(shape := shapes.get(pair[0], ())) == 2 and len(set(shape)) == 2
    ]
    return {name: shapes[name] for pair in convs or denses for name in pair}


def _network_of_weights(
    shapes: dict[str, tuple[int, ...]], groups: Mapping[str, int]
) -> SavedNetwork:
    convs = {name: shape for name, shape in shapes.items() if len(shape) == 5}
    first = next((s for name, s in convs.items() if name.split("/")[-3] == "conv3d"), None)
    head = list(head_of(shapes).values())
    return SavedNetwork(
        num_classes=head[0][-1] if head else None,
        channels=first[3] if first else None,
        padding=_padding(groups.get("zero_padding3d", 0)),
        normalised="rescaling" in groups,
    )
