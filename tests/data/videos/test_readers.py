"""What the decoder gives is what a player shows: times, pixels, and reasons."""

import contextlib
from fractions import Fraction

import av
import cv2
import numpy as np
import processes
import pytest

from video_zoo.data.videos import display, readers
from video_zoo.data.videos.resampling import TimedFrames
from video_zoo.data.videos.video import decoder_versions

TIMES = [Fraction(k, 25) for k in range(40)]


def read(path):
    """Times and frames, and the closed reader."""
    with contextlib.closing(readers.open_video(str(path))) as reader:
        timed = list(TimedFrames(reader, reader.rate))
    return [seconds for seconds, _ in timed], [frame for _, frame in timed], reader


def read_with_opencv(path):
    """The same by OpenCV, which brings an FFmpeg of its own: a second opinion."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    assert capture.isOpened(), f"OpenCV does not open {path}"
    timed = []
    while (decoded := capture.read())[0]:
        timed.append((capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, decoded[1]))
    capture.release()
    timed = list(TimedFrames(timed, capture.get(cv2.CAP_PROP_FPS)))
    return [seconds for seconds, _ in timed], [frame for _, frame in timed]


def assert_alike(path, largest_difference=1.0):
    """Largest difference: of the mean over a frame, in grey levels."""
    times, frames, _ = read(path)
    other_times, other_frames = read_with_opencv(path)
    assert times == pytest.approx(other_times, abs=1e-6)
    for one, other in zip(frames, other_frames, strict=True):
        assert one.shape == other.shape
        assert one.dtype == np.uint8
        assert np.abs(one.astype(int) - other).mean() < largest_difference
    return frames


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_opencv_reads_the_same(tmp_path, write_timed_video, turn_upright, counter_frames, degrees):
    path = tmp_path / "x.mp4"
    write_timed_video(path, counter_frames(40), TIMES, options={"bf": "2"})
    turn_upright(path, degrees)
    frames = assert_alike(path)
    assert len(frames) == 40
    assert frames[0].shape == ((64, 128, 3) if degrees % 180 == 0 else (128, 64, 3))


@pytest.mark.parametrize(
    ("suffix", "codec"), [("avi", "XVID"), ("avi", "MJPG"), ("mp4", "mp4v"), ("mkv", "mp4v")]
)
def test_what_opencv_writes(tmp_path, write_video, counter_frames, suffix, codec):
    path = write_video(tmp_path / f"x.{suffix}", counter_frames(30), fps=15, codec=codec)
    assert len(assert_alike(path)) == 30


@pytest.mark.parametrize(
    ("name", "largest_difference"),
    [
        ("decord_unordered.mov", 1),
        ("decord_video_90.mov", 1),
        ("exo_bbb_642x642_768kbps_30fps_vp9.webm", 1),
        ("moviepy_video_with_failing_audio.mp4", 1),
        ("torchcodec_h264_10bits.mp4", 4),  # 10 bits are rounded in two ways
        ("torchcodec_h265_video.mp4", 1),
    ],
)
def test_real_files(shared_data, name, largest_difference):
    path = shared_data / "odd" / name
    if not path.is_file():
        pytest.skip(f"no file {path}")
    assert_alike(path, largest_difference)


def test_colours(tmp_path, write_timed_video):
    red = np.zeros((3, 64, 64, 3), np.uint8)
    red[..., 0] = 255
    path = write_timed_video(tmp_path / "x.mp4", red, TIMES[:3], codec="libsvtav1")
    for frame in read(path)[1]:
        blue, green, red = frame.reshape(-1, 3).mean(axis=0)
        assert red > 230
        assert blue < 40 and green < 40


@pytest.mark.parametrize("count", [10, 40])
@pytest.mark.parametrize(
    ("suffix", "first", "counted"),
    [
        ("mp4", 0, True),
        ("mp4", 100, True),
        ("avi", 0, True),
        ("mkv", 0, False),
        ("mkv", 100, False),
    ],
)
def test_what_a_file_declares(tmp_path, write_timed_video, suffix, first, counted, count):
    path = tmp_path / f"x.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (count, 64, 64, 3), np.uint8)
    avi = {"codec": "mpeg4", "time_base": TIMES[1]} if suffix == "avi" else {}
    write_timed_video(path, noise, [first + time for time in TIMES[:count]], **avi)

    def declared():
        with contextlib.closing(readers.open_video(str(path))) as reader:
            assert reader.seconds == pytest.approx(count / 25, abs=0.01)
            assert reader.num_frames == (count if counted else 0)
            return len(list(reader)), reader.reached_end

    assert declared() == (count, True)
    if suffix != "mp4":  # which has its index at the end
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
        found, reached_end = declared()
        assert found < count and not reached_end


@pytest.mark.parametrize("order", ["cv2, av", "av, cv2"])
def test_both_live_in_one_process(tmp_path, write_video, counter_frames, order):
    """Each brings an FFmpeg of its own."""
    path = write_video(tmp_path / "x.mp4", counter_frames(20))
    code = (
        f"import {order}; capture = cv2.VideoCapture({str(path)!r}); count = 0\n"
        f"for _ in av.open({str(path)!r}).decode(video=0): count += capture.read()[0]\n"
        "print(count)"
    )
    done = processes.run("-c", code)
    assert (done.returncode, done.stdout.strip()) == (0, "20"), done.stderr


def test_without_pyav_the_error_names_it(tmp_path):
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from video_zoo.data.videos.video import decoder_versions\n"
        "decoder_versions()"
    )
    done = processes.run("-c", code)
    assert done.stderr.splitlines()[-1].startswith("ImportError: PyAV, which decodes videos, ")
    assert 'pip install "av>=' in done.stderr


def test_versions():
    assert decoder_versions() == {"opencv": cv2.__version__, "av": av.__version__}


# Interlaced: each frame is woven of two moments, 20 ms apart.


def fields(count):
    """A white bar that moves to the right, at 50 moments per second."""
    pictures = np.full((count, 128, 320, 3), 40, np.uint8)
    for number, picture in enumerate(pictures):
        picture[:, 6 * number + 8 : 6 * number + 40] = 220
    return pictures


def woven(count):
    """Interlaced frames of the fields: the earlier one has the lower lines, as PyAV declares."""
    pictures = fields(2 * count)
    frames = pictures[1::2].copy()
    frames[:, 1::2] = pictures[::2, 1::2]
    return frames


INTERLACED = {
    "libx264": {"flags": "+ildct+ilme", "x264-params": "bff=1"},
    "prores_ks": {"flags": "+ildct+ilme"},
}


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [
        ("mts", "libx264", "yuv420p"),  # AVCHD
        ("mp4", "libx264", "yuv420p"),
        ("mkv", "libx264", "yuv420p"),
        ("mov", "prores_ks", "yuv422p10le"),
    ],
)
def test_interlaced_frames_are_deinterlaced(tmp_path, write_timed_video, suffix, codec, pixels):
    path = tmp_path / f"x.{suffix}"
    write_timed_video(path, woven(20), TIMES[:20], codec, INTERLACED[codec], pix_fmt=pixels)
    times, frames, _ = read(path)
    assert times == pytest.approx([float(time) for time in TIMES[:20]], abs=1e-4)
    for frame, moment, mixed in zip(frames, fields(40)[::2], woven(20), strict=True):
        error, error_of_mixed = (np.abs(one.astype(int) - moment).mean() for one in (frame, mixed))
        assert error < error_of_mixed / 3


def test_a_single_interlaced_frame(tmp_path, write_timed_video):
    path = tmp_path / "x.mp4"
    write_timed_video(path, woven(1), TIMES[:1], options=INTERLACED["libx264"])
    assert len(read(path)[1]) == 1


def test_a_stream_that_becomes_interlaced(tmp_path, write_timed_video):
    """Two files one after the other, as broadcasts have them."""
    write_timed_video(tmp_path / "a.ts", fields(20), TIMES[:20])
    write_timed_video(tmp_path / "b.ts", woven(20), TIMES[20:], options=INTERLACED["libx264"])
    path = tmp_path / "x.ts"
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    times, frames, _ = read(path)
    assert len(frames) == 40
    assert times == sorted(set(times))
    for frame, moment in zip(frames, [*fields(20), *fields(40)[::2]], strict=True):
        assert np.abs(frame.astype(int) - moment).mean() < 2


# Display: pixels that are not square, mirrors, several streams, high dynamic range.


@pytest.mark.parametrize(
    ("aspect", "size"), [((2, 1), (128, 64)), ((1, 2), (64, 128)), ((16, 15), (68, 64))]
)
def test_pixels_become_square(tmp_path, write_timed_video, aspect, size):
    path = tmp_path / "x.mp4"
    frames = np.zeros((3, 64, 64, 3), np.uint8)
    write_timed_video(path, frames, TIMES[:3], sample_aspect_ratio=Fraction(*aspect))
    assert read(path)[1][0].shape[1::-1] == size


def test_pixels_of_dv_in_avi(tmp_path, write_timed_video):
    """Camcorder tapes: the codec alone tells that 720 pixels are as wide as 768."""
    path = tmp_path / "x.avi"
    more = {"time_base": TIMES[1], "sample_aspect_ratio": Fraction(16, 15)}
    write_timed_video(path, np.zeros((2, 576, 720, 3), np.uint8), TIMES[:2], "dvvideo", **more)
    assert read(path)[1][0].shape[1::-1] == (768, 576)


def corner_is_white(picture):
    """Which corner: (bottom, right)."""
    height, width = picture.shape[:2]
    corners = {
        (bottom, right): picture[
            bottom * height // 2 : (bottom + 1) * height // 2,
            right * width // 2 : (right + 1) * width // 2,
        ].mean()
        for bottom in (0, 1)
        for right in (0, 1)
    }
    return max(corners, key=corners.get)


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        # (a, b, c, d): the pixel (x, y) is shown at (a x + c y, b x + d y).
        ((1, 0, 0, 1), (0, 0)),
        ((-1, 0, 0, 1), (0, 1)),  # mirrored, as by a camera for oneself
        ((1, 0, 0, -1), (1, 0)),
        ((-1, 0, 0, -1), (1, 1)),
        ((0, 1, 1, 0), (0, 0)),
        ((0, 1, -1, 0), (0, 1)),
        ((0, -1, 1, 0), (1, 0)),
        ((0, -1, -1, 0), (1, 1)),
    ],
)
def test_display_matrix(tmp_path, write_timed_video, set_matrix, matrix, corner):
    """The upper left quarter is white."""
    frames = np.zeros((2, 64, 128, 3), np.uint8)
    frames[:, :32, :64] = 255
    path = set_matrix(write_timed_video(tmp_path / "x.mp4", frames, TIMES[:2]), matrix)
    picture = read(path)[1][0]
    assert picture.shape == ((128, 64, 3) if matrix[0] == 0 else (64, 128, 3))
    assert corner_is_white(picture) == corner


def test_a_turned_video_of_pixels_that_are_not_square(tmp_path, write_timed_video, turn_upright):
    path = tmp_path / "x.mp4"
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    write_timed_video(path, frames, TIMES[:2], sample_aspect_ratio=Fraction(2))
    assert read(turn_upright(path, 90))[1][0].shape == (128, 64, 3)


@pytest.mark.parametrize("default", [0, 1])
def test_of_several_streams_the_default_one_is_shown(tmp_path, default):
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for number, stream in enumerate(streams):
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            stream.disposition = av.stream.Disposition.default if number == default else 0
        for number, stream in enumerate(streams):
            picture = np.full((64, 64, 3), 255 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            container.mux(stream.encode())
    assert read(path)[1][0].mean() == pytest.approx(255 * default, abs=5)


@pytest.mark.parametrize("number", [0, 3])
def test_colours_of_no_known_system(tmp_path, write_timed_video, number):
    """Numbers without a meaning, which FFmpeg's filters refuse and players pass over."""
    path = write_timed_video(tmp_path / "x.mp4", np.full((1, 64, 64, 3), 200, np.uint8), TIMES[:1])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        frame.colorspace = 3
        frame.color_primaries = frame.color_trc = number
        shown = display.Display(av, stream)
        (picture,) = [*shown.show(frame), *shown.end()]
    assert picture.to_ndarray().mean() == pytest.approx(200, abs=4)


# White paper at 203 cd/m2, and red paint beside it that other videos (BT.709) can show as well: the
# signal of BT.2100 in each system.
SIGNALS = {
    "PQ": (16, (0.58, 0.58, 0.58), (0.53, 0.33, 0.22)),
    "HLG": (18, (0.75, 0.75, 0.75), (0.64, 0.23, 0.11)),
}


@pytest.mark.parametrize("system", SIGNALS)
def test_high_dynamic_range_is_tone_mapped(tmp_path, system):
    transfer, white, red = SIGNALS[system]
    path = tmp_path / "x.mp4"
    picture = np.zeros((64, 128, 3), np.uint16)
    picture[:, :64], picture[:, 64:] = np.multiply(65535, (white, red)).astype(np.uint16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p10le"
        stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, 9
        stream.codec_context.colorspace, stream.codec_context.color_range = 9, 1
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    times, frames, _ = read(path)
    assert times == pytest.approx([0, 0.04, 0.08])
    for frame in frames:
        left, right = frame[32, 32].astype(int), frame[32, 96].astype(int)
        assert np.ptp(left) < 8 and 145 < left.mean() < 235  # white, below what shines
        blue, green, red = right
        assert red > 120 and max(blue, green) < 0.4 * red  # untouched it is pale
