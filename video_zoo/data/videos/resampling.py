"""Which decoded frame is on display at which moment: frames with any times -> a fixed rate."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

# Containers such as WebM and FLV round every time to a millisecond, and a frame's time here is the
# difference of two of them. Without this slack a conversion at the video's own rate would drop
# some frames and double others.
TIME_SLACK = 1e-3
# A longer pause between two frames is taken for a damaged time, not for a still picture.
LONGEST_PAUSE = 60.0
# Rates outside these bounds are placeholders (FLV and WMV declare 1000 frames per second).
_MAX_DECLARED_RATE = 240.0
FALLBACK_RATE = 25.0


class TimedFrames:
    """Yields ``(seconds, frame)`` in decode order, times counted from the first frame.

    A time that is not later than the one before, or later by more than a pause can be, is replaced
    by one frame interval after the one before. (The last frame of many AVI files has time 0.)

    Attributes:
        count: frames read so far.
        seconds: time of the newest of them.
        long_pauses: how often the time was later by more than a pause can be.
    """

    def __init__(self, frames: Iterable[tuple[float, np.ndarray]], declared_rate: float):
        """Wraps ``(clock, frame)``, with clocks in seconds from anywhere."""
        self._frames = frames
        rate = declared_rate if 0 < declared_rate <= _MAX_DECLARED_RATE else FALLBACK_RATE
        self._nominal_interval = 1 / rate
        self.count = self.long_pauses = 0
        self.seconds = 0.0

    @property
    def interval(self) -> float:
        """Mean seconds between frames so far."""
        return self.seconds / (self.count - 1) if self.count > 1 else self._nominal_interval

    @property
    def end(self) -> float:
        """Seconds at which the newest frame would leave the display; 0 without frames."""
        return self.seconds + self.interval if self.count else 0.0

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        origin = 0.0
        for clock, frame in self._frames:
            if self.count == 0:
                origin = clock
            else:
                pause = clock - origin - self.seconds
                valid = 0 < pause <= LONGEST_PAUSE
                self.long_pauses += pause > LONGEST_PAUSE
                self.seconds += pause if valid else self.interval
                if abs(pause) > LONGEST_PAUSE:  # what follows is told by the clock from there
                    origin = clock - self.seconds
            self.count += 1
            yield self.seconds, frame


def on_display(
    video: TimedFrames, fps: float | None, start: float, end: float | None
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields ``(seconds, frame)`` of the result, from frames in order of time.

    Args:
        video: the frames with their times.
        fps: frames per second of the result; None keeps every frame, with its time.
        start: seconds from the first frame at which the result begins.
        end: seconds at which it ends (exclusive); None is the video's end.

    Yields:
        A frame that is on display for several frames of the result is the same object each time.
    """
    end = math.inf if end is None else end
    if fps is None:
        for seconds, frame in video:
            if seconds >= end:
                return
            if seconds >= start:
                yield seconds, frame
        return
    slack = min(TIME_SLACK, 0.25 / fps)
    index = 0
    shown = None
    for seconds, frame in video:
        # `shown` was on display until now.
        while start + index / fps + slack < min(seconds, end):
            yield start + index / fps, shown
            index += 1
        if seconds >= end:
            return
        shown = frame
    while start + index / fps + slack < min(video.end, end):
        yield start + index / fps, shown
        index += 1
