"""Weights into a built network: all of them, or an error that says which do not fit."""

import collections
import dataclasses
import os
import pathlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import keras
import numpy as np

from video_zoo.errors import at_home, check_file
from video_zoo.known_names import OF_IMAGES, unknown_weights
from video_zoo.published import InputConvention, WeightsEntry, list_weights

from ..tables.spec import Gating
from . import formats, imagenet, network_files, saved
from .digests import is_published
from .download import fetch
from .labels import class_names

_REMEDY = (
    "Build the network with the arguments that the file was saved with "
    "(`num_classes`, `include_top`, `width_multiplier`, `aux_logits`, `gating`, `temporal`)."
)
_REMEDY_PUBLISHED = (
    "Published weights fit the network as it was published: of the builder that `list_weights` "
    "names, with the defaults of `width_multiplier`, `gating` and `temporal`."
)


@dataclasses.dataclass(frozen=True)
class WeightsInfo:
    """What weights need of a network, known before it is built.

    Args:
        num_classes: of their classifier; None if they have none.
        channels: of the input; None if the file does not tell.
        padding: of the network, "same" or "symmetric".
        convention: the clips that they take.
        class_names: names of the classes, in order; None if unknown.
        name: of the published weights, where it is known that they are.
        assumed: what nothing tells of the clips, so that it is as everywhere in the zoo: fields of
            the convention, of those that decide how videos are stored and sampled.
        width_multiplier: of the network; None if the file does not tell.
        gating: where the network has gates, as its ``gating=``; None likewise.
        of_images: whether they are those of the image network with the same table.
        epsilon: of the batch normalisation; None for that of the zoo's network.
        embedding: whether the outputs are no scores of classes, but a vector to compare.
        multi_label: whether a clip may have several of their classes.
    """

    num_classes: int | None
    channels: int | None
    padding: str
    convention: InputConvention
    class_names: list[str] | None = None
    name: str | None = None
    assumed: tuple[str, ...] = ()
    width_multiplier: float | None = None
    gating: Gating | Literal[False] | None = None
    of_images: bool = False
    epsilon: float | None = None
    embedding: bool = False
    multi_label: bool = False

    @property
    def convention_known(self) -> bool:
        """Whether anything tells how videos are stored and sampled for them."""
        return not self.assumed

    def about_assumed(self) -> str:
        """What is assumed, for a note to the user."""
        values = ((name.replace("_", " "), getattr(self.convention, name)) for name in self.assumed)
        return ", ".join(f"{name} {value}" for name, value in values)


# What no network tells by itself. Files of versions before `frame_stride` are of stride 1.
_STORED = ("fps", "short_side")
_TOLD = (*_STORED, "frame_stride")

# Those of InceptionV3, whose classifier need not fit.
_OF_IMAGES = WeightsInfo(None, 3, "same", InputConvention(), assumed=_TOLD, of_images=True)


@dataclasses.dataclass(frozen=True)
class Source:
    """Weights that were found.

    Args:
        weights: what the user gave.
        path: the file.
        info: what they need.
        checkpoint: what was read, if the file is a published one.
    """

    weights: str
    path: str | None
    info: WeightsInfo
    checkpoint: formats.PublishedFile | None = None


def weights_info(model: str, weights: str | os.PathLike | WeightsEntry) -> WeightsInfo:
    """What ``weights`` need of the network ``model``. Neither builds a network nor fetches a file.

    Args:
        model: name of a builder.
        weights: as its ``weights=``: a published name, or a file.

    Raises:
        ValueError: there are no such published weights, or the file holds none.
        FileNotFoundError: there is no such file.
    """
    entry = _entry(model, weights)
    return _info_of_entry(entry) if entry is not None else find(model, weights).info


def find(
    model: str | None,
    weights: str | os.PathLike | WeightsEntry,
    check: Callable[[WeightsInfo, str], None] | None = None,
) -> Source:
    """Finds weights, fetching published ones, and reads what they need.

    Args:
        model: name of a builder, whose published weights are known; None for files alone.
        weights: a name, a file, or a row of :func:`list_weights`.
        check: called with what the weights need and what they are called, to refuse them; of
            published ones before they are fetched.

    Raises:
        ValueError, OSError: they cannot be had, or the file holds no weights.
    """
    entry = _entry(model, weights)
    if entry is not None:
        if check is not None:
            check(_info_of_entry(entry), entry.name)
        path = fetch(entry)
        checkpoint = formats.read(path)
        return Source(entry.name, path, _info_of_entry(entry, checkpoint), checkpoint)
    path = at_home(weights)
    if model in OF_IMAGES and imagenet.is_image_network(path):
        return Source(path, path, _OF_IMAGES)
    source = _of_file(model, path)
    if check is not None:
        check(source.info, path)
    return source


def _of_file(model: str | None, path: str) -> Source:
    own = path.endswith(saved.ENDINGS)
    if not own and formats.reader_of(path) is None:
        raise unknown_weights(model, path)
    if own or formats.reader_of(path)[0] != "deepmind":
        check_file("weights", path)
    if own or saved.is_whole_network(path):
        return Source(path, path, info_of_file(path))
    checkpoint = formats.read(path)
    return Source(path, path, _info_of_checkpoint(model, path, checkpoint), checkpoint)


def _entry(model: str | None, weights: str | os.PathLike | WeightsEntry) -> WeightsEntry | None:
    if isinstance(weights, WeightsEntry):
        return weights
    known = [] if model is None else list_weights(model)
    return next((entry for entry in known if entry.name == os.fspath(weights)), None)


def _info_of_entry(
    entry: WeightsEntry, checkpoint: formats.PublishedFile | None = None
) -> WeightsInfo:
    """What published weights need; gates and epsilon are known once their file is read."""
    return WeightsInfo(
        entry.num_classes,
        entry.channels,
        entry.padding,
        entry.convention,
        None if entry.class_names is None else class_names(entry.class_names),
        entry.name,
        gating=None if checkpoint is None else checkpoint.gating,
        epsilon=None if checkpoint is None else checkpoint.epsilon,
        embedding=entry.embedding,
        multi_label=entry.multi_label,
    )


def info_of_file(path: str, argument: str = "weights") -> WeightsInfo:
    """What a file of the zoo, or of Keras alone, tells of its network.

    Args:
        path: a ``.keras``, ``.weights.h5`` or ``.h5`` file.
        argument: what the user gave it as.

    Raises:
        UnreadableFileError: (a ValueError) it is damaged, or no such file, or contradicts itself.
        ValueError: it does not tell how its network normalises.
    """
    network, provenance = saved.network_of(path, argument), saved.read_provenance(path, argument)
    saved.check_class_names(path, provenance, network.num_classes, argument)
    convention = saved.convention(network, provenance)
    if network.normalised and convention.mean is None:
        raise ValueError(
            "`weights` are of a network that normalises its input, and a '.weights.h5' file from "
            "Keras does not tell how. Save the network as '.keras', or make the file with "
            f"`video-zoo convert-weights`. Received: weights={path!r}"
        )
    if convention.mean is not None and not network.normalised:
        with network_files.reading(path, argument, "file whose notes fit its network"):
            raise ValueError("they tell of a mean, and the network does not normalise its input")
    told = provenance.get("convention") or {}
    sizes = {"num_frames": network.num_frames, "image_size": network.image_size}
    needed = [*(_STORED if told else _TOLD), *(name for name in sizes if sizes[name] is None)]
    return WeightsInfo(
        network.num_classes,
        network.channels,
        network.padding,
        convention,
        provenance.get("class_names"),
        provenance.get("name"),
        tuple(name for name in needed if name not in told),
        network.width_multiplier,
        provenance.get("gating") if network.gating is None else network.gating,
        epsilon=network.epsilon or provenance.get("epsilon"),
        embedding=provenance.get("embedding", False),
        multi_label=provenance.get("multi_label", False),
    )


def _info_of_checkpoint(
    model: str | None, path: str, checkpoint: formats.PublishedFile
) -> WeightsInfo:
    """A file with the bytes of a published one, or under its name, is taken for it."""
    _, main = formats.reader_of(path)
    files = {pathlib.PurePath(os.path.abspath(main + end)) for end in ("", ".index")}
    for entry in [] if model is None else list_weights(model):
        named = any(file.match(entry.files[0].name) for file in files)
        if entry.num_classes == checkpoint.num_classes and (named or is_published(entry, main)):
            return _info_of_entry(entry, checkpoint)
    convention = checkpoint.convention
    if checkpoint.channels == 2:
        convention = dataclasses.replace(convention, modality="flow_tvl1")
    return WeightsInfo(
        checkpoint.num_classes,
        checkpoint.channels,
        checkpoint.padding,
        convention,
        gating=checkpoint.gating,
        epsilon=checkpoint.epsilon,
        embedding=checkpoint.embedding,
    )


def load(model: keras.Model, source: Source) -> None:
    """Loads weights that were found into ``model``; those of a classifier only if it has one.

    Raises:
        ValueError: they do not fit the network. Then none is loaded.
    """
    if source.info.of_images:
        imagenet.load_inception_v3(model, source.weights)
        check_finite(model.weights, f"weights={source.weights!r}")
        return
    _check_built(model, source)
    if source.checkpoint is not None:
        _assign(model, source.checkpoint.values, source)
    elif source.path.endswith(".weights.h5"):
        _load_h5(model, source)
    elif source.path.endswith(".keras"):
        network = network_files.load(source.path)
        _assign(model, {weight.path: weight for weight in network.weights}, source)
    else:
        _assign(model, saved.values_of(source.path), source)


def check_finite(weights: Iterable[keras.Variable], received: str) -> None:
    """Raises ValueError if a weight is NaN or infinite: predictions would look like any others.

    Args:
        weights: of a network.
        received: the user's argument and its value, for the message.
    """
    for weight in weights:
        _check_finite(weight.path, weight, received)


def _check_finite(path: str, value: object, received: str) -> None:
    finite = np.isfinite(np.asarray(keras.ops.convert_to_numpy(value)))
    if not finite.all():
        raise ValueError(
            f"`weights` must be finite, and {path} has {finite.size - finite.sum()} values of "
            f"{finite.size} that are NaN or infinite. Received: {received}. The run that wrote "
            "the file went wrong: take an earlier checkpoint of it, or other weights."
        )


def _check_built(model: keras.Model, source: Source) -> None:
    """Padding and normalisation have no weights: without this, another network would be silent."""
    built = saved.network_of_model(model)
    for what, network, wanted in (
        ("padding", built.padding, source.info.padding),
        ("a normalised input", built.normalised, source.info.convention.mean is not None),
        ("an epsilon", built.epsilon, source.info.epsilon or built.epsilon),
    ):
        if network != wanted:
            raise ValueError(
                f"`weights` do not fit the network {model.name!r}: they are of a network with "
                f"{what}: {wanted}, and it has {network}. Received: weights={source.weights!r}. "
                "Give them to the builder, as its `weights`: it makes the network that they need."
            )


def is_head(path: str) -> bool:
    """Whether a weight belongs to a classifier."""
    return path.startswith(("Logits", "AuxLogits"))


def _assign(model: keras.Model, values: Mapping[str, object], source: Source) -> None:
    if not any(is_head(weight.path) for weight in model.weights):
        values = {path: value for path, value in values.items() if not is_head(path)}
    expected = {weight.path: tuple(weight.shape) for weight in model.weights}
    found = {path: tuple(value.shape) for path, value in values.items()}
    origins, unknown = {}, []
    if source.checkpoint is not None:
        origins, unknown = source.checkpoint.sources, source.checkpoint.unknown
    differences = _differences(expected, found, origins)
    differences += [f"unexpected {name}" for name in unknown]
    if differences:
        raise ValueError(_misfit(model, differences, source))
    for path in expected:
        _check_finite(origins.get(path, path), values[path], f"weights={source.weights!r}")
    for weight in model.weights:
        weight.assign(values[weight.path])


def _differences(
    expected: dict[str, tuple], found: dict[str, tuple], origins: Mapping[str, str]
) -> list[str]:
    def told(path: str) -> str:
        return f"{path} (in the file: {origins[path]})" if path in origins else path

    rows = [f"missing {told(p)} {shape}" for p, shape in expected.items() if p not in found]
    rows += [f"unexpected {told(p)} {shape}" for p, shape in found.items() if p not in expected]
    rows += [
        f"{told(path)} is {found[path]}, the network has {shape}"
        for path, shape in expected.items()
        if path in found and found[path] != shape
    ]
    return rows


def _misfit(model: keras.Model, differences: list[str], source: Source) -> str:
    listed = "; ".join(differences[:5]) + ("; …" if len(differences) > 5 else "")
    return (
        f"`weights` do not fit the network {model.name!r} in {len(differences)} places: {listed}. "
        f"Received: weights={source.weights!r}. "
        f"{_REMEDY if source.checkpoint is None else _REMEDY_PUBLISHED}"
    )


def _load_h5(model: keras.Model, source: Source) -> None:
    """Such a file names weights by class and number only, and Keras leaves out what is too many."""
    with network_files.open_hdf5(source.path) as file:
        shapes = saved.network_weights(file)
    if not any(is_head(weight.path) for weight in model.weights):
        head = saved.head_of(shapes)
        # With an auxiliary classifier, whose layers stand among the others, numbers shift.
        shapes = {name: s for name, s in shapes.items() if len(head) > 2 or name not in head}
    found = collections.Counter(shapes.values())
    expected = collections.Counter(tuple(weight.shape) for weight in model.weights)
    differences = [f"{n} missing of shape {shape}" for shape, n in (expected - found).items()]
    differences += [f"{n} unexpected of shape {shape}" for shape, n in (found - expected).items()]
    if differences:
        raise ValueError(_misfit(model, differences, source))
    before = model.get_weights()
    try:
        _load_by_keras(model, source)
        check_finite(model.weights, f"weights={source.weights!r}")
    except Exception:
        model.set_weights(before)
        raise


def _load_by_keras(model: keras.Model, source: Source) -> None:
    try:
        with warnings.catch_warnings():
            # Keras warns once per layer that the error below is about.
            warnings.filterwarnings("ignore", "Skipping nested container")
            model.load_weights(source.path)
    except ValueError as error:
        # After these words Keras prints the values of the weight.
        reason = str(error).split(" Target variable:")[0]
        raise ValueError(
            f"`weights` do not fit the network {model.name!r}. Received: "
            f"weights={source.weights!r}. {_REMEDY} Keras says: {reason}"
        ) from error
    except Exception as error:
        with network_files.reading(source.path, what=network_files.HDF5):
            raise error
