"""Exact frame indices."""

import numpy as np
import pytest
import tensorflow as tf

from video_zoo.data.input import sampling


def even(length, num_frames, stride, num_clips):
    return sampling.even_clips(tf.constant(length), num_frames, stride, num_clips).numpy().tolist()


def test_one_clip_sits_in_the_middle():
    assert even(10, 4, 1, 1) == [[3, 4, 5, 6]]
    assert even(10, 3, 2, 1) == [[3, 5, 7]]


def test_several_clips_reach_from_start_to_end():
    assert even(10, 4, 1, 3) == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert even(9, 2, 1, 2) == [[0, 1], [7, 8]]


def test_exact_fit_has_one_start():
    assert even(4, 4, 1, 2) == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize("num_clips", [1, 3])
def test_short_videos_are_looped(num_clips):
    assert even(3, 7, 1, num_clips) == [[0, 1, 2, 0, 1, 2, 0]] * num_clips
    assert even(3, 4, 2, num_clips) == [[0, 2, 1, 0]] * num_clips
    assert even(1, 3, 1, num_clips) == [[0, 0, 0]] * num_clips


def test_random_starts_cover_all_places_and_no_more():
    starts = set()
    for number in range(200):
        indices = sampling.random_clip(tf.constant(10), 3, 2, tf.constant([0, number])).numpy()
        assert np.array_equal(np.diff(indices), [2, 2])
        starts.add(int(indices[0]))
    assert starts == set(range(6))  # the last of 5 frames in span must be frame 9


def test_random_clip_is_a_function_of_its_seed():
    first, again, other = (
        sampling.random_clip(tf.constant(1000), 4, 1, tf.constant([7, n])).numpy().tolist()
        for n in (1, 1, 2)
    )
    assert first == again != other


def test_shuffled_frames_are_the_same_frames():
    indices = tf.range(20) + 5
    shuffled = sampling.order_frames(indices, "shuffled", tf.constant([0, 1])).numpy()
    assert sorted(shuffled) == list(range(5, 25))
    assert shuffled.tolist() != list(range(5, 25))
    kept = sampling.order_frames(indices, "sequential", tf.constant([0, 1])).numpy()
    assert kept.tolist() == list(range(5, 25))
