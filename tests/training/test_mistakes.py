"""The worst mistakes of a validation: which clips, in which order, and how they are shown."""

import numpy as np
import pytest
import tensorflow as tf

from video_zoo.training.mistakes import FRAMES, KEPT, Mistakes, strip

SHAPE = (12, 4, 6, 3)


def noted(batches, jit_compile=False):
    """What is kept of (clips, true classes, logits, weights)."""
    mistakes = Mistakes(SHAPE)
    note = tf.function(mistakes.note, jit_compile=jit_compile)
    for clips, true, logits, weights in batches:
        note(clips, tf.one_hot(true, logits.shape[1]), logits, weights)
    return mistakes


@pytest.fixture
def batches():
    """Three batches of five clips; each clip carries its number, each frame its own."""
    rng = np.random.default_rng(3)
    numbers = np.arange(15, dtype=np.uint8).reshape(3, 5, 1, 1, 1, 1)
    clips = np.broadcast_to(numbers * 12, (3, 5, *SHAPE)).copy()
    clips += np.arange(12, dtype=np.uint8)[:, None, None, None]
    weights = np.ones((3, 5), np.float32)
    weights[2, 3:] = 0  # they fill the last batch
    logits = rng.normal(size=(3, 5, 4)).astype(np.float32)
    return list(zip(clips, rng.integers(0, 4, (3, 5)), logits, weights, strict=True))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_worst_are_those_that_numpy_finds(batches, jit_compile):
    _, true, logits, weights = (np.concatenate(each) for each in zip(*batches, strict=True))
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(15), true]
    wrong = (logits.argmax(axis=1) != true) & (weights > 0)
    order = [n for n in np.argsort(-losses) if wrong[n]][:KEPT]
    found = noted(batches, jit_compile).worst()
    assert len(found) == KEPT
    for number, (loss, label, predicted, frames) in zip(order, found, strict=True):
        assert loss == pytest.approx(losses[number], rel=1e-5)
        assert (label, predicted) == (true[number], logits[number].argmax())
        assert frames.shape == (FRAMES, *SHAPE[1:])
        assert frames[:, 0, 0, 0].tolist() == [12 * number + n for n in (0, 2, 3, 5, 6, 8, 9, 11)]


def test_a_new_validation_begins_with_none(batches):
    mistakes = noted(batches)
    mistakes.reset()
    assert mistakes.worst() == []


def test_what_is_right_blank_or_no_number_is_no_mistake(batches):
    clips, true, logits, weights = batches[0]
    right = 9 * np.eye(4, dtype=np.float32)[true]
    for given in ((right, weights), (logits, 0 * weights), (logits * np.nan, weights)):
        assert noted([(clips, true, *given)]).worst() == []
    two = [right[0], *-right[1:3], *right[3:]]
    assert len(noted([(clips, true, np.stack(two), weights)]).worst()) == 2


def test_a_strip_has_the_frames_and_words_above_them():
    frames = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 40, 40, 3), np.uint8)
    picture = strip(frames, 2.5, "跳舞", "sit")
    words, row = picture[:-80], picture[-80:]
    assert row.shape == (80, 3 * 80 + 2 * 4, 3)
    assert row[5, [5, 90, 180]].tolist() == [[0] * 3, [1] * 3, [2] * 3]
    assert words.max() > 200
    assert (strip(frames, 2.5, "sit", "跳舞")[:-80] != words).any()
    assert strip(np.zeros((8, 224, 224, 3), np.uint8), 1, "a", "b").shape[1] == 8 * 224 + 7 * 4
