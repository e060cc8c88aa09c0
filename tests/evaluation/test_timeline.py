"""predict with a window that slides: which windows, segments and files, and what is kept."""

import csv
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import av
import numpy as np
import pytest
from rtsp_server import rtsp_server

from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos import video
from video_zoo.data.videos.stream import stream_frames
from video_zoo.evaluation import PredictionConfig, predict, predict_videos
from video_zoo.evaluation.timeline import Windows, make_timeline
from video_zoo.evaluation.views import ViewsOfVideo
from video_zoo.run.trained import load_network


@pytest.fixture(scope="module")
def network(run):
    return load_network(run)  # clips of 8 frames of 32x32


@pytest.fixture
def long_video(write_video, tmp_path):
    """40 frames of noise at 25 frames per second: 1.6 s."""
    frames = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3))
    return str(write_video(tmp_path / "long.mp4", frames))


def look(run, files, **settings):
    return list(predict_videos(files, PredictionConfig(workdir=str(run), **settings)))


def test_the_frames_of_a_stream_are_those_of_an_encoded_clip(long_video):
    config = EncodingConfig(short_side=16, fps=10)
    encoded = video.encode_clip(long_video, config)
    streamed = list(stream_frames(long_video, config))
    assert [jpeg for _, jpeg in streamed] == encoded.frames
    assert [round(1e6 * seconds) for seconds, _ in streamed] == encoded.timestamps_us


def test_windows_are_a_step_apart_and_the_last_ends_the_video(run, long_video):
    (found,) = look(run, [long_video], step=0.2)
    starts = np.round(found.windows[:, 0] * 25).astype(int)
    assert starts.tolist() == [0, 5, 10, 15, 20, 25, 30, 32]  # of 40 frames, 8 a window
    np.testing.assert_allclose(found.windows[:, 1] - found.windows[:, 0], 8 / 25, atol=1e-6)


def test_a_window_has_the_scores_of_its_frames_as_a_clip(run, network, long_video):
    (found,) = look(run, [long_video], step=0.2, batch_size=3)
    encoded = video.encode_clip(long_video, EncodingConfig(short_side=32))
    (view,) = ViewsOfVideo(network, 1, 1)(encoded.frames[10:18])
    expected = network.scores(network.logits(view))
    np.testing.assert_allclose(found.scores[2], expected, atol=1e-5)


def test_a_video_shorter_than_a_window_has_one(run, write_video, tmp_path):
    frames = np.full((3, 32, 32, 3), 90)
    (found,) = look(run, [write_video(tmp_path / "short.mp4", frames)], step=1.0)
    assert found.windows.shape == (1, 2)
    assert found.windows[0].tolist() == pytest.approx([0, 3 / 25])
    assert len(found.segments) == 1


def test_three_crops_of_a_window_give_their_mean(run, write_video, tmp_path):
    frames = np.random.default_rng(1).integers(0, 255, (8, 32, 80, 3))
    file = write_video(tmp_path / "wide.mp4", frames)
    (windows,) = look(run, [file], step=1.0, num_crops=3)
    (whole,) = predict(file, workdir=run, num_crops=3, top=5)
    expected = dict(zip(whole.classes, whole.probabilities, strict=True))
    for name, score in zip(windows.class_names, windows.scores[0], strict=True):
        assert score == pytest.approx(expected[name], abs=1e-5)


def test_max_seconds_ends_a_video(run, long_video):
    (found,) = look(run, [long_video], step=0.2, max_seconds=0.8)
    assert found.windows[-1, 1] == pytest.approx(0.8)


def windows_of(scores, step=1.0):
    return [(index * step, index * step + 2.0, np.array(row)) for index, row in enumerate(scores)]


def test_segments_are_stretches_of_one_class_and_meet_between_windows():
    scores = [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7]]
    found = make_timeline("a", windows_of(scores), ["wave", "walk"], smooth=0.0)
    told = [(each.start, each.end, each.name) for each in found.segments]
    assert told == [(0.0, 2.5, "wave"), (2.5, 5.0, "walk")]
    assert found.segments[0].probability == pytest.approx(0.85)


def test_smoothing_takes_the_mean_of_neighbours_and_removes_a_flicker():
    scores = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.9, 0.1], [0.9, 0.1]]
    rough = make_timeline("a", windows_of(scores), ["wave", "walk"], smooth=0.0)
    smooth = make_timeline("a", windows_of(scores), ["wave", "walk"], smooth=3.0)
    assert [each.name for each in rough.segments] == ["wave", "walk", "wave"]
    assert [each.name for each in smooth.segments] == ["wave"]
    assert smooth.smoothed[2, 0] == pytest.approx((0.9 + 0.4 + 0.9) / 3)


def test_below_the_threshold_there_is_no_segment():
    scores = [[0.9, 0.1], [0.55, 0.45], [0.9, 0.1]]
    found = make_timeline("a", windows_of(scores), ["wave", "walk"], 0.0, threshold=0.6)
    assert [(each.start, each.end) for each in found.segments] == [(0.0, 1.5), (2.5, 4.0)]


def test_classes_at_the_same_time_have_segments_of_their_own():
    scores = [[0.9, 0.7], [0.8, 0.2], [0.1, 0.2]]
    found = make_timeline("a", windows_of(scores), ["wave", "walk"], 0.0, multi_label=True)
    told = [(each.start, each.end, each.name) for each in found.segments]
    assert told == [(0.0, 1.5, "walk"), (0.0, 2.5, "wave")]


def test_files_of_a_timeline(run, long_video, tmp_path):
    names = {kind: str(tmp_path / "new" / f"out.{kind}") for kind in ("json", "csv")}
    picture, film = tmp_path / "when.png", tmp_path / "film.mp4"
    settings = {"timeline": str(picture), "overlay": str(film), "top": 2}
    (found,) = look(run, [long_video], step=0.2, **names, **settings)
    (told,) = json.loads(pathlib.Path(names["json"]).read_text())["videos"]
    assert [each["class"] for each in told["segments"]] == [each.name for each in found.segments]
    assert len(told["windows"]) == len(found.windows)
    best = told["windows"][3]["classes"]
    assert [each["probability"] for each in best] == sorted(found.scores[3])[:-3:-1]
    with open(names["csv"], newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == [each.name for each in found.segments]
    assert float(rows[-1]["end"]) == pytest.approx(1.6)
    assert picture.read_bytes().startswith(b"\x89PNG")
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 40
        assert container.streams.video[0].average_rate == 25


def test_json_and_csv_of_whole_videos_tell_problems_too(run, videos, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    place = {"json": str(tmp_path / "out.json"), "csv": str(tmp_path / "out.csv")}
    look(run, [videos[0], bad], top=2, **place)
    good, told = json.loads(pathlib.Path(place["json"]).read_text())["videos"]
    assert len(good["classes"]) == 2 and good["problem"] is None
    assert told == {"file": str(bad), "problem": "not a video: text", "classes": []}
    rows = list(csv.reader(pathlib.Path(place["csv"]).read_text().splitlines()))
    assert [row[0] for row in rows[1:]] == [str(videos[0])] * 2 + [str(bad)]


def test_patterns_name_videos(run, long_video, write_video, tmp_path):
    write_video(tmp_path / "b.mp4", np.full((8, 32, 32, 3), 9))
    found = look(run, [str(tmp_path / "*.mp4")], top=1)
    assert [os.path.basename(each.filename) for each in found] == ["b.mp4", "long.mp4"]
    with pytest.raises(ValueError, match="must hold videos"):
        look(run, [str(tmp_path / "*.avi")])


def test_a_stream_of_rtsp_is_seen_as_the_file_is(run):
    frames = np.full((40, 48, 64, 3), 90, np.uint8)
    with rtsp_server(frames) as address:
        (found,) = look(run, [address], step=0.2)
    assert found.problem is None
    assert found.windows[0, 0] == 0 and found.windows[-1, 1] == pytest.approx(1.6, abs=0.1)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("rtsp://127.0.0.1:9/nothing", "cannot be opened"),
        ("camera:front", "must be camera:0"),
        ("camera:97", "cannot be opened"),
    ],
)
def test_a_live_source_that_is_not_there_is_told(run, source, reason):
    (found,) = look(run, [source], step=1.0)
    assert reason in found.problem and not found.segments


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"timeline": "a.png"}, "`timeline`"),
        ({"smooth": 2.0}, "`smooth`"),
        ({"max_seconds": 2.0}, "`max_seconds`"),
        ({"step": 1.0, "num_clips": 3}, "`num_clips`"),
        ({"step": 1.0, "overlay": "a.mp4", "overlay_layer": "x"}, "`overlay_layer`"),
        ({"step": 1.0, "overlay": "a.png"}, "`overlay`"),
        ({"step": 1.0, "timeline": "a.mp4"}, "`timeline`"),
        ({"step": 0.0}, "`step`"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, wrong):
    with pytest.raises(ValueError, match=wrong):
        PredictionConfig(workdir="run", **settings)


def test_a_camera_needs_a_step_and_has_no_film(run):
    with pytest.raises(ValueError, match="`step` must be given for 'camera:0'"):
        look(run, ["camera:0"])
    with pytest.raises(ValueError, match="`overlay`"):
        look(run, ["camera:0"], step=1.0, overlay="a.mp4")


def test_ctrl_c_keeps_what_was_seen(run, write_video, tmp_path):
    frames = (np.full((32, 32, 3), index % 256) for index in range(6000))
    file = write_video(tmp_path / "endless.mp4", np.stack(list(frames)))
    place = tmp_path / "out.json"
    command = [sys.executable, "-m", "video_zoo", "predict", "--workdir", str(run)]
    command += ["--step", "0.04", "--json", str(place), str(file)]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    often = os.environ | {"TQDM_MININTERVAL": "0.1"}
    with subprocess.Popen(command, env=often, **pipes) as process:
        told = b""
        while not re.search(rb"to [0-9.]+ s: [0-9]+%", told):  # windows were seen
            told += process.stderr.read1()
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    (found,) = json.loads(place.read_text())["videos"]
    assert found["problem"] == "interrupted" and 0 < len(found["windows"]) < 5993


@pytest.mark.parametrize("settings", [{"step": 0.2, "timeline": "p.png"}, {"overlay": "p.png"}])
def test_ctrl_c_while_a_picture_is_written_keeps_its_video(
    run, long_video, tmp_path, monkeypatch, settings
):
    monkeypatch.chdir(tmp_path)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("video_zoo.run.plots.save_timeline", interrupted)
    monkeypatch.setattr("video_zoo.run.pictures.save_png", interrupted)
    with pytest.raises(KeyboardInterrupt):
        look(run, [long_video], **settings, json="out.json", csv="out.csv")
    (found,) = json.loads(pathlib.Path("out.json").read_text())["videos"]
    assert found["file"] == long_video and found.get("segments", found.get("classes"))
    assert long_video in pathlib.Path("out.csv").read_text()


@pytest.mark.parametrize("name", ["json", "csv", "timeline", "overlay"])
@pytest.mark.parametrize("in_the_way", ["folder", "file above"])
def test_a_file_that_cannot_be_written_is_told_before_the_work(
    run, long_video, tmp_path, name, in_the_way
):
    ending = {"json": "json", "csv": "csv", "timeline": "png", "overlay": "mp4"}[name]
    place = tmp_path / "above" / f"out.{ending}"
    if in_the_way == "folder":
        place.mkdir(parents=True)
    else:
        place.parent.write_text("a file")
    config = PredictionConfig(workdir=str(run), step=0.2, **{name: str(place)})
    with pytest.raises(ValueError, match=f"`{name}` must be a file that can be .*Received: {name}"):
        predict_videos([long_video], config)


def test_only_the_frames_of_a_batch_are_kept(network, write_video, tmp_path, monkeypatch):
    """However many frames a stream has: the windows ask for them as they go."""
    file = write_video(tmp_path / "a.mp4", np.full((60, 32, 32, 3), 50))
    asked = itertools.count()

    def counted(*args):
        for frame in stream_frames(*args):
            next(asked)
            yield frame

    monkeypatch.setattr("video_zoo.evaluation.timeline.stream_frames", counted)
    windows = Windows(network, EncodingConfig(short_side=32), step=0.04, batch_size=2)
    next(windows(str(file)))
    assert next(asked) == 9  # two windows of 8 frames, one frame apart
