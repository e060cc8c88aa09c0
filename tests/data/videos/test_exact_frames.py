"""Every frame the right one: numbered frames, and their numbers read back after encode_clip.

The expected numbers come from the presentation times alone, in exact fractions: frame `k` of the
result is the last frame whose time is not later than `start + k / fps`.
"""

import itertools
import random
from fractions import Fraction

import av
import numpy as np
import pytest

from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos.video import encode_clip

COUNT = 60
CONSTANT = [Fraction(k, 25) for k in range(COUNT)]
CODECS = ("libx264", "libsvtav1")


def variable_times(seed=0):
    """0, then times with gaps of 10 to 200 ms, each half way between two hundredths of a second."""
    draw = random.Random(seed)
    gaps = [Fraction(5, 1000)] + [Fraction(draw.randint(1, 20), 100) for _ in range(COUNT - 2)]
    return list(itertools.accumulate(gaps, initial=Fraction(0)))


def expected(times, fps, start=0, end=None):
    """Number of the frame at each moment, as the documentation has it."""
    mean = (times[-1] - times[0]) / (len(times) - 1)
    video_end = times[-1] - times[0] + mean
    end = video_end if end is None else min(end, video_end)
    numbers = []
    for k in itertools.count():
        moment = start + k / Fraction(fps)
        if moment >= end:
            return numbers
        near = [abs(time - times[0] - moment) for time in times]
        assert not 0 < min(near) <= Fraction(1, 1000), "this moment tests the slack"
        numbers.append(max(i for i, time in enumerate(times) if time - times[0] <= moment))


def decoded(path, read_counter, fps, start=None, end=None):
    config = EncodingConfig(fps=float(fps) if fps else None, short_side=64)
    clip = encode_clip(path, config, start, end)
    return [read_counter(jpeg) for jpeg in clip.frames]


@pytest.fixture(scope="module", params=CODECS)
def codec(request):
    return request.param


@pytest.fixture(scope="module")
def constant(codec, write_timed_video, tmp_path_factory, counter_frames):
    path = tmp_path_factory.mktemp("constant") / "video.mp4"
    return write_timed_video(path, counter_frames(COUNT), CONSTANT, codec)


@pytest.fixture(scope="module")
def variable(codec, write_timed_video, tmp_path_factory, counter_frames):
    path = tmp_path_factory.mktemp("variable") / "video.mp4"
    return write_timed_video(path, counter_frames(COUNT), variable_times(), codec)


SPANS = [(None, None), (Fraction(1, 2), Fraction(3, 2)), (Fraction(9, 8), None), (None, 1)]


@pytest.mark.parametrize("fps", [5, 10, 15, 25, 50])
@pytest.mark.parametrize(("start", "end"), SPANS)
def test_constant_rate(constant, read_counter, fps, start, end):
    found = decoded(constant, read_counter, fps, start and float(start), end and float(end))
    assert found == expected(CONSTANT, fps, start or 0, end)


@pytest.mark.parametrize("fps", [Fraction(5, 2), 5, 8, 25, 100])
@pytest.mark.parametrize(("start", "end"), [(None, None), (Fraction(1, 16), Fraction(33, 16))])
def test_variable_rate(variable, read_counter, fps, start, end):
    found = decoded(variable, read_counter, fps, start and float(start), end and float(end))
    assert found == expected(variable_times(), fps, start or 0, end)


def test_every_frame_of_a_variable_rate_keeps_its_time(variable, read_counter):
    clip = encode_clip(variable, EncodingConfig(fps=None, short_side=64))
    assert [read_counter(jpeg) for jpeg in clip.frames] == list(range(COUNT))
    assert clip.timestamps_us == [int(1_000_000 * time) for time in variable_times()]


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("fps", [10, 50])
def test_rotation(
    codec, write_timed_video, turn_upright, tmp_path, counter_frames, read_counter, degrees, fps
):
    lying = np.rot90(counter_frames(COUNT), degrees // 90, axes=(1, 2))
    path = write_timed_video(tmp_path / "x.mp4", lying, CONSTANT, codec)
    turn_upright(path, degrees)
    assert decoded(path, read_counter, fps, 0.5, 2) == expected(CONSTANT, fps, Fraction(1, 2), 2)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_b_frames(write_timed_video, tmp_path, counter_frames, read_counter, suffix):
    options = {"bf": "3", "b-adapt": "0", "g": "20"}
    path = tmp_path / f"x.{suffix}"
    write_timed_video(path, counter_frames(COUNT), CONSTANT, options=options)
    with av.open(str(path)) as container:
        kinds = [frame.pict_type for frame in container.decode(video=0)]
    assert kinds.count(av.video.frame.PictureType.B) > COUNT // 2
    for fps in (None, 5, 25, 50):
        assert decoded(path, read_counter, fps) == expected(CONSTANT, fps or 25)
    assert decoded(path, read_counter, 25, 1.0, 1.4) == list(range(25, 35))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("first", [Fraction(1, 5), 100])
def test_times_count_from_the_first_frame(
    codec, write_timed_video, tmp_path, counter_frames, read_counter, suffix, first
):
    path = tmp_path / f"x.{suffix}"
    write_timed_video(path, counter_frames(COUNT), [first + time for time in CONSTANT], codec)
    assert decoded(path, read_counter, 10) == expected(CONSTANT, 10)
    assert decoded(path, read_counter, 25, 0.4, 0.8) == list(range(10, 20))
    assert encode_clip(path, EncodingConfig(fps=None)).timestamps_us[:2] == [0, 40_000]


@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "3", "b-adapt": "0"}])
def test_edit_list(write_timed_video, edit, tmp_path, counter_frames, read_counter, options):
    """Frames outside the edit are decoded, since others need them, and never shown."""
    path = tmp_path / "x.mp4"
    write_timed_video(path, counter_frames(COUNT), CONSTANT, options=options)
    edit(path, start=Fraction(10, 25), duration=Fraction(30, 25))
    assert decoded(path, read_counter, None) == list(range(10, 40))
    assert decoded(path, read_counter, 5) == list(range(10, 40, 5))
    assert decoded(path, read_counter, 25, 0.2, 0.4) == list(range(15, 20))
