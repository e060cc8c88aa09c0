"""Decoders of video files behind one protocol: OpenCV first, PyAV for what OpenCV cannot decode.

The only module that imports OpenCV or PyAV, and it does so when a file is opened.
"""

import importlib.metadata
import itertools
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Protocol

import numpy as np

from video_zoo.data import file_check

# As many packets may fail in a row before a file counts as ended, as OpenCV allows.
_MAX_FAILED_PACKETS = 64


class UnusableVideo(Exception):  # noqa: N818 - it is an answer, not a fault
    """A video that cannot be converted; ``str`` of it is the reason, in one line."""


class Reader(Protocol):
    """An open video. Iterating, which is possible once, yields ``(clock, frame)`` in order of time.

    ``clock`` is the presentation time in seconds as the file has it: its origin is anywhere, and a
    damaged file may have any value. ``frame`` is uint8 [height, width, 3], BGR and upright.

    Attributes:
        num_frames: float. Frames that the file declares; 0 or less where it does not.
        rate: float. Frames per second that it declares; 0 or less where it does not.
        codec: str. Name of the codec.
    """

    num_frames: float
    rate: float
    codec: str

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]: ...

    def close(self) -> None: ...


def open_video(path: str) -> Reader:
    """Opens a video with the first decoder that gives a frame of it. Close the reader after use.

    Args:
        path: str. An absolute path.

    Returns:
        `Reader`, with one frame at least.

    Raises:
        UnusableVideo: if no decoder gives a frame.
        ImportError: if OpenCV cannot be loaded.
    """
    cv2 = load_opencv()
    reason = file_check.why_not_video(path)
    if reason:
        raise UnusableVideo(reason)
    codec = None
    capture = _open_capture(cv2, path)
    if capture.isOpened():
        reader = OpenCVReader(cv2, capture)
        if not reader.empty:
            return reader
        codec = reader.codec
        reader.close()
    av = load_av()
    reader = _open_with_av(av, path) if av is not None else None
    if reader is not None:
        return reader
    if codec is None:
        raise UnusableVideo(file_check.why_not_opened(path, has_av=av is not None))
    raise UnusableVideo(file_check.why_no_frame(codec, has_av=av is not None))


class OpenCVReader:
    """A `Reader` of an opened ``cv2.VideoCapture``.

    Attributes:
        empty: bool. Whether no frame decodes.
    """

    def __init__(self, cv2: ModuleType, capture):
        self._cv2 = cv2
        self._capture = capture
        self.num_frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.rate = capture.get(cv2.CAP_PROP_FPS)
        code = (int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF).to_bytes(4, "little")
        text = code.decode("ascii", "replace")
        self.codec = text.strip() if text.isprintable() else "0x" + code[::-1].hex()
        self._first = self._read()
        self.empty = self._first is None
        if self._first is not None and hasattr(cv2, "CAP_PROP_PTS"):
            # Matroska declares the time of the end and no number of frames, which OpenCV derives
            # from it: in a stream that starts late, what lies before the start was never there.
            # This property counts from 0, in frames; the clock counts from the stream's start.
            before = capture.get(cv2.CAP_PROP_PTS) - self._first[0] * self.rate
            if 0 < before < self.num_frames:
                self.num_frames -= before

    def _read(self) -> tuple[float, np.ndarray] | None:
        decoded, frame = self._capture.read()
        # This property holds the time of the frame just read, and only after a read.
        return (self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000, frame) if decoded else None

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        timed, self._first = self._first, None
        while timed is not None:
            yield timed
            timed = self._read()

    def close(self) -> None:
        self._capture.release()


class PyAVReader:
    """A `Reader` of a video stream of an opened PyAV container.

    Attributes:
        empty: bool. Whether no frame decodes.
    """

    def __init__(self, av: ModuleType, container, stream):
        self._av = av
        self._container = container
        self._stream = stream
        # The conversion runs one process per CPU: more threads would only get in the way.
        self._stream.codec_context.thread_count = 1
        self._reformatter = av.video.reformatter.VideoReformatter()
        self.rate = float(self._stream.guessed_rate or 0)
        self.num_frames = float(self._stream.frames or self._seconds() * self.rate)
        self.codec = self._stream.codec_context.codec.canonical_name
        self._frames = self._decode()
        first = next(self._frames, None)
        self.empty = first is None
        if first is not None:
            self._frames = itertools.chain([first], self._frames)

    def _seconds(self) -> float:
        """Declared duration; 0 where there is none."""
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        before = float((self._stream.start_time or 0) * self._stream.time_base)
        return max(0.0, (self._container.duration or 0) / self._av.time_base - before)

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        return self._frames

    def _decode(self) -> Iterator[tuple[float, np.ndarray]]:
        failed = 0
        packets = self._container.demux(self._stream)
        while failed < _MAX_FAILED_PACKETS:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                return
            except self._av.error.FFmpegError:
                failed += 1  # one damaged packet: what follows may decode
                continue
            failed = 0 if frames else failed
            for frame in frames:
                yield self._clock(frame), self._upright(frame)

    def _clock(self, frame) -> float:
        ticks = frame.dts if frame.pts is None else frame.pts
        return float(ticks * frame.time_base) if ticks is not None else 0.0

    def _upright(self, frame) -> np.ndarray:
        picture = self._reformatter.reformat(frame, format="bgr24", threads=1).to_ndarray()
        quarter_turns = round(frame.rotation / 90) % 4  # counterclockwise, for both
        return np.ascontiguousarray(np.rot90(picture, quarter_turns))

    def close(self) -> None:
        self._container.close()


def _open_with_av(av: ModuleType, path: str) -> PyAVReader | None:
    """A reader that has a frame; None if PyAV finds none either."""
    try:
        # Names and comments of a file may be in any encoding.
        container = av.open(path, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError):
        return None
    try:
        stream = container.streams.best("video")
        usable = stream is not None and stream.codec_context is not None
        reader = PyAVReader(av, container, stream) if usable else None
    except BaseException:
        container.close()
        raise
    if reader is None or reader.empty:
        container.close()
        return None
    return reader


def _open_capture(cv2: ModuleType, path: str):
    options = []
    if hasattr(cv2, "CAP_PROP_N_THREADS"):
        # The conversion runs one process per CPU: more decoder threads would only get in the way.
        options = [cv2.CAP_PROP_N_THREADS, 1]
    # FFmpeg by name: OpenCV's other readers take the digits of a file name for a picture series.
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, options)
    if capture.isOpened():
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def load_av() -> ModuleType | None:
    """The module ``av``; None where the extra ``[av]`` is not installed."""
    try:
        import av
        import av.video.reformatter
    except (ImportError, OSError):
        return None
    return av


def load_opencv() -> ModuleType:
    """The module ``cv2``.

    Raises:
        ImportError: if it cannot be loaded; the one-line message tells the remedy.
    """
    # Both are read when OpenCV loads. Damaged videos are reported in skipped.csv, so FFmpeg's own
    # complaints would only tear the progress bar.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    try:
        import cv2
    except (ImportError, AttributeError, OSError) as error:
        raise ImportError(_opencv_remedy(str(error))) from error
    if not hasattr(cv2, "VideoCapture"):
        raise ImportError(_opencv_remedy("the installed cv2 module is broken"))
    return cv2


def _opencv_remedy(problem: str) -> str:
    problem = " ".join(problem.split())
    packages = {package.metadata["Name"] for package in importlib.metadata.distributions()}
    installed = sorted(name for name in packages if name and name.startswith("opencv-"))
    if len(installed) == 1 and ".so" in problem:
        remedy = (
            "A system library is missing: `apt-get install libgl1 libglib2.0-0`, or without it "
            f"`pip uninstall -y {installed[0]} && pip install opencv-python-headless`"
        )
    elif installed:
        remedy = (
            "Keep one OpenCV package only: "
            f"`pip uninstall -y {' '.join(installed)} && pip install opencv-python-headless`"
        )
    else:
        remedy = "Install it: `pip install opencv-python-headless`"
    return f"OpenCV cannot be loaded ({problem}). {remedy}."
