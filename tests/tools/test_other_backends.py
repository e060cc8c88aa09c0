"""The tools on another backend than TensorFlow: what runs there, and what refuses in one line."""

import csv
import functools
import importlib.util

import keras
import numpy as np
import processes
import pytest

from video_zoo.evaluation import EvaluationConfig, evaluate

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="the backend jax is not installed"
)
# PyTorch's crashed where TensorFlow was imported first.
BACKENDS = ["jax", pytest.param("torch", marks=pytest.mark.peers)]


tool_on_jax = functools.partial(processes.run_tool, KERAS_BACKEND="jax")


def tool_on(backend, *arguments):
    """A tool on a backend that is installed."""
    pytest.importorskip(backend, reason=f"the backend {backend} is not installed")
    return processes.run_tool(*arguments, KERAS_BACKEND=backend)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of two layers, as JAX compiles each convolution of another shape for a second."""
    clip = keras.Input((8, 32, 32, 3))
    x = keras.layers.Conv3D(4, 3, strides=2, activation="relu")(clip)
    x = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling3D()(x))
    path = tmp_path_factory.mktemp("network") / "net.keras"
    keras.Model(clip, x).save(path)
    return path


def scores(folder):
    with open(folder / "scores.csv", newline="") as file:
        return [row[3:] for row in csv.reader(file)][1:]


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_evaluation_gives_the_scores_of_tensorflow(backend, checkpoint, motion_shards, tmp_path):
    options = {"checkpoint": str(checkpoint), "data_dir": str(motion_shards)}
    evaluate(EvaluationConfig(**options, output_dir=str(tmp_path / "tensorflow")))
    flags = [f"--{name}={value}" for name, value in options.items()]
    done = tool_on(backend, "evaluate", *flags, f"--output_dir={tmp_path / backend}")
    assert done.returncode == 0, done.stderr[-3000:]
    found, expected = (np.array(scores(tmp_path / name), float) for name in (backend, "tensorflow"))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_prediction_of_a_file(backend, checkpoint, motion_shards):
    video = next((motion_shards.parent / "videos" / "val" / "up").glob("*.mp4"))
    done = tool_on(backend, "predict", f"--checkpoint={checkpoint}", video)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(f"{video}\n")
    assert len(done.stdout.splitlines()) == 6


@pytest.mark.parametrize(
    "package", ["data.conversion.convert", "evaluation.evaluate", "training.loop"]
)
def test_keras_is_imported_before_tensorflow(package):
    code = f"import sys, video_zoo.{package}; names = list(sys.modules);"
    code += "print(names.index('keras') < names.index('tensorflow'))"
    done = processes.run("-c", code, KERAS_BACKEND="jax")
    assert done.stdout == "True\n", done.stderr[-3000:]


@pytest.mark.parametrize(
    ("tool", "flags", "message"),
    [
        ("train", ["--model=s3d_v1", "--workdir=run"], "training needs the TensorFlow backend of"),
        (
            "inspect_dataset",
            ["--contact_sheet=sheet.png", "--augment", "--num_frames=4"],
            "`color_jitter` needs the TensorFlow backend of Keras. Received: color_jitter=0.4",
        ),
    ],
)
def test_what_needs_tensorflow_says_so_in_one_line(tool, flags, message, motion_shards, tmp_path):
    done = tool_on_jax(tool, f"--data_dir={motion_shards}", *flags, cwd=tmp_path)
    assert done.returncode == 2, done.stderr[-3000:]
    *_, line = done.stderr.splitlines()
    assert line.startswith(f"{tool}: {message}")
    assert line.endswith("Unset it, or set it to tensorflow.")
    assert "Traceback" not in done.stderr
