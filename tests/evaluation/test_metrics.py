"""Metrics of hand-made scores."""

import numpy as np
import pytest

from video_zoo.evaluation.metrics import confusion_matrix, video_metrics


def test_metrics_of_known_scores():
    scores = np.array(
        [
            [0.9, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0],  # right
            [0.1, 0.2, 0.3, 0.4, 0.0, 0.0, 0.0],  # third best is right
            [0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0],  # right only at the last place
        ]
    )
    labels = np.array([0, 1, 6])
    numbers = video_metrics(scores, labels)
    assert numbers["top1"] == pytest.approx(1 / 3)
    assert numbers["top5"] == pytest.approx(2 / 3)
    assert numbers["per_class"] == [1.0, 0.0, None, None, None, None, 0.0]
    matrix = confusion_matrix(scores, labels)
    assert matrix.sum() == 3
    assert matrix[0, 0] == matrix[1, 3] == matrix[6, 0] == 1


def test_a_top5_that_is_always_1_is_not_told():
    numbers = video_metrics(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]))
    assert numbers == {"top1": 0.5, "per_class": [None, 0.5]}


def test_ties_are_no_hits_for_all():
    scores = np.full((10, 10), 0.1)
    numbers = video_metrics(scores, np.arange(10))
    assert (numbers["top1"], numbers["top5"]) == (0.1, 0.5)


def test_shares_are_those_of_the_place_that_the_true_class_has():
    labels = np.array([0, 0, 0, 3, 3, 5])
    places = [1, 1, 2, 5, 6, 7]
    descending = np.arange(7, 0, -1) / 28
    scores = np.array(
        [
            np.roll(descending, label - place + 1)
            for label, place in zip(labels, places, strict=True)
        ]
    )
    numbers = video_metrics(scores, labels)
    assert (numbers["top1"], numbers["top5"]) == (2 / 6, 4 / 6)
    assert numbers["per_class"] == [2 / 3, None, None, 0.0, None, 0.0, None]


def test_of_equal_scores_the_first_classes_are_the_best():
    scores = np.full((3, 400), 0.1)
    scores[:, 1::2] = 0.2
    assert video_metrics(scores, np.array([1, 9, 11]))["top5"] == 2 / 3
    assert video_metrics(scores, np.array([1, 9, 11]))["top1"] == 1 / 3


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(value):
    scores = np.array([[0.2, 0.8], [value, 0.5], [0.1, value]])
    with pytest.raises(ValueError, match=r"`scores` must be finite. Received: scores\[1\]"):
        video_metrics(scores, np.array([1, 0, 1]))
