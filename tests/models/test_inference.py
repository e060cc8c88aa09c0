"""optimize_for_inference: the same outputs with fewer layers, on any functional model."""

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo import known_names
from video_zoo.benchmarks import inflation as benchmark

NORM = keras.layers.BatchNormalization
OPTIONS = {"s3d_v3": {"aux_logits": True}}
NETWORKS = [
    *((name, OPTIONS.get(name, {})) for name in known_names.NETWORKS),
    *(("s3d_v1", {"gating": gating}) for gating in ("paper", "released")),  # S3D-G
]


def kinds(model: keras.Model) -> set[type]:
    return {type(operation) for operation in model.operations}


def outputs_of(model: keras.Model, inputs) -> list[np.ndarray]:
    outputs = keras.tree.flatten(model.predict_on_batch(inputs))
    return [np.asarray(output, np.float32) for output in outputs]


def check_same(model: keras.Model, inputs, tolerance: float = 1e-4) -> keras.Model:
    """The network that is optimised, once its outputs are those of ``model``."""
    weights = [weight.copy() for weight in model.get_weights()]
    expected = outputs_of(model, inputs)
    fast = video_zoo.optimize_for_inference(model)
    found = outputs_of(fast, inputs)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert fast.name == model.name
    assert fast.output_names == model.output_names
    assert [x.name for x in fast.inputs] == [x.name for x in model.inputs]
    assert fast.input_shape == model.input_shape
    assert fast.output_shape == model.output_shape
    return fast


@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_networks_of_the_zoo_keep_their_outputs(name, options, small, randomize, clips, sizes):
    model = randomize(small(name, **options))
    fast = check_same(model, clips(sizes[name]))
    assert not kinds(fast) & {NORM, keras.layers.Dropout}
    convolutions = [each for each in model.layers if isinstance(each, keras.layers.Conv3D)]
    assert {each.name for each in convolutions} <= {each.name for each in fast.layers}


def test_the_auxiliary_classifier_is_left_out_where_the_network_has_none(
    small, randomize, clips, sizes
):
    fast = check_same(randomize(small("s3d_v3")), clips(sizes["s3d_v3"]))
    assert len(fast.outputs) == 1


@pytest.mark.parametrize("convolution", ["separable", "full", "2d"])
def test_an_inflated_mobilenet(convolution, randomize, clips, fresh_names):
    image_model = keras.applications.MobileNet(
        (32, 32, 3), alpha=0.25, weights=None, classes=5, classifier_activation=None
    )
    model = video_zoo.inflate(image_model, 4, convolution=convolution)
    fast = check_same(randomize(model), clips((4, 32, 32, 3)))
    assert not kinds(fast) & {NORM, keras.layers.Dropout}


def test_batch_normalisations_before_a_convolution_stay(randomize, clips, fresh_names):
    image_model = keras.applications.ResNet50V2(False, None, input_shape=(32, 32, 3))
    model = randomize(video_zoo.inflate(image_model, 2, num_classes=5, convolution="2d"))
    fast = check_same(model, clips((2, 32, 32, 3)))
    left = [layer.name for layer in fast.layers if isinstance(layer, NORM)]
    assert 0 < len(left) < sum(isinstance(layer, NORM) for layer in model.layers)
    assert "conv2_block1_preact_bn" in left


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("InceptionV3", "float32"),
        ("DenseNet121", "float32"),
        ("EfficientNetB0", "float64"),  # with random weights it turns rounding into other logits
        ("MobileNetV3Small", "float32"),
        ("ConvNeXtTiny", "float32"),
        ("VGG16", "float32"),
    ],
)
def test_every_family_of_image_networks(name, dtype, clips, policy, fresh_names):
    policy(dtype)
    size = benchmark.smallest_image(name)
    model = video_zoo.inflate(benchmark.random_image_network(name, size), 4)
    check_same(model, clips((4, size, size, 3)))


def test_mixed_precision_stays_that_of_each_layer(small, randomize, clips, policy, sizes, tmp_path):
    policy("mixed_bfloat16")
    randomize(small("r3d_18")).save(tmp_path / "a.keras")
    policy("float32")
    model = keras.saving.load_model(tmp_path / "a.keras")
    fast = check_same(model, clips(sizes["r3d_18"]), tolerance=0.05)
    assert fast.outputs[0].dtype == "float32"
    assert fast.get_layer("stem_conv").dtype_policy.name == "mixed_bfloat16"
    for layer in fast.layers:
        assert layer.dtype_policy.name == model.get_layer(layer.name).dtype_policy.name


def test_it_is_saved_and_loaded_as_any_network(small, randomize, clips, sizes, tmp_path):
    model = randomize(small("s3d_v1"))
    model.save(tmp_path / "a.keras")
    fast = check_same(keras.saving.load_model(tmp_path / "a.keras"), clips(sizes["s3d_v1"]))
    fast.save(tmp_path / "b.keras")
    again = keras.saving.load_model(tmp_path / "b.keras")
    x = clips(sizes["s3d_v1"])
    np.testing.assert_array_equal(outputs_of(again, x), outputs_of(fast, x))


def test_two_networks_side_by_side(small, randomize, clips):
    shapes = {"rgb": (4, 32, 32, 3), "flow": (4, 32, 32, 2)}
    nets = [randomize(small("r3d_18", 3, input_shape=shape)) for shape in shapes.values()]
    joint = video_zoo.two_stream(*nets)
    fast = check_same(joint, {name: clips(shape) for name, shape in shapes.items()})
    assert NORM not in kinds(fast)


def test_features_keep_their_names(small, randomize, clips, sizes):
    model = randomize(small("s3d_v1"))
    endpoints = ["Conv3d_2c_3x3", "Mixed_4b"]
    features = video_zoo.feature_extractor(model, endpoints)
    fast = check_same(features, clips(sizes["s3d_v1"]))
    assert list(fast.output) == endpoints


def test_a_nested_network_called_twice(randomize, clips):
    inner = chain(keras.layers.Conv2D(3, 3, padding="same"), NORM(), flat=False)
    inputs = keras.Input((6, 6, 3))
    once = inner(inputs)
    twice = keras.layers.Flatten()(inner(once))
    model = keras.Model(inputs, [twice, keras.layers.GlobalAveragePooling2D()(once)])
    check_same(randomize(model), clips((6, 6, 3)))


def test_a_sequential_network(randomize, clips):
    layers = [keras.layers.Conv2D(3, 3), NORM(), keras.layers.ReLU(), keras.layers.Dropout(0.5)]
    model = randomize(keras.Sequential([keras.Input((6, 6, 3)), *layers, keras.layers.Flatten()]))
    fast = video_zoo.optimize_for_inference(model)
    assert len(fast.layers) == 3
    (found,), (expected,) = outputs_of(fast, clips((6, 6, 3))), outputs_of(model, clips((6, 6, 3)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def chain(*layers: keras.layers.Layer, flat: bool = True) -> keras.Model:
    end = [keras.layers.Flatten()] if flat else []
    model = keras.Sequential([keras.Input((6, 6, 3)), *layers, *end])
    return keras.Model(model.inputs, model.outputs[0], name="chain")


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(4, 3),
        keras.layers.Conv2D(6, 3, groups=3, use_bias=False, strides=2, padding="same"),
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
        keras.layers.Dense(4),
    ],
    ids=["with a bias", "grouped", "depthwise", "dense"],
)
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "epsilon": 0.1}])
def test_every_kind_of_layer_folds(layer, options, randomize, clips):
    layer = type(layer).from_config(layer.get_config())
    model = randomize(chain(layer, NORM(**options), keras.layers.ReLU()))
    fast = check_same(model, clips((6, 6, 3)))
    assert kinds(fast) == {keras.layers.InputLayer, type(layer), keras.layers.Flatten}
    assert fast.get_layer(layer.name).activation is keras.activations.relu


def test_what_may_not_be_folded_stays(randomize, clips):
    model = chain(
        keras.layers.Conv2D(3, 3, activation="relu"),
        NORM(),
        keras.layers.Conv2D(4, 1),
        NORM(axis=1),  # over rows, not over the outputs of the convolution
        keras.layers.Conv2D(4, 1),
        keras.layers.ReLU(6.0),
    )
    fast = check_same(randomize(model), clips((6, 6, 3)))
    assert sum(isinstance(layer, NORM) for layer in fast.layers) == 2
    assert keras.layers.ReLU in kinds(fast)


def test_a_convolution_that_others_see_too_stays(randomize, clips):
    inputs = keras.Input((6, 6, 3))
    seen = keras.layers.Conv2D(4, 3, name="seen")(inputs)
    shared, norm = keras.layers.Conv2D(4, 1, name="shared"), NORM(name="norm")
    x = keras.layers.Add()([seen, norm(seen), norm(shared(seen))])
    output = keras.layers.GlobalAveragePooling2D()(keras.layers.Concatenate()([x, shared(x)]))
    fast = check_same(randomize(keras.Model(inputs, [output, seen])), clips((6, 6, 3)))
    assert NORM in kinds(fast)


def test_a_dropout_for_good_stays(clips):
    inputs = keras.Input((8,))
    x = keras.layers.Dropout(0.5, name="always")(inputs, training=True)
    x = keras.layers.Dropout(0.5, name="training")(x)
    fast = video_zoo.optimize_for_inference(keras.Model(inputs, keras.layers.Dense(2)(x)))
    names = [layer.name for layer in fast.layers]
    assert "always" in names
    assert "training" not in names


def test_layers_of_a_nested_network_get_names_that_are_free(randomize, clips):
    image = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(3, 1, name="clips")(image)
    inner = keras.Model(image, keras.layers.Conv2D(3, 1, name="b")(x), name="a")
    inputs = keras.Input((6, 6, 3), name="clips")
    x = keras.layers.Conv2D(3, 1, name="b")(inner(inputs))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1, name="a_b")(x))
    fast = check_same(randomize(model), clips((6, 6, 3)))
    assert len({layer.name for layer in fast.layers}) == 5


def test_slices_and_tuples_of_tensors_are_followed(randomize, clips):
    inputs = keras.Input((6, 6, 3))
    x = NORM()(keras.layers.Conv2D(4, 1)(inputs))
    x = keras.layers.Concatenate()((x[:, 0, ..., 1:], x[:, -1, ..., :2]))
    check_same(randomize(keras.Model(inputs, keras.layers.Dense(2)(x))), clips((6, 6, 3)))


class Tripled(keras.Model):
    def call(self, inputs, training=None):
        return 3 * super().call(inputs, training=training)


def test_a_network_with_a_call_of_its_own_is_refused_and_is_a_layer_where_it_is_nested(
    randomize, clips
):
    image = keras.Input((6, 6, 3))
    inner = Tripled(image, NORM()(keras.layers.Conv2D(3, 1)(image)))
    with pytest.raises(video_zoo.UncopyableNetworkError, match="without a `call` of its own"):
        video_zoo.optimize_for_inference(inner)
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(inner(inputs)))
    fast = check_same(randomize(model), clips((6, 6, 3)))
    assert Tripled in kinds(fast)


def test_a_network_without_a_graph_is_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(video_zoo.UncopyableNetworkError, match="`model` must be a func.*Build it"):
        video_zoo.optimize_for_inference(Own())


class Mute(keras.layers.Layer):
    """Tells nothing of its argument."""

    def __init__(self, factor):
        super().__init__(name="mute")
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {"name": self.name}


class Silent(Mute):
    def get_config(self):
        raise NotImplementedError("it has no config")


class Forgetful(keras.layers.Layer):
    """Has as many weights as it was told to after it was made."""

    count = 1

    def build(self, shape):
        for _ in range(self.count):
            self.add_weight(shape=(1,))

    def call(self, x):
        return x * self.weights[0]


def several_weights() -> keras.layers.Layer:
    layer = Forgetful()
    layer.count = 2
    return layer


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Silent(2.0), "of which a layer cannot.*it has no config"),
        (lambda: Mute(2.0), "the layer 'mute' of the class Mute cannot.*argument"),
        (lambda: keras.layers.Lambda(lambda x: 2 * x), "of the class Lambda cannot.*Lambda"),
        (several_weights, "of the class Forgetful cannot.*set_weights"),
    ],
    ids=["no config", "config that does not suffice", "lambda", "other weights"],
)
def test_a_layer_that_cannot_be_made_again_is_told_by_its_name(make, match):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, make()(inputs))
    with pytest.raises(video_zoo.UncopyableNetworkError, match=match):
        video_zoo.optimize_for_inference(model)
