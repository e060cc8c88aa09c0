"""Networks that are none of the zoo's: inflated, saved in a file, built by a function."""

import keras
import numpy as np
import pytest

from video_zoo import known_names
from video_zoo.inflation_config import InflationConfig
from video_zoo.models import count_macs, elsewhere, replace_head
from video_zoo.models.convert_weights import convert_weights
from video_zoo.models.elsewhere import Wanted
from video_zoo.models.weights import saved

SHAPE = (4, 32, 32, 3)
MOBILE = "inflate:MobileNetV2"
MODULE = """
import keras


@keras.saving.register_keras_serializable("own")
class Halved(keras.layers.Layer):
    def call(self, x):
        return x / 2


class Subclassed(keras.Model):
    def __init__(self, num_classes):
        super().__init__()
        self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(num_classes)

    def call(self, x):
        return self.dense(self.flatten(x))


def lstm(num_classes, input_shape):
    inputs = keras.Input(input_shape)
    x = keras.layers.ConvLSTM2D(2, 3, name="lstm")(Halved()(inputs))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(num_classes, "softmax", name="out")(x))


def own_classes(input_shape=(2, 8, 8, 3)):
    return lstm(7, input_shape)


def subclassed(num_classes, input_shape):
    return Subclassed(num_classes)


def none(num_classes, input_shape):
    return 3


def named(num_classes, input_shape):
    inputs = keras.Input(input_shape)
    scores = keras.layers.Dense(num_classes)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, {"scores": scores})


def rectified(num_classes, input_shape):
    inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(num_classes, activation="relu")(x))


NUMBER = 5
"""


@pytest.fixture
def own_module(write_module):
    return write_module(MODULE)


def clip(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (1, *shape)).astype("float32")


def test_the_image_networks_are_those_of_keras():
    here = {name for name in dir(keras.applications) if name[0].isupper()}
    assert here <= set(known_names.IMAGE_NETWORKS)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("s3d_v1", "zoo"),
        (MOBILE, "inflated"),
        ("runs/best.keras", "saved"),
        ("my.networks:build", "function"),
    ],
)
def test_kinds(model, kind):
    assert known_names.kind_of(model) == kind
    known_names.check_any_network(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("s3d", "one of .*; inflate:NAME .*; a '.keras' file; or module:function.*Did you mean"),
        ("inflate:MobilNetV2", "inflate:NAME .*Did you mean 'MobileNetV2'"),
        ("inflate:", "inflate:NAME"),
        ("a b:c", "module:function"),
        ("module:", "module:function"),
    ],
)
def test_names_that_are_of_no_kind(model, message):
    with pytest.raises(ValueError, match=f"`model` must be {message}"):
        known_names.check_any_network(model)


def test_an_inflated_network_has_the_classes_clips_and_settings_asked_for():
    settings = InflationConfig(convolution="full", temporal_strides="Conv1=2")
    network, info = elsewhere.build(Wanted(MOBILE, 5, SHAPE, inflation=settings))
    assert (network.input_shape, network.output_shape) == ((None, *SHAPE), (None, 5))
    assert info is None
    assert network.get_layer("Conv1").strides == (2, 2, 2)
    assert network.get_layer("Conv1").kernel_size == (3, 3, 3)


def test_an_inflated_network_starts_from_a_file_of_its_image_network(tmp_path):
    image_model = keras.applications.MobileNetV2(input_shape=SHAPE[1:], weights=None, classes=3)
    image_model.save(tmp_path / "image.keras")
    image_model.save_weights(tmp_path / "image.weights.h5")
    still = np.repeat(clip()[:, :1], SHAPE[0], axis=1)
    expected = image_model(still[:, 0])
    for wanted in (
        Wanted(MOBILE, None, SHAPE, str(tmp_path / "image.keras")),
        Wanted(MOBILE, 5, SHAPE, str(tmp_path / "image.keras")),
    ):
        network, info = elsewhere.build(wanted)
        assert info.of_images
        if wanted.num_classes is None:
            logits = network(still)  # the classifier stays, without its softmax
            np.testing.assert_allclose(keras.ops.softmax(logits), expected, atol=1e-5)
        else:
            assert info.num_classes is None
            assert network.output_shape == (None, 5)
        kernel = image_model.get_layer("expanded_conv_project").kernel
        found = network.get_layer("expanded_conv_project").kernel
        np.testing.assert_array_equal(np.asarray(found)[0], kernel)
    with pytest.raises(ValueError, match="`weights` must be those of this network.*They lack"):
        elsewhere.build(Wanted("inflate:VGG16", 5, SHAPE, str(tmp_path / "image.keras")))


def test_an_inflated_network_starts_from_its_own_file(tmp_path):
    network, _ = elsewhere.build(Wanted(MOBILE, 5, SHAPE))
    network.save(tmp_path / "video.keras")
    again, info = elsewhere.build(Wanted(MOBILE, 7, SHAPE, str(tmp_path / "video.keras")))
    assert info.num_classes == 5
    np.testing.assert_allclose(again(clip()), network(clip()), atol=1e-6)


def test_a_function_of_the_users(own_module):
    network, info = elsewhere.build(Wanted(f"{own_module}:lstm", 5, SHAPE))
    assert (network.output_shape, info) == ((None, 5), None)
    logits = network(clip(seed=1))
    assert float(keras.ops.sum(logits)) != pytest.approx(1, abs=1e-3)  # no probabilities


def test_weights_of_a_function_of_the_users(own_module, tmp_path):
    trained, _ = elsewhere.build(Wanted(f"{own_module}:lstm", 5, SHAPE))
    trained.save(tmp_path / "own.keras")
    trained.save_weights(tmp_path / "own.weights.h5")
    for name in ("own.keras", "own.weights.h5"):
        network, info = elsewhere.build(
            Wanted(f"{own_module}:lstm", 5, SHAPE, str(tmp_path / name))
        )
        assert info.num_classes == 5
        np.testing.assert_allclose(network(clip()), trained(clip()), atol=1e-6)


def test_a_file_tells_a_function_what_it_needs(own_module, tmp_path):
    trained, _ = elsewhere.build(Wanted(f"{own_module}:lstm", 5, SHAPE))
    for name in ("own.keras", "own.weights.h5"):
        path = tmp_path / name
        (trained.save if name == "own.keras" else trained.save_weights)(path)
        network, _ = elsewhere.build(Wanted(f"{own_module}:lstm", weights=str(path)))
        assert network.output_shape == (None, 5)


def test_a_convolution_over_several_pixels_is_no_classifier():
    dense = {"layers/dense/vars/0": (4, 6), "layers/dense/vars/1": (6,)}
    first = {"layers/conv3d/vars/0": (3, 3, 3, 3, 4), "layers/conv3d/vars/1": (4,)}
    last = {"layers/conv3d_1/vars/0": (1, 1, 1, 4, 6), "layers/conv3d_1/vars/1": (6,)}
    assert saved.head_of(first | dense) == dense
    assert saved.head_of(first | last) == last


def test_weights_from_elsewhere_are_converted(own_module, tmp_path):
    trained, _ = elsewhere.build(Wanted(f"{own_module}:lstm", 5, SHAPE))
    trained.save(tmp_path / "own.keras")
    image_model = keras.applications.MobileNetV2(input_shape=SHAPE[1:], weights=None, classes=3)
    image_model.save(tmp_path / "image.keras")
    for model, weights, inflation in (
        (f"{own_module}:lstm", "own.keras", None),
        (MOBILE, "image.keras", InflationConfig(convolution="2d")),
    ):
        output = str(tmp_path / f"converted-{weights}")
        done = convert_weights(model, tmp_path / weights, output, inflation=inflation)
        wanted = Wanted(
            model, weights=str(tmp_path / weights), inflation=inflation or InflationConfig()
        )
        network, _ = elsewhere.build(wanted)
        again = keras.saving.load_model(output)
        assert [each.path for each in done.weights] == [each.path for each in network.weights]
        for found, expected in zip(again.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="`weights` must be None with a saved network"):
        convert_weights(output, output, tmp_path / "again.keras")


def test_a_subclassed_network_gets_a_graph_around_it(own_module):
    network, _ = elsewhere.build(Wanted(f"{own_module}:subclassed", 5, SHAPE))
    assert (network.input_shape, network.output_shape) == ((None, *SHAPE), (None, 5))
    assert count_macs(network) == 0  # what its layers are called with is not told


def test_a_network_may_name_its_output(own_module):
    network, _ = elsewhere.build(Wanted(f"{own_module}:named", 5, SHAPE))
    assert network(clip()).shape == (1, 5)


def test_a_function_may_have_classes_and_clips_of_its_own(own_module):
    network, _ = elsewhere.build(Wanted(f"{own_module}:own_classes"))
    assert (network.input_shape, network.output_shape) == ((None, 2, 8, 8, 3), (None, 7))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("gone", "`model` must be a function of the module"),
        ("NUMBER", "`model` must be a function of the module"),
        ("none", "`model` must be a function that gives a keras.Model"),
        ("rectified", "`model` must be a network that ends with logits, or with a softmax"),
        ("own_classes", "a function that takes `num_classes` and `input_shape`"),
    ],
)
def test_functions_that_are_none(own_module, function, message):
    with pytest.raises(ValueError, match=message):
        elsewhere.build(Wanted(f"{own_module}:{function}", 5, SHAPE))


def test_a_module_that_is_not_there():
    with pytest.raises(ImportError, match="`model` must name a module that can be imported"):
        elsewhere.build(Wanted("no_such_module_here:build", 5, SHAPE))


def test_a_saved_network_of_keras_alone(tmp_path):
    inputs = keras.Input((None, 16, 16, 3))
    x = keras.layers.ConvLSTM2D(2, 3)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    saved = keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))
    saved.save(tmp_path / "lstm.keras")
    path = str(tmp_path / "lstm.keras")
    shape = (4, 16, 16, 3)
    network, info = elsewhere.build(Wanted(path, 9, shape))
    assert info.num_classes == 4
    np.testing.assert_allclose(
        keras.ops.softmax(network(clip(shape))), saved(clip(shape)), atol=1e-6
    )
    assert replace_head(network, 9).output_shape == (None, 9)
    with pytest.raises(ValueError, match=r"must be those that the network takes: \(None, 16, 16"):
        elsewhere.build(Wanted(path, 9, SHAPE))
    with pytest.raises(ValueError, match="`weights` must be None with a saved network"):
        known_names.check_source(None, None, path, path)
    with pytest.raises(FileNotFoundError, match="`model` must be an existing file"):
        elsewhere.build(Wanted(str(tmp_path / "gone.keras"), 9, shape))


def test_a_layer_that_is_not_known_is_named(own_module, tmp_path):
    module = known_names.import_module(own_module, "imports")
    network = module.lstm(5, SHAPE)
    network.save(tmp_path / "own.keras")
    registered = keras.saving.get_custom_objects()
    kept = registered.pop("own>Halved")
    try:
        with pytest.raises(ValueError, match=r"a layer Halved that is not known.*`imports`"):
            elsewhere.build(Wanted(str(tmp_path / "own.keras"), 5, SHAPE))
    finally:
        registered["own>Halved"] = kept


@pytest.mark.parametrize("shape", [(32, 32, 3), (4, 32, 32, 3)])
def test_networks_that_are_no_classifiers_of_clips(tmp_path, shape):
    inputs = keras.Input(shape)
    keras.Model(inputs, keras.layers.Dense(3)(inputs)).save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="`model` must be a classifier from"):
        elsewhere.build(Wanted(str(tmp_path / "a.keras"), 5, SHAPE))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temporal_kernel": 4}, "`temporal_kernel` must be an odd integer"),
        ({"convolution": "3d"}, "`convolution` must be one of 'separable', 'full', '2d'"),
        ({"temporal_strides": "Conv1"}, "`temporal_strides` must be LAYER=STRIDE"),
        ({"temporal_strides": "Conv1=0"}, "`temporal_strides` must be LAYER=STRIDE"),
    ],
)
def test_settings_of_inflation_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        InflationConfig(**settings)


@pytest.mark.parametrize(("end", "several"), [("sigmoid", True), ("softmax", False), (None, False)])
def test_a_network_that_is_to_score_as_it_is_tells_by_its_end_what_it_scores(
    end, several, write_module, tmp_path
):
    name = write_module(
        "import keras\n"
        "def build(num_classes=3, input_shape=(4, 8, 8, 3)):\n"
        "    clips = keras.Input(input_shape)\n"
        "    hidden = keras.layers.GlobalAveragePooling3D()(clips)\n"
        f"    scores = keras.layers.Dense(num_classes, activation={end!r})(hidden)\n"
        "    return keras.Model(clips, scores)\n"
    )
    for model in (f"{name}:build", str(tmp_path / "own.keras")):
        network, info = elsewhere.ready(Wanted(model))
        assert info.multi_label is several
        assert network.layers[-1].activation is keras.activations.linear
        if model.endswith("build"):
            known_names.import_module(name, "model").build().save(tmp_path / "own.keras")
