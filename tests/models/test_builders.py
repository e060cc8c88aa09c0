"""What every network of the zoo promises, whichever it is."""

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo.models.registry import register

ANY_SIZE = (None, None, None, 3)
INCEPTION_V3 = ["s3d_v3", "s3d_v3_top_heavy"]
RESNETS = ["mc3_18", "r2plus1d_18", "r3d_18"]
every_network = pytest.mark.parametrize("name", video_zoo.list_models())


def dtype_of(tensor) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)


def test_the_zoo():
    assert video_zoo.list_models() == ["i3d", *RESNETS, "s3d_milnce", "s3d_v1", *INCEPTION_V3]


def test_an_unknown_name_lists_the_known_ones():
    expected = "`name` must be one of i3d, mc3_18, r2plus1d_18, r3d_18, s3d_milnce, s3d_v1, "
    expected += "s3d_v3, s3d_v3_top_heavy. Received: name='c3d'"
    expected += ". Did you mean 'i3d'?"
    with pytest.raises(ValueError) as error:
        video_zoo.get_model("c3d")
    assert str(error.value) == expected


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="already registered as 'i3d'"):
        register(video_zoo.i3d)


@every_network
def test_get_model_is_the_builder(name, small):
    model = small(name, 7, name="mine")
    assert (model.name, model.output_shape) == ("mine", (None, 7))


@every_network
def test_logits_are_finite_and_differ_between_clips(name, small, randomize, clips, sizes):
    model = randomize(small(name))
    assert model.name == name
    logits = np.asarray(model(clips(sizes[name])))
    assert logits.shape == (2, 5)
    assert np.isfinite(logits).all()
    assert np.ptp(logits, axis=0).max() > 0


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "bfloat16") for name in video_zoo.list_models()), ("s3d_v3", "float16")],
)
def test_outputs_are_float32_under_mixed_precision(name, dtype, small, clips, sizes, policy):
    policy(f"mixed_{dtype}")
    aux = {"aux_logits": True} if name in INCEPTION_V3 else {}
    model = small(name, classifier_activation="softmax", **aux)
    assert len(model.outputs) == (2 if aux else 1)
    assert {dtype_of(output) for output in model.outputs} == {"float32"}
    inside = "layer4_1" if name in RESNETS else "Mixed_5c"
    assert dtype_of(model.get_layer(inside).output) == dtype
    if dtype == "float16":
        return  # TensorFlow has no float16 pool in 3D for CPUs to run it.
    for output in keras.tree.flatten(model(clips(sizes[name]))):
        assert dtype_of(output) == "float32"
        np.testing.assert_allclose(np.asarray(output).sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["i3d", "s3d_v3"])
def test_softmax_is_that_of_the_logits(name, small, clips, sizes):
    logits, probabilities = small(name), small(name, classifier_activation="softmax")
    probabilities.set_weights(logits.get_weights())
    x = clips(sizes[name])
    expected = keras.ops.softmax(logits(x))
    np.testing.assert_allclose(np.asarray(probabilities(x)), np.asarray(expected), atol=1e-6)


@every_network
def test_without_the_classifier(name, small, clips, sizes):
    last = {"Mixed_7c": INCEPTION_V3, "layer4_1": RESNETS}
    last = next((end for end, names in last.items() if name in names), "Mixed_5c")
    x = clips(sizes[name])
    bare = small(name, include_top=False)
    features = np.asarray(bare(x))
    assert bare.layers[-1].name == last
    assert features.ndim == 5
    for pooling, reduce in (("avg", np.mean), ("max", np.max)):
        model = small(name, include_top=False, pooling=pooling)
        model.set_weights(bare.get_weights())
        expected = reduce(features, axis=(1, 2, 3))
        np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-4, atol=1e-6)


@every_network
def test_variable_sizes_give_the_same_outputs(name, small, randomize, clips, sizes):
    fixed, variable = randomize(small(name)), small(name, input_shape=ANY_SIZE)
    assert [w.path for w in fixed.weights] == [w.path for w in variable.weights]
    variable.set_weights(fixed.get_weights())
    x = clips(sizes[name])
    expected = np.asarray(fixed(x))
    np.testing.assert_allclose(
        np.asarray(variable(x)), expected, atol=1e-5 * np.abs(expected).max()
    )


def test_weights_are_the_same_at_every_size(small):
    """In number, name, shape and order, also where a map is smaller than a pool's window."""
    shapes = [(49, 49, 49, 3), (81, 49, 97, 3), (64, 224, 224, 3), ANY_SIZE]
    models = [small("s3d_v3", input_shape=shape, aux_logits=True) for shape in shapes]
    signatures = [[(w.path, tuple(w.shape)) for w in model.weights] for model in models]
    assert all(signature == signatures[0] for signature in signatures[1:])


@pytest.mark.parametrize(
    ("name", "gating"),
    [*((name, False) for name in video_zoo.list_models()), ("s3d_v1", True), ("s3d_v3", True)],
)
def test_every_trainable_weight_gets_a_gradient(name, gating, small, clips, sizes):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the gradients are taken with TensorFlow's tape")
    aux = {"aux_logits": True} if name in INCEPTION_V3 else {}
    model = small(name, gating=gating, dropout_rate=0.0, **aux)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        outputs = model(clips(sizes[name]), training=True)
        loss = sum(loss_of(np.array([0, 3]), logits) for logits in (outputs if aux else [outputs]))
    weights = model.trainable_weights
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    without = [w.path for w, gradient in zip(weights, gradients, strict=True) if gradient is None]
    assert not without
    for weight, gradient in zip(weights, gradients, strict=True):
        assert np.isfinite(gradient).all(), weight.path


@pytest.mark.parametrize("name", ["i3d", "s3d_v1"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 32, 48, 3), (8, 33, 31, 3), (19, 47, 65, 3)])
def test_inception_v1_takes_any_size(name, shape, small, clips):
    logits = np.asarray(small(name, input_shape=shape)(clips(shape)))
    assert logits.shape == (2, 5)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("shape", [(49, 49, 49, 3), (50, 81, 64, 3), (81, 67, 97, 3)])
def test_inception_v3_takes_49_and_more(shape, small, clips):
    logits = np.asarray(small("s3d_v3", input_shape=shape)(clips(shape, batch=1)))
    assert logits.shape == (1, 5)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", INCEPTION_V3)
@pytest.mark.parametrize("shape", [(48, 49, 49, 3), (49, 48, None, 3), (None, None, 48, 3)])
def test_inception_v3_refuses_less_than_49(name, shape):
    with pytest.raises(ValueError) as error:
        video_zoo.get_model(name, 5, input_shape=shape)
    message = str(error.value)
    assert "`input_shape` must have at least 49 frames" in message
    assert "height of at least 49 and a width of at least 49" in message
    assert f"Received: input_shape={shape}" in message


@pytest.mark.parametrize(
    "shape", [(64, 224, 224), (64, 224, 224, None), (64, 0, 224, 3), (8.0, 32, 32, 3), 64, "abcd"]
)
def test_a_malformed_shape_is_refused(shape):
    with pytest.raises(ValueError) as error:
        video_zoo.i3d(5, input_shape=shape)
    assert "`input_shape` must be (frames, height, width, channels)" in str(error.value)
    assert f"Received: input_shape={shape!r}" in str(error.value)


@every_network
@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("num_classes", 0, "an integer from 1 to 1,000,000"),
        ("num_classes", 2.0, "an integer"),
        ("num_classes", True, "an integer"),
        ("pooling", "sum", "None, 'avg' or 'max'"),
        ("pooling", "avg", "pass `include_top=False`"),
        ("dropout_rate", 1, "at least 0 and below 1"),
        ("dropout_rate", -0.1, "at least 0 and below 1"),
        ("width_multiplier", 0, "from 0.001 to 16"),
        ("temporal", "3d", "'full', 'separable', 'inflated_pair', '2d'"),
        ("gating", "all", "None, False or one of 'paper', 'released', 'blocks'"),
        ("gating", 1, "None, False or one of 'paper', 'released', 'blocks'"),
    ],
)
def test_a_bad_argument_is_named(name, argument, value, allowed):
    with pytest.raises(ValueError) as error:
        video_zoo.get_model(name, **{argument: value})
    message = str(error.value)
    assert message.startswith(f"`{argument}` must be")
    assert allowed in message
    assert f"Received: {argument}={value!r}" in message


def test_the_smallest_arguments_are_taken(small):
    model = small("i3d", 1, input_shape=(1, 1, 1, 1), dropout_rate=0, width_multiplier=0.001)
    assert model.output_shape == (None, 1)
    assert {weight.shape[-1] for weight in model.weights} <= {1, 2, 3, 4}  # as many as branches


@pytest.mark.parametrize("name", INCEPTION_V3)
def test_auxiliary_logits_come_second(name, small, clips, sizes):
    model = small(name, 7, aux_logits=True)
    assert [output.shape for output in model.outputs] == [(None, 7), (None, 7)]
    assert model.output_names == ["Logits", "AuxLogits"]
    assert all(np.isfinite(output).all() for output in model(clips(sizes[name])))
    # On the 3x13x13 map of Table 1 nothing is padded.
    default = small(name, input_shape=(64, 224, 224, 3), aux_logits=True)
    assert default.get_layer("AuxLogits_AvgPool").output.shape[1:4] == (1, 3, 3)
    assert default.get_layer("AuxLogits_Conv3d_2a_3x3").output.shape[1:4] == (1, 1, 1)


@pytest.mark.parametrize("name", INCEPTION_V3)
def test_auxiliary_logits_leave_the_network_as_it_is(name, small, randomize, clips, sizes):
    both = randomize(small(name, aux_logits=True))
    alone = small(name)
    values = {weight.path: weight for weight in both.weights}
    for weight in alone.weights:
        weight.assign(values[weight.path])
    x = clips(sizes[name])
    np.testing.assert_allclose(np.asarray(alone(x)), np.asarray(both(x)[0]), atol=1e-5)


def test_auxiliary_logits_are_a_classifier():
    with pytest.raises(ValueError, match="`aux_logits` must be False when `include_top=False`"):
        video_zoo.s3d_v3(include_top=False, aux_logits=True)


@pytest.mark.parametrize("name", ["s3d_v1", "s3d_v3"])
def test_the_width_multiplier_scales_every_layer(name, small):
    small_one, large_one = small(name, width_multiplier=0.125), small(name, width_multiplier=0.25)
    convolutions = [layer for layer in large_one.layers if isinstance(layer, keras.layers.Conv3D)]
    for layer in convolutions:
        if not layer.name.startswith("Logits"):
            assert small_one.get_layer(layer.name).filters == layer.filters // 2, layer.name
