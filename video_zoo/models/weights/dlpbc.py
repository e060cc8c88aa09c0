"""Keras 2 weight files of dlpbc/keras-kinetics-i3d: DeepMind's I3D, with and without classifier.

Batch normalisation has an epsilon of 1e-3 there too, so values are taken as they are.
"""

import h5py
import numpy as np

from video_zoo.published import DEEPMIND

from .mapping import HEAD, Checkpoint, Place, Rule, places, translate
from .network_files import HDF5, open_hdf5, reading

_HEAD = "Conv3d_6a_1x1_conv"
_BATCH_NORM = ("beta", "moving_mean", "moving_variance")


def _origin(place: Place) -> str:
    if place.branch is None:
        return place.endpoint
    block = place.endpoint.removeprefix("Mixed_")
    _, height, width = place.kernel
    return f"Conv3d_{block}_{place.branch}{place.letter}_{height}x{width}"


def _rules():
    for place in places():
        origin = _origin(place)
        yield Rule(f"{place.name}_conv/kernel", (f"{origin}_conv/kernel",))
        for part in _BATCH_NORM:
            yield Rule(f"{place.name}_bn/{part}", (f"{origin}_bn/{part}",))
    yield Rule(f"{HEAD}/kernel", (f"{_HEAD}/kernel",))
    yield Rule(f"{HEAD}/bias", (f"{_HEAD}/bias",))


def _tensors(path: str) -> dict[str, np.ndarray]:
    """Layer and weight -> values; what lies between the two in the file repeats the layer."""
    found = {}

    def visit(name: str, node) -> None:
        if isinstance(node, h5py.Dataset):
            parts = name.split("/")
            found[f"{parts[0]}/{parts[-1].split(':')[0]}"] = node[()]

    with open_hdf5(path) as file:
        # Of a file with the network too, not the state of its optimizer.
        file.get("model_weights", file).visititems(visit)
    return found


def read(path: str) -> Checkpoint:
    """Reads the ``.h5`` file ``path``."""
    with reading(path, what=HDF5):
        return translate(_tensors(path), _rules(), DEEPMIND, "same")
