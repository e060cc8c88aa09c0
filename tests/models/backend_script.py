"""Run by ``test_backends`` on another Keras backend: FOLDER holds networks, a clip each, weights.

Imports Keras alone first, so that a saved network is loaded without this package.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np


def zeros(self, shape, dtype=None, **kwargs):
    return keras.ops.zeros(shape, dtype)


# The initial values are overwritten by the saved ones. JAX would compile the drawing of them once
# for each shape, which is most of a minute a network.
keras.initializers.VarianceScaling.__call__ = zeros


def outputs_of(model, clips):
    # One compilation of the whole on JAX, where each layer would be compiled alone otherwise.
    call = model.predict_on_batch if keras.backend.backend() == "jax" else model
    return [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(call(clips))]


folder = Path(sys.argv[1])
cases = json.loads((folder / "cases.json").read_text())
outputs = {}

plain = keras.saving.load_model(folder / "s3d_v1.keras")
(outputs["plain"],) = outputs_of(plain, np.load(folder / "s3d_v1.npy"))
assert "video_zoo" not in sys.modules

import video_zoo  # noqa: E402

for name, kwargs in cases.items():
    weights = str(folder / f"{name}.weights.h5")
    model = video_zoo.get_model(name, weights=weights, **kwargs)
    clips = np.load(folder / f"{name}.npy")
    outputs |= {f"{name}_{index}": y for index, y in enumerate(outputs_of(model, clips))}

np.savez(folder / f"{keras.backend.backend()}.npz", **outputs)
