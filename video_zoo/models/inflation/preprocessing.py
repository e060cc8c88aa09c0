"""From clips in [-1, 1] to what an image network takes: layers at the start of the video network.

Modes are those of ``keras.applications.imagenet_utils.preprocess_input``, and "pixels".
"""

import re
from typing import Any

import keras

from .graph import Graph, Ref

MODES = ("auto", "caffe", "torch", "tf", "pixels", "none")
# Mean of each colour of ImageNet; "caffe" counts in [0, 255], "torch" in [0, 1].
_CAFFE_MEAN = (123.68, 116.779, 103.939)
_TORCH_MEAN, _TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = 127.5
_NAME = "clip_preprocessing"
# The name of a network of keras.applications, as Keras gives it, tells what it was trained on.
_OF_NAMES = {
    r"resnet\d+": "caffe",
    r"vgg\d+": "caffe",
    r"densenet\d+": "torch",
    r"convnext_\w+": "torch",
}


def find_preprocessing(image_model: keras.Model, graph: Graph) -> str:
    """What ``image_model`` takes: "caffe", "torch", "pixels", or "none" for [-1, 1].

    A network that begins by scaling pixels takes pixels. Otherwise it is told by the name of the
    model, or of a nested one that takes the images first.
    """
    first = [call for call in graph.calls if Ref(-1) in call.inputs]
    if any(_scales_pixels(call.operation) for call in first):
        return "pixels"
    if image_model.input_shape[-1] != 3:  # of no published network
        return "none"
    names = {image_model.name, *(name for call in first for name in call.path[:-1])}
    modes = {
        mode for pattern, mode in _OF_NAMES.items() if any(re.fullmatch(pattern, n) for n in names)
    }
    return modes.pop() if len(modes) == 1 else "none"


def _scales_pixels(operation: keras.Operation) -> bool:
    """Whether a layer makes small numbers of values in [0, 255], as a network's own first one."""
    if isinstance(operation, keras.layers.Rescaling):
        return isinstance(operation.scale, (int, float)) and operation.scale < 0.1
    if isinstance(operation, keras.layers.Normalization) and operation.input_mean is not None:
        mean = keras.ops.convert_to_numpy(operation.input_mean)
        return bool((mean > 10).all())
    return False


def preprocess(clips: Any, mode: str) -> Any:
    """Puts the layers of ``mode`` after ``clips``, values in [-1, 1], RGB.

    They are made of Keras's own classes, take no weights and compute in float32.
    """
    if mode in ("none", "tf"):
        return clips
    if mode == "pixels":
        return keras.layers.Rescaling(_HALF, _HALF, dtype="float32", name=_NAME)(clips)
    if mode == "torch":
        mean = [2 * mean - 1 for mean in _TORCH_MEAN]
        deviation = [2 * deviation for deviation in _TORCH_DEVIATION]
    else:
        mean = [mean / _HALF - 1 for mean in _CAFFE_MEAN]
        deviation = [1 / _HALF] * 3
    # Unlike a scale per channel, these find the channels by their axis, whatever Keras's settings.
    variance = [value**2 for value in deviation]
    layer = keras.layers.Normalization(-1, mean, variance, dtype="float32", name=_NAME)
    return keras.ops.flip(layer(clips), axis=-1) if mode == "caffe" else layer(clips)
