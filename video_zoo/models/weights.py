"""Saved weights into a built network: all of them, or an error that says which do not fit."""

import collections
import os
import warnings
import zipfile

import h5py
import keras


def _signature(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {weight.path: tuple(weight.shape) for weight in model.weights}


def _differences(expected: dict[str, tuple], found: dict[str, tuple]) -> list[str]:
    rows = [f"missing {path} {shape}" for path, shape in expected.items() if path not in found]
    rows += [f"unexpected {path} {shape}" for path, shape in found.items() if path not in expected]
    rows += [
        f"{path} is {found[path]}, the network has {shape}"
        for path, shape in expected.items()
        if path in found and found[path] != shape
    ]
    return rows


def load_weights(model: keras.Model, path: str) -> None:
    """Loads the weights of a ``.keras`` or ``.weights.h5`` file into ``model``.

    Raises:
        ValueError: the file name has another ending, or its weights do not fit the network.
        FileNotFoundError: there is no such file.
    """
    path = os.fspath(path)
    if not path.endswith((".keras", ".weights.h5")):
        raise ValueError(
            "`weights` must be None or the path of a '.keras' or '.weights.h5' file. "
            f"Received: weights={path!r}"
        )
    if not os.path.isfile(path):
        raise FileNotFoundError(f"`weights` must be an existing file. Received: weights={path!r}")
    remedy = (
        "Build the network with the arguments that the file was saved with "
        "(`num_classes`, `include_top`, `width_multiplier`, `aux_logits`, `gating`, `temporal`)."
    )
    received = f"Received: weights={path!r}"
    if path.endswith(".weights.h5"):
        _load_h5(model, path, received, remedy)
        return
    if not zipfile.is_zipfile(path):
        raise ValueError(f"`weights` is not a '.keras' file, or is cut short. {received}")
    saved = keras.saving.load_model(path, compile=False)
    differences = _differences(_signature(model), _signature(saved))
    if differences:
        raise ValueError(_misfit(model, differences, received, remedy))
    values = {weight.path: weight for weight in saved.weights}
    for weight in model.weights:
        weight.assign(values[weight.path])


def _misfit(model: keras.Model, differences: list[str], received: str, remedy: str) -> str:
    listed = "; ".join(differences[:5]) + ("; …" if len(differences) > 5 else "")
    return (
        f"`weights` do not fit the network {model.name!r} in {len(differences)} places: {listed}. "
        f"{received}. {remedy}"
    )


def _h5_shapes(path: str) -> list[tuple[int, ...]]:
    """Shapes of the network's weights in a ``.weights.h5`` file: no optimizer, metrics, seeds."""
    shapes = []

    def visit(name: str, node) -> None:
        network = "layer" in name.split("/")[0] and "seed_generator" not in name
        if network and isinstance(node, h5py.Dataset):
            shapes.append(tuple(node.shape))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return shapes


def _load_h5(model: keras.Model, path: str, received: str, remedy: str) -> None:
    """Such a file names weights by class and number only, and Keras leaves out what is too many."""
    try:
        found = collections.Counter(_h5_shapes(path))
    except OSError as error:
        raise ValueError(f"`weights` is not an HDF5 file, or is cut short. {received}") from error
    expected = collections.Counter(tuple(weight.shape) for weight in model.weights)
    differences = [f"{n} missing of shape {shape}" for shape, n in (expected - found).items()]
    differences += [f"{n} unexpected of shape {shape}" for shape, n in (found - expected).items()]
    if differences:
        raise ValueError(_misfit(model, differences, received, remedy))
    before = model.get_weights()
    try:
        with warnings.catch_warnings():
            # Keras warns once per layer that the error below is about.
            warnings.filterwarnings("ignore", "Skipping nested container")
            model.load_weights(path)
    except ValueError as error:
        model.set_weights(before)
        # Behind these words Keras prints the values of the weight.
        reason = str(error).split(" Target variable:")[0]
        raise ValueError(
            f"`weights` do not fit the network {model.name!r}. {received}. {remedy} "
            f"Keras says: {reason}"
        ) from error
