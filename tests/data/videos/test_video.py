import os

import numpy as np
import processes
import pytest

from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos.readers import UnusableVideo
from video_zoo.data.videos.resampling import TimedFrames, on_display
from video_zoo.data.videos.video import encode_clip


@pytest.fixture(scope="module")
def counter_video(tmp_path_factory, write_video, counter_frames):
    """100 numbered frames at 25 frames per second: 4 seconds."""
    path = tmp_path_factory.mktemp("counter") / "counter.mp4"
    return write_video(path, counter_frames(100), fps=25)


def numbers(clip, read_counter):
    return [read_counter(jpeg) for jpeg in clip.frames]


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (25, list(range(100))),
        (None, list(range(100))),
        (12.5, list(range(0, 100, 2))),
        (5, list(range(0, 100, 5))),
        (50, [frame for frame in range(100) for _ in range(2)]),
        # 10 per second out of 25: times 0, 0.1, 0.2 ... show frames 0, 2, 5, 7, ...
        (10, [int(k * 2.5) for k in range(40)]),
        (30, [int(k * 25 / 30) for k in range(120)]),
    ],
)
def test_frames_are_those_on_display(counter_video, read_counter, fps, expected):
    clip = encode_clip(counter_video, EncodingConfig(fps=fps, short_side=64))
    assert numbers(clip, read_counter) == expected
    rate = fps or 25
    assert clip.frame_rate == pytest.approx(rate)
    assert clip.timestamps_us == [round(1e6 * k / rate) for k in range(len(expected))]
    assert (clip.start_us, clip.end_us) == (0, 4_000_000)


@pytest.mark.parametrize(
    ("start", "end", "fps", "expected"),
    [
        (1.0, 2.0, 25, list(range(25, 50))),
        (1.0, 2.0, 5, [25, 30, 35, 40, 45]),
        (1.0, 2.0, None, list(range(25, 50))),
        (1.01, 1.21, 25, [25, 26, 27, 28, 29]),
        (3.8, None, 25, [95, 96, 97, 98, 99]),
        (None, 0.2, 25, [0, 1, 2, 3, 4]),
        (3.6, 4.4, 25, list(range(90, 100))),  # the video ends before the clip does
    ],
)
def test_trimming(counter_video, read_counter, start, end, fps, expected):
    clip = encode_clip(counter_video, EncodingConfig(fps=fps, short_side=64), start, end)
    assert numbers(clip, read_counter) == expected
    assert clip.start_us == clip.timestamps_us[0] == round(1e6 * (start or 0))


@pytest.mark.parametrize("codec", ["mp4v", "MJPG", "XVID"])
@pytest.mark.parametrize("rate", [24000 / 1001, 30000 / 1001, 15.0])
def test_own_rate_copies_every_frame_once(
    tmp_path, write_video, counter_frames, read_counter, codec, rate
):
    path = write_video(tmp_path / "x.avi", counter_frames(80), fps=rate, codec=codec)
    clip = encode_clip(path, EncodingConfig(fps=rate, short_side=64))
    assert numbers(clip, read_counter) == list(range(80))


def test_colours_are_right(tmp_path, write_video):
    import tensorflow as tf

    red = np.zeros((5, 48, 64, 3), np.uint8)
    red[..., 0] = 255
    path = write_video(tmp_path / "red.avi", red, codec="MJPG")
    jpeg = encode_clip(path, EncodingConfig(short_side=32)).frames[2]
    mean = tf.io.decode_jpeg(jpeg).numpy().reshape(-1, 3).mean(axis=0)
    assert mean[0] > 230
    assert mean[1] < 40 and mean[2] < 40


@pytest.mark.parametrize(
    ("width", "height", "short_side", "expected"),
    [
        (128, 64, 32, (64, 32)),
        (64, 128, 32, (32, 64)),
        (100, 64, 96, (150, 96)),  # enlarged
        (66, 64, 64, (66, 64)),  # as it is
    ],
)
def test_size(tmp_path, write_video, width, height, short_side, expected):
    path = write_video(tmp_path / "x.avi", np.zeros((3, height, width, 3)), codec="MJPG")
    clip = encode_clip(path, EncodingConfig(short_side=short_side))
    assert (clip.width, clip.height) == expected


@pytest.mark.parametrize(
    ("degrees", "expected"), [(0, "left"), (90, "top"), (180, "right"), (270, "bottom")]
)
def test_frames_are_upright(tmp_path, write_video, turn_upright, degrees, expected):
    """The left half is white, and the file's rotation says where that half is to be shown."""
    import cv2

    frames = np.zeros((3, 64, 128, 3), np.uint8)
    frames[:, :, :64] = 255
    path = turn_upright(write_video(tmp_path / "x.mp4", frames), degrees)
    clip = encode_clip(path, EncodingConfig(short_side=32))
    size = (64, 32) if expected in ("left", "right") else (32, 64)
    assert (clip.width, clip.height) == size
    picture = cv2.imdecode(np.frombuffer(clip.frames[0], np.uint8), cv2.IMREAD_GRAYSCALE)
    sides = {
        "left": picture[:, : size[0] // 3],
        "right": picture[:, -size[0] // 3 :],
        "top": picture[: size[1] // 3],
        "bottom": picture[-size[1] // 3 :],
    }
    assert [side for side, pixels in sides.items() if pixels.mean() > 200] == [expected]


def test_a_frame_shown_for_long_is_encoded_once(counter_video):
    clip = encode_clip(counter_video, EncodingConfig(fps=100, short_side=64))
    assert len(clip.frames) == 400
    assert len({id(jpeg) for jpeg in clip.frames}) == 100


def timed(milliseconds, rate):
    """Frames 1, 2, ... with any clock at all, which no encoder here can write."""
    frames = (np.full((2, 2, 3), number) for number in range(1, len(milliseconds) + 1))
    return TimedFrames(zip((ms / 1000 for ms in milliseconds), frames, strict=True), rate)


@pytest.mark.parametrize(
    ("milliseconds", "fps", "expected"),
    [
        # Many AVI files begin late and end with a frame at time 0.
        ([100, 140, 180, 0], 25, [0, 0.04, 0.08, 0.12]),
        ([0, 0, 0, 0], 20, [0, 0.05, 0.1, 0.15]),
        ([0, 40, 80, 0, 40], 25, [0, 0.04, 0.08, 0.12, 0.16]),
        ([0, 40, 10_000_000, 10_000_040], 25, [0, 0.04, 0.08, 0.12]),
        ([0, 60_000, 120_500], 25, [0, 60, 120]),  # no still picture is shown for so long
        ([0, 0], 1000, [0, 0.04]),  # a placeholder instead of a rate
        ([0, 0], 241, [0, 0.04]),
        ([0, 0], 240, [0, 1 / 240]),
        ([0, 0], 0, [0, 0.04]),
        ([0, 500, 520, 1700], 25, [0, 0.5, 0.52, 1.7]),  # variable, and as it should be
    ],
)
def test_broken_times_are_mended(milliseconds, fps, expected):
    frames = timed(milliseconds, fps)
    assert [seconds for seconds, _ in frames] == pytest.approx(expected)
    assert frames.count == len(expected)


def test_variable_rate_shows_each_frame_until_the_next():
    frames = timed([0, 500, 520, 1700], 25)
    shown = [frame[0, 0, 0] for _, frame in on_display(frames, 5.0, 0.0, None)]
    # The last frame stays for the mean interval, until 2.27 s.
    assert shown == [1, 1, 1, 3, 3, 3, 3, 3, 3, 4, 4, 4]


HTML = b"<!DOCTYPE html><html><body>Not found</body></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
NO_MOOV = b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + b"\0\1\0\0mdat" + bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (HTML, "HTML"),
        (LFS, "git-lfs"),
        (b"name,value\n1,2\n", "text"),
        ("söme text. ".encode() * 600, "text"),
        (b"\0" * 5000, "zeros"),
        (NO_MOOV, "no moov atom"),
        (bytes(range(256)) * 20, "damaged"),
    ],
)
def test_reasons_of_files_that_are_no_videos(tmp_path, content, reason):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(UnusableVideo, match=reason):
        encode_clip(path)


def test_a_name_of_any_bytes(counter_video, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9 100%d.mp4")
    os.symlink(counter_video, path)
    assert len(encode_clip(os.fsdecode(path), EncodingConfig(short_side=64)).frames) == 100


def test_reasons_of_paths(tmp_path):
    with pytest.raises(UnusableVideo, match="No such file"):
        encode_clip(tmp_path / "none.mp4")
    with pytest.raises(UnusableVideo, match="folder"):
        encode_clip(tmp_path)


def test_reasons_of_videos(counter_video, tmp_path, write_video):
    with pytest.raises(UnusableVideo, match=r"starts at 9 s, but the video ends at 4\.00 s"):
        encode_clip(counter_video, start=9, end=10)
    with pytest.raises(UnusableVideo, match=r"0\.40 s of the 6\.40 s asked for"):
        encode_clip(counter_video, start=3.6, end=10)
    with pytest.raises(UnusableVideo, match="too few frames: 100"):
        encode_clip(counter_video, EncodingConfig(min_frames=101))
    narrow = write_video(tmp_path / "narrow.avi", np.zeros((2, 2, 1024, 3)), codec="MJPG")
    with pytest.raises(UnusableVideo, match="too narrow"):
        encode_clip(narrow)


def test_cut_short(tmp_path, write_video):
    noise = np.random.default_rng(0).integers(0, 255, (100, 64, 64, 3))
    whole = write_video(tmp_path / "whole.avi", noise, codec="MJPG").read_bytes()
    path = tmp_path / "part.avi"
    path.write_bytes(whole[: len(whole) // 4])
    with pytest.raises(UnusableVideo, match=r"cut short: .* s of the 4\.00 s declared"):
        encode_clip(path)
    clip = encode_clip(path, EncodingConfig(min_fraction=0.1))
    assert 20 <= len(clip.frames) <= 25


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("fps", 0, ".*"),
        ("fps", -1, ".*"),
        ("fps", float("nan"), ".*"),
        ("short_side", 0, ".*"),
        ("jpeg_quality", 101, ".*"),
        ("min_frames", 0, ".*"),
        ("min_fraction", 1.5, ".*"),
        ("modality", "flow", "one of 'rgb', 'flow_dis', 'flow_tvl1'"),
        ("flow_bound", 0, "from 0.001 to 10,000"),
        ("flow_bound", float("nan"), "from 0.001 to 10,000"),
    ],
)
def test_config_is_checked(name, value, allowed):
    with pytest.raises(ValueError, match=f"`{name}` must be {allowed}. Received: {name}="):
        EncodingConfig(**{name: value})


@pytest.mark.parametrize(("start", "end"), [(-1, None), (2, 1), (1, 1), (None, 0)])
def test_span_is_checked(counter_video, start, end):
    with pytest.raises(ValueError, match=r"`start` must be .*Received: start="):
        encode_clip(counter_video, start=start, end=end)


def test_the_module_needs_neither_tensorflow_nor_opencv_to_import():
    code = (
        "import sys; import video_zoo.data.videos.video, video_zoo.data.conversion.workers; "
        "print({'av', 'cv2', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    output = processes.run("-c", code)
    assert output.stdout.strip() == "set()", output.stderr
