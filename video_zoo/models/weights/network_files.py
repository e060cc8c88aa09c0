"""Files of networks and weights, read whole or refused: one line names the file and what is wrong.

Every command reads such files through here, so that none shows what ``zipfile``, HDF5 or Keras
make of a damaged one, and none takes more memory than a file of its size can be worth.
"""

import contextlib
import io
import json
import os
import re
import tempfile
import warnings
import zipfile
from collections.abc import Iterator

import h5py
import keras

from video_zoo.errors import LONGEST
from video_zoo.files import full_disk

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
ARCHIVE, HDF5 = "whole '.keras' file", "whole HDF5 file"
WHOLE_NETWORKS = (".keras", ".h5", ".hdf5")

# Keras stores values as they are, and weights hardly shrink: a file that grows more is no network.
_UNKNOWN_LAYER = re.compile(r"Could not locate (?:class|function) '([^']+)'")
_LEAST_LIMIT, _GROWTH = 64 << 20, 10


class UnreadableFileError(ValueError):
    """A file that is damaged, or not what it should be; the message is for the user.

    Attributes:
        cause: what is wrong with it.
    """

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


@contextlib.contextmanager
def reading(path: str | os.PathLike, argument: str = "weights", what: str = "whole file"):
    """Turns whatever a library raises at a file into one line that names the file and the cause.

    Args:
        path: the file.
        argument: what the user gave it as.
        what: the kind of file that it must be.

    Raises:
        UnreadableFileError: (a ValueError) anything but a lack of room was raised within.
        DiskFullError: there is no room to unpack the file.
    """
    try:
        yield
    except (UnreadableFileError, MemoryError):
        raise
    except Exception as error:  # of zipfile, json, HDF5, Keras, pickle: each has many
        if why := full_disk.reason(error):
            place = f"a temporary file in {tempfile.gettempdir()}"
            raise full_disk.refusal(place, why) from error
        cause = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, KeyError):
            cause = f"{cause} is missing"
        if len(cause) > LONGEST:
            cause = f"{cause[:LONGEST]}…"
        raise UnreadableFileError(
            f"`{argument}` must be a {what}. Received: {argument}={os.fspath(path)!r} ({cause})",
            cause,
        ) from error


def largest(stored: int) -> int:
    """Bytes that a file of ``stored`` bytes may take when it is unpacked."""
    return max(_LEAST_LIMIT, _GROWTH * stored)


def check_growth(unpacked: int, stored: int) -> None:
    """Raises ValueError if ``stored`` bytes would become more than weights ever do."""
    if unpacked > largest(stored):
        raise ValueError(
            f"{stored:,} bytes that become {unpacked:,} when they are unpacked: weights never "
            "shrink that much"
        )


def _kind_of(path: str) -> str:
    """What a file is that is no archive, as far as its first bytes tell."""
    with open(path, "rb") as file:
        start = file.read(8)
    if not start:
        return "it is empty, 0 bytes"
    if start == b"\x89HDF\r\n\x1a\n":
        return "it is an HDF5 file"
    if start.startswith(b"PK"):
        return "it is cut short"
    return "it is no archive"


@contextlib.contextmanager
def _archive(path: str | os.PathLike, *, whole: bool = True) -> Iterator[zipfile.ZipFile]:
    """An archive; ``whole`` reads all of it first: each member has a checksum."""
    if not zipfile.is_zipfile(path):
        raise ValueError(_kind_of(os.fspath(path)))
    with zipfile.ZipFile(path) as archive:
        check_growth(sum(info.file_size for info in archive.infolist()), os.path.getsize(path))
        if whole and (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} in it is damaged")
        yield archive


def _config_of(archive: zipfile.ZipFile) -> dict:
    if CONFIG not in archive.namelist():
        raise ValueError(f"it has no {CONFIG}")
    config = _json_of(archive, CONFIG)
    check_config(config)
    return config


def _json_of(archive: zipfile.ZipFile, name: str) -> object:
    try:
        return json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} in it is no JSON") from error


def check_config(config: object) -> None:
    """Raises ValueError unless ``config`` is what Keras writes of a network."""

    def is_layer(node: object) -> bool:
        named = isinstance(node, dict) and isinstance(node.get("class_name"), str)
        return named and isinstance(node.get("config"), dict)

    layers = config["config"].get("layers", []) if is_layer(config) else None
    if not isinstance(layers, list) or not all(map(is_layer, layers)):
        raise ValueError(f"{CONFIG} in it describes no network")


def read_config(path: str | os.PathLike, argument: str = "weights") -> dict:
    """What Keras has written of the network in a ``.keras`` file, all of whose bytes are checked.

    Raises:
        UnreadableFileError: the file is damaged, or no network.
    """
    with reading(path, argument, ARCHIVE), _archive(path) as archive:
        return _config_of(archive)


def write_member(path: str | os.PathLike, name: str, value: object) -> None:
    """Adds ``value`` as JSON to a ``.keras`` file, which Keras goes on to load."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, json.dumps(value))


def read_member(path: str | os.PathLike, name: str, argument: str = "weights") -> object | None:
    """What :func:`write_member` added; None if nothing."""
    with reading(path, argument, ARCHIVE), _archive(path, whole=False) as archive:
        return _json_of(archive, name) if name in archive.namelist() else None


def check_network(
    path: str | os.PathLike, argument: str = "weights", *, arrays: bool = False
) -> set[str]:
    """Checks that a ``.keras`` file can be loaded, as far as can be told without building it.

    Args:
        path: the file.
        argument: what the user gave it as.
        arrays: whether to look at the size of each array, too, which takes a tenth of a second.

    Returns:
        The names of the groups of its weights: "layers", and "optimizer" where it has been trained.

    Raises:
        UnreadableFileError: the file is damaged, or no network.
    """
    with reading(path, argument, ARCHIVE), _archive(path) as archive:
        _config_of(archive)
        if WEIGHTS not in archive.namelist():
            raise ValueError(f"it has no {WEIGHTS}")
        with h5py.File(io.BytesIO(archive.read(WEIGHTS)), "r") as file:
            if arrays:
                _check_arrays(file, archive.getinfo(WEIGHTS).file_size)
            return {name for name, group in file.items() if len(group)}


def arrays_of(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Name -> array, of all in an open file or in a part of it. None is read yet."""
    found = {}

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = node

    group.visititems(visit)
    return found


def _check_arrays(file: h5py.File, stored: int) -> None:
    """Raises ValueError if arrays are larger than a file of ``stored`` bytes can be worth."""
    arrays = arrays_of(file).values()
    check_growth(sum((array.size or 0) * array.dtype.itemsize for array in arrays), stored)


@contextlib.contextmanager
def open_hdf5(path: str | os.PathLike, argument: str = "weights") -> Iterator[h5py.File]:
    """An HDF5 file whose arrays are no larger than the file can be worth.

    Raises:
        UnreadableFileError: it is damaged, or another file; also of what is raised within.
    """
    with reading(path, argument, HDF5):
        if not os.path.getsize(path):
            raise ValueError("it is empty, 0 bytes")
        with h5py.File(path, "r") as file:
            _check_arrays(file, os.path.getsize(path))
            yield file


def load(
    path: str | os.PathLike, argument: str = "weights", *, compile: bool = False
) -> keras.Model:
    """The network of a ``.keras`` or ``.h5`` file.

    Args:
        path: the file.
        argument: what the user gave it as.
        compile: whether its optimizer and losses are wanted too.

    Raises:
        UnreadableFileError: the file is damaged, or holds no network.
    """
    path = os.fspath(path)
    if path.endswith(".keras"):
        groups, what = check_network(path, argument, arrays=True), ARCHIVE
    else:
        groups, what = {"optimizer"}, f"file of a network ({', '.join(WHOLE_NETWORKS)})"
        with reading(path, argument, what):
            if path.endswith(".weights.h5") or not path.endswith(WHOLE_NETWORKS):
                raise ValueError("a file with that ending holds no network")
        with open_hdf5(path, argument) as file, reading(path, argument, what):
            if "model_config" not in file.attrs:
                raise ValueError("it holds weights alone")
    with reading(path, argument, what), warnings.catch_warnings():
        if compile:  # Keras would go on with an optimizer that has forgotten all
            warnings.filterwarnings("error", "Skipping variable loading for optimizer")
            if "optimizer" not in groups:
                raise ValueError("it has no state of an optimizer")
        try:
            network = keras.saving.load_model(path, compile=compile)
        except TypeError as error:
            if (layer := _UNKNOWN_LAYER.search(str(error))) is None:
                raise
            raise ValueError(
                f"it has a layer {layer[1]} that is not known here: give the module that registers "
                "it with `keras.saving.register_keras_serializable` as `imports`"
            ) from error
        if not isinstance(network, keras.Model):
            raise ValueError(f"it holds a {type(network).__name__}, and no network")
        if compile and network.optimizer is None:
            raise ValueError("it has no optimizer")
        return network
