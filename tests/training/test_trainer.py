"""What one step does to the weights, and what it tells."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from video_zoo.evaluation.metrics import video_metrics
from video_zoo.training import TrainingConfig, batch_norm, callbacks, checks
from video_zoo.training.optimizer import make_optimizer
from video_zoo.training.trainer import Trainer, build_from_one_clip, ranks

CLIPS = np.random.default_rng(0).integers(0, 255, (6, 2, 16, 16, 3), np.uint8)
LABELS = np.eye(5, dtype=np.float32)[[0, 1, 2, 3, 4, 0]]
WEIGHTS = np.array([1, 1, 2, 0, 1, 1], np.float32)


def dataset(weight=1.0):
    return tf.data.Dataset.from_tensors((CLIPS, LABELS, WEIGHTS * np.float32(weight)))


def network(dropout_rate):
    """All that a step has to do with, and small: most of the time is that of making the graph."""
    inputs = x = keras.Input((2, 16, 16, 3))
    for width in (8, 16):
        x = keras.layers.Conv3D(width, 3, strides=(1, 2, 2), padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(scale=False, momentum=0.9)(x)
        x = keras.layers.Activation("relu")(x)
    x = keras.layers.Dropout(dropout_rate)(keras.layers.GlobalAveragePooling3D()(x))
    return keras.Model(inputs, keras.layers.Dense(5, name="Logits")(x))


@pytest.fixture
def prepared(tiny_run):
    """A function (**settings) -> (network, its trainer), with plain SGD at rate 1 and no dropout.

    With a ``loss_scale``, the loss is scaled as with mixed_float16.
    """

    def prepare(loss_scale=None, **settings):
        keras.utils.set_random_seed(0)
        base = {"num_frames": 2, "image_size": 16, "optimizer": "sgd", "momentum": 0.0}
        base |= {"learning_rate": 1.0, "dropout_rate": 0.0}
        config = TrainingConfig(**tiny_run | base | settings, data_dir="-", workdir="-")
        model = network(config.dropout_rate)
        optimizer = make_optimizer(config, model)
        if loss_scale is not None:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, loss_scale)
        model.compile(
            optimizer,
            keras.losses.CategoricalCrossentropy(from_logits=True),
            weighted_metrics=[keras.metrics.CategoricalAccuracy("top1")],
            jit_compile=config.jit_compile,
        )
        build_from_one_clip(model, dataset())
        return model, Trainer(model, config, 5)

    return prepare


def values(model):
    return [weight.numpy() for weight in model.trainable_weights]


def assert_same(some, others):
    """Equal within the rounding of the largest: gradients at the start are in hundreds."""
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * np.abs(one).max())


def norm_of_change(before, model):
    changes = [(b - a).ravel() for b, a in zip(before, values(model), strict=True)]
    return np.linalg.norm(np.concatenate(changes))


def fix_statistics(model):
    """Lets batch normalisation use its moving averages, so that clips do not see one another."""
    for layer in batch_norm.layers_of(model):
        layer.moving_variance.assign(np.full(layer.moving_variance.shape, 0.3))
        layer.trainable = False


def test_parts_of_a_batch_give_the_step_of_the_whole(prepared):
    results = []
    for parts in (1, 4):  # 1, 2, 1 and 2 clips
        model, trainer = prepared(accumulate_steps=parts)
        fix_statistics(model)
        logs = trainer.fit(dataset(), shuffle=False, verbose=0).history
        results.append(
            (values(model), float(trainer.step_loss), float(trainer.gradient_norm), logs)
        )
    (whole, loss, norm, logs), (parts, *others, other_logs) = results
    assert_same(whole, parts)
    assert others == pytest.approx([loss, norm], rel=1e-5)
    assert logs["loss"] == pytest.approx(other_logs["loss"], rel=1e-5)
    assert logs["loss"][0] == pytest.approx(loss, rel=1e-5)
    assert logs["top1"] == pytest.approx(other_logs["top1"])


def test_the_step_is_that_of_keras(prepared, tiny_run):
    model, trainer = prepared()
    fix_statistics(model)
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    other.compile(keras.optimizers.SGD(1.0), keras.losses.CategoricalCrossentropy(from_logits=True))
    before = values(model)
    trainer.fit(dataset(), shuffle=False, verbose=0)
    clips = CLIPS.astype(np.float32) / 127.5 - 1
    history = other.fit(clips, LABELS, sample_weight=WEIGHTS, batch_size=6, verbose=0).history
    assert history["loss"][0] == pytest.approx(float(trainer.step_loss), rel=1e-5)
    assert_same(values(model), values(other))
    assert norm_of_change(before, model) == pytest.approx(float(trainer.gradient_norm), rel=1e-4)


@pytest.mark.slow
def test_a_step_that_xla_compiled_is_the_same(prepared):
    results = []
    for jit_compile in (False, True):
        model, trainer = prepared(jit_compile=jit_compile)
        fix_statistics(model)
        trainer.fit(dataset(), shuffle=False, verbose=0)
        assert model.jit_compile is jit_compile
        results.append((values(model), float(trainer.step_loss)))
    (plain, loss), (compiled, other) = results
    for one, another in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, another, rtol=0, atol=1e-5 * np.abs(one).max())
    assert other == pytest.approx(loss, rel=1e-5)


def test_a_long_gradient_is_shortened_to_the_limit_and_a_short_one_is_not(prepared):
    model, trainer = prepared(clip_norm=0.01)
    norms = []
    for weight in (10.0, 0.1, 1e-3):  # of the clips, and so of their gradient
        before = values(model)
        trainer.fit(dataset(weight), shuffle=False, verbose=0)
        norms.append(float(trainer.gradient_norm))
        expected = min(0.01, norms[-1])
        assert norm_of_change(before, model) == pytest.approx(expected, rel=1e-2)
    assert norms[0] > 1 > norms[1] > 0.01 > norms[2]


@pytest.mark.parametrize(
    ("settings", "parts"),
    [({}, [slice(0, 6)]), ({"accumulate_steps": 4}, map(slice, (0, 1, 3, 4), (1, 3, 4, 6)))],
)
def test_each_part_of_a_step_takes_the_statistics_of_its_own_clips(settings, parts, prepared):
    model, trainer = prepared(**settings)
    layer = batch_norm.layers_of(model)[0]
    first = keras.Model(model.inputs, layer.input)
    seen = first.predict(CLIPS.astype(np.float32) / 127.5 - 1, verbose=0)
    expected = np.zeros(8)
    for part in parts:  # one after the other, and nine tenths are kept
        expected = 0.9 * expected + 0.1 * seen[part].mean(axis=(0, 1, 2, 3))
    trainer.fit(dataset(), shuffle=False, verbose=0)
    np.testing.assert_allclose(layer.moving_mean, expected, atol=1e-6)


def test_a_scaled_loss_gives_the_same_norm_and_the_same_clipped_step(prepared):
    results = []
    for loss_scale in (None, 1024.0):
        model, trainer = prepared(clip_norm=0.01, loss_scale=loss_scale)
        fix_statistics(model)
        trainer.fit(dataset(), shuffle=False, verbose=0)
        results.append((values(model), float(trainer.step_loss), float(trainer.gradient_norm)))
    (plain, *numbers), (scaled, *other_numbers) = results
    assert_same(plain, scaled)
    assert other_numbers == pytest.approx(numbers, rel=1e-5)


def test_validation_tells_loss_and_accuracy_and_counts_its_confusions(prepared):
    model, trainer = prepared()
    told = trainer.evaluate(dataset(), verbose=0, return_dict=True)
    logits = model.predict(CLIPS.astype(np.float32) / 127.5 - 1, verbose=0)
    true, found = LABELS.argmax(axis=1), logits.argmax(axis=1)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(6), true]
    assert told["loss"] == pytest.approx((losses * WEIGHTS).sum() / 6, rel=1e-4)
    assert told["top1"] == pytest.approx(WEIGHTS[found == true].sum() / WEIGHTS.sum())
    expected = np.zeros((5, 5))
    np.add.at(expected, (true, found), WEIGHTS > 0)
    np.testing.assert_array_equal(trainer.confusion, expected)


def test_equal_scores_share_their_rank_in_training_as_in_evaluation():
    """Keras's own top-5 would be 1 with a network that tells no class from another."""
    scores = np.random.default_rng(0).integers(0, 3, (40, 8)).astype(np.float32)
    scores[0] = 0.0
    labels = np.arange(40) % 8
    expected = video_metrics(scores, labels)
    for k in (1, 5):
        metric = keras.metrics.TopKCategoricalAccuracy(k)
        found = metric(np.eye(8, dtype=np.float32)[labels], ranks(tf.constant(scores)))
        assert float(found) == pytest.approx(expected[f"top{k}"])


def test_averages_take_the_place_of_the_weights_and_go_again(prepared):
    model, trainer = prepared(ema_momentum=0.75)
    after = []
    for _ in range(2):
        trainer.fit(dataset(), shuffle=False, verbose=0)
        after.append(values(model))
    with callbacks.averaged_weights(model):
        # Keras lets the average begin with the weights after the first step.
        for average, first, last in zip(values(model), *after, strict=True):
            np.testing.assert_allclose(average, 0.75 * first + 0.25 * last, atol=1e-6)
    for one, other in zip(values(model), after[-1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_precise_statistics_are_those_over_all_clips(prepared):
    model, _ = prepared()
    batches = tf.data.Dataset.from_tensor_slices(CLIPS).batch(2).map(lambda clips: (clips,))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    batch_norm.set_precise_statistics(model, batches, 3)
    inputs = keras.Model(copy.inputs, [layer.input for layer in batch_norm.layers_of(copy)])
    # In training the second layer sees what the first one made of the clips of one batch.
    clips = np.split(CLIPS.astype(np.float32) / 127.5 - 1, 3)
    seen = [inputs([part], training=True) for part in clips]
    for layer, parts in zip(batch_norm.layers_of(model), zip(*seen, strict=True), strict=True):
        whole = np.concatenate(parts)
        np.testing.assert_allclose(layer.moving_mean, whole.mean(axis=(0, 1, 2, 3)), atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, whole.var(axis=(0, 1, 2, 3)), rtol=1e-3)


def test_statistics_over_all_devices_are_asked_of_every_layer_that_is_trained(prepared):
    model, _ = prepared()
    first, second = batch_norm.layers_of(model)
    first.trainable = False
    batch_norm.synchronise(model)
    assert (first.synchronized, second.synchronized) == (False, True)


def test_a_trial_step_leaves_no_trace(prepared):
    model, trainer = prepared(optimizer="adam", dropout_rate=0.5, ema_momentum=0.9)
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    before = [variable.numpy() for variable in variables]
    checks.try_one_step(trainer, dataset(), dataset())
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)
    trainer.fit(dataset(), shuffle=False, verbose=0)
    assert any((v.numpy() != b).any() for v, b in zip(variables, before, strict=True))


def test_the_estimate_of_memory_follows_what_it_depends_on(prepared):
    model, _ = prepared(optimizer="adam")
    model.optimizer.build(model.trainable_variables)
    one, two = (checks.estimate_memory(model, clips) for clips in (1, 2))
    assert two.activations == 2 * one.activations and two.weights == one.weights
    parameters = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    statistics = model.count_params() - parameters
    # Weights, gradients, two moments; and the optimizer's counter and learning rate.
    assert one.weights == 4 * (4 * parameters + statistics + 2)
    line = checks.tell_memory(one, one.total - 1)
    assert "warning: that may be too little. Lower `batch_size`" in line
    assert "warning" not in checks.tell_memory(one, one.total)


@pytest.mark.parametrize(
    ("settings", "found", "message"),
    [
        (
            {"num_devices": 2},
            1,
            "`num_devices` must be the number of devices that TensorFlow finds, 1",
        ),
        (
            {"accumulate_steps": 3},
            2,
            "`accumulate_steps` must be at most the number of clips that a",
        ),
        (
            {"sync_batch_norm": True},
            2,
            "`batch_size` must be a multiple of the number of devices, 2",
        ),
        ({"jit_compile": True}, 2, "`jit_compile` must be False on several devices"),
    ],
)
def test_what_the_devices_cannot_do_is_refused(settings, found, message, tiny_run):
    config = TrainingConfig(**tiny_run | settings, data_dir="-", workdir="-")
    with pytest.raises(ValueError, match=message):
        checks.check_devices(config, found)
    possible = dataclasses.replace(
        config, num_devices=None, accumulate_steps=1, sync_batch_norm=False, jit_compile=False
    )
    checks.check_devices(possible, found)
