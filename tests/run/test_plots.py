"""Pictures of curves and matrices, measured by their pixels."""

import matplotlib.image
import numpy as np
import pytest

from video_zoo.lettering import all_lettered, lettered
from video_zoo.run.plots import save_confusion_matrix, save_curves


def row(epoch, loss, top1):
    return {"epoch": epoch, "loss": loss, "top1": top1, "val_loss": loss, "val_top1": top1}


def blue_pixels(path):
    """Which pixels have the first colour of matplotlib, a blue."""
    picture = matplotlib.image.imread(path)[..., :3]
    return np.abs(picture - np.array([31, 119, 180]) / 255).max(axis=-1) < 0.1


def coloured(path):
    """How many pixels are blue, and their rows."""
    blue = blue_pixels(path)
    return blue.sum(), np.flatnonzero(blue.any(axis=1))


def test_a_run_of_one_epoch_has_points(tmp_path):
    save_curves({"run": []}, tmp_path / "none.png")
    save_curves({"run": [row(1, 2.0, 0.5)]}, tmp_path / "one.png")
    assert coloured(tmp_path / "one.png")[0] > coloured(tmp_path / "none.png")[0] + 50


def grey_rows(path):
    """Rows of the picture where a grey line crosses more than a tenth of it."""
    picture = matplotlib.image.imread(path)[..., :3]
    grey = np.abs(picture - 128 / 255).max(axis=-1) < 0.1
    return np.flatnonzero(grey.mean(axis=1) > 0.1)


def test_chance_is_a_line_where_the_classes_are_known(tmp_path):
    runs = {"run": [row(1, 2.0, 0.5), row(2, 1.0, 0.9)]}
    save_curves(runs, tmp_path / "without.png")
    assert grey_rows(tmp_path / "without.png").size == 0
    places = []
    for classes in (2, 20):
        save_curves(runs, tmp_path / "with.png", num_classes=classes)
        places.append(grey_rows(tmp_path / "with.png").mean())
    assert places[0] < places[1]  # rows count from the top


@pytest.mark.parametrize("names", [["run"], ["$a$ $b", "跳舞", "👩🏽‍🚒"], []])
def test_runs_of_any_name_have_curves(names, tmp_path):
    save_curves({name: [row(1, 2.0, 0.5)] for name in names}, tmp_path / "a.png")
    assert matplotlib.image.imread(tmp_path / "a.png").shape[:2] == (480, 1440)


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


@pytest.mark.parametrize("count", [2, 61])
def test_class_names_that_the_font_lacks_are_no_warnings(count, tmp_path):
    """Warnings are errors here; matplotlib warns of each missing glyph."""
    names = ["跳舞 \N{WOMAN}\u200d\N{FIRE ENGINE}", "$x$ is $", *map(str, range(count - 2))]
    save_confusion_matrix(np.ones((count, count), int), names, tmp_path / "a.png")


def test_long_names_stand_upright_and_take_no_room_from_the_cells(tmp_path):
    sizes = []
    for name in ("swim", "n" * 30, "n" * 300):
        save_confusion_matrix(
            np.eye(5, dtype=int), [name + str(c) for c in range(5)], tmp_path / "a"
        )
        sizes.append(matplotlib.image.imread(tmp_path / "a", format="png").shape[:2])
    assert sizes[0] < sizes[1] <= sizes[2] < (1080, 1920)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Kür, côté", "Kür, côté"),
        ("跳", r"\u8df3"),
        ("a\nb\x00", r"a\nb\x00"),
        ("x" * 50, "x" * 19 + "…" + "x" * 19),
    ],
)
def test_names_are_shown_as_text_of_one_line(name, expected):
    assert lettered(name) == expected


def test_names_that_a_cut_made_alike_are_numbered():
    assert all_lettered(["x" * 50, "y", "x" * 51])[::2] == [
        f"{number} {lettered('x' * 50)}" for number in (0, 2)
    ]


def test_the_first_epochs_of_a_run_that_learns_are_in_the_picture(tmp_path):
    starts = []
    for first, second in ((2.4, 1.6), (0.1, 0.1)):
        later = [row(epoch, 0.1, np.nan) for epoch in range(3, 13)]
        rows = [row(1, first, np.nan), row(2, second, np.nan), *later]
        save_curves({"run": rows}, tmp_path / "curves.png", num_classes=5)
        starts.append(np.flatnonzero(blue_pixels(tmp_path / "curves.png").any(axis=0)).min())
    assert abs(starts[0] - starts[1]) < 15  # the labels of the axis differ; an epoch has 40 pixels


def test_a_loss_that_is_not_in_the_picture_is_told_in_the_title(tmp_path):
    widths = []
    for highest in (2.0, 1e4):
        rows = [row(1, highest, 0.2), row(2, 1.0, 0.5), row(3, 1.0, 0.5)]
        save_curves({"run": rows}, tmp_path / "curves.png")
        title = matplotlib.image.imread(tmp_path / "curves.png")[:25, :640, :3]
        widths.append(np.ptp(np.flatnonzero((title < 0.5).any(axis=(0, 2)))))
    assert widths[1] > 2 * widths[0]
