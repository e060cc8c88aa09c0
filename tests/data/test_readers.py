"""The two decoders behind one protocol: the same times, and nearly the same pixels."""

import contextlib
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from video_zoo.data import readers
from video_zoo.data.resampling import TimedFrames
from video_zoo.data.video import UnusableVideo, decoder_versions, encode_clip

av = pytest.importorskip("av", reason="PyAV (the extra `av`) is one of the two decoders")
CV2 = readers.load_opencv()
TIMES = [Fraction(k, 25) for k in range(40)]


def with_opencv(path):
    """Times and frames by OpenCV, and the closed reader."""
    capture = readers._open_capture(CV2, str(path))
    assert capture.isOpened(), f"OpenCV does not open {path}"
    return read_all(readers.OpenCVReader(CV2, capture))


def with_av(path):
    return read_all(readers._open_with_av(readers.load_av(), str(path)))


def read_all(reader):
    with contextlib.closing(reader):
        timed = list(TimedFrames(reader, reader.rate))
    return [seconds for seconds, _ in timed], [frame for _, frame in timed], reader


def assert_alike(path, largest_difference=1.0):
    """Largest difference: of the mean over a frame, in grey levels."""
    times, frames, reader = with_opencv(path)
    av_times, av_frames, av_reader = with_av(path)
    assert av_times == pytest.approx(times, abs=1e-6)
    assert av_reader.num_frames == pytest.approx(reader.num_frames, abs=1)
    assert av_reader.rate == pytest.approx(reader.rate, rel=0.01)
    for one, other in zip(frames, av_frames, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype == np.uint8
        assert np.abs(one.astype(int) - other).mean() < largest_difference
    return frames


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_both_read_alike(tmp_path, write_timed_video, turn_upright, counter_frames, degrees):
    path = tmp_path / "x.mp4"
    write_timed_video(path, counter_frames(40), TIMES, options={"bf": "2"})
    turn_upright(path, degrees)
    frames = assert_alike(path)
    assert len(frames) == 40
    assert frames[0].shape == ((64, 128, 3) if degrees % 180 == 0 else (128, 64, 3))


@pytest.mark.parametrize(
    ("suffix", "codec"), [("avi", "XVID"), ("avi", "MJPG"), ("mp4", "mp4v"), ("mkv", "mp4v")]
)
def test_both_read_what_opencv_writes(tmp_path, write_video, counter_frames, suffix, codec):
    path = write_video(tmp_path / f"x.{suffix}", counter_frames(30), fps=15, codec=codec)
    assert len(assert_alike(path)) == 30


def test_colours(tmp_path, write_timed_video):
    red = np.zeros((3, 64, 64, 3), np.uint8)
    red[..., 0] = 255
    path = write_timed_video(tmp_path / "x.mp4", red, TIMES[:3], codec="libsvtav1")
    for frame in with_av(path)[1]:
        blue, green, red = frame.reshape(-1, 3).mean(axis=0)
        assert red > 230
        assert blue < 40 and green < 40


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
def test_both_read_real_files_alike(shared_data, name, largest_difference):
    path = shared_data / "odd" / name
    if not path.is_file():
        pytest.skip(f"no file {path}")
    assert_alike(path, largest_difference)


def test_opencv_comes_first(tmp_path, write_video, counter_frames):
    path = write_video(tmp_path / "x.mp4", counter_frames(3))
    code = (
        "import sys; from video_zoo.data.video import encode_clip; "
        f"print(len(encode_clip({str(path)!r}).frames), 'av' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "3 False", done.stderr


@pytest.mark.parametrize("order", ["cv2, av", "av, cv2"])
def test_both_live_in_one_process(tmp_path, write_video, counter_frames, order):
    """Each brings an FFmpeg of its own."""
    path = write_video(tmp_path / "x.mp4", counter_frames(20))
    code = (
        f"import {order}; capture = cv2.VideoCapture({str(path)!r}); count = 0\n"
        f"for _ in av.open({str(path)!r}).decode(video=0): count += capture.read()[0]\n"
        "print(count)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "20"), done.stderr


@pytest.fixture(scope="module")
def av1_video(tmp_path_factory, write_timed_video, counter_frames):
    path = tmp_path_factory.mktemp("av1") / "x.mkv"
    write_timed_video(path, counter_frames(40), TIMES, codec="libsvtav1")
    with contextlib.closing(readers.open_video(str(path))) as reader:
        if not isinstance(reader, readers.PyAVReader):
            pytest.skip("this OpenCV decodes AV1 itself")
    return path


def test_without_pyav_the_reason_names_the_extra(av1_video):
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from video_zoo.data.video import decoder_versions, encode_clip\n"
        "print(*decoder_versions())\n"
        f"encode_clip({str(av1_video)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "opencv"
    assert done.stderr.splitlines()[-1] == (
        "video_zoo.data.readers.UnusableVideo: no decoder for codec AV01 in this OpenCV: install "
        "`video_zoo[av]`, or re-encode the file with `ffmpeg -i IN -c:v libx264 OUT.mp4`"
    )


def test_damage_in_what_pyav_reads(av1_video, tmp_path):
    whole = av1_video.read_bytes()
    path = tmp_path / "part.mkv"
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(UnusableVideo, match=r"cut short: 0\.\d\d s of the 1\.\d\d s declared"):
        encode_clip(path)


def test_pyav_goes_on_behind_damaged_packets(tmp_path, write_timed_video, counter_frames):
    path = tmp_path / "x.mp4"
    write_timed_video(path, counter_frames(40), TIMES, codec="libsvtav1", options={"g": "10"})
    content = bytearray(path.read_bytes())
    begin, size = content.index(b"mdat") + 4, len(content) // 4
    content[begin + size : begin + size + 200] = bytes(200)
    path.write_bytes(content)
    times = with_av(path)[0]
    assert 20 <= len(times) < 40
    assert times[-1] == pytest.approx(39 / 25)


def test_versions():
    versions = decoder_versions()
    assert versions == {"opencv": CV2.__version__, "av": av.__version__}
