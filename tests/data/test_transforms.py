"""Crops, decoding, flips and the value range, on pictures whose pixels tell their place."""

import numpy as np
import pytest
import tensorflow as tf

from video_zoo.data import transforms


@pytest.fixture
def ramp():
    """A 64x128 JPEG: red grows to the right, green grows downwards."""
    y, x = np.mgrid[:64, :128]
    picture = np.stack([x * 2, y * 4, np.zeros_like(x)], axis=-1).astype(np.uint8)
    return tf.io.encode_jpeg(picture, quality=100, chroma_downsampling=False)


def test_frame_size(ramp):
    assert [int(n) for n in transforms.frame_size(ramp)] == [64, 128]


def test_even_crops_lie_along_the_long_side():
    wide = transforms.even_crop_boxes(tf.constant(64), tf.constant(128), 3).numpy().tolist()
    assert wide == [[4, 0, 56, 56], [4, 36, 56, 56], [4, 72, 56, 56]]
    tall = transforms.even_crop_boxes(tf.constant(128), tf.constant(64), 3).numpy().tolist()
    assert tall == [[0, 4, 56, 56], [36, 4, 56, 56], [72, 4, 56, 56]]
    assert transforms.even_crop_boxes(tf.constant(64), tf.constant(128), 1).numpy().tolist() == [
        wide[1]
    ]


def test_stored_at_256_the_crop_is_224():
    box = transforms.even_crop_boxes(tf.constant(256), tf.constant(340), 1).numpy().tolist()
    assert box == [[16, 58, 224, 224]]


def test_random_crops_reach_every_border_and_stay_inside():
    boxes = np.array(
        [
            transforms.random_crop_box(tf.constant(16), tf.constant(20), tf.constant([3, n]))
            for n in range(300)
        ]
    )
    assert set(boxes[:, 0]) == set(range(16 - 14 + 1))
    assert set(boxes[:, 1]) == set(range(20 - 14 + 1))
    assert np.all(boxes[:, 2:] == 14)


def test_only_the_box_is_decoded(ramp):
    frames = tf.stack([ramp, ramp])
    clip = transforms.decode_clip(frames, tf.constant([4, 36, 56, 56]), 56).numpy()
    assert clip.shape == (2, 56, 56, 3)
    y, x = np.mgrid[4:60, 36:92]
    np.testing.assert_allclose(clip[0, ..., 0], x * 2, atol=6)
    np.testing.assert_allclose(clip[0, ..., 1], y * 4, atol=6)


def test_boxes_are_resized_to_the_wanted_size(ramp):
    clip = transforms.decode_clip(ramp[tf.newaxis], tf.constant([4, 36, 56, 56]), 28).numpy()
    assert clip.shape == (1, 28, 28, 3)
    centres = 36 + np.arange(28) * 2 + 0.5
    np.testing.assert_allclose(clip[0, 14, 1:-1, 0], centres[1:-1] * 2, atol=6)


def test_flip_mirrors_all_frames_or_none():
    clip = tf.random.stateless_uniform([3, 4, 5, 3], [0, 0])
    outcomes = {
        bool(np.array_equal(transforms.random_flip(clip, tf.constant([0, n])), clip[:, :, ::-1]))
        for n in range(20)
    }
    assert outcomes == {True, False}
    for number in range(20):
        flipped = transforms.random_flip(clip, tf.constant([0, number])).numpy()
        assert np.array_equal(flipped, clip) or np.array_equal(flipped, clip[:, :, ::-1])


def test_normalised_values_are_in_minus_one_to_one():
    values = transforms.normalise(tf.constant([0.0, 127.5, 255.0])).numpy().tolist()
    assert values == [-1.0, 0.0, 1.0]
