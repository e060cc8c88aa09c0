"""TensorFlow 1 checkpoints of google-deepmind/kinetics-i3d: I3D on RGB and on flow."""

import re

import numpy as np

from video_zoo.published import DEEPMIND

from .mapping import Place, PublishedFile, origins_of, translate
from .network_files import reading

# The checkpoint of Kinetics-600 goes without it.
_PREFIX = re.compile(r"^(RGB|Flow)/inception_i3d/")
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SLOT = "/Momentum"  # state of the optimizer, in that of Kinetics-600
_ENDS = ("/conv_3d/w", "/batch_norm")
_HEAD = ("Logits/Conv3d_0c_1x1/conv_3d/w", "Logits/Conv3d_0c_1x1/conv_3d/b")


def _name_in_file(place: Place) -> str:
    if place.branch is None:
        return place.endpoint
    if (place.endpoint, place.branch, place.step) == ("Mixed_5b", 2, 1):
        return "Mixed_5b/Branch_2/Conv3d_0a_3x3"  # so it is named there, against the order
    return place.name.replace("_Branch_", "/Branch_").replace("_Conv3d_", "/Conv3d_")


def _flat(vector: np.ndarray) -> np.ndarray:
    return vector.reshape(-1)  # [C], or [1, 1, 1, 1, C]


def read(prefix: str) -> PublishedFile:
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
        return translate(tensors, origins_of(_name_in_file, _ENDS, _HEAD, _flat), DEEPMIND, "same")
