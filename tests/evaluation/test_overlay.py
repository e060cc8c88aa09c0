"""predict(overlay=...): whose frames are shown, where the heat is, and what is refused."""

import av
import cv2
import numpy as np
import pytest

import video_zoo
from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos import video
from video_zoo.evaluation import predict
from video_zoo.evaluation.heat_maps import class_maps, resized
from video_zoo.evaluation.overlay import (
    VideoHeat,
    _canvas,
    blended,
    heat_of_video,
    write_overlay,
)
from video_zoo.evaluation.views import ViewsOfVideo
from video_zoo.run.trained import load_network


def frames_of(path):
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def write_motion(write_video, path, count, height=32, width=32):
    frames = np.random.default_rng(0).integers(0, 255, (count, height, width, 3))
    return write_video(path, frames)


@pytest.fixture(scope="module")
def network(run):
    return load_network(run)  # clips of 8 frames of 32x32


@pytest.fixture(scope="module")
def looked(network):
    """A function (file, num_clips, num_crops) -> the video and its heat for class 1."""

    def look(file, num_clips=1, num_crops=1):
        encoded = video.encode_clip(file, EncodingConfig(short_side=32))
        views = list(ViewsOfVideo(network, num_clips, num_crops)(encoded.frames))
        heat = heat_of_video(network, views, encoded, num_crops, 1, None)
        return encoded, views, heat

    return look


@pytest.mark.parametrize(("num_clips", "expected"), [(1, 8), (2, 12)])
def test_a_film_has_the_frames_that_the_clips_go_over(run, videos, tmp_path, num_clips, expected):
    path = tmp_path / "new" / "a.mp4"
    (found,) = predict(videos[0], workdir=run, overlay=path, num_clips=num_clips, top=2)
    assert found.overlays == (str(path),)
    frames = frames_of(path)
    assert len(frames) == expected  # of the video's 12
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 25
    height, width = frames.shape[1:3]
    assert width == 240 and height > 240  # large enough for words
    assert [each.name for each in path.parent.iterdir()] == ["a.mp4"]


def test_a_strip_and_a_gif_and_a_prediction_that_is_as_without(run, videos, tmp_path):
    (plain,) = predict(videos[0], workdir=run)
    assert plain.overlays == ()
    for name in ("a.png", "a.gif"):
        (found,) = predict(videos[0], workdir=run, overlay=tmp_path / name)
        assert (found.classes, found.probabilities) == (plain.classes, plain.probabilities)
    strip = cv2.imread(str(tmp_path / "a.png"))
    assert strip.shape[1] == 8 * 192 + 7 * 4
    assert (tmp_path / "a.gif").stat().st_size > 1000


def test_a_folder_gets_both_of_each_video(run, videos, tmp_path):
    (tmp_path / "page.mp4").write_text("<html>")
    inputs = [videos[0].parents[1], tmp_path / "page.mp4"]
    found = list(predict(inputs, workdir=run, overlay=tmp_path / "out"))
    assert len(found) == 11 and found[-1].problem and found[-1].overlays == ()
    names = {path.relative_to(videos[0].parents[1]).with_suffix("") for path in videos}
    wanted = {tmp_path / "out" / f"{name}{end}" for name in names for end in (".mp4", ".png")}
    assert {path for path in (tmp_path / "out").rglob("*") if path.is_file()} == wanted


def test_the_heat_of_one_clip_is_that_of_grad_cam(network, looked, videos):
    _, (view,), heat = looked(videos[0])
    wanted = video_zoo.grad_cam(network.model, view, 1).values[0]
    assert heat.seen.tolist() == [False] * 2 + [True] * 8 + [False] * 2
    assert heat.values.shape[:2] == (1, 12)
    assert not heat.values[:, ~heat.seen].any()
    at_centres = wanted[:, 2::4, 2::4] + wanted[:, 1::4, 1::4]  # of the layer's positions
    np.testing.assert_allclose(
        heat.values[0, 2:10] / heat.values.max(), at_centres / at_centres.max(), atol=0.15
    )


def test_clips_of_one_video_are_compared_and_their_mean_is_taken(network, looked, videos):
    _, views, heat = looked(videos[0], num_clips=2, num_crops=3)
    assert len(views) == 6
    assert heat.seen.all() and heat.values.max() == 1
    assert heat.boxes.shape == (3, 4)
    _, views, first = looked(videos[0], num_clips=2)
    one, two = (resized(class_maps(network.model, view, 1)[0], (8, 8, 8))[0] for view in views)
    wanted = np.concatenate([one[:4], (one[4:] + two[:4]) / 2, two[4:]])
    np.testing.assert_allclose(first.values[0], wanted / wanted.max(), atol=1e-5)
    np.testing.assert_allclose(heat.values[1] / heat.values[1].max(), first.values[0], atol=1e-5)


def test_a_short_video_is_looked_at_in_rounds_and_a_long_one_in_parts(
    looked, write_video, tmp_path
):
    _, _, heat = looked(write_motion(write_video, tmp_path / "short.mp4", 3))
    assert heat.seen.tolist() == [True] * 3
    encoded, _, heat = looked(write_motion(write_video, tmp_path / "long.mp4", 40), num_clips=2)
    assert np.flatnonzero(heat.seen).tolist() == [*range(8), *range(32, 40)]
    write_overlay(str(tmp_path / "out.mp4"), encoded, heat, "name", 0.5)
    shown = frames_of(tmp_path / "out.mp4")
    assert len(shown) == 40
    assert shown[20, 60:200].mean() < 0.6 * shown[3, 60:200].mean()  # nobody looked


@pytest.mark.parametrize(("height", "width"), [(64, 32), (32, 90), (33, 47)])
def test_upright_wide_and_odd_videos(looked, write_video, tmp_path, height, width):
    file = write_motion(write_video, tmp_path / "a.avi", 9, 2 * height, 2 * width)
    encoded, _, heat = looked(file, num_crops=3)
    for name in ("out.mp4", "out.png"):
        write_overlay(str(tmp_path / name), encoded, heat, "跳舞 " * 40, 0.5)
    shown = frames_of(tmp_path / "out.mp4")[0]
    assert (shown.shape[1] > shown.shape[0]) == (width > height)


def test_heat_is_drawn_where_it_is(looked, videos, tmp_path):
    encoded, _, heat = looked(videos[0])
    values = np.zeros((1, 12, 4, 4), np.float32)
    values[0, 5, 1, 2] = 1
    drawn = []
    for warm in (values, 0 * values):
        path = str(tmp_path / "a.gif")
        write_overlay(path, encoded, VideoHeat(warm, heat.seen, heat.boxes), "", 0.5)
        drawn.append(frames_of(path).astype(int))
    change = np.abs(drawn[0] - drawn[1]).sum(axis=-1)
    change[change < 60] = 0  # of the colours that a GIF has
    assert np.flatnonzero(change.any(axis=(1, 2))).tolist() == [3]  # the fifth; two are not seen
    rows, columns = np.nonzero(change[3])
    assert rows.max() < 22 + 160 and columns.min() > 80
    assert abs(np.mean(columns) - 120 - 26) < 6 and abs(np.mean(rows) - 22 - 120 + 26) < 6
    red, green, _ = drawn[0][3][np.unravel_index(change[3].argmax(), change[3].shape)]
    assert red > green


def test_crops_that_overlap_leave_no_edge():
    boxes = np.array([[2, 0, 6, 6], [2, 3, 6, 6], [2, 6, 6, 6]])
    even = VideoHeat(np.ones((3, 1, 2, 2), np.float32), np.array([True]), boxes)
    warm, seen = _canvas(even, 0, (10, 14))
    assert seen[2:8, :12].all() and seen.sum() == 6 * 12
    np.testing.assert_allclose(warm, seen, atol=1e-6)
    even.values[0] = 0
    warm, _ = _canvas(even, 0, (10, 14))
    along = warm[5, :12]
    assert along[0] == 0 and along[11] == pytest.approx(1)
    assert np.diff(along).min() >= 0 and np.diff(along).max() < 0.4


def test_blending():
    frame = np.full((1, 3, 3), 100.0)
    found = blended(frame, np.array([[0.0, 1, 0]]), np.array([[1.0, 1, 0]]))
    assert found[0, 0].tolist() == [100, 100, 100]
    assert found[0, 1, 0] > 200 and found[0, 1, 1] < 50
    assert found[0, 2].max() < 50


def test_flow_has_a_grey_third_channel(looked, videos, tmp_path):
    encoded, _, heat = looked(videos[0])
    cold = VideoHeat(0 * heat.values, heat.seen, heat.boxes)
    write_overlay(str(tmp_path / "a.png"), encoded, cold, "", 0.5, channels=2)
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture[120, 96, 0] == 128


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overlay": "a.avi"}, "`overlay` must be a local file that ends with .mp4, .gif or .png"),
        ({"overlay": "s3://bucket/a"}, "`overlay` must be a local file that ends with .mp4"),
        ({"overlay": "a.mp4"}, "`overlay` must be a folder for 10 videos. Received: overlay='a.mp"),
        ({"overlay_layer": "conv3d"}, "`overlay_layer` must be None without `overlay`"),
        ({"overlay": "a", "overlay_layer": "conv"}, "`overlay_layer` must be .*'conv3d"),
    ],
)
def test_refusals(run, videos, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        predict(videos[0].parents[1], workdir=run, **arguments)
    assert not list(tmp_path.iterdir())


def test_no_video_is_replaced_and_no_two_share_a_file(run, videos, tmp_path):
    for name in ("a/x.mp4", "b/x.mp4", "b/x.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(videos[0].read_bytes())
    for overlay in (tmp_path / "a" / "x.mp4", tmp_path / "a"):
        with pytest.raises(ValueError, match="`overlay` must be another file or folder"):
            predict(tmp_path / "a" / "x.mp4", workdir=run, overlay=overlay)
    for inputs in ([tmp_path / "a", tmp_path / "b" / "x.mp4"], [tmp_path / "b"]):
        with pytest.raises(ValueError, match="videos of different names.* two calls, with two"):
            predict(inputs, workdir=run, overlay=tmp_path / "out")
