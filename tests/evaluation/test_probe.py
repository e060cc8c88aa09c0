"""What a network owes to motion: the frames of each condition, and what their scores show."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from video_zoo import data
from video_zoo.data.input.pipeline import Clips
from video_zoo.data.input.sampling import order_frames
from video_zoo.data.input.source import Split
from video_zoo.evaluation import (
    EvaluationConfig,
    ProbeConfig,
    VideoScores,
    describe_probe,
    evaluate,
    probe,
)
from video_zoo.evaluation.probe import CONDITIONS, clip_of, compared
from video_zoo.evaluation.score_files import read_scores


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("sequential", [3, 5, 7, 9, 11, 13]),
        ("reversed", [13, 11, 9, 7, 5, 3]),
        ("frozen", [9] * 6),
        ("half_speed", [5, 5, 7, 7, 9, 9]),
    ],
)
def test_the_frames_of_an_order(order, expected):
    indices = tf.range(3, 14, 2)
    assert order_frames(indices, order, tf.constant([0, 0])).numpy().tolist() == expected


def test_a_clip_of_one_frame_has_an_order_too():
    for order in ("reversed", "frozen", "half_speed"):
        found = order_frames(tf.constant([4]), order, tf.constant([0, 0]))
        assert found.numpy().tolist() == [4]


def test_double_speed_shows_every_second_frame_of_twice_the_time(motion_shards):
    source = Split.open(str(motion_shards), "val")
    whole, half = (data.ClipConfig(num_frames=count, image_size=32) for count in (12, 6))
    in_order, double = (
        next(iter(Clips(source, clip, 1, 0, dtype="uint8").views(1, 1)))[0][0].numpy()
        for clip in (whole, clip_of(half, "double speed"))
    )
    places = [np.flatnonzero((in_order == frame).all(axis=(1, 2, 3))) for frame in double]
    assert [len(each) for each in places] == [1] * 6
    assert np.diff(np.concatenate(places)).tolist() == [2] * 5


def test_double_speed_is_twice_the_stride():
    clip = data.ClipConfig(num_frames=8, frame_stride=3, image_size=32)
    assert clip_of(clip, "double speed").frame_stride == 6
    assert clip_of(clip, "frozen").frame_order == "frozen"


@pytest.fixture(scope="module")
def found(run):
    return probe(ProbeConfig(workdir=str(run), batch_size=10))


def test_in_order_it_is_the_evaluation(run, found):
    numbers = evaluate(EvaluationConfig(workdir=str(run)))
    first = found["conditions"]["in order"]
    assert first == {"value": numbers["top1"], "interval": numbers["intervals"]["top1"]}
    assert list(found["conditions"]) == list(CONDITIONS)


def test_the_views_stand_beside_the_numbers(found):
    last = describe_probe(found).splitlines()[-2:]
    assert last == [
        "over 10 videos, 1 clips x 1 crops of each, 8 x 32², mean of softmax",
        *last[1:],
    ]
    assert last[1] == found["sentence"]


def test_what_is_written(run, found):
    folder = run / "probe" / "val"
    assert json.loads((folder / "probe.json").read_text()) == found
    assert (folder / "probe.png").stat().st_size > 5000
    scores, _ = read_scores(folder / "half_speed" / "scores.csv")
    assert len(scores.filenames) == found["num_videos"] == 10


def scores_with(right):
    """Scores of two classes in which these videos are right."""
    labels = np.arange(len(right)) % 2
    best = np.where(right, labels, 1 - labels)
    return VideoScores([f"{n}.mp4" for n in range(len(right))], labels, np.eye(2)[best] * 0.8 + 0.1)


def results(**lost):
    """Scores of all conditions: 50 of 60 videos right in order, and so many fewer in another."""
    return {name: scores_with(np.arange(60) < 50 - lost.get(name, 0)) for name in CONDITIONS}


def test_a_loss_is_told_with_its_interval_on_the_same_videos():
    found = compared(results(shuffled=20), ["a", "b"])
    row = found["conditions"]["shuffled"]
    assert row["difference"] == pytest.approx(-20 / 60)
    change = np.where((np.arange(60) >= 30) & (np.arange(60) < 50), -1.0, 0.0)
    expected = stats.bootstrap(
        (change,), np.mean, n_resamples=20_000, method="percentile", rng=0
    ).confidence_interval
    np.testing.assert_allclose(row["difference_interval"], expected, atol=0.03)
    assert found["sentence"].startswith(
        "The top-1 of 83.3% owes something to motion: it loses 33.3 points with frames shuffled (95"
    )
    assert "reversed" not in found["sentence"]
    sentence = compared(results(reversed=10, shuffled=20, frozen=30), ["a", "b"])["sentence"]
    told = (
        r"16\.7 points with frames reversed \(.*\), 33\.3 .* shuffled \(.*\) and 50\.0 .* frozen \("
    )
    assert re.search(told, sentence)


def test_where_nothing_is_lost_nothing_is_claimed():
    sentence = compared(results(shuffled=1), ["a", "b"])["sentence"]
    assert sentence.startswith("On these 60 videos it cannot be shown that the top-1 of 83.3% owes")


def test_videos_without_labels_are_refused():
    blank = VideoScores(["a.mp4"], np.array([-1]), np.array([[0.5, 0.5]]))
    with pytest.raises(ValueError, match="`split` must be one with labels"):
        compared(dict.fromkeys(CONDITIONS, blank), ["a", "b"])
