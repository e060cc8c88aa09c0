"""Keras 2 weight files of dlpbc/keras-kinetics-i3d: DeepMind's I3D, with and without classifier.

Batch normalisation has an epsilon of 1e-3 there too, so values are taken as they are.
"""

import numpy as np

from video_zoo.published import DEEPMIND

from .mapping import Place, PublishedFile, origins_of, translate
from .network_files import HDF5, arrays_of, open_hdf5, reading

_ENDS = ("_conv/kernel", "_bn")
_HEAD = ("Conv3d_6a_1x1_conv/kernel", "Conv3d_6a_1x1_conv/bias")


def _name_in_file(place: Place) -> str:
    if place.branch is None:
        return place.endpoint
    block = place.endpoint.removeprefix("Mixed_")
    _, height, width = place.kernel
    return f"Conv3d_{block}_{place.branch}{place.letter}_{height}x{width}"


def _tensors(path: str) -> dict[str, np.ndarray]:
    """Layer and weight -> values; what lies between the two in the file repeats the layer."""
    found = {}
    with open_hdf5(path) as file:
        # Of a file with the network too, not the state of its optimizer.
        for name, array in arrays_of(file.get("model_weights", file)).items():
            parts = name.split("/")
            found[f"{parts[0]}/{parts[-1].split(':')[0]}"] = array[()]
    return found


def read(path: str) -> PublishedFile:
    """Reads the ``.h5`` file ``path``."""
    with reading(path, what=HDF5):
        return translate(_tensors(path), origins_of(_name_in_file, _ENDS, _HEAD), DEEPMIND, "same")
