"""The Fréchet video distance against closed forms."""

import numpy as np
import pytest

import video_zoo


def sample(mean, deviation, seed=0, videos=4000):
    """Features of exactly this mean and these deviations, without correlation."""
    values = np.random.default_rng(seed).normal(size=(videos, len(deviation)))
    values -= values.mean(axis=0)
    values = values @ np.linalg.inv(np.linalg.cholesky(np.cov(values, rowvar=False))).T
    return values * deviation + mean


def test_equal_sets_have_no_distance():
    features = sample(0, [1, 2, 3])
    assert video_zoo.frechet_video_distance(features, features[::-1]) == pytest.approx(0, abs=1e-9)


def test_the_distance_of_normal_distributions_in_closed_form():
    one, other = sample([1, 2, 3], [1, 2, 0.5]), sample([0, 2, 5], [2, 2, 1.5], seed=1)
    expected = (1 + 0 + 4) + (1 + 0 + 1)  # of the means, and of the deviations, squared
    assert video_zoo.frechet_video_distance(one, other) == pytest.approx(expected, rel=1e-9)
    assert video_zoo.frechet_video_distance(other, one) == pytest.approx(expected, rel=1e-9)


def test_a_rotation_of_both_changes_nothing():
    one, other = sample(0, [1, 2, 3]), sample(1, [3, 1, 2], seed=1)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    distance = video_zoo.frechet_video_distance(one, other)
    assert video_zoo.frechet_video_distance(one @ turn, other @ turn) == pytest.approx(distance)


def test_fewer_videos_than_features():
    one, other = np.random.default_rng(0).normal(size=(2, 10, 400))
    assert np.isfinite(video_zoo.frechet_video_distance(one, other))


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (np.zeros(4), r"`others` must be \[videos, features\]"),
        (np.zeros((1, 4)), "of at least two videos"),
        (np.zeros((3, 5)), "of 4 features a video"),
        (np.full((3, 4), np.nan), "must be finite"),
    ],
)
def test_features_that_are_none(others, message):
    with pytest.raises(ValueError, match=message):
        video_zoo.frechet_video_distance(np.ones((3, 4)), others)
