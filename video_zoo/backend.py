"""Keras's backend beside TensorFlow, which reads the videos whatever the backend is."""

import contextlib
import importlib.util
import json
import multiprocessing
import os
import pathlib

_TENSORFLOW = "tensorflow"


def backend_name() -> str:
    """The backend that Keras takes, or has taken; known without an import of Keras."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    folder = pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras")
    try:
        settings = json.loads((folder / "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return _TENSORFLOW
    return settings.get("backend", _TENSORFLOW) if isinstance(settings, dict) else _TENSORFLOW


def load_keras_first() -> None:
    """Imports Keras before TensorFlow, where Keras's backend is another that is installed.

    Some builds of PyTorch and TensorFlow crash in one process where TensorFlow comes first.
    """
    name = backend_name()
    if name == _TENSORFLOW or importlib.util.find_spec(name) is None:
        return
    if multiprocessing.parent_process() is None:  # a worker of a conversion needs neither
        import keras  # noqa: F401


def leave_gpus_to_keras() -> None:
    """Keeps TensorFlow from taking the memory of all GPUs where another backend needs them."""
    if backend_name() == _TENSORFLOW:
        return
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # it has them already
        tf.config.set_visible_devices([], "GPU")
