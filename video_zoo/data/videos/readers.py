"""Decodes video files with PyAV: FFmpeg's demuxers, decoders and filters.

The only module that imports PyAV or OpenCV, and it does so when a file is opened.
"""

import importlib.metadata
import itertools
import os
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np

from . import display, file_check
from .frame_reader import FrameReader

# Many files declare a frame or two more than they have.
FRAMES_OF_SLACK = 2
# How the names of live sources begin.
CAMERA = "camera:"
_LIVE = (CAMERA, "rtsp://", "rtsps://")
# Seconds to open a live source, and to wait for a frame of it.
_LIVE_TIMEOUT = (20.0, 20.0)


class UnusableVideo(Exception):  # noqa: N818 - it is an answer, not a fault
    """A video that cannot be converted; ``str`` of it is the reason, in one line."""


def open_video(path: str, frames_fps: float | None = None) -> "Reader | FrameReader":
    """Opens a video. Close the reader after use.

    Args:
        path: an absolute path of a file, or of a folder of frames.
        frames_fps: frames per second of such a folder.

    Returns:
        A video with one frame at least; :class:`FrameReader` of a folder.

    Raises:
        UnusableVideo: no frame decodes.
        ImportError: PyAV cannot be loaded.
    """
    if os.path.isdir(path):
        return _open_frames(path, frames_fps)
    av = load_av()
    reason = file_check.why_not_video(path)
    if reason:
        raise UnusableVideo(reason)
    try:
        # Names and comments of a file may be in any encoding.
        container = av.open(path, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        damaged = "cannot be opened: damaged, or of a kind that FFmpeg does not know"
        raise UnusableVideo(file_check.why_no_frame(path, damaged)) from error
    return _reader_of(av, container, path)


def _reader_of(av: ModuleType, container, path: str) -> "Reader":
    """Of an open container, which is closed where no frame decodes."""
    try:
        reader = Reader(av, container, _video_stream(path, container))
        if reader.empty:
            raise UnusableVideo(file_check.why_no_frame(path, reader.why_empty()))
    except BaseException:
        container.close()
        raise
    return reader


def is_live(path: str) -> bool:
    """Whether ``path`` is a camera, ``camera:0`` say, or an address of RTSP."""
    return path.startswith(_LIVE)


def open_live(source: str) -> "Reader":
    """Opens a camera or a stream. Close the reader after use.

    Args:
        source: ``camera:N`` for the camera of that number, or ``rtsp://...`` or ``rtsps://...``.

    Raises:
        UnusableVideo: it cannot be opened, or sends no frame.
        ImportError: PyAV cannot be loaded.
    """
    av = load_av()
    options = {"rtsp_transport": "tcp"}  # over UDP, frames are damaged where packets are lost
    file, kind = source, None
    if source.startswith(CAMERA):
        number, options = source.removeprefix(CAMERA), {}
        if not number.isdecimal():
            raise UnusableVideo(f"not a camera: the name must be {CAMERA}0, {CAMERA}1 or so on")
        on_mac = sys.platform == "darwin"
        file, kind = (number, "avfoundation") if on_mac else (f"/dev/video{number}", "v4l2")
    try:
        container = av.open(file, format=kind, options=options, timeout=_LIVE_TIMEOUT)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        problem = " ".join(str(error).split())
        raise UnusableVideo(f"cannot be opened: {problem}") from error
    return _reader_of(av, container, source)


def _open_frames(folder: str, rate: float | None) -> FrameReader:
    if rate is None:
        raise UnusableVideo("a folder, which tells no rate: if it holds frames, give `frames_fps`")
    reader = FrameReader(load_opencv(), folder, rate)
    if not reader.num_frames:
        raise UnusableVideo("a folder without frames, such as img_00001.jpg and img_00002.jpg")
    return reader


def _video_stream(path: str, container):
    """The stream that a player would show.

    Raises:
        UnusableVideo: there is none, or no decoder for it.
    """
    pictures = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not pictures:
        kinds = {stream.type for stream in container.streams} or {"nothing"}
        reason = f"no video stream ({' and '.join(sorted(kinds))} only)"
        raise UnusableVideo(file_check.why_no_frame(path, reason))
    best = container.streams.best("video")
    stream = pictures[0] if best is None or _is_cover(best) else best
    if stream.codec_context is None:
        raise UnusableVideo(file_check.why_no_frame(path, "no decoder for its codec in this PyAV"))
    return stream


def _is_cover(stream) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)


class Reader:
    """An open video. Iterating, which is possible once, yields ``(clock, frame)`` in order of time.

    ``clock`` is the presentation time in seconds as the file has it: its origin is anywhere, and a
    damaged file may have any value. ``frame`` is uint8 [height, width, 3], BGR, and what a player
    shows. Close it after use.

    Attributes:
        rate: frames per second that it declares; 0 where it does not.
        seconds: duration that it declares; 0 where it does not.
        codec: name of the codec.
        num_damaged: packets and frames so far that were damaged.
        empty: whether no frame decodes.
    """

    def __init__(self, av: ModuleType, container, stream):
        self._av = av
        self._container = container
        self._stream = stream
        # PyAV has times made up where there are none, which are wrong in many AVI files.
        container.flags &= ~av.container.core.Flags.gen_pts.value
        # The conversion runs one process per CPU: more threads would only get in the way.
        stream.codec_context.thread_count = 1
        self.codec = stream.codec_context.codec.canonical_name
        self.rate = float(stream.guessed_rate or 0)
        self.seconds = self._declared_seconds()
        self.num_damaged = 0
        self._num_packets = self._num_discarded = 0
        self._end = 0.0  # of the last packet, by the file's clock
        self._frames = self._pictures()
        first = next(self._frames, None)
        self.empty = first is None
        if first is not None:
            self._frames = itertools.chain([first], self._frames)

    def _declared_seconds(self) -> float:
        stream = self._stream
        if stream.frames and self.rate and self._container.format.name == "avi":
            return stream.frames / self.rate  # its duration is FFmpeg's estimate from its size
        if stream.duration:
            end = float(stream.duration * stream.time_base)
        else:
            end = (self._container.duration or 0) / self._av.time_base
        # Where frames are not counted, the duration of a stream that starts late is its end.
        start = 0.0 if stream.frames else float((stream.start_time or 0) * stream.time_base)
        return max(0.0, end - start)

    def why_empty(self) -> str:
        """The reason why no frame decodes, after the file has been read."""
        why = "the file holds none, or its index is damaged"
        if self._num_packets:
            why = "damaged, or encrypted"
        return f"no frame decodes (codec {self.codec}): {why}"

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        return self._frames

    def _pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        shown = display.Display(self._av, self._stream)
        try:
            for frame in self._decoded():
                self.num_damaged += frame.is_corrupt
                if frame.pts is None:
                    frame.pts = frame.dts  # AVI has no other times
                for picture in shown.show(frame):
                    yield _clock(picture), picture.to_ndarray()
            for picture in shown.end():
                yield _clock(picture), picture.to_ndarray()
        except self._av.error.FFmpegError as error:
            problem = " ".join(str(error).split())
            raise UnusableVideo(f"FFmpeg cannot show a frame: {problem}") from error

    def _decoded(self) -> Iterator:
        """All frames that decode; a damaged packet costs its own."""
        for packet in self._packets():
            try:
                yield from self._stream.codec_context.decode(packet)
            except self._av.error.FFmpegError:
                self.num_damaged += 1

    def _packets(self) -> Iterator:
        """The stream's packets, and None at the end, for what the decoder still holds."""
        try:
            # Packets of all streams tell how far the file goes.
            for packet in self._container.demux():
                if packet.pts is not None:
                    end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    self._end = max(self._end, float(end))
                if packet.stream_index == self._stream.index and not _is_end(packet):
                    if packet.has_sidedata("encryption_info"):
                        # It may decode all the same, to noise.
                        raise UnusableVideo(file_check.ENCRYPTED)
                    self._num_packets += 1
                    self._num_discarded += packet.is_discard
                    self.num_damaged += packet.is_corrupt
                    yield packet
        except self._av.error.FFmpegError:
            self.num_damaged += 1
        yield None

    @property
    def num_frames(self) -> int:
        """Frames that the file declares, without those outside an edit; 0 where it tells none."""
        in_edit = round(self.seconds * float(self._stream.average_rate or self.rate))
        return max(
            0, min(self._stream.frames - self._num_discarded, in_edit or self._stream.frames)
        )

    @property
    def reached_end(self) -> bool:
        """Whether what was read so far is undamaged and goes on to the end that is declared."""
        declared = (self._container.duration or 0) / self._av.time_base
        return not self.num_damaged and self._end + FRAMES_OF_SLACK / (self.rate or 25) >= declared

    def close(self) -> None:
        self._container.close()


def _is_end(packet) -> bool:
    """Whether it is one of the packets that PyAV puts at the end, whatever their stream."""
    return packet.dts is None and packet.size == 0


def _clock(picture) -> float:
    return 0.0 if picture.pts is None else float(picture.pts * picture.time_base)


def load_av() -> ModuleType:
    """The module ``av``.

    Raises:
        ImportError: it cannot be loaded; the one-line message tells the remedy.
    """
    try:
        import av
    except (ImportError, OSError) as error:
        problem = " ".join(str(error).split())
        raise ImportError(
            f"PyAV, which decodes videos, cannot be loaded ({problem}). Install it: "
            '`pip install "av>=17.1,<19"`.'
        ) from error
    return av


def load_opencv() -> ModuleType:
    """The module ``cv2``.

    Raises:
        ImportError: it cannot be loaded; the one-line message tells the remedy.
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
