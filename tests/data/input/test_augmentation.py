"""Boxes, strides, colours and mixtures of training clips."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from video_zoo.data.input import augmentation, transforms
from video_zoo.data.input.augmentation_config import AugmentationConfig

TIME, SIZE = 5, 32
SIZES = [(64, 64), (63, 101), (101, 63), (1, 1), (1, 97), (97, 2), (48, 200)]


def seed(number):
    return tf.constant([number, 7], tf.int64)


@pytest.fixture(scope="module")
def still():
    """A clip whose frames are all one picture, smooth and coloured."""
    coarse = np.random.default_rng(0).uniform(20, 235, (1, 6, 6, 3))
    picture = tf.image.resize(coarse, (SIZE, SIZE)).numpy().astype(np.float32)
    return np.repeat(picture, TIME, axis=0)


def boxes(config, height, width, count=200):
    draw = tf.function(lambda number: augmentation.crop_box(config, height, width, number))
    return np.array([draw(seed(number)).numpy() for number in range(count)])


@pytest.mark.parametrize(
    "config",
    [
        AugmentationConfig(color_jitter=0.4),
        AugmentationConfig(color_jitter=1.0),
        AugmentationConfig(rand_augment=1, rand_augment_magnitude=10),
        AugmentationConfig(rand_augment=3),
        AugmentationConfig(color_jitter=0.4, rand_augment=2),
    ],
    ids=str,
)
def test_one_transformation_for_all_frames_and_a_function_of_the_seed(config, still):
    def changed(count):
        pairs = tf.data.Dataset.range(count).map(lambda n: tf.stack([n, tf.constant(7, tf.int64)]))
        dataset = pairs.map(
            lambda drawn: augmentation.augment_clip(config, tf.constant(still), drawn),
            num_parallel_calls=2,
            deterministic=True,
        )
        assert dataset.element_spec == tf.TensorSpec([TIME, SIZE, SIZE, 3], tf.float32)
        return np.stack(list(dataset.as_numpy_iterator()))

    clips = changed(24)
    np.testing.assert_array_equal(clips, np.broadcast_to(clips[:, :1], clips.shape))
    assert clips.min() >= -1e-3 and clips.max() <= 255 + 1e-3
    assert np.isfinite(clips).all()
    different = np.abs(clips - still).max(axis=(1, 2, 3, 4))
    assert (different > 1).mean() > 0.8, different
    assert len({clip.tobytes() for clip in clips}) > 12
    np.testing.assert_array_equal(clips, changed(24))  # another graph, the same clips


def test_every_operation_of_rand_augment_changes_the_clip_within_its_range(still):
    for layer, tall in augmentation._rand_augment_layers(1.0):
        drawn = augmentation._Seeds(seed(3))
        clip = augmentation._transform(layer, tf.constant(still), drawn, as_one_picture=tall)
        clip = clip.numpy()
        assert np.abs(clip - still).max() > 1, layer
        assert np.abs(clip - clip[:1]).max() == 0, layer
        assert clip.min() >= -1e-3 and clip.max() <= 255 + 1e-3, layer


def test_rand_augment_of_magnitude_0_leaves_what_has_a_magnitude(still):
    unscaled = (keras.layers.AutoContrast, keras.layers.Equalization)
    for layer, tall in augmentation._rand_augment_layers(0.0):
        if isinstance(layer, unscaled):
            continue
        drawn = augmentation._Seeds(seed(3))
        clip = augmentation._transform(layer, tf.constant(still), drawn, as_one_picture=tall)
        # Posterization makes whole numbers of the pixels; sharpening at its neutral point is exact.
        assert np.abs(clip - still).max() < 1.001, layer


@pytest.mark.parametrize(("strength", "bits"), [(1.0, 4), (0.5, 6)])
def test_the_ranges_of_rand_augment_are_the_papers(strength, bits):
    expected = [
        ("x_factor", (-0.3, 0.3)),
        ("y_factor", (-0.3, 0.3)),
        ("width_factor", 0.45),
        ("height_factor", 0.45),
        ("factor", (-30 / 360, 30 / 360)),  # of a turn
        ("factor", (-0.45, 0.45)),  # brightness
        ("factor", (0.0, 0.9)),
        ("factor", (0.9, 0.9)),
    ]
    layers = [layer for layer, _ in augmentation._rand_augment_layers(strength)]
    for layer, (name, full) in zip(layers, expected, strict=False):
        np.testing.assert_allclose(getattr(layer, name), np.multiply(full, strength), err_msg=name)
    # Around a neutral 0.5; bits that are kept; shares of the range of values.
    sharpness, posterization, solarization = layers[8:11]
    np.testing.assert_allclose(sharpness.factor, 0.5 + np.array([-0.45, 0.45]) * strength)
    assert posterization.factor == (bits, bits)
    assert (solarization.threshold_factor, solarization.addition_factor) == ((0, 1), (0, 0))


def test_a_magnitude_of_5_is_half_the_strength(still):
    config = AugmentationConfig(rand_augment=1, rand_augment_magnitude=5)
    (own,) = tf.random.split(tf.random.split(seed(2), 2)[1], 1)
    expected = augmentation._rand_augment_operation(0.5)(tf.constant(still), own)
    np.testing.assert_array_equal(augmentation.augment_clip(config, still, seed(2)), expected)


def test_the_ranges_of_colour_jitter():
    brightness, contrast, saturation, hue = augmentation._color_layers(0.4)
    assert brightness.factor == (-0.2, 0.2)  # of the range of values
    assert contrast.factor == (0.4, 0.4)
    low, high = saturation.factor
    np.testing.assert_allclose((low / (1 - low), high / (1 - high)), (0.6, 1.4))
    assert hue.factor == (0.0, 0.2)  # Keras turns by half of it, either way


def test_no_variable_is_captured(still):
    """A tf.data service could not take it to its workers, nor could a run continue from it."""
    config = AugmentationConfig(color_jitter=0.4, rand_augment=2, mixup_alpha=0.8, cutmix_alpha=1.0)

    @tf.function(input_signature=[tf.TensorSpec([2], tf.int64)])
    def draw(drawn):
        clip = augmentation.augment_clip(config, tf.constant(still), drawn)
        return augmentation.mix_batch(config, clip[tf.newaxis], tf.eye(1), drawn)

    captured = draw.get_concrete_function().captured_inputs
    assert not [tensor for tensor in captured if tensor.dtype == tf.resource]


def test_colours_of_a_moving_clip_are_changed_by_one_function():
    """A pixel of the same colour comes out the same, whichever frame it is in."""
    rng = np.random.default_rng(1)
    palette = rng.uniform(0, 255, (20, 3)).astype(np.float32)
    chosen = rng.integers(0, 20, (TIME, SIZE, SIZE))
    chosen[0] %= 3  # a frame with statistics of its own
    config = AugmentationConfig(color_jitter=0.8)
    clip = augmentation.augment_clip(config, tf.constant(palette[chosen]), seed(0)).numpy()
    for colour in range(20):
        pixels = clip[chosen == colour]
        np.testing.assert_allclose(pixels, np.broadcast_to(pixels[0], pixels.shape), atol=1e-2)


def test_off_is_bit_identical(still):
    config = AugmentationConfig()
    assert not config.mixes
    np.testing.assert_array_equal(augmentation.augment_clip(config, still, seed(0)), still)
    clips, labels = tf.constant(still[None]), tf.one_hot([1], 3)
    mixed, shares = augmentation.mix_batch(config, clips, labels, seed(0))
    assert mixed is clips and shares is labels
    for number in range(5):
        expected = transforms.random_crop_box(48, 60, seed(number))
        box = augmentation.crop_box(config, 48, 60, seed(number))
        np.testing.assert_array_equal(box, expected)
    assert augmentation.frame_stride(config, 3, seed(0)).numpy() == 3


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "config",
    [
        AugmentationConfig(random_resized_crop=True),
        AugmentationConfig(random_resized_crop=True, min_area=0.9),
        AugmentationConfig(scale_jitter=1.25),
    ],
    ids=["resized", "large", "jittered"],
)
def test_boxes_lie_inside_the_picture(config, size):
    found = boxes(config, *size, count=60)
    assert found.dtype == np.int32
    assert (found[:, :2] >= 0).all() and (found[:, 2:] >= 1).all()
    assert (found[:, :2] + found[:, 2:] <= size).all()


def assert_independent(*draws):
    """Not correlated, at 300 draws and more by no more than chance makes likely."""
    assert np.abs(np.corrcoef(draws) - np.eye(len(draws))).max() < 0.2


def test_area_and_aspect_of_the_random_resized_crop_fill_their_ranges():
    config = AugmentationConfig(random_resized_crop=True, min_area=0.2, max_area=0.6)
    found = boxes(config, 1080, 1920, count=400)
    share = found[:, 2] * found[:, 3] / (1080 * 1920)
    aspect = found[:, 3] / found[:, 2]
    # A side is rounded to whole pixels.
    assert 0.199 < share.min() < 0.21 and 0.59 < share.max() < 0.601
    assert 0.749 < aspect.min() < 0.77 and 1.31 < aspect.max() < 1.335
    assert abs(np.log(aspect).mean()) < 0.03  # as often upright as lying
    left = found[:, 1] / (1920 - found[:, 3])
    assert_independent(share, np.log(aspect), left)
    assert left.min() < 0.05 and left.max() > 0.95 and abs(left.mean() - 0.5) < 0.05


def test_a_crop_that_cannot_fit_is_the_largest_of_its_aspect():
    config = AugmentationConfig(
        random_resized_crop=True, min_area=1.0, min_aspect=1.0, max_aspect=1.0
    )
    assert boxes(config, 50, 200, count=20)[:, 2:].tolist() == [[50, 50]] * 20


def test_scale_jitter_is_slowfasts_relative_to_the_stored_size():
    """A short side of 256 to 320 and a crop of 224: 224 to 179.2 pixels of a stored 256."""
    found = boxes(AugmentationConfig(scale_jitter=1.25), 256, 340, count=300)
    sides = found[:, 2:]
    assert (sides[:, 0] == sides[:, 1]).all()
    assert sides.min() in (179, 180) and sides.max() in (223, 224)
    assert abs(np.mean(224 / sides[:, 0]) - 1.125) < 0.01
    room = np.array([256, 340]) - sides
    assert_independent(sides[:, 0], *(found[:, :2] / room).T)


def test_frame_strides_are_drawn_evenly():
    config = AugmentationConfig(max_frame_stride=4)
    draw = tf.function(lambda drawn: augmentation.frame_stride(config, 2, drawn))
    strides = np.array([draw(seed(number)).numpy() for number in range(300)])
    assert strides.dtype == np.int32
    assert (np.bincount(strides)[2:] > 70).all() and strides.max() == 4


@pytest.fixture(scope="module")
def batch():
    """Clips of one value each, 0 to 3, labels of four classes; 256 pixels, so exact shares."""
    values = np.arange(4, dtype=np.float32)[:, None, None, None, None]
    return tf.constant(np.broadcast_to(values, (4, 3, 8, 32, 2))), tf.eye(4)


def mixtures(config, batch, count):
    dataset = tf.data.Dataset.range(count).map(
        lambda n: augmentation.mix_batch(config, *batch, tf.stack([n, n]))
    )
    assert dataset.element_spec == (
        tf.TensorSpec(batch[0].shape, tf.float32),
        tf.TensorSpec(batch[1].shape, tf.float32),
    )
    return list(dataset.as_numpy_iterator())


def test_mixup_blends_labels_as_it_blends_clips(batch):
    seen = []
    for clips, labels in mixtures(AugmentationConfig(mixup_alpha=0.8), batch, 10):
        # Clip k is k everywhere, so its mixture is the expected label, at each pixel.
        expected = labels @ np.arange(4, dtype=np.float32)
        np.testing.assert_allclose(
            clips, np.broadcast_to(expected[:, None, None, None, None], clips.shape), atol=1e-6
        )
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
        seen.append(labels)
    seen = np.stack(seen)
    assert ((seen > 0.01) & (seen < 0.99)).any(axis=2).mean() > 0.4
    assert (np.count_nonzero(seen, axis=2) <= 2).all()


def test_cutmix_labels_are_the_shares_of_the_pixels_exactly(batch):
    pasted = []
    for clips, labels in mixtures(AugmentationConfig(cutmix_alpha=1.0), batch, 10):
        assert (clips == clips[:, :1]).all() and (clips == clips[..., :1]).all()
        for number, (clip, label) in enumerate(zip(clips, labels, strict=True)):
            picture = clip[0, ..., 0]
            counts = np.array([(picture == value).sum() for value in range(4)])
            np.testing.assert_array_equal(label, counts / 256)
            rows, columns = np.nonzero(picture != number)
            pasted.append(len(rows) / picture.size)
            if len(rows):  # the pasted part is one whole box
                box = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                assert (box == box[0, 0]).all()
    assert min(pasted) < 0.1 and max(pasted) > 0.6


def test_of_mixup_and_cutmix_a_draw_decides_per_batch(batch):
    config = AugmentationConfig(mixup_alpha=0.8, cutmix_alpha=1.0)
    assert config.mixes
    first, again = mixtures(config, batch, 20), mixtures(config, batch, 20)
    pasted = 0
    for (clips, labels), (other_clips, other_labels) in zip(first, again, strict=True):
        np.testing.assert_array_equal(clips, other_clips)
        np.testing.assert_array_equal(labels, other_labels)
        pasted += bool((clips == np.round(clips)).all())
    assert 4 <= pasted <= 16


def test_clips_stay_float32_under_another_policy_and_data_format(still):
    policy, data_format = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_image_data_format("channels_first")
    try:
        config = AugmentationConfig(color_jitter=0.31, rand_augment=2, mixup_alpha=0.3)
        clip = augmentation.augment_clip(config, tf.constant(still), seed(1))
        clips, labels = augmentation.mix_batch(config, clip[None], tf.eye(1), seed(1))
    finally:
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(data_format)
    assert clip.dtype == clips.dtype == labels.dtype == tf.float32
    np.testing.assert_array_equal(
        clip, augmentation.augment_clip(config, tf.constant(still), seed(1))
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_area": 0.0}, "`min_area` must be above 0 and at most 1. Received: min_area=0.0"),
        ({"min_area": 0.5, "max_area": 0.4}, "`min_area` must be at most `max_area`, 0.4"),
        ({"max_area": 1.5}, "`max_area` must be above 0 and at most 1. Received: max_area=1.5"),
        ({"min_aspect": 2.0}, "`min_aspect` must be at most `max_aspect`"),
        ({"scale_jitter": 0.5}, "`scale_jitter` must be from 1 to 10. Received: scale_jitter=0.5"),
        ({"color_jitter": 1.5}, "`color_jitter` must be from 0 to 1"),
        ({"rand_augment": -1}, "`rand_augment` must be an integer from 0 to 20"),
        ({"rand_augment": 1.5}, "`rand_augment` must be an integer. Received"),
        ({"rand_augment_magnitude": 11.0}, "`rand_augment_magnitude` must be from 0 to 10"),
        ({"mixup_alpha": -0.1}, "`mixup_alpha` must be from 0 to 100. Received: mixup_alpha=-0.1"),
        ({"cutmix_alpha": 2.0}, "`cutmix_alpha` must be from 0 to 1"),
        (
            {"max_frame_stride": 0},
            "`max_frame_stride` must be an integer from 1 to",
        ),
        ({"random_resized_crop": True, "scale_jitter": 1.2}, "Choose one of the two"),
        ({"mixup_alpha": float("nan")}, "`mixup_alpha` must be from 0"),
    ],
)
def test_bad_options(arguments, message):
    with pytest.raises(ValueError, match=message):
        AugmentationConfig(**arguments)


def test_flow_has_no_colours():
    AugmentationConfig(random_resized_crop=True, mixup_alpha=0.2).check(channels=2)
    for arguments in ({"color_jitter": 0.4}, {"rand_augment": 2}):
        config = AugmentationConfig(**arguments)
        config.check(channels=3)
        with pytest.raises(ValueError, match="must be 0 for optical flow, which has no colours"):
            config.check(channels=2)


def test_a_stride_below_the_usual_one_is_refused():
    config = AugmentationConfig(max_frame_stride=2)
    config.check(channels=3, frame_stride=2)
    with pytest.raises(ValueError, match="`max_frame_stride` must be at least `frame_stride`, 3"):
        config.check(channels=3, frame_stride=3)


def test_a_keras_without_the_layers_is_named(monkeypatch):
    monkeypatch.delattr(keras.layers, "CutMix")
    AugmentationConfig(mixup_alpha=0.2).check(channels=3)
    with pytest.raises(ImportError, match="`cutmix_alpha` needs Keras 3.9 or later. Received: "):
        AugmentationConfig(cutmix_alpha=0.2).check(channels=3)
