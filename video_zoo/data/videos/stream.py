"""Frames of a video as JPEGs, one after another, as many as are asked for: nothing is kept."""

import contextlib
import os
from collections.abc import Iterator
from types import ModuleType

import numpy as np

from video_zoo import errors

from ..format.encoding import EncodingConfig
from ..format.modality import RGB
from . import flow, readers
from .readers import UnusableVideo
from .resampling import TimedFrames, on_display

_JPEG_MAX_SIDE = 65500


def stream_frames(path: str, config: EncodingConfig) -> Iterator[tuple[float, bytes]]:
    """The frames of a video, as :func:`.video.encode_clip` would store them, while it is decoded.

    Args:
        path: the video file, a folder of frames, or a live source, as :func:`.readers.open_live`
            takes it.
        config: how the frames are stored.

    Yields:
        Seconds from the first frame, and the JPEG.

    Raises:
        UnusableVideo: no frame can be used.
    """
    cv2 = readers.load_opencv()
    try:
        with contextlib.closing(_opened(path, config)) as reader:
            video = TimedFrames(reader, reader.rate)
            for seconds, jpeg, _ in jpeg_frames(video, config):
                yield seconds, jpeg
            if not video.count:
                raise UnusableVideo("none of its pictures can be read")
    except cv2.error as error:
        raise UnusableVideo(f"OpenCV failed: {' '.join(str(error).split())}") from error


def _opened(path: str, config: EncodingConfig):
    if readers.is_live(path):
        return readers.open_live(path)
    return readers.open_video(os.path.abspath(errors.at_home(path)), config.frames_fps)


def jpeg_frames(
    video: TimedFrames, config: EncodingConfig, start: float = 0.0, end: float | None = None
) -> Iterator[tuple[float, bytes, tuple[int, int]]]:
    """Frames on display at the stored rate, as JPEGs of one size.

    Args:
        video: the frames with their times.
        config: how they are stored.
        start: seconds at which they begin.
        end: seconds at which they end (exclusive). Defaults to the video's end.

    Yields:
        Seconds, JPEG, and its (width, height). A frame that is on display for several frames is the
        same object each time.
    """
    cv2 = readers.load_opencv()
    frames = _at_one_size(cv2, on_display(video, config.fps, start, end), config.short_side)
    options = [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality]
    if config.modality != RGB:
        frames = flow.flow_pictures(cv2, frames, config.modality, config.flow_bound)
        # The two displacements must not be blurred, as colours may be.
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    previous, jpeg, size = None, b"", (0, 0)
    for seconds, frame in frames:
        if frame is not previous:
            previous, jpeg, size = frame, _to_jpeg(cv2, frame, options), frame.shape[1::-1]
        yield seconds, jpeg, size


def _at_one_size(
    cv2: ModuleType, frames: Iterator[tuple[float, np.ndarray]], short_side: int
) -> Iterator[tuple[float, np.ndarray]]:
    """Resizes frames, to one size also where a stream changes its own half way.

    A frame that is repeated stays one and the same object.
    """
    size = previous = resized = None
    for seconds, frame in frames:
        if frame is not previous:
            size = size or _target_size(frame.shape[1], frame.shape[0], short_side)
            resized, previous = resize(cv2, frame, size), frame
        yield seconds, resized


def _target_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    scale = short_side / min(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if max(size) > _JPEG_MAX_SIDE:
        raise UnusableVideo(
            f"too narrow: {width}x{height} pixels at short side {short_side} give "
            f"{size[0]}x{size[1]}, and JPEG ends at {_JPEG_MAX_SIDE}"
        )
    return size


def resize(cv2: ModuleType, frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture at another (width, height): the mean of an area where that is smaller."""
    if frame.shape[1::-1] == size:
        return frame
    shrinks = size[0] * size[1] < frame.shape[0] * frame.shape[1]
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _to_jpeg(cv2: ModuleType, frame: np.ndarray, options: list[int]) -> bytes:
    # The frame is BGR, and BGR is what imencode expects: the JPEG has the right colours.
    encoded, jpeg = cv2.imencode(".jpg", frame, options)
    if not encoded:
        height, width = frame.shape[:2]
        raise UnusableVideo(f"a frame of {width}x{height} pixels cannot be stored as JPEG")
    return jpeg.tobytes()
