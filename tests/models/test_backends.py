"""The same weights give the same outputs on every backend that is installed."""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import processes
import pytest

import video_zoo

SCRIPT = Path(__file__).with_name("backend_script.py")


@pytest.fixture(scope="module")
def saved(sizes, randomize, clips, tmp_path_factory):
    """The folder that the script reads, and what this backend gives."""
    folder = tmp_path_factory.mktemp("backends")
    cases, expected = {}, {}
    for name in video_zoo.list_models():
        frames, height, width, channels = sizes[name]
        # Odd and even sizes: padding differs most there.
        shape = frames + 1, height + 8, width + 1, channels
        kwargs = {"input_shape": shape, "width_multiplier": 0.125}
        if name == "s3d_v3":
            kwargs["aux_logits"] = True
        if name == "s3d_v1":
            kwargs["padding"] = "symmetric"
        cases[name] = {"num_classes": 5, "gating": name == "s3d_v1", **kwargs}
        model = randomize(video_zoo.get_model(name, **cases[name]))
        x = clips(shape)
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
    done = processes.run(SCRIPT, folder, KERAS_BACKEND=backend, CUDA_VISIBLE_DEVICES="-1")
    assert done.returncode == 0, done.stderr[-3000:]
    found = np.load(folder / f"{backend}.npz")
    assert set(found.files) == set(expected)
    for name, logits in expected.items():
        tolerance = 1e-4 * np.abs(logits).max()
        np.testing.assert_allclose(found[name], logits, atol=tolerance, rtol=0, err_msg=name)
