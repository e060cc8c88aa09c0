"""Metrics of hand-made scores."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from video_zoo.evaluation.metrics import (
    calibration,
    confusion_matrix,
    multi_label_metrics,
    video_metrics,
)


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
    assert numbers["top1"] == 0.5 and numbers["per_class"] == [None, 0.5]
    assert "top5" not in numbers and "top5" not in numbers["intervals"]


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


@pytest.fixture
def drawn():
    """Scores of 60 videos of five classes of unequal size, some 70 % of them right."""
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(5), 60)
    right = rng.random(60) < 0.7
    labels = np.where(right, scores.argmax(axis=1), rng.choice(4, 60, p=[0.5, 0.3, 0.1, 0.1]))
    return scores, labels


def test_the_interval_of_top1_is_that_of_an_independent_bootstrap(drawn):
    scores, labels = drawn
    hits = (scores.argmax(axis=1) == labels).astype(float)
    expected = stats.bootstrap(
        (hits,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    found = video_metrics(scores, labels)["intervals"]["top1"]
    np.testing.assert_allclose(found, expected, atol=0.025)


def balanced_accuracy(labels, predicted):
    """Balanced accuracy, which scikit-learn calls the mean of the recalls."""
    return sklearn_metrics.recall_score(
        labels, predicted, labels=np.unique(labels), average="macro", zero_division=0
    )


def test_the_mean_over_classes_is_the_balanced_accuracy_with_an_interval_around_it(drawn):
    scores, labels = drawn
    numbers = video_metrics(scores, labels)
    expected = balanced_accuracy(labels, scores.argmax(axis=1))
    assert numbers["mean_class_accuracy"] == pytest.approx(expected)
    interval = stats.bootstrap(
        (labels, scores.argmax(axis=1)),
        balanced_accuracy,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=1,
    ).confidence_interval
    found = numbers["intervals"]["mean_class_accuracy"]
    np.testing.assert_allclose(found, interval, atol=0.03)


def test_precision_and_recall_are_those_of_scikit_learn(drawn):
    scores, labels = drawn
    numbers = video_metrics(scores, labels)
    precision, recall, *_ = sklearn_metrics.precision_recall_fscore_support(
        labels, scores.argmax(axis=1), labels=range(5), zero_division=0
    )
    np.testing.assert_allclose(numbers["precision"], precision)
    np.testing.assert_allclose([each or 0 for each in numbers["per_class"]], recall)


def test_a_class_that_is_never_predicted_has_no_precision():
    numbers = video_metrics(np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]]), np.array([0, 1]))
    assert numbers["precision"] == [0.5, None, None]


def test_intervals_of_equal_seeds_are_equal_and_of_others_not(drawn):
    first, again, other = (video_metrics(*drawn, seed=seed)["intervals"] for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("label", "expected"), [(0, [0.6915, 1]), (1, [0, 0.3085])])
def test_where_all_are_right_or_wrong_the_interval_is_the_exact_one(label, expected):
    scores = np.tile([0.8, 0.2], (10, 1))
    numbers = video_metrics(scores, np.full(10, label))
    for name in ("top1", "mean_class_accuracy"):
        np.testing.assert_allclose(numbers["intervals"][name], expected, atol=1e-4)


def test_calibration_of_known_confidences():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.5, 0.5, 1.0])
    right = np.array([1, 1, 1, 0, 1, 0, 1], bool)
    found = calibration(confidence, right)
    assert [each["videos"] for each in found["bins"]] == [2, 5]
    assert found["bins"][0] | {"from": 7 / 15, "to": 8 / 15} == found["bins"][0]
    # 5 of 7 videos at a confidence of 0.96, of which 4 are right.
    assert found["ece"] == pytest.approx(5 / 7 * (0.96 - 0.8))


def test_the_interval_of_mean_ap_is_around_that_of_repeated_videos():
    rng = np.random.default_rng(3)
    truth = rng.random((80, 4)) < 0.3
    truth[:, 2] = False  # left out of the mean
    scores = np.clip(truth * 0.3 + rng.random((80, 4)) * 0.7, 0, 1).round(1)  # with ties
    numbers = multi_label_metrics(scores, truth)
    found = []
    for _ in range(400):
        drawn = rng.integers(0, 80, 80)
        found.append(
            np.mean(
                [
                    sklearn_metrics.average_precision_score(truth[drawn, c], scores[drawn, c])
                    for c in (0, 1, 3)
                ]
            )
        )
    expected = np.percentile(found, [2.5, 97.5])
    np.testing.assert_allclose(numbers["intervals"]["mean_ap"], expected, atol=0.02)
    assert numbers["per_class"][2] is None and numbers["recall"][2] is None


def test_a_perfect_mean_ap_of_few_videos_has_no_interval():
    truth = np.eye(4, dtype=bool)
    assert multi_label_metrics(truth * 0.8, truth)["intervals"] == {"mean_ap": None}


def test_several_classes_of_a_video_are_no_single_one():
    with pytest.raises(ValueError, match="`labels` must be one class .* `multi_label_metrics`"):
        video_metrics(np.full((2, 3), 1 / 3), np.ones((2, 3)))
