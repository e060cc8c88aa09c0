"""TensorFlow 1 checkpoints of google-deepmind/kinetics-i3d: I3D on RGB and on flow."""

import re

import numpy as np

from video_zoo.published import DEEPMIND

from .mapping import HEAD, Checkpoint, Place, Rule, places, translate
from .network_files import reading

# The checkpoint of Kinetics-600 goes without it.
_PREFIX = re.compile(r"^(RGB|Flow)/inception_i3d/")
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SLOT = "/Momentum"  # state of the optimizer, in that of Kinetics-600
_BATCH_NORM = ("beta", "moving_mean", "moving_variance")


def _origin(place: Place) -> str:
    if place.branch is None:
        return place.endpoint
    if (place.endpoint, place.branch, place.step) == ("Mixed_5b", 2, 1):
        return "Mixed_5b/Branch_2/Conv3d_0a_3x3"  # so it is named there, against the order
    return place.name.replace("_Branch_", "/Branch_").replace("_Conv3d_", "/Conv3d_")


def _flat(vector: np.ndarray) -> np.ndarray:
    return vector.reshape(-1)  # [C], or [1, 1, 1, 1, C]


def _rules():
    for place in places():
        origin = _origin(place)
        yield Rule(f"{place.name}_conv/kernel", (f"{origin}/conv_3d/w",))
        for part in _BATCH_NORM:
            yield Rule(f"{place.name}_bn/{part}", (f"{origin}/batch_norm/{part}",), _flat)
    yield Rule(f"{HEAD}/kernel", ("Logits/Conv3d_0c_1x1/conv_3d/w",))
    yield Rule(f"{HEAD}/bias", ("Logits/Conv3d_0c_1x1/conv_3d/b",), _flat)


def read(prefix: str) -> Checkpoint:
    """Reads the checkpoint ``prefix`` (the files' common name without ".index")."""
    import tensorflow as tf

    what = "TensorFlow checkpoint that is whole"
    with reading(prefix, what=what):
        reader = tf.train.load_checkpoint(prefix)
        names = sorted(reader.get_variable_to_shape_map())
        if _OBJECTS in names:
            raise ValueError(
                "it is of objects, as TensorFlow 2 and Keras write them; the published ones are "
                "TensorFlow 1's, of names"
            )
        tensors = {
            _PREFIX.sub("", name): np.asarray(reader.get_tensor(name))
            for name in names
            if not name.endswith(_SLOT)
        }
        return translate(tensors, _rules(), DEEPMIND, "same")
