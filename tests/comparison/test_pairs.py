"""Two networks on the same videos: tests, intervals and the sentence."""

import numpy as np
import pytest
from networks import make_run
from scipy import stats

from video_zoo.comparison.contestants import Contestant, gather
from video_zoo.comparison.pairs import compare_pairs, discordant, holm, mcnemar, sentence_of


@pytest.mark.parametrize(
    ("counts", "expected"),
    # Twice the sum of the binomial tail, by hand: 2 * (1 + 10 + 45) / 2**10, ...
    [((8, 2), 112 / 1024), ((5, 0), 2 / 32), ((3, 3), 1.0), ((0, 0), 1.0)],
)
def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_videos(counts, expected):
    assert mcnemar(*counts) == pytest.approx(expected)


def test_holm_of_known_values():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]


def test_discordant_videos_are_those_that_one_is_right_about_more_often(three):
    # The two seeds of the first differ about videos 49 and 50; the second misses 0 and 1.
    assert discordant(three[0], three[1]) == (3, 1)
    assert discordant(three[0], three[2]) == (31, 0)


def test_pairs_say_what_is_shown_and_what_not(three):
    found = {(pair.first, pair.second): pair for pair in compare_pairs(three)}
    alike, apart = found["good|1", "equal"], found["good|1", "bad"]
    assert alike.sentence.startswith("On these 60 videos no difference can be told between good|1")
    assert apart.sentence.startswith("good|1 is better than bad by 50.0 points of top-1 on these 6")
    assert apart.p == mcnemar(31, 0)
    assert apart.corrected == pytest.approx(3 * apart.p)
    assert apart.difference == pytest.approx(20 / 60 - 50 / 60)
    change = np.where(np.arange(60) < 20, 0.0, three[2].hits - three[0].hits)
    expected = stats.bootstrap(
        (change,), np.mean, n_resamples=20_000, method="percentile", rng=0
    ).confidence_interval
    np.testing.assert_allclose(apart.interval, expected, atol=0.03)
    assert all(change < 0 for _, change in apart.classes)


def test_a_small_p_alone_shows_nothing_where_the_interval_holds_zero():
    told = sentence_of(("a", "b"), "top-1", 60, 0.01, (-0.01, 0.03), 0.01)
    assert "no difference can be told" in told
    told = sentence_of(("a", "b"), "top-1", 60, 0.2, (0.1, 0.3), 0.2)
    assert "no difference can be told" in told
    told = sentence_of(("a", "b"), "mean AP", 60, 0.2, (0.1, 0.3), None)
    assert told == (
        "b is better than a by 20.0 points of mean AP on these 60 videos (95 % interval 10.0 to "
        "30.0)."
    )


def test_several_classes_a_video_have_an_interval_and_no_test():
    labels = np.arange(30) % 3
    first, second = (
        Contestant(name, [make_run(np.arange(30) < count, labels, several=True)])
        for name, count in (("a", 30), ("b", 10))
    )
    (pair,) = compare_pairs([first, second])
    assert pair.p is None and pair.only_first is None
    assert pair.sentence.startswith("a is better than b by")


def test_runs_on_other_videos_are_refused():
    runs = make_run([True] * 6, np.arange(6) % 3), make_run([True] * 5, np.arange(5) % 3)
    with pytest.raises(ValueError, match="`runs` must be evaluations of the same videos"):
        gather([("a", runs[0]), ("b", runs[1])])
