"""Two learning rates in one optimizer: steps, weight decay, saving."""

import dataclasses

import keras
import numpy as np
import pytest

from video_zoo.training import TrainingConfig, batch_norm
from video_zoo.training.checkpoint import Position, load_checkpoint, save_checkpoint
from video_zoo.training.initial import Task, compiled_model
from video_zoo.training.optimizer import (
    ScaledBackboneAdam,
    ScaledBackboneAdamW,
    ScaledBackboneSGD,
    global_dtype,
    make_optimizer,
)


def after_steps(optimizer, start=0.0, steps=3):
    """Values of a variable of the backbone and of one of the head after equal gradients."""
    variables = [
        keras.Variable(np.full((3,), start, "float32"), name=name) for name in ("body", "head")
    ]
    optimizer.build(variables)
    for step in range(steps):
        gradient = np.array([0.5, -1.0, 2.0 + step], "float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient)] * 2)
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize(
    ("scaled", "plain", "options"),
    [
        (ScaledBackboneSGD, keras.optimizers.SGD, {"momentum": 0.0}),
        (ScaledBackboneSGD, keras.optimizers.SGD, {"momentum": 0.9}),
        (ScaledBackboneAdam, keras.optimizers.Adam, {}),
        (ScaledBackboneAdamW, keras.optimizers.AdamW, {"weight_decay": 0.0}),
    ],
)
def test_a_step_of_the_backbone_is_the_factor_times_as_long(scaled, plain, options):
    _, wanted = after_steps(plain(0.1, **options))
    assert np.all(wanted != 0)
    optimizer = scaled(0.1, scale=0.5, full_rate=["head"], **options)
    body, head = after_steps(optimizer)
    np.testing.assert_array_equal(head, wanted)
    np.testing.assert_array_equal(body, wanted * 0.5)  # a half has no rounding


@pytest.mark.parametrize("start", [1.0, -2.0])
def test_weight_decay_is_scaled_with_the_learning_rate(start):
    options = {"weight_decay": 0.5, "momentum": 0.0}
    optimizer = ScaledBackboneSGD(0.1, scale=0.2, full_rate=["head"], **options)
    body, head = after_steps(optimizer, start, steps=1)
    _, plain = after_steps(keras.optimizers.SGD(0.1, **options), start, steps=1)
    np.testing.assert_allclose(head, plain, rtol=1e-6)
    step = 0.02 * np.array([0.5, -1.0, 2.0])
    np.testing.assert_allclose(body, start - 0.02 * 0.5 * start - step, rtol=1e-5)


def tiny_config(tiny_run, **changes):
    return TrainingConfig(**tiny_run | changes, data_dir="-", workdir="-")


def test_the_rates_survive_a_file_and_the_classifier_has_the_full_one(tiny_run, tmp_path):
    config = tiny_config(tiny_run, backbone_learning_rate_scale=0.25)
    model = compiled_model(config, Task(5))
    model.optimizer.build(model.trainable_variables)
    save_checkpoint(model, tmp_path / "a.keras", Position(1), list("abcde"))
    optimizer = load_checkpoint(tmp_path / "a.keras").optimizer
    assert isinstance(optimizer, ScaledBackboneAdam)
    assert (optimizer.scale, optimizer.full_rate) == (0.25, ("Logits/kernel", "Logits/bias"))


@pytest.mark.parametrize("optimizer", [ScaledBackboneSGD, ScaledBackboneAdam, ScaledBackboneAdamW])
def test_saved_runs_know_the_optimizer_by_this_name(optimizer):
    name = keras.saving.get_registered_name(optimizer)
    assert name == f"video_zoo>{optimizer.__name__}"


def test_the_dtype_holds_within_the_block_only():
    before = keras.config.dtype_policy().name
    with pytest.raises(ZeroDivisionError), global_dtype("mixed_float16"):
        assert keras.config.dtype_policy().name == "mixed_float16"
        raise ZeroDivisionError
    assert keras.config.dtype_policy().name == before == "float32"


def test_a_scale_of_one_is_kerass_own_optimizer(tiny_run):
    assert type(compiled_model(tiny_config(tiny_run), Task(5)).optimizer) is keras.optimizers.Adam


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_weight_decay_spares_biases_and_normalisation_also_in_a_continued_run(
    scale, tiny_run, tmp_path
):
    config = tiny_config(
        tiny_run, weight_decay=0.1, optimizer="adamw", backbone_learning_rate_scale=scale
    )
    model = compiled_model(config, Task(5))
    model.optimizer.build(model.trainable_variables)
    save_checkpoint(model, tmp_path / "a.keras", Position(1), list("abcde"))
    for each in (model, load_checkpoint(tmp_path / "a.keras")):
        decayed = {
            variable.path.rsplit("/")[-1]
            for variable in each.trainable_variables
            if each.optimizer._use_weight_decay(variable)
        }
        assert decayed == {"kernel"}


def after_a_step_without_gradient(config) -> list[tuple[str, float]]:
    """Kind and value of weights that were 1, after a step in which only the decay moves them."""
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(2, name="body")(inputs)
    hidden = keras.layers.BatchNormalization()(hidden)
    model = keras.Model(inputs, keras.layers.Dense(2, name="Logits")(hidden))
    optimizer = make_optimizer(config, model)
    weights = model.trainable_weights
    for weight in weights:
        weight.assign(np.ones(weight.shape))
    optimizer.apply([keras.ops.zeros(weight.shape) for weight in weights], weights)
    return [(weight.path, float(keras.ops.max(weight))) for weight in weights]


def test_sgd_has_the_momentum_of_the_run(tiny_run):
    config = tiny_config(tiny_run, optimizer="sgd", momentum=0.5, learning_rate=1.0)
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="zeros")(inputs))
    optimizer, places = make_optimizer(config, model), []
    for _ in range(3):
        optimizer.apply([keras.ops.ones((1, 1)), keras.ops.zeros((1,))], model.trainable_weights)
        places.append(float(model.get_weights()[0][0, 0]))
    assert places == [-1, -2.5, -4.25]


@pytest.mark.parametrize("scale", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_every_optimizer_takes_rate_times_decay_off_the_kernels(optimizer, scale, tiny_run):
    settings = {"optimizer": optimizer, "learning_rate": 0.5, "backbone_learning_rate_scale": scale}
    for decay in (0.25, 0.0):
        config = tiny_config(tiny_run, weight_decay=decay, **settings)
        for path, value in after_a_step_without_gradient(config):
            rate = 0.5 if path.startswith("Logits") else 0.5 * scale
            assert value == (1 - rate * decay if path.endswith("kernel") else 1), path


def test_the_constants_of_batch_normalisation_are_set_and_saved(tiny_run, tmp_path):
    config = tiny_config(tiny_run, batch_norm_momentum=0.999, batch_norm_epsilon=1e-5)
    compiled_model(config, Task(5)).save(tmp_path / "network.keras")
    saved = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    norms = [x for x in saved.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) > 10
    assert {(layer.momentum, layer.epsilon) for layer in norms} == {(0.999, 1e-5)}


def test_batch_normalisation_of_nested_networks_has_these_constants_too(tiny_run, tmp_path):
    frames = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.BatchNormalization()])
    inputs = keras.Input((8, 32, 32, 3))
    x = keras.layers.GlobalAveragePooling3D()(keras.layers.TimeDistributed(frames)(inputs))
    path = str(tmp_path / "frames.keras")
    keras.Model(inputs, keras.layers.Dense(5)(x)).save(path)
    settings = {name: value for name, value in tiny_run.items() if name != "width_multiplier"}
    settings |= {"model": path, "data_dir": "shards", "workdir": "run"}
    config = TrainingConfig(**settings, batch_norm_momentum=0.999, sync_batch_norm=True)
    (norm,) = batch_norm.layers_of(compiled_model(config, Task(5)))
    assert (norm.momentum, norm.synchronized) == (0.999, True)
    with pytest.raises(ValueError, match="`precise_bn_steps` must be 0 for a network with batch"):
        compiled_model(dataclasses.replace(config, precise_bn_steps=3), Task(5))
