"""Small networks, clips and weights that tell a lost or swapped one from its neighbour."""

import functools
import http.server
import threading
from collections.abc import Callable

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo.models.registry import architecture_of

SIZES = {name: architecture_of(name).tried_with for name in video_zoo.list_models()}


def _small(network: str, num_classes: int = 5, **kwargs) -> keras.Model:
    kwargs.setdefault("input_shape", SIZES[network])
    kwargs.setdefault("width_multiplier", 0.125)
    return video_zoo.get_model(network, num_classes, **kwargs)


def _randomize(model: keras.Model, seed: int = 0) -> keras.Model:
    """Gives every weight values of its own, batch-norm statistics included, and returns the model.

    Fresh ones are all 0 or 1 there, and would hide that they were not saved.
    """
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "variance" in weight.path:
            value = rng.uniform(0.5, 1.5, weight.shape)
        else:
            fan_in = max(1, int(np.prod(weight.shape[:-1])))
            value = rng.normal(
                0, np.sqrt(2 / fan_in) if len(weight.shape) > 1 else 0.1, weight.shape
            )
        weight.assign(value.astype("float32"))
    return model


def _clips(shape: tuple[int, ...], batch: int = 2, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (batch, *shape)).astype("float32")


@pytest.fixture(scope="session")
def sizes() -> dict[str, tuple[int, int, int, int]]:
    return SIZES


@pytest.fixture(scope="session")
def small() -> Callable[..., keras.Model]:
    return _small


@pytest.fixture(scope="session")
def randomize() -> Callable[..., keras.Model]:
    return _randomize


@pytest.fixture(scope="session")
def clips() -> Callable[..., np.ndarray]:
    return _clips


@pytest.fixture
def fresh_names():
    """Layer names count up in a process; inflated networks are told apart by them."""
    keras.backend.clear_session()


@pytest.fixture
def policy():
    """Sets the global dtype policy, and restores it."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Keras' folder, for one test."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def server(tmp_path):
    """A real server on this machine. Gives its folder and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
