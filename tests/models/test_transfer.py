"""New classifiers, features and frozen layers: of the zoo's networks, and of ones with nesting."""

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo.models import transfer

HEADS = {"i3d": "Logits_Conv3d_0c_1x1", "s3d_v1": "Logits_Conv3d_0c_1x1", "s3d_v3": "Logits"}

RESNET_ENDPOINTS = [f"layer{number}_{block}" for number in range(1, 5) for block in (0, 1)]


def nested_model() -> keras.Model:
    """A dense network in a sequential one, with a fused activation, between operations."""
    inner = keras.Sequential(
        [
            keras.layers.Input((8,)),
            keras.layers.Dense(6, name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(6, name="second"),
        ],
        name="inner",
    )
    inputs = keras.Input((8,), name="clip")
    x = inner(inputs * 2.0)
    outputs = keras.layers.Dense(4, activation="softmax", name="classes")(x)
    return keras.Model(inputs, outputs, name="outer")


CLIP = np.random.default_rng(0).normal(0, 20, (1, 4, 6, 6, 3)).astype("float32")


def head_model(dense: bool, activation: str | None) -> keras.Model:
    """A convolution and one of the zoo's two kinds of head: dense, or averaged after its end."""
    inputs = keras.Input((4, 6, 6, 3))
    x = keras.layers.Conv3D(8, 3, name="conv")(inputs)
    if dense:
        x = keras.layers.Dense(5, name="Logits")(keras.layers.GlobalAveragePooling3D()(x))
    else:
        x = keras.layers.Conv3D(5, 1, name="Logits_Conv3d_0c_1x1")(x)
        x = keras.layers.GlobalAveragePooling3D(name="Logits")(x)
    if activation is not None:
        x = keras.layers.Activation(activation, name="Predictions")(x)
    return keras.Model(inputs, x)


def values(weights):
    return {weight.path: weight.numpy() for weight in weights}


def trainable(model):
    return {weight.path for weight in model.trainable_weights}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for path, value in one.items():
        np.testing.assert_array_equal(value, other[path], err_msg=path)


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("i3d", {"classifier_activation": "softmax"}),
        ("s3d_v1", {"gating": True}),
        ("s3d_v3", {"aux_logits": True}),
    ],
)
def test_weights_of_a_new_head_load_into_the_builder(network, options, small, clips, tmp_path):
    model = small(network, 5, **options)
    before = values(model.weights)
    result = video_zoo.replace_head(model, 3)
    assert_same(values(model.weights), before)
    assert not result.compiled and result.name == model.name
    result.save(tmp_path / "a.keras")
    result.save_weights(tmp_path / "a.weights.h5")
    for file in ("a.keras", "a.weights.h5"):
        built = small(network, 3, weights=str(tmp_path / file), **options)
        assert_same(values(built.weights), values(result.weights))
    batch = clips(model.input_shape[1:], batch=1)
    found, wanted = (keras.tree.flatten(each(batch)) for each in (built, result))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    assert loaded.output_shape == result.output_shape


@pytest.fixture(scope="module")
def s3d(small):
    """A network that no test changes."""
    return small("s3d_v1")


def test_the_backbone_is_shared_and_the_classifier_is_not(s3d):
    model = s3d
    result = video_zoo.replace_head(model, 5, seed=1)
    shared = model.get_layer("Mixed_5c_Branch_0_Conv3d_0a_1x1_conv")
    assert result.get_layer(shared.name) is shared
    old, new = (m.get_layer(HEADS["s3d_v1"]).kernel.numpy() for m in (model, result))
    assert old.shape == new.shape and not np.allclose(old, new)
    again = video_zoo.replace_head(model, 5, seed=1)
    np.testing.assert_array_equal(again.get_layer(HEADS["s3d_v1"]).kernel, new)
    # Both networks are whole: outputs of layers are not those of another graph.
    for each in (model, result):
        keras.Model(each.input, each.get_layer("Logits").output)


def test_a_head_can_be_replaced_twice(s3d):
    result = video_zoo.replace_head(video_zoo.replace_head(s3d, 3), 7)
    assert result.output_shape == (None, 7)


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize(
    ("activation", "wanted", "last"),
    [
        ("unchanged", "softmax", "softmax"),
        (None, "softmax", "linear"),
        (None, None, "linear"),
        ("softmax", None, "softmax"),
        ("sigmoid", "softmax", "sigmoid"),
    ],
)
def test_activation_of_the_new_classifier(activation, wanted, last, dense):
    model = head_model(dense, wanted)
    outputs = video_zoo.replace_head(model, 3, classifier_activation=activation)(CLIP).numpy()
    inside = bool(np.all((outputs > 0) & (outputs < 1)))
    sums = np.allclose(outputs.sum(axis=-1), 1, atol=1e-5)
    assert (inside, sums) == {
        "softmax": (True, True),
        "sigmoid": (True, False),
        "linear": (False, False),
    }[last]


def test_fused_activations_and_nested_models():
    model = nested_model()
    assert video_zoo.replace_head(model, 3)(np.ones((1, 8))).numpy().sum() == pytest.approx(1)
    logits = video_zoo.replace_head(model, 3, classifier_activation=None)
    assert logits.get_layer("classes").activation is keras.activations.linear
    whole = keras.Sequential([keras.Input((8,)), model, keras.layers.Activation("linear")])
    result = video_zoo.replace_head(whole, 9)
    assert result.output_shape == (None, 9)
    assert whole.output_shape == (None, 4)
    assert model.get_layer("inner") is result.get_layer("outer").get_layer("inner")


def test_dropout_before_the_new_classifier(s3d):
    result = video_zoo.replace_head(s3d, 3, dropout_rate=0.7)
    rates = [m.get_layer("Logits_Dropout").rate for m in (s3d, result)]
    assert rates == [0.5, 0.7]
    added = video_zoo.replace_head(nested_model(), 3, dropout_rate=0.4)
    assert added.get_layer("classes_Dropout").rate == 0.4


def test_mixed_precision_keeps_logits_in_float32(small, policy, clips):
    policy("mixed_bfloat16")
    model = small("s3d_v1")
    policy("float32")
    result = video_zoo.replace_head(model, 3)
    assert result.get_layer("Mixed_5c").compute_dtype == "bfloat16"
    assert result(clips(model.input_shape[1:])).dtype == "float32"


@pytest.mark.parametrize("pooling", [None, "avg"])
def test_a_network_without_classifier_has_none_to_replace(pooling, small):
    model = small("s3d_v1", include_top=False, pooling=pooling)
    with pytest.raises(ValueError, match="`model` must have a classifier.*model='s3d_v1'"):
        video_zoo.replace_head(model, 3)


def test_wrong_arguments_are_named(s3d):
    class Subclassed(keras.Model):
        pass

    model = s3d
    with pytest.raises(ValueError, match="`model` must be a functional keras.Model"):
        video_zoo.replace_head(Subclassed(), 3)
    with pytest.raises(ValueError, match="`num_classes` must be a positive integer.*=0"):
        video_zoo.replace_head(model, 0)
    with pytest.raises(ValueError, match="`dropout_rate` must be None, or .*=1"):
        video_zoo.replace_head(model, 3, dropout_rate=1)
    with pytest.raises(ValueError, match="`pooling` must be None, 'avg' or 'max'"):
        video_zoo.feature_extractor(model, "Mixed_5c", pooling="mean")
    with pytest.raises(ValueError, match="`endpoints` must be one name or more"):
        video_zoo.feature_extractor(model, [])


def test_features_are_those_of_the_layers(s3d, clips):
    model = s3d
    batch = clips(model.input_shape[1:])
    maps = video_zoo.feature_extractor(model, ["Mixed_4f", "Mixed_5c"])(batch)
    assert list(maps) == ["Mixed_4f", "Mixed_5c"]
    wanted = keras.Model(model.input, model.get_layer("Mixed_4f").output)(batch)
    np.testing.assert_allclose(maps["Mixed_4f"], wanted, atol=1e-6)
    one = video_zoo.feature_extractor(model, "Mixed_4f", pooling="max")(batch)
    np.testing.assert_allclose(one, wanted.numpy().max(axis=(1, 2, 3)), atol=1e-6)
    mean = video_zoo.feature_extractor(model, ["Mixed_4f"], pooling="avg")(batch)
    np.testing.assert_allclose(mean["Mixed_4f"], wanted.numpy().mean(axis=(1, 2, 3)), atol=1e-5)


def test_features_of_a_nested_model():
    model = nested_model()
    found = video_zoo.feature_extractor(model, "inner")(np.ones((1, 8)))
    wanted = model.get_layer("inner")(np.full((1, 8), 2.0))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    with pytest.raises(ValueError, match="'second' lies in a nested model"):
        video_zoo.feature_extractor(model, "second")


def test_unknown_endpoints_are_answered_with_the_known_ones(s3d):
    match = "`endpoints` must be an endpoint of 's3d_v1': Conv3d_1a_7x7, .*Mixed_5c; .*='Mixed_9z'"
    with pytest.raises(ValueError, match=match):
        video_zoo.feature_extractor(s3d, ["Mixed_5c", "Mixed_9z"])
    match = "`until` must be the name of a layer of 'outer', such as 'second'.*until='secnd'"
    with pytest.raises(ValueError, match=match):
        video_zoo.freeze(nested_model(), "secnd")


def test_endpoints_of_the_zoo_are_listed_in_order(s3d):
    names = transfer.list_endpoints(s3d)
    assert names[:2] == ["Conv3d_1a_7x7", "MaxPool3d_2a_3x3"] and names[-1] == "Mixed_5c"
    assert transfer.list_endpoints(nested_model()) == []
    resnet = video_zoo.mc3_18(2, input_shape=(2, 16, 16, 3), width_multiplier=0.0625)
    assert transfer.list_endpoints(resnet) == ["stem", *RESNET_ENDPOINTS]


def test_frozen_weights_stay_bit_equal_and_the_others_move(small, randomize, clips, tmp_path):
    model = randomize(small("r3d_18"))
    video_zoo.freeze(model, "layer2_1")
    network = _round_trip(model, tmp_path / "frozen.keras")
    assert trainable(network) == trainable(model)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    before = values(network.weights)
    network.fit(clips(model.input_shape[1:], batch=4), np.eye(5)[:4], epochs=2, verbose=0)
    after = values(network.weights)
    for path, value in before.items():
        frozen = path.startswith(("stem", "layer1", "layer2"))
        assert np.array_equal(value, after[path]) == frozen, path
    assert any("layer2_1" in path and "moving_mean" in path for path in before)
    assert any("layer3_0" in path and "moving_mean" in path for path in before)


def test_an_auxiliary_classifier_stays_trainable(small, tmp_path):
    model = small("s3d_v3", aux_logits=True)
    everything = trainable(model)
    video_zoo.freeze(model)
    assert {path.split("_")[0].split("/")[0] for path in trainable(model)} == {
        "AuxLogits",
        "Logits",
    }
    video_zoo.unfreeze(model)
    assert trainable(model) == everything
    video_zoo.freeze(model, "Mixed_6e")
    expected = {path for path in trainable(model) if path.startswith(("Aux", "Log", "Mixed_7"))}
    assert trainable(model) == expected
    assert any(path.startswith("AuxLogits_Conv3d") for path in expected)
    model.save(tmp_path / "frozen.keras")
    assert trainable(keras.saving.load_model(tmp_path / "frozen.keras")) == expected


def test_a_backbone_without_classifier_is_frozen_whole(small):
    model = small("i3d", include_top=False)
    video_zoo.freeze(model)
    assert not trainable(model)


def test_layers_of_nested_models_are_frozen_up_to_the_endpoint(tmp_path):
    model = nested_model()
    video_zoo.freeze(model, "norm")
    expected = {"second/kernel", "second/bias", "classes/kernel", "classes/bias"}
    for each in (model, _round_trip(model, tmp_path / "a.keras")):
        assert {"/".join(path.split("/")[-2:]) for path in trainable(each)} == expected
    video_zoo.unfreeze(model)
    video_zoo.freeze(model)
    assert trainable(model) == {"classes/kernel", "classes/bias"}


def _round_trip(model, path):
    model.save(path)
    return keras.saving.load_model(path)
