"""Pictures of curves and matrices, measured by their pixels."""

import matplotlib.image
import numpy as np
import pytest

from video_zoo.evaluation.plots import save_confusion_matrix, save_curves


def row(epoch, loss, top1):
    return {"epoch": epoch, "loss": loss, "top1": top1, "val_loss": loss, "val_top1": top1}


def coloured(path):
    """How many pixels have the first colour of matplotlib, a blue, and their rows."""
    picture = matplotlib.image.imread(path)[..., :3]
    blue = np.abs(picture - np.array([31, 119, 180]) / 255).max(axis=-1) < 0.1
    return blue.sum(), np.flatnonzero(blue.any(axis=1))


def test_a_run_of_one_epoch_has_points(tmp_path):
    save_curves({"run": []}, tmp_path / "none.png")
    save_curves({"run": [row(1, 2.0, 0.5)]}, tmp_path / "one.png")
    assert coloured(tmp_path / "one.png")[0] > coloured(tmp_path / "none.png")[0] + 50


def test_a_spike_of_the_loss_leaves_the_rest_readable(tmp_path):
    rows = [row(epoch, 2.0 - 0.1 * epoch, np.nan) for epoch in range(10)]
    save_curves({"run": rows}, tmp_path / "without.png")
    rows[3] = row(3, 1e4, np.nan)
    save_curves({"run": rows}, tmp_path / "with.png")
    heights = [np.ptp(coloured(tmp_path / f"{name}.png")[1]) for name in ("without", "with")]
    assert heights[1] >= 0.9 * heights[0]


@pytest.mark.parametrize("count", [60, 61, 400])
def test_many_classes_make_a_picture_that_fits_a_screen(count, tmp_path):
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 5, (count, count))
    matrix[7] = 0  # a class without videos
    save_confusion_matrix(matrix, [f"class {c}" for c in range(count)], tmp_path / "a.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "a.png").shape
    assert (width <= 1920 and height <= 1080) == (count > 60)
