"""Saved weights into a built network: all of them, or an error that says which do not fit."""

import os

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
    if path.endswith(".weights.h5"):
        before = model.get_weights()
        try:
            model.load_weights(path)
        except ValueError as error:
            model.set_weights(before)
            raise ValueError(
                f"`weights` do not fit the network {model.name!r}. Received: weights={path!r}. "
                f"{remedy} Keras says: {error}"
            ) from error
        return
    saved = keras.saving.load_model(path, compile=False)
    differences = _differences(_signature(model), _signature(saved))
    if differences:
        listed = "; ".join(differences[:5]) + ("; …" if len(differences) > 5 else "")
        raise ValueError(
            f"`weights` do not fit the network {model.name!r} in {len(differences)} places: "
            f"{listed}. Received: weights={path!r}. {remedy}"
        )
    values = {weight.path: weight for weight in saved.weights}
    for weight in model.weights:
        weight.assign(values[weight.path])
