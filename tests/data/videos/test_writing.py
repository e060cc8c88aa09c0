"""Films and GIFs: what is written is what a reader finds, whole or not at all."""

import av
import numpy as np
import pytest
from PIL import Image

from video_zoo.data.videos import writing


def frames(count=5, height=32, width=48):
    """Even grey, lighter from frame to frame."""
    return [np.full((height, width, 3), 40 * number, np.uint8) for number in range(count)]


def read(path):
    with av.open(path) as container:
        stream = container.streams.video[0]
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(found), float(stream.average_rate), stream.codec_context.name


@pytest.mark.parametrize("fps", [25, 12.5, 30000 / 1001])
def test_an_mp4_file_has_the_frames_and_their_rate(tmp_path, fps):
    writing.write_moving(tmp_path / "a.MP4", iter(frames()), fps)
    found, rate, codec = read(tmp_path / "a.MP4")
    assert found.shape == (5, 32, 48, 3)
    np.testing.assert_allclose(found, frames(), atol=4)
    assert rate == pytest.approx(fps, rel=1e-4)
    assert codec == "h264"


def test_without_h264_it_is_mpeg4(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_ENCODERS", ("none such", "mpeg4"))
    writing.write_moving(tmp_path / "a.mp4", frames(), 25)
    found, _, codec = read(tmp_path / "a.mp4")
    assert (len(found), codec) == (5, "mpeg4")


def test_odd_sides_become_even(tmp_path):
    writing.write_moving(tmp_path / "a.mp4", frames(2, 33, 47), 25)
    assert read(tmp_path / "a.mp4")[0].shape == (2, 34, 48, 3)


def test_a_gif_has_the_frames_and_goes_round(tmp_path):
    writing.write_moving(tmp_path / "a.gif", frames(), 5)
    with Image.open(tmp_path / "a.gif") as found:
        assert (found.n_frames, found.size) == (5, (48, 32))
        assert (found.info["duration"], found.info["loop"]) == (200, 0)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_a_film_is_whole_or_not_there(tmp_path, name):
    def broken():
        yield frames()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing.write_moving(tmp_path / name, broken(), 25)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        writing.write_moving(tmp_path / "nowhere" / "a.mp4", frames(), 25)
