"""S3D-v3 from an InceptionV3: a still video is seen as an InceptionV3 sees the image."""

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo.benchmarks import inflation as benchmark

# Smallest clips, and a map of 6x6 at the end.
FRAMES, PIXELS = 49, 75
PLANS = {
    "2d": "2d",
    "separable": "separable",
    "full": "full",
    "inflated_pair": "inflated_pair",
    "top_heavy": video_zoo.top_heavy("Mixed_6b"),
}


def with_padded_stem(image_model: keras.Model) -> keras.Model:
    """The same network with the padding that Table 1 needs where Keras's InceptionV3 has none."""
    config = image_model.get_config()
    convolutions = [x for x in config["layers"] if x["class_name"] == "Conv2D"]
    pools = [x for x in config["layers"] if x["class_name"] == "MaxPooling2D"]
    for layer in convolutions[:5] + pools[:2]:
        layer["config"]["padding"] = "same"
    for layer in config["layers"]:
        layer.pop("build_config", None)
    twin = keras.Model.from_config(config)
    twin.set_weights(image_model.get_weights())
    return twin


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    """Files of an InceptionV3 with random weights; an image; its logits, with a padded stem."""
    folder = tmp_path_factory.mktemp("inception")
    keras.backend.clear_session()
    image_model = benchmark.random_image_network("InceptionV3", PIXELS)
    image_model.save(folder / "image.keras")
    image_model.save_weights(folder / "image.weights.h5")
    headless = keras.Model(image_model.input, image_model.get_layer("mixed10").output)
    headless.save_weights(folder / "notop.weights.h5")
    image = benchmark.random_images(1, (PIXELS, PIXELS, 3)) / 100
    logits = with_padded_stem(image_model).predict_on_batch(image)
    return folder, np.repeat(image[:, np.newaxis], FRAMES, axis=1), logits


def s3d_v3(weights, **kwargs):
    shape = (FRAMES, PIXELS, PIXELS, 3)
    return video_zoo.s3d_v3(**{"input_shape": shape, "weights": str(weights), **kwargs})


@pytest.mark.parametrize(
    "plan",
    [
        "top_heavy",
        *(pytest.param(name, marks=pytest.mark.slow) for name in PLANS if name != "top_heavy"),
    ],
)
def test_a_still_video_gives_the_logits_of_the_image(plan, inception):
    folder, clip, logits = inception
    ending = "weights.h5" if plan == "top_heavy" else "keras"
    model = s3d_v3(folder / f"image.{ending}", num_classes=1000, temporal=PLANS[plan])
    received = model.predict_on_batch(clip)
    assert logits.std() > 0.1 * np.abs(logits).max()
    np.testing.assert_allclose(received, logits, atol=1e-4 * np.abs(logits).max())


def test_another_classifier_is_random_and_the_rest_carried_over(inception):
    folder, _, _ = inception
    image_model = keras.saving.load_model(folder / "image.keras")
    shape = (FRAMES, PIXELS, PIXELS, 3)
    model = video_zoo.s3d_v3_top_heavy(
        5, input_shape=shape, weights=str(folder / "notop.weights.h5"), aux_logits=True
    )
    assert [tuple(output.shape) for output in model.outputs] == [(None, 5), (None, 5)]
    first = next(x for x in image_model.layers if isinstance(x, keras.layers.Conv2D))
    np.testing.assert_array_equal(
        model.get_layer("Conv3d_1a_3x3_conv").get_weights()[0][0], first.get_weights()[0]
    )
    centre = model.get_layer("Mixed_6b_Branch_1_Conv3d_0c_7x1_temporal_conv").get_weights()[0]
    np.testing.assert_array_equal(centre[3, 0, 0], np.eye(192))


def test_another_width_is_refused(inception):
    folder, _, _ = inception
    message = r"`weights` must be those of keras.applications.InceptionV3, for a network of three"
    with pytest.raises(ValueError, match=message):
        s3d_v3(folder / "image.keras", width_multiplier=0.5)


def test_another_image_network_is_refused(tmp_path):
    image_model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3))
    image_model.save(tmp_path / "image.keras")
    with pytest.raises(ValueError, match=r"`weights` must be those of keras.applications.Incept"):
        s3d_v3(tmp_path / "image.keras")
    image_model.save_weights(tmp_path / "image.weights.h5")
    with pytest.raises(ValueError, match=r"`weights` must be those of keras.applications.Incept"):
        s3d_v3(tmp_path / "image.weights.h5")


def test_networks_without_an_image_twin_refuse_imagenet():
    with pytest.raises(ValueError, match="`weights` must be"):
        video_zoo.i3d(weights="imagenet")
