"""Decodes a video file into JPEG frames at a fixed rate and size.

It imports neither TensorFlow nor Keras: the worker processes of a conversion import this module
alone, so each starts in a fraction of a second and stays small.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from typing import NamedTuple

from video_zoo import errors

from ..format.encoding import EncodedClip, EncodingConfig
from ..format.modality import RGB
from . import flow, readers
from .readers import UnusableVideo
from .resampling import LONGEST_PAUSE, TIME_SLACK, TimedFrames
from .stream import jpeg_frames

# Seconds of one picture that are worth a word, where they are half of the clip too.
_LEAST_STILL = 1.0
# An example is one message of protobuf, which ends at 2 GiB. The rest is for all but the frames.
_MAX_BYTES = 2**31 - 2**20
_BYTES_AROUND_FRAME = 64


def decoder_versions(modality: str = RGB) -> dict[str, str]:
    """Versions of what decodes videos here and resizes them, as ``{"opencv": ..., "av": ...}``.

    Args:
        modality: one of ``limits.MODALITIES``. Defaults to ``"rgb"``.

    Returns:
        Package -> version.

    Raises:
        ImportError: OpenCV or PyAV cannot be loaded, or OpenCV lacks the flow ``modality``.
    """
    cv2, av = readers.load_opencv(), readers.load_av()
    if modality != RGB:
        flow.estimator(cv2, modality)
    return {"opencv": cv2.__version__, "av": av.__version__}


def use_one_thread() -> None:
    """Turns OpenCV's own threads off, for a process that is one of many."""
    readers.load_opencv().setNumThreads(0)


def encode_clip(
    path: str | os.PathLike,
    config: EncodingConfig | None = None,
    start: float | None = None,
    end: float | None = None,
) -> EncodedClip:
    """Decodes a video, or a part of it, into JPEG frames at a fixed rate and size.

    The result's frame ``k`` is the one on display at time ``start + k / fps``: the last whose
    presentation time is not later. Times count from the video's first frame, and the last frame
    stays on display for one frame interval. The video is decoded in order and never sought in,
    because seeking is not exact. Frames are what a player shows: upright, deinterlaced, of square
    pixels, and tone mapped where they are HDR.

    Args:
        path: the video file, or a folder of frames, whose rate is ``config.frames_fps``.
        config: how the frames are stored. Defaults to ``EncodingConfig()``.
        start: seconds at which the clip begins. Defaults to the first frame.
        end: seconds at which the clip ends (exclusive). Defaults to the video's end.

    Raises:
        UnusableVideo: the file is not a video that can be used; its text is the reason.
        ImportError: OpenCV or PyAV cannot be loaded.
        ValueError: ``start`` or ``end`` is out of range.
    """
    config = EncodingConfig() if config is None else config
    path = os.path.abspath(errors.at_home(path))  # FFmpeg takes "a:b" for a protocol, "/x/a:b" not
    if (start is not None and start < 0) or (end is not None and end <= (start or 0)):
        raise ValueError(
            "`start` must be 0 or more seconds, and `end` later than `start`. "
            f"Received: start={start}, end={end}. Correct the times."
        )
    cv2 = readers.load_opencv()
    span = _Span.of(config, start, end)
    try:
        with contextlib.closing(readers.open_video(path, config.frames_fps)) as reader:
            video = TimedFrames(reader, reader.rate)
            jpegs, times, size, still = _encode_frames(video, config, span)
            if not video.count:
                raise UnusableVideo("none of its pictures can be read")
            notes = _what_is_missing(reader, video, config, span)
    except cv2.error as error:
        raise UnusableVideo(f"OpenCV failed: {' '.join(str(error).split())}") from error
    if config.modality != RGB and not jpegs:
        raise UnusableVideo("too few frames: optical flow needs 2")
    if len(jpegs) < config.min_frames:
        raise UnusableVideo(
            f"too few frames: {len(jpegs)}, and `min_frames` asks for {config.min_frames}"
        )
    if still >= max(_LEAST_STILL, (times[-1] - times[0]) / 2):
        notes.append(
            f"one and the same picture for {still:.1f} s, as where a decoder or a camera hangs"
        )
    rate = config.fps or 1 / video.interval
    return EncodedClip(
        frames=jpegs,
        timestamps_us=[round(1e6 * time) for time in times],
        height=size[1],
        width=size[0],
        frame_rate=rate,
        start_us=round(1e6 * times[0]),
        end_us=round(1e6 * (times[-1] + 1 / rate)),
        note="; ".join(notes),
    )


class _Span(NamedTuple):
    """Which part of a video a clip is, in seconds from the first frame.

    Args:
        start: where it begins.
        asked: where it should end; None is the video's end.
        end: where it ends at the latest; ``max_clip_seconds`` may ask for less. None as above.
    """

    start: float
    asked: float | None
    end: float | None

    @classmethod
    def of(cls, config: EncodingConfig, start: float | None, end: float | None) -> "_Span":
        start = start or 0.0
        if config.max_clip_seconds is None:
            return cls(start, end, end)
        latest = start + config.max_clip_seconds
        return cls(start, end, latest if end is None else min(latest, end))


def _encode_frames(
    video: TimedFrames, config: EncodingConfig, span: _Span
) -> tuple[list[bytes], list[float], tuple[int, int], float]:
    """Gives the JPEGs, their times in seconds, their (width, height), and the longest standstill.

    That is in seconds, of frames of the video that are one and the same picture.
    """
    jpegs, times, size, room = [], [], (0, 0), _MAX_BYTES
    jpeg, since, still = b"", 0.0, 0.0
    for seconds, encoded, stored_size in jpeg_frames(video, config, span.start, span.end):
        if encoded is not jpeg:
            since = since if encoded == jpeg else seconds
            still = max(still, seconds - since)
            jpeg = encoded
        room -= len(jpeg) + _BYTES_AROUND_FRAME
        if room < 0:
            raise UnusableVideo(
                f"too long: its frames fill the 2 GB that an example can hold in {seconds:.0f} s. "
                "Set `max_clip_seconds`, a lower `fps` or `short_side`, or list parts of it by "
                "start and end"
            )
        jpegs.append(jpeg)
        times.append(seconds)
        size = stored_size
    return jpegs, times, size, still


def _what_is_missing(
    reader: readers.Reader, video: TimedFrames, config: EncodingConfig, span: _Span
) -> list[str]:
    """Tells what is missing of the clip; nothing if it is whole.

    Raises:
        UnusableVideo: too little of the video, or of the part asked for, decoded.
    """
    if span.start >= video.end:
        raise UnusableVideo(
            f"the clip starts at {span.start:g} s, but the video ends at {video.end:.2f} s"
        )
    notes = []
    if reader.num_damaged:
        notes.append(f"packets or frames that are damaged: {reader.num_damaged}")
    if video.long_pauses:
        notes.append(
            f"pauses of more than {LONGEST_PAUSE:g} s, which are left out as damaged times: "
            f"{video.long_pauses}"
        )
    if span.end != span.asked and video.end > span.end:
        notes.append(f"only the first {config.max_clip_seconds:g} s, as `max_clip_seconds` asks")
        return notes
    return [*notes, *_shortness(reader, video, config, span)]


def _shortness(
    reader: readers.Reader, video: TimedFrames, config: EncodingConfig, span: _Span
) -> Iterator[str]:
    """Tells if the clip ends early. UnusableVideo if it does so by far."""
    kind = "declared" if span.asked is None else "asked for"
    wanted = (reader.seconds if span.asked is None else span.asked) - span.start
    decoded = min(video.end, math.inf if span.asked is None else span.asked) - span.start
    slack = readers.FRAMES_OF_SLACK
    if span.asked is not None:
        is_whole, enough = decoded + slack * video.interval >= wanted, False
    elif reader.num_frames:
        # Many files declare a wrong duration: then their frames are counted.
        is_whole = video.count + slack >= reader.num_frames
        enough = video.count >= config.min_fraction * reader.num_frames
    else:
        # The duration may be that of another stream.
        is_whole = reader.reached_end or decoded + slack * video.interval >= wanted
        enough = is_whole
    if not enough and decoded + TIME_SLACK < config.min_fraction * wanted:
        raise UnusableVideo(f"cut short: {decoded:.2f} s of the {wanted:.2f} s {kind} decode")
    if is_whole:
        return
    if kind == "declared" and reader.num_frames:
        yield f"{video.count} of the {reader.num_frames} frames {kind} decode"
    else:
        yield f"{decoded:.2f} s of the {wanted:.2f} s {kind} decode"
