"""The same weights give the same outputs on every backend that is installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import video_zoo

SCRIPT = Path(__file__).with_name("backend_script.py")
ROOT = Path(video_zoo.__file__).parent.parent
# Odd and even sizes, and maps of 1 and 2 positions at the end: padding differs most there.
SHAPES = {
    "i3d": (17, 40, 33, 3),
    "mc3_18": (3, 40, 33, 3),
    "r2plus1d_18": (9, 33, 32, 3),
    "r3d_18": (8, 40, 33, 3),
    "s3d_v1": (16, 33, 48, 3),
    "s3d_v3": (81, 49, 64, 3),
    "s3d_v3_top_heavy": (50, 81, 49, 3),
}


@pytest.fixture(scope="module")
def saved(small, randomize, clips, tmp_path_factory):
    """The folder that the script reads, and what this backend gives."""
    folder = tmp_path_factory.mktemp("backends")
    cases, expected = {}, {}
    for name in video_zoo.list_models():
        kwargs = {"input_shape": SHAPES[name], "width_multiplier": 0.125}
        if name == "s3d_v3":
            kwargs["aux_logits"] = True
        if name == "s3d_v1":
            kwargs["padding"] = "symmetric"
        cases[name] = {"num_classes": 5, "gating": name == "s3d_v1", **kwargs}
        model = randomize(video_zoo.get_model(name, **cases[name]))
        x = clips(SHAPES[name])
        np.save(folder / f"{name}.npy", x)
        model.save_weights(folder / f"{name}.weights.h5")
        for index, output in enumerate(keras.tree.flatten(model(x))):
            expected[f"{name}_{index}"] = np.asarray(output)
        if name == "s3d_v1":
            model.save(folder / f"{name}.keras")
            expected["plain"] = expected[f"{name}_0"]
    (folder / "cases.json").write_text(json.dumps(cases))
    return folder, expected


@pytest.mark.parametrize(
    "backend", ["tensorflow", "jax", pytest.param("torch", marks=pytest.mark.peers)]
)
def test_outputs_agree(backend, saved):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"the backend {backend} is not installed")
    folder, expected = saved
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1"}
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = np.load(folder / f"{backend}.npz")
    assert set(found.files) == set(expected)
    for name, logits in expected.items():
        tolerance = 1e-4 * np.abs(logits).max()
        np.testing.assert_allclose(found[name], logits, atol=tolerance, rtol=0, err_msg=name)
