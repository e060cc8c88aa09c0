"""Rows of frames, and words above pictures that fit whatever they are."""

import cv2
import numpy as np
import pytest

from video_zoo.lettering import fitting
from video_zoo.run import pictures

GREY = np.full((40, 240, 3), 90, np.uint8)


def words(name, before=""):
    """The line above a picture, where it is not black."""
    found = pictures.captioned(GREY, name, before)
    np.testing.assert_array_equal(found[-40:], GREY)
    assert found.shape[1:] == (240, 3) and len(found) % 2 == 0
    return found[:-40].max(axis=-1)


def test_words_stand_above_and_the_picture_is_whole():
    line = words("dancing")
    assert line.max() > 200
    assert 40 < np.flatnonzero(line.any(axis=0)).max() < 80  # as long as the word
    assert not words("").any()
    assert (words("a") != words("b")).any()


@pytest.mark.parametrize("name", ["i" * 300, "w" * 300, "跳舞" * 60, "é\n\t$\\" * 50])
def test_a_name_that_is_too_long_is_cut_and_the_score_stays(name):
    line = words(name, "99.3%  ")
    np.testing.assert_array_equal(line[:, :50], words("", "99.3%  ")[:, :50])
    assert not line[:, -2:].any()
    assert "…" in fitting(name, 236, 15, "99.3%  ")
    assert fitting("short", 236, 15) == "short"


def test_pictures_narrower_than_their_words():
    assert pictures.captioned(GREY[:, :5], "name", "99.3%  ").shape[1] == 5


def test_a_row_has_all_frames_with_gaps_and_is_saved_as_it_is(tmp_path):
    frames = [np.full((20, 30, 3), value, np.uint8) * [1, 0, 0] for value in (10, 20, 30)]
    row = pictures.side_by_side([frame.astype(np.uint8) for frame in frames])
    assert row.shape == (20, 3 * 30 + 2 * 4, 3)
    assert row[0, :, 0].tolist() == [10] * 30 + [255] * 4 + [20] * 30 + [255] * 4 + [30] * 30
    pictures.save_png(tmp_path / "row.png", row)
    found = cv2.imread(str(tmp_path / "row.png"))[..., ::-1]
    np.testing.assert_array_equal(found, row)


def test_frames_are_chosen_evenly():
    assert pictures.evenly(100, 3).tolist() == [0, 50, 99]
    assert pictures.evenly(2, 8).tolist() == [0, 1]
