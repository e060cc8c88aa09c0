"""Saved weights: equal outputs after a round trip, and nothing half loaded from a wrong file."""

import json

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo.models.weights.load import find, load

ENDINGS = [".keras", ".weights.h5"]
VARIANTS = [
    *((name, {}) for name in video_zoo.list_models()),
    ("s3d_v1", {"gating": True}),
    ("s3d_v3", {"gating": True, "aux_logits": True}),
]


def save(model: keras.Model, path) -> str:
    if str(path).endswith(".keras"):
        model.save(path)
    else:
        model.save_weights(path)
    return str(path)


def outputs(model: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(output) for output in keras.tree.flatten(model(x))]


def assert_same(model: keras.Model, other: keras.Model, x: np.ndarray) -> None:
    for found, expected in zip(outputs(model, x), outputs(other, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def classes(node):
    """(module, registered name, class) of everything in a saved configuration."""
    if isinstance(node, dict):
        if "class_name" in node:
            yield node.get("module"), node.get("registered_name"), node["class_name"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from classes(item)


@pytest.mark.parametrize(("name", "kwargs"), VARIANTS, ids=str)
def test_round_trips_give_equal_outputs(name, kwargs, small, randomize, clips, sizes, tmp_path):
    model = randomize(small(name, **kwargs))
    x = clips(sizes[name], batch=1)
    files = {ending: save(model, tmp_path / f"model{ending}") for ending in ENDINGS}
    assert_same(keras.saving.load_model(files[".keras"]), model, x)
    other = small(name, weights=files[".weights.h5"], **kwargs)
    assert_same(other, model, x)
    load(randomize(other, seed=7), find(None, files[".keras"]))
    assert_same(other, model, x)
    # No class of this package in the file: that it loads elsewhere, `test_backends` shows.
    for module, registered_name, class_name in set(classes(json.loads(model.to_json()))):
        # The model itself is registered under its own name.
        assert registered_name in (None, class_name), class_name
        assert module is None or module.split(".")[0] in ("keras", "builtins"), class_name


def test_weights_are_taken_from_a_checkpoint_of_training(small, clips, tmp_path):
    """Whose file holds the state of the optimizer, the metrics and the dropout too."""
    shape = (2, 16, 16, 3)
    model = small("s3d_v1", input_shape=shape)
    model.compile("adam", "mse", metrics=["mae"], run_eagerly=True)
    x = clips(shape)
    model.fit(x, np.zeros((2, 5), "float32"), verbose=0)
    for ending in ENDINGS:
        file = save(model, tmp_path / f"model{ending}")
        assert_same(small("s3d_v1", input_shape=shape, weights=file), model, x)


def test_weights_of_one_size_fit_another(small, randomize, tmp_path):
    model = randomize(small("s3d_v3"))
    for ending in ENDINGS:
        file = save(model, tmp_path / f"model{ending}")
        larger = small("s3d_v3", input_shape=(81, 97, 64, 3), weights=file)
        for weight, expected in zip(larger.weights, model.weights, strict=True):
            np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_file(ending, small, tmp_path):
    path = str(tmp_path / f"none{ending}")
    with pytest.raises(FileNotFoundError) as error:
        small("i3d", weights=path)
    assert str(error.value) == f"`weights` must be an existing file. Received: weights={path!r}"


def test_a_wrong_ending(small):
    with pytest.raises(ValueError, match=r"'\.keras' or '\.weights\.h5' file, .*'model\.ckpt'$"):
        small("i3d", weights="model.ckpt")
    with pytest.raises(
        ValueError, match="published name .'kinetics400', .*='kinetics'. Did you mean "
    ):
        small("i3d", weights="kinetics")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_holds_no_weights(ending, small, tmp_path):
    path = tmp_path / f"model{ending}"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match="`weights` must be a whole .* file. Received: weights="):
        small("i3d", weights=path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("saved", "wanted"),
    [
        ({"num_classes": 6}, {}),
        ({"include_top": False}, {}),
        ({"gating": True}, {}),
        ({}, {"gating": True}),
        ({}, {"temporal": "2d"}),
        ({}, {"width_multiplier": 0.0625}),
    ],
    ids=str,
)
def test_weights_of_another_network(ending, saved, wanted, small, tmp_path):
    shape = (2, 8, 8, 3)
    path = save(small("r3d_18", input_shape=shape, **saved), tmp_path / f"model{ending}")
    model = small("r3d_18", input_shape=shape, **wanted)
    before = model.get_weights()
    with pytest.raises(ValueError) as error:
        load(model, find(None, path))
    message = str(error.value)
    assert "`weights` do not fit the network 'r3d_18' in " in message
    assert f"Received: weights={path!r}" in message
    assert "Build the network with the arguments that the file was saved with" in message
    assert len(message) < 1000
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("name", "kwargs"), [("s3d_v1", {"gating": True}), ("s3d_v3", {}), ("i3d", {})], ids=str
)
def test_a_backbone_without_its_classifier(ending, name, kwargs, small, randomize, tmp_path):
    model = randomize(small(name, **kwargs))
    path = save(model, tmp_path / f"model{ending}")
    backbone = small(name, include_top=False, weights=path, **kwargs)
    values = {weight.path: np.asarray(weight) for weight in model.weights}
    for weight in backbone.weights:
        np.testing.assert_array_equal(np.asarray(weight), values[weight.path])


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_builder_says_what_the_weights_need(ending, small, tmp_path):
    shape = (2, 8, 8, 3)
    path = save(small("s3d_v1", input_shape=shape), tmp_path / f"model{ending}")
    bare = save(small("s3d_v1", input_shape=shape, include_top=False), tmp_path / f"bare{ending}")
    with pytest.raises(ValueError, match="`num_classes` must be 5, .*num_classes=6 .*replace_head"):
        small("s3d_v1", 6, input_shape=shape, weights=path)
    with pytest.raises(ValueError, match="`include_top` must be False: .*include_top=True"):
        small("s3d_v1", input_shape=shape, weights=bare)
    with pytest.raises(ValueError, match="`input_shape` must end in 3 channels"):
        small("s3d_v1", input_shape=(2, 8, 8, 2), weights=path)
    with pytest.raises(ValueError, match="`padding` must be None or 'same'.*'symmetric'"):
        small("s3d_v1", input_shape=(8, 32, 32, 3), weights=path, padding="symmetric")
    # Without its classifier, their number of classes does not matter.
    small("s3d_v1", 6, input_shape=shape, weights=path, include_top=False)
    info = video_zoo.weights_info("s3d_v1", path)
    assert (info.num_classes, info.channels, info.padding) == (5, 3, "same")
    assert (info.class_names, info.name, info.convention_known) == (None, None, False)
    assert video_zoo.weights_info("s3d_v1", bare).num_classes is None


@pytest.mark.parametrize("ending", ENDINGS)
def test_padding_comes_with_the_weights(ending, small, randomize, clips, sizes, tmp_path):
    model = randomize(small("s3d_v1", padding="symmetric"))
    path = save(model, tmp_path / f"model{ending}")
    assert_same(small("s3d_v1", weights=path), model, clips(sizes["s3d_v1"], batch=1))
    plain = small("s3d_v1")
    with pytest.raises(ValueError, match="with padding: symmetric, and it has same"):
        load(plain, find(None, path))


def test_nothing_is_left_half_loaded(tmp_path):
    """Same shapes in another order: Keras fills the first layers, then fails."""

    def network(*widths):
        inputs = x = keras.Input((4,))
        for width in widths:
            x = keras.layers.Dense(width)(x)
        return keras.Model(inputs, x)

    # (4,4) (4,3) (3,4) and (4,3) (3,4) (4,4)
    path = save(network(4, 3, 4), tmp_path / "model.weights.h5")
    model = network(3, 4, 4)
    before = model.get_weights()
    with pytest.raises(ValueError, match="`weights` do not fit the network") as error:
        load(model, find(None, path))
    assert len(str(error.value)) < 1000
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_weights_that_are_no_numbers_are_refused_and_none_is_loaded(ending, small, tmp_path):
    model = small("s3d_v1")
    broken = next(w for w in model.weights if "Mixed_4c" in w.path and w.path.endswith("beta"))
    values = keras.ops.convert_to_numpy(broken).copy()
    values[0] = np.nan
    broken.assign(values)
    path = save(model, tmp_path / f"a{ending}")
    other = small("s3d_v1")
    before = other.get_weights()
    with pytest.raises(ValueError, match="`weights` must be finite, and .*beta has 1 values of"):
        load(other, find(None, path))
    for value, kept in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)
