"""Long videos and live ones: a window slides over them, and its scores become segments."""

import collections
import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos.resampling import FALLBACK_RATE
from video_zoo.data.videos.stream import stream_frames
from video_zoo.run.room import enough_room
from video_zoo.run.trained import TrainedNetwork, check_scores

from .views import ViewsOfVideo

# Probability of a class that is there, where a video may have several and nothing else is said.
_THERE = 0.5
_CLOSE = 1e-6  # seconds


@dataclasses.dataclass(frozen=True)
class Segment:
    """A part of a video that has a class.

    Args:
        start: seconds from the first frame.
        end: the same, exclusive.
        name: of the class.
        probability: its mean over the segment, in [0, 1], of the smoothed scores.
    """

    start: float
    end: float
    name: str
    probability: float


@dataclasses.dataclass(frozen=True)
class Timeline:
    """What a network sees in a video, and when.

    Args:
        filename: the video.
        class_names: name of each class.
        windows: float64 [num_windows, 2], seconds at which each begins and ends.
        scores: float64 [num_windows, num_classes], class probabilities, in [0, 1].
        smoothed: the same, each the mean over its neighbours.
        segments: in order of time; with gaps, where no class reaches the threshold.
        problem: why there are none, or why they end early.
    """

    filename: str
    class_names: Sequence[str]
    windows: np.ndarray
    scores: np.ndarray
    smoothed: np.ndarray
    segments: Sequence[Segment] = ()
    problem: str | None = None


class Windows:
    """Scores of the windows of one video after another.

    Args:
        network: scores them.
        encoding: how the videos were stored that it was trained on.
        step: seconds from the beginning of a window to that of the next.
        num_crops: 1 (centre) or 3 (along the long side) of each window.
        batch_size: windows that go through the network at once.
        average: how the crops of a window become one, as :meth:`TrainedNetwork.scores` does.
        max_seconds: length of a video that is looked at. Defaults to None: all of it.
    """

    def __init__(
        self,
        network: TrainedNetwork,
        encoding: EncodingConfig,
        step: float,
        num_crops: int = 1,
        batch_size: int = 4,
        average: str = "softmax",
        max_seconds: float | None = None,
    ) -> None:
        self._network, self._encoding, self._step = network, encoding, step
        self._batch_size, self._average = batch_size, average
        self._most = math.inf if max_seconds is None else max_seconds
        self._views = ViewsOfVideo(network, 1, num_crops, num_crops)

    def __call__(self, filename: str) -> Iterator[tuple[float, float, np.ndarray]]:
        """Start and end of each window in seconds, and float64 [num_classes] of it.

        The frames of one batch of windows are in memory, however long the video is.

        Raises:
            UnusableVideo: the video cannot be used, from here on.
        """
        windows = self._cut(filename)
        while batch := list(itertools.islice(windows, self._batch_size)):
            with enough_room("Lower `batch_size`."):
                views = np.stack([next(self._views(frames)) for _, _, frames in batch])
                logits = self._network.logits(views.reshape(-1, *views.shape[2:]))
            scores = self._network.scores(
                logits.reshape(*views.shape[:2], logits.shape[-1]), self._average
            )
            for (start, end, _), row in zip(batch, scores, strict=True):
                check_scores(row, filename)
                yield start, end, row

    def _cut(self, filename: str) -> Iterator[tuple[float, float, list[bytes]]]:
        """Windows as long as a clip; one that is shorter where the video is. The last ends it."""
        clip = self._network.clip
        length = (clip.num_frames - 1) * clip.frame_stride + 1
        kept: collections.deque[tuple[float, bytes]] = collections.deque(maxlen=length)
        first, due, is_cut = None, 0.0, True
        interval = 1 / (self._encoding.fps or FALLBACK_RATE)
        for seconds, jpeg in stream_frames(filename, self._encoding):
            first = seconds if first is None else first
            if seconds - first >= self._most:
                break
            interval = seconds - kept[-1][0] if kept else interval
            kept.append((seconds, jpeg))
            is_cut = len(kept) == length and kept[0][0] + _CLOSE >= due
            if is_cut:
                due = max(due + self._step, kept[0][0])
                yield _window(kept, interval)
        if not is_cut:
            yield _window(kept, interval)


def _window(kept: Sequence[tuple[float, bytes]], interval: float) -> tuple[float, float, list]:
    return kept[0][0], kept[-1][0] + interval, [jpeg for _, jpeg in kept]


def make_timeline(
    filename: str,
    found: Sequence[tuple[float, float, np.ndarray]],
    class_names: Sequence[str],
    smooth: float,
    threshold: float | None = None,
    multi_label: bool = False,
    problem: str | None = None,
) -> Timeline:
    """The segments of a video, from the scores of its windows.

    Where a video has one class at a time, a segment is a stretch in which the same class is the
    most probable one, if it reaches ``threshold``. Where it may have several, the segments of a
    class are the stretches in which it reaches ``threshold``, 0.5 unless given.

    Args:
        filename: the video.
        found: start, end and scores of its windows, as :class:`Windows` gives them.
        class_names: name of each class.
        smooth: seconds over which the scores are averaged; 0 for none.
        threshold: probability that a class must have. Defaults to None.
        multi_label: whether a video may have several classes at a time. Defaults to False.
        problem: why the video could not be used to its end.
    """
    if not found:
        nothing = np.zeros((0, len(class_names)))
        return Timeline(filename, class_names, np.zeros((0, 2)), nothing, nothing, problem=problem)
    windows = np.array([(start, end) for start, end, _ in found])
    scores = np.stack([row for *_, row in found])
    centres = windows.mean(axis=1)
    gap = float(np.median(np.diff(centres))) if len(found) > 1 else math.inf
    size = max(1, round(smooth / gap)) if smooth else 1
    smoothed = ndimage.uniform_filter1d(scores, size, axis=0, mode="nearest")
    edges = [windows[0, 0], *(centres[1:] + centres[:-1]) / 2, windows[-1, 1]]
    if multi_label:
        there = smoothed >= (_THERE if threshold is None else threshold)
    else:
        best = smoothed.argmax(axis=1)[:, np.newaxis]
        there = (np.arange(smoothed.shape[1]) == best) & (smoothed >= (threshold or 0.0))
    segments = []
    for index in np.flatnonzero(there.any(axis=0)):
        changes = np.diff(there[:, index].astype(int), prepend=0, append=0)
        for low, high in zip(
            np.flatnonzero(changes == 1), np.flatnonzero(changes == -1), strict=True
        ):
            probability = float(smoothed[low:high, index].mean())
            name = class_names[index]
            segments.append(Segment(float(edges[low]), float(edges[high]), name, probability))
    segments.sort(key=lambda each: (each.start, each.end))
    return Timeline(filename, class_names, windows, scores, smoothed, tuple(segments), problem)
