"""What predictions leave on the disk: JSON and CSV, a picture and a film of a timeline."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos import readers, writing
from video_zoo.data.videos.resampling import FALLBACK_RATE
from video_zoo.data.videos.stream import resize, stream_frames
from video_zoo.files import whole_files
from video_zoo.run import pictures, plots

from .overlay import decoded, film_scale, scaled_size
from .prediction import Prediction
from .timeline import Timeline

_COUNTED = 50  # frames that tell the rate of a video


def write_predictions(
    found: Sequence[Prediction | Timeline], json: str | None, csv: str | None, top: int | None
) -> None:
    """Writes the results of all videos, each file whole or not at all.

    Args:
        found: of one kind.
        json: file of all numbers, or None.
        csv: file of a row for each class of a video or each segment, or None.
        top: classes of each window that the JSON file names; None for all.
    """
    if json is not None:
        whole_files.write_json(json, {"videos": [_as_dict(each, top) for each in found]})
    if csv is not None:
        header = ("file", "start", "end", "class", "probability", "problem")
        whole_files.write_rows(csv, header, [row for each in found for row in _rows(each)])


def _as_dict(found: Prediction | Timeline, top: int) -> dict:
    about = {"file": found.filename, "problem": found.problem}
    if isinstance(found, Prediction):
        pairs = zip(found.classes, found.probabilities, strict=True)
        return about | {"classes": [{"class": a, "probability": b} for a, b in pairs]}
    return about | {
        "segments": [
            {"start": s.start, "end": s.end, "class": s.name, "probability": s.probability}
            for s in found.segments
        ],
        "windows": [
            {
                "start": float(start),
                "end": float(end),
                "classes": [
                    {"class": found.class_names[i], "probability": float(row[i])}
                    for i in np.argsort(-row, kind="stable")[:top]
                ],
            }
            for (start, end), row in zip(found.windows, found.scores, strict=True)
        ],
    }


def _rows(found: Prediction | Timeline) -> Iterator[tuple]:
    if isinstance(found, Prediction):
        rows = [("", "", *each) for each in zip(found.classes, found.probabilities, strict=True)]
    else:
        rows = [
            (f"{each.start:.3f}", f"{each.end:.3f}", each.name, each.probability)
            for each in found.segments
        ]
    for row in rows or [("",) * 4]:
        yield found.filename, *row, found.problem or ""


def save_timeline(timeline: Timeline, path: str) -> None:
    """Writes the timeline as PNG: a bar for each segment, and the probabilities over time."""
    segments = [(s.start, s.end, s.name) for s in timeline.segments]
    plots.save_timeline(
        timeline.windows.mean(axis=1), timeline.smoothed, timeline.class_names, segments, path
    )


def write_film(timeline: Timeline, encoding: EncodingConfig, path: str) -> None:
    """Writes the video with the class of the moment above it, frame by frame.

    Args:
        timeline: of the video, which is decoded once more.
        encoding: as for the timeline.
        path: ends with ".mp4" or ".gif".

    Raises:
        UnusableVideo: the video cannot be decoded any more.
        OSError: the film cannot be written.
    """
    rate = encoding.fps
    if rate is None:
        with contextlib.closing(stream_frames(timeline.filename, encoding)) as frames:
            times = [seconds for seconds, _ in itertools.islice(frames, _COUNTED)]
        rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else FALLBACK_RATE
    writing.write_moving(path, _captioned(timeline, encoding), rate)


def _captioned(timeline: Timeline, encoding: EncodingConfig) -> Iterator[np.ndarray]:
    cv2 = readers.load_opencv()
    last = timeline.windows[-1, 1] if len(timeline.windows) else 0.0
    for seconds, jpeg in stream_frames(timeline.filename, encoding):
        if seconds >= last:
            return
        frame = decoded(cv2, jpeg)
        width, height = frame.shape[1::-1]
        size = scaled_size(width, height, film_scale(width, height))
        now = [s for s in timeline.segments if s.start <= seconds < s.end]
        best = max(now, key=lambda each: each.probability, default=None)
        name, score = (best.name, f"{best.probability:.0%}  ") if best else ("", "")
        yield pictures.captioned(resize(cv2, frame, size), name, f"{seconds:.1f} s  {score}")
