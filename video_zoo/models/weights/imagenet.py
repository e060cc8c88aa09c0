"""S3D-v3 from the weights of keras.applications' InceptionV3, which has the same convolutions."""

import collections
import json
import os
import re

import keras
import numpy as np

from video_zoo import errors

from ..inflation.convolutions import identity_norm, over_time
from ..tables.inception_v3 import INCEPTION_V3
from . import network_files

# Names of the zoo's convolutions: endpoint, branch, and a letter that counts up in the branch.
_CONVOLUTION = re.compile(
    r"(?P<endpoint>.+?)(_Branch_(?P<branch>\d)_Conv3d_0(?P<letter>[a-z])_\dx\d)?(_spatial)?_conv"
)
_FEATURES = 2048
_ALLOWED = "those of keras.applications.InceptionV3"


def is_image_network(path: str) -> bool:
    """Whether ``weights=path`` means "imagenet", or a file that holds convolutions of images."""
    if path == "imagenet":
        return True
    if not os.path.isfile(path) or not path.endswith((".keras", ".h5")):
        return False
    if path.endswith(".keras"):
        return '"Conv2D"' in json.dumps(network_files.read_config(path))
    ranks = {len(shape) for shape in _shapes(path)}
    return 4 in ranks and 5 not in ranks


def _shapes(path: str) -> list[tuple[int, ...]]:
    with network_files.open_hdf5(path) as file:
        arrays = network_files.arrays_of(file).items()
        return [tuple(a.shape or ()) for name, a in arrays if not name.startswith("optimizer")]


def load_inception_v3(model: keras.Model, weights: str) -> None:
    """Starts ``model`` from an InceptionV3, so that a still video is seen as that sees an image.

    The spatial convolutions and their batch normalisation take the image network's weights.
    Temporal convolutions start as identity, in kernels with an extent in time the image kernel
    stands at the centre (see :mod:`video_zoo.models.inflation.convolutions`). The classifier is
    taken over if it has as many classes, and is random otherwise, as the auxiliary classifier and
    self-gating are.

    Args:
        model: an S3D-v3 of three channels and width 1, with any temporal plan.
        weights: "imagenet", which Keras downloads and checks, or a file of an InceptionV3:
            ``.keras``, ``.weights.h5``, or the ``.h5`` that Keras publishes, with or without top.

    Raises:
        ValueError: the file holds no InceptionV3, or ``model`` has other widths.
        OSError: the weights cannot be downloaded.
    """
    image_model = _image_model(weights)
    convolutions = [layer for layer in image_model.layers if type(layer) is keras.layers.Conv2D]
    norms = [x for x in image_model.layers if isinstance(x, keras.layers.BatchNormalization)]
    units = _units(model)
    kernels = [layer.get_weights()[0] for layer in sorted(convolutions, key=_number)]
    statistics = [layer.get_weights() for layer in sorted(norms, key=_number)]
    expected = [tuple(model.get_layer(unit).kernel.shape[1:]) for unit in units]
    if [kernel.shape for kernel in kernels] != expected:
        allowed = f"{_ALLOWED}, for a network of three channels and `width_multiplier=1`"
        fitting = _matching(kernels, expected)
        place = f", with {len(kernels)} convolutions, of which {fitting} fit"
        raise errors.refusal("weights", allowed, weights, place=place)
    for unit, kernel, values in zip(units, kernels, statistics, strict=True):
        layer = model.get_layer(unit)
        layer.set_weights([over_time(kernel, layer.kernel_size[0])])
        model.get_layer(unit.removesuffix("_conv") + "_bn").set_weights(values)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv3D) and layer.name.endswith("_temporal_conv"):
            identity = np.eye(layer.filters, dtype=np.float32)
            layer.set_weights([over_time(identity, layer.kernel_size[0])])
            norm = model.get_layer(layer.name.removesuffix("_conv") + "_bn")
            norm.set_weights(identity_norm(norm, layer.filters))
    _take_classifier(model, image_model)


def _image_model(weights: str) -> keras.Model:
    if weights == "imagenet":
        try:
            return keras.applications.InceptionV3(weights="imagenet", classifier_activation=None)
        except Exception as error:  # that is what Keras raises
            raise OSError(
                "`weights` cannot be fetched. Received: weights='imagenet' "
                f"({' '.join(str(error).split())}). Fetch the file by any other way, and pass it."
            ) from error
    if weights.endswith(".keras"):
        return network_files.load(weights)
    shapes = _shapes(weights)
    classes = [shape[1] for shape in shapes if len(shape) == 2 and shape[0] == _FEATURES]
    options = {"classes": classes[0]} if classes else {"include_top": False}
    image_model = keras.applications.InceptionV3(weights=None, **options)
    # Keras leaves out what it does not find in such a file.
    expected = collections.Counter(tuple(weight.shape) for weight in image_model.weights)
    if collections.Counter(shapes) != expected:
        missing = sum((expected - collections.Counter(shapes)).values())
        place = f", which lacks {missing} of its {sum(expected.values())} arrays"
        raise errors.refusal("weights", _ALLOWED, weights, place=place)
    with network_files.reading(weights, what=network_files.HDF5):
        image_model.load_weights(weights)
    return image_model


def _number(layer: keras.layers.Layer) -> int:
    """Place in which InceptionV3 makes a layer: Keras counts ``conv2d``, ``conv2d_1``, …"""
    last = layer.name.rpartition("_")[2]
    return int(last) if last.isdigit() else 0


def _units(model: keras.Model) -> list[str]:
    """The spatial convolutions of ``model`` in the order of its table, branches in turn."""
    endpoints = [name for name, _ in INCEPTION_V3]
    places = {}
    for layer in model.layers:
        match = _CONVOLUTION.fullmatch(layer.name)
        if match and match["endpoint"] in endpoints:
            place = endpoints.index(match["endpoint"]), match["branch"] or "", match["letter"] or ""
            places[layer.name] = place
    return sorted(places, key=places.__getitem__)


def _matching(kernels: list[np.ndarray], expected: list[tuple[int, ...]]) -> int:
    return sum(k.shape == shape for k, shape in zip(kernels, expected, strict=False))


def _take_classifier(model: keras.Model, image_model: keras.Model) -> None:
    dense = [layer for layer in image_model.layers if isinstance(layer, keras.layers.Dense)]
    logits = [layer for layer in model.layers if layer.name == "Logits"]
    if dense and logits and dense[-1].kernel.shape == logits[0].kernel.shape:
        logits[0].set_weights(dense[-1].get_weights())
