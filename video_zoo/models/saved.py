"""The zoo's own files, ``.keras`` and ``.weights.h5``: which network they hold, and where from."""

import dataclasses
import json
import os
import zipfile
from collections.abc import Mapping

import h5py
import keras

from video_zoo import known_names
from video_zoo.published import InputConvention

ENDINGS = known_names.WEIGHT_ENDINGS
NORMALISATION = "input_normalization"
HEAD_CONV, LOGITS = "Logits_Conv3d_0c_1x1", "Logits"
# Keras reads its own members of an archive, and its own attributes, only.
_MEMBER = "video_zoo_weights.json"
_ATTRIBUTE = "video_zoo_weights"


@dataclasses.dataclass(frozen=True)
class Graph:
    """What a saved network is.

    Args:
        num_classes: of the classifier; None without one.
        channels: of the input, None if the file does not tell.
        padding: "same" or "symmetric".
        normalised: whether the network normalises its input.
        scale, offset: how, None if the file does not tell.
        num_frames, image_size: of the input, None where any size fits or the file does not tell.
    """

    num_classes: int | None
    channels: int | None
    padding: str
    normalised: bool
    scale: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    num_frames: int | None = None
    image_size: int | None = None


def write_member(path: str | os.PathLike, name: str, value: object) -> None:
    """Adds ``value`` as JSON to a ``.keras`` file, which Keras goes on to load."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, json.dumps(value))


def read_member(path: str | os.PathLike, name: str) -> object | None:
    """What :func:`write_member` added; None if nothing."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(name)) if name in archive.namelist() else None


def write_provenance(path: str, provenance: Mapping) -> None:
    """Adds to a ``.keras`` or ``.weights.h5`` file where its weights come from."""
    if path.endswith(".keras"):
        write_member(path, _MEMBER, provenance)
    else:
        with h5py.File(path, "a") as file:
            file.attrs[_ATTRIBUTE] = json.dumps(provenance)


def read_provenance(path: str) -> dict:
    """What :func:`write_provenance` added; empty if nothing."""
    if path.endswith(".keras"):
        return read_member(path, _MEMBER) or {}
    with h5py.File(path, "r") as file:
        return json.loads(file.attrs.get(_ATTRIBUTE, "{}"))


def convention(graph: Graph, provenance: Mapping) -> InputConvention:
    """The clips that a saved network takes; what neither says is as everywhere in the zoo."""
    if (told := provenance.get("convention")) is not None:
        lists = {key: tuple(value) for key, value in told.items() if isinstance(value, list)}
        return InputConvention(**{**told, **lists})
    sizes = {"num_frames": graph.num_frames, "image_size": graph.image_size}
    known = {key: value for key, value in sizes.items() if value is not None}
    if graph.scale is None:
        return InputConvention(**known)
    # Six digits give back the published figures, which the division had blurred.
    pairs = [(0.5 / s, 0.5 - o * 0.5 / s) for s, o in zip(graph.scale, graph.offset, strict=True)]
    deviation, mean = ([round(value, 6) for value in values] for values in zip(*pairs, strict=True))
    return InputConvention(**known, mean=tuple(mean), deviation=tuple(deviation))


def normalisation(taken: InputConvention) -> keras.layers.Layer:
    """The layer from clips in [-1, 1] to those that the mean and deviation of ``taken`` give."""
    pairs = list(zip(taken.mean, taken.deviation, strict=True))
    return keras.layers.Rescaling(
        [0.5 / deviation for _, deviation in pairs],
        [(0.5 - mean) / deviation for mean, deviation in pairs],
        name=NORMALISATION,
    )


def graph_of(path: str) -> Graph:
    """Reads what the network in a file is, without building it.

    Raises:
        ValueError: it is no such file, or is cut short.
    """
    received = f"Received: weights={path!r}"
    if path.endswith(".keras"):
        if not zipfile.is_zipfile(path):
            raise ValueError(f"`weights` is not a '.keras' file, or is cut short. {received}")
        with zipfile.ZipFile(path) as archive:
            return _graph_of_config(json.loads(archive.read("config.json")))
    try:
        with h5py.File(path, "r") as file:
            return _graph_of_weights(network_weights(file), _layer_groups(file))
    except OSError as error:
        raise ValueError(f"`weights` is not an HDF5 file, or is cut short. {received}") from error


def graph_of_model(model: keras.Model) -> Graph:
    """The same of a network that is built."""
    return _graph_of_config(json.loads(model.to_json()))


def _graph_of_config(config: Mapping) -> Graph:
    layers = {layer["config"].get("name"): layer for layer in config["config"].get("layers", [])}
    of_class = {layer["class_name"]: layer["config"] for layer in reversed(layers.values())}
    shape = of_class.get("InputLayer", {}).get("batch_shape") or [None] * 5
    rescaling = layers.get(NORMALISATION, {}).get("config", {})
    head = layers.get(HEAD_CONV) or layers.get(LOGITS) or {"config": {}}
    return Graph(
        num_classes=head["config"].get("filters") or head["config"].get("units"),
        channels=shape[-1],
        padding="symmetric" if "ZeroPadding3D" in of_class else "same",
        normalised=bool(rescaling),
        scale=tuple(rescaling["scale"]) if rescaling else None,
        offset=tuple(rescaling["offset"]) if rescaling else None,
        num_frames=shape[1],
        image_size=shape[2] if len(shape) == 5 else None,
    )


def network_weights(file: h5py.File) -> dict[str, tuple[int, ...]]:
    """Path -> shape of the network's weights in an open file: no optimizer, metrics, seeds."""
    shapes = {}

    def visit(name: str, node) -> None:
        network = "layer" in name.split("/")[0] and "seed_generator" not in name
        if network and isinstance(node, h5py.Dataset):
            shapes[name] = tuple(node.shape)

    file.visititems(visit)
    return shapes


def _layer_groups(file: h5py.File) -> set[str]:
    """Classes of all layers; those without weights have an empty group."""
    groups = set()
    file.visititems(lambda name, node: groups.add(name.split("/")[-1].rstrip("0123456789_")))
    return groups


def head_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The classifier among weights without layer names.

    It alone of all convolutions has a bias; where it is a dense layer, it is one that is not
    square, as gates are. Auxiliary classifiers are dense layers too, so there may be two.
    """
    biased = [name for name in shapes if name.endswith("/1") and len(shapes[name]) == 1]
    pairs = [(f"{name[:-1]}0", name) for name in biased]
    convs = [pair for pair in pairs if len(shapes.get(pair[0], ())) == 5]
    denses = [
        pair
        for pair in pairs
        if len(shape := shapes.get(pair[0], ())) == 2 and len(set(shape)) == 2
    ]
    return {name: shapes[name] for pair in convs or denses for name in pair}


def _graph_of_weights(shapes: dict[str, tuple[int, ...]], groups: set[str]) -> Graph:
    convs = {name: shape for name, shape in shapes.items() if len(shape) == 5}
    first = next((s for name, s in convs.items() if name.split("/")[-3] == "conv3d"), None)
    head = list(head_of(shapes).values())
    return Graph(
        num_classes=head[0][-1] if head else None,
        channels=first[3] if first else None,
        padding="symmetric"
        if any(name.startswith("zero_padding3d") for name in groups)
        else "same",
        normalised="rescaling" in groups,
    )
