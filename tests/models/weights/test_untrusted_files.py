"""What a `.keras` file from a stranger may not do: run code, or fetch files."""

import io
import json
import pathlib
import zipfile

import h5py
import keras
import pytest


def function(module: str, name: str) -> dict:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def layer(module: str, class_name: str, /, **config) -> dict:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def write_network(path: pathlib.Path, hostile: dict) -> pathlib.Path:
    """A file of two layers, the second of which is no honest one."""
    first = layer("keras.layers", "InputLayer", batch_shape=[None, 2], dtype="float32", name="i")
    network = layer("keras", "Sequential", name="s", layers=[first, hostile])
    weights = io.BytesIO()
    h5py.File(weights, "w").close()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(network))
        archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


# Keras up to 3.8 loaded such networks, which run the function when they are called.
@pytest.mark.parametrize(("module", "name"), [("os", "system"), ("subprocess", "Popen")])
def test_a_file_brings_no_function_of_another_library(module, name, tmp_path):
    hostile = layer("keras.layers", "Lambda", name="x", function=function(module, name))
    with pytest.raises((TypeError, ValueError), match=f"not locate function '{name}'"):
        keras.saving.load_model(write_network(tmp_path / "a.keras", hostile))


# Keras up to 3.10 fetched the file while it built the network.
def test_a_file_fetches_nothing(tmp_path):
    (tmp_path / "there").write_text("to be fetched")
    hostile = layer(
        "keras.layers",
        "Lambda",
        name="x",
        function=function("keras.utils", "get_file"),
        arguments={
            "origin": (tmp_path / "there").as_uri(),
            "cache_dir": str(tmp_path),
            "cache_subdir": "fetched",
        },
    )
    with pytest.raises((TypeError, ValueError), match=r"`keras.utils.get_file`"):
        keras.saving.load_model(write_network(tmp_path / "a.keras", hostile))
    assert not (tmp_path / "fetched").exists()
