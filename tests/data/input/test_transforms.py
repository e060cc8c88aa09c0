"""Crops, decoding, flips and the value range, on pictures whose pixels tell their place."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from video_zoo.data.input import transforms


@pytest.fixture
def ramp():
    """A 64x128 JPEG: red grows to the right, green grows downwards."""
    y, x = np.mgrid[:64, :128]
    picture = np.stack([x * 2, y * 4, np.zeros_like(x)], axis=-1).astype(np.uint8)
    return tf.io.encode_jpeg(picture, quality=100, chroma_downsampling=False)


def test_frame_size(ramp):
    assert [int(n) for n in transforms.frame_size(ramp)] == [64, 128]


def test_what_begins_and_ends_as_a_jpeg_looks_whole(ramp):
    content = ramp.numpy()
    for changed in (b"", b"\xd9", content[:-1], content[1:], b"\xff" + content, content + b"\0"):
        assert not transforms.looks_whole(tf.constant(changed)), changed[:3]
    assert transforms.looks_whole(ramp)


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


def test_a_crop_has_the_nearest_whole_number_of_pixels():
    box = transforms.even_crop_boxes(tf.constant(97), tf.constant(120), 1).numpy().tolist()
    assert box == [[6, 17, 85, 85]]  # 97 * 7/8 is 84.875


def test_the_crops_of_a_square_lie_along_its_width():
    boxes = transforms.even_crop_boxes(tf.constant(64), tf.constant(64), 3).numpy().tolist()
    assert boxes == [[4, 0, 56, 56], [4, 4, 56, 56], [4, 8, 56, 56]]


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
    frame = transforms.decode_frame(ramp, tf.constant([4, 36, 56, 56]), 56).numpy()
    assert frame.shape == (56, 56, 3)
    assert frame.dtype == np.uint8
    y, x = np.mgrid[4:60, 36:92]
    np.testing.assert_allclose(frame[..., 0], x * 2, atol=6)
    np.testing.assert_allclose(frame[..., 1], y * 4, atol=6)


@pytest.fixture
def textured():
    """A 96x128 JPEG of coarse and fine texture, with chroma of half the resolution (4:2:0)."""
    generator = np.random.default_rng(0)
    coarse = cv2.resize(generator.integers(0, 256, (12, 16, 3), np.uint8), (128, 96))
    fine = generator.normal(0, 12, coarse.shape)
    picture = np.clip(coarse + fine, 0, 255).astype(np.uint8)
    return tf.io.encode_jpeg(picture, quality=90, chroma_downsampling=True)


def test_frames_are_decoded_bit_for_bit_as_by_opencv(textured):
    pixels = transforms.decode_box(textured, tf.constant([0, 0, 96, 128])).numpy()
    encoded = np.frombuffer(textured.numpy(), np.uint8)
    expected = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("left", [32, 36, 37])
def test_a_box_has_the_pixels_of_the_whole_picture(textured, left):
    """But for the outermost pixels: the chroma of neighbours outside of the box is not decoded."""
    whole = transforms.decode_box(textured, tf.constant([0, 0, 96, 128])).numpy()
    box = transforms.decode_box(textured, tf.constant([5, left, 84, 84])).numpy()
    np.testing.assert_array_equal(box[1:-1, 1:-1], whole[6:88, left + 1 : left + 83])


def test_boxes_are_resized_to_the_wanted_size(ramp):
    frame = transforms.decode_frame(ramp, tf.constant([4, 36, 56, 56]), 28).numpy()
    assert frame.shape == (28, 28, 3)
    centres = 36 + np.arange(28) * 2 + 0.5
    np.testing.assert_allclose(frame[14, 1:-1, 0], centres[1:-1] * 2, atol=6)


def test_a_smaller_picture_has_the_weighted_means_of_all_pixels_rounded(textured):
    """No pixel is passed over, which would make fine texture flicker."""
    box = tf.constant([8, 4, 84, 84])
    pixels = transforms.decode_box(textured, box).numpy()
    near = np.array([0.125, 0.375, 0.625, 0.875])  # a triangle over eight pixels
    weights = np.concatenate([near, near[::-1]]) / 4
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (8, 8), axis=(0, 1))[2::4, 2::4]
    exact = np.einsum("yxcij,i,j->yxc", windows, weights, weights)
    found = transforms.decode_frame(textured, box, 21).numpy()[1:-1, 1:-1]
    assert np.abs(found - exact).max() < 0.501


@pytest.mark.parametrize("box", [[0, 0, 28, 56], [0, 0, 56, 28], [0, 0, 28, 28]])
def test_a_box_with_a_side_that_is_too_short_is_made_larger(ramp, box):
    frame = transforms.decode_frame(ramp, tf.constant(box), 56).numpy()
    assert frame.shape == (56, 56, 3)
    middle = frame[28, 28].astype(int)  # of the box, whatever its size
    np.testing.assert_allclose(middle, [box[3], box[2] * 2, 0], atol=6)


def test_the_mirror_of_a_picture():
    frame = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(transforms.mirror(tf.constant(frame)), frame[:, ::-1])


def test_the_mirror_of_flow_moves_the_other_way():
    frame = tf.constant(np.arange(4 * 5 * 2, dtype=np.uint8).reshape(4, 5, 2))
    straight = transforms.normalise(frame).numpy()
    mirrored = transforms.normalise(transforms.mirror(frame)).numpy()
    np.testing.assert_allclose(mirrored, straight[:, ::-1] * [-1, 1], atol=1e-6)


def test_normalised_values_are_in_minus_one_to_one():
    values = transforms.normalise(tf.constant([0, 51, 255], tf.uint8)).numpy().tolist()
    assert values == pytest.approx([-1.0, -0.6, 1.0], abs=1e-7)
