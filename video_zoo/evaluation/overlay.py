"""A video with what a network looks at over its frames: as a film, or as a row of frames."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType

import numpy as np
import tensorflow as tf

from video_zoo import errors
from video_zoo.data.format.encoding import EncodedClip
from video_zoo.data.input import sampling, transforms
from video_zoo.data.videos import readers, stream, writing
from video_zoo.lettering import text_line
from video_zoo.run import pictures
from video_zoo.run.trained import TrainedNetwork

from .config import STRIP, is_picture
from .heat_maps import class_maps, resized

# Pixels: the short side of a frame at the least, its long side at the most, and those of a strip.
_SHORT, _LONG, _SHORT_IN_STRIP, _LONG_IN_STRIP = 240, 1920, 192, 480
_FRAMES_IN_STRIP = 8
# Where it is hottest, so much of the picture is heat; where the network did not look, so much of
# its light is left.
_HEAT, _UNSEEN = 0.7, 0.35
_TIME_LETTERS = 12


@dataclasses.dataclass(frozen=True)
class VideoHeat:
    """Where a network sees a class in a video, over all of its views.

    Args:
        values: float32 [crops, frames, height, width], in [0, 1], of stored frames, as small as the
            layer's maps.
        seen: bool [frames], whether a clip goes over the frame.
        boxes: int [crops, 4]: top, left, height, width of each crop, in pixels.
    """

    values: np.ndarray
    seen: np.ndarray
    boxes: np.ndarray


def heat_of_video(
    network: TrainedNetwork,
    views: Iterator[np.ndarray],
    encoded: EncodedClip,
    num_crops: int,
    class_index: int,
    layer: str | None = None,
) -> VideoHeat:
    """The mean heat of the clips that go over a frame, on one scale for the whole video.

    Args:
        network: of the views.
        views: those of the video, one by one: clips in order, and of each its crops.
        encoded: the video.
        num_crops: crops of each clip.
        class_index: what is looked for.
        layer: as :func:`.heat_maps.grad_cam` takes it.
    """
    found = [class_maps(network.model, view, class_index, layer)[0][0] for view in views]
    clip, length = network.clip, len(encoded.frames)
    starts = sampling.even_clips(
        tf.constant(length), clip.num_frames, clip.frame_stride, len(found) // num_crops
    )[:, 0]
    span = (clip.num_frames - 1) * clip.frame_stride + 1  # the frames between those it takes too
    values = np.zeros((num_crops, length, *found[0].shape[1:]), np.float32)
    count = np.zeros(length, np.float32)
    for number, maps in enumerate(found):
        index, crop = divmod(number, num_crops)
        places = (int(starts[index]) + np.arange(span)) % length
        in_time = resized(maps[np.newaxis], (span, *maps.shape[1:]))[0]
        np.add.at(values[crop], places, in_time)
        if crop == 0:
            np.add.at(count, places, 1)
    values /= np.maximum(count, 1)[:, np.newaxis, np.newaxis]
    highest = values.max()
    if highest > 0:
        values /= highest
    boxes = transforms.even_crop_boxes(encoded.height, encoded.width, num_crops).numpy()
    return VideoHeat(values, count > 0, boxes)


def targets(
    overlay: str | None,
    inputs: Sequence[tuple[str, str]],
    argument: str = "overlay",
    endings: Sequence[str] = (writing.MP4, STRIP),
) -> list[tuple[str, ...]]:
    """The files that show each video: the one that is asked for, or those in a folder.

    Args:
        overlay: a file, a folder, or None.
        inputs: (name, file) of every video.
        argument: what ``overlay`` was given as. Defaults to "overlay".
        endings: of the files of a video in a folder. Defaults to a film and a strip.

    Raises:
        ValueError: one file is asked for and there are several videos, two videos would share a
            file, or one would be replaced.
    """
    if overlay is None:
        return [()] * len(inputs)
    if not is_picture(overlay):
        stems = [os.path.join(overlay, os.path.splitext(name)[0]) for name, _ in inputs]
        found = [tuple(stem + ending for ending in endings) for stem in stems]
    elif len(inputs) > 1:
        remedy = f"A folder gets NAME{' and NAME'.join(endings)} of each."
        raise errors.refusal(argument, f"a folder for {len(inputs)} videos", overlay, remedy)
    else:
        found = [(overlay,)]
    videos = {}
    for (_, file), paths in zip(inputs, found, strict=True):
        before = videos.setdefault(paths, file)
        if before != file:
            allowed = "a folder for videos of different names"
            place = f", and both {before!r} and {file!r} give {paths[0]!r}"
            remedy = "Pass the folder above both, or predict them in two calls, with two folders."
            raise errors.refusal(argument, allowed, overlay, remedy, place)
    files = [file for _, file in inputs if os.path.exists(file)]
    for path in (path for paths in found for path in paths if os.path.exists(path)):
        if any(os.path.samefile(path, file) for file in files):
            place = f", where {path!r} is a video that is looked at"
            raise errors.refusal(argument, "another file or folder", overlay, place=place)
    return found


def write_overlay(
    path: str,
    encoded: EncodedClip,
    heat: VideoHeat,
    name: str,
    probability: float,
    channels: int = 3,
) -> None:
    """Writes the frames that the clips go over, with heat, class and score: a strip or a film.

    Args:
        path: ends with ".png" for a strip, or with ".mp4" or ".gif".
        encoded: the video.
        heat: of it.
        name: of the class.
        probability: of the class.
        channels: 3, or 2 for flow, whose third channel is grey.
    """
    score = f"{probability:.1%}  "
    looked_at = np.flatnonzero(heat.seen)
    short, long = min(encoded.width, encoded.height), max(encoded.width, encoded.height)
    if path.lower().endswith(STRIP):
        scale = min(_SHORT_IN_STRIP / short, _LONG_IN_STRIP / long)
        chosen = looked_at[pictures.evenly(len(looked_at), _FRAMES_IN_STRIP)]
        row = [
            _with_time(frame, index, encoded)
            for index, frame in _drawn(encoded, heat, chosen, scale, channels)
        ]
        pictures.save_png(path, pictures.captioned(pictures.side_by_side(row), name, score))
        return
    scale = film_scale(encoded.width, encoded.height)
    whole = range(looked_at[0], looked_at[-1] + 1)
    frames = (
        pictures.captioned(frame, name, score)
        for _, frame in _drawn(encoded, heat, whole, scale, channels)
    )
    writing.write_moving(path, frames, encoded.frame_rate)


def film_scale(width: int, height: int) -> float:
    """How much a film enlarges stored frames: small ones are made visible."""
    return min(max(1, _SHORT / min(width, height)), _LONG / max(width, height))


def scaled_size(width: int, height: int, scale: float) -> tuple[int, int]:
    """(width, height) of a scaled frame, in pixels."""
    return max(1, round(width * scale)), max(1, round(height * scale))


def decoded(cv2: ModuleType, jpeg: bytes) -> np.ndarray:
    """A stored frame, uint8 [height, width, 3], RGB."""
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def _with_time(frame: np.ndarray, index: int, encoded: EncodedClip) -> np.ndarray:
    seconds = encoded.timestamps_us[index] / 1e6
    line = text_line(f"{seconds:.2f} s", frame.shape[1], _TIME_LETTERS)
    return np.concatenate([frame, line])


def _drawn(
    encoded: EncodedClip, heat: VideoHeat, chosen: Iterable[int], scale: float, channels: int
) -> Iterator[tuple[int, np.ndarray]]:
    """(number, picture) of some frames: heat from yellow to red, and dark where nobody looked."""
    cv2 = readers.load_opencv()
    size = scaled_size(encoded.width, encoded.height, scale)
    for index in chosen:
        frame = decoded(cv2, encoded.frames[index]).astype(np.float32)
        frame[..., channels:] = 128
        warm, seen = _canvas(heat, index, frame.shape[:2])
        parts = (stream.resize(cv2, each, size) for each in (frame, warm, seen))
        yield index, blended(*parts)


def _canvas(heat: VideoHeat, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The heat of a frame, and where a crop lay, both [height, width] of the frame.

    Where crops overlap each counts the less the nearer its edge is, so that no edge is seen.
    """
    warm, weights = np.zeros(size, np.float32), np.zeros(size, np.float32)
    if heat.seen[index]:
        for values, (top, left, height, width) in zip(heat.values, heat.boxes, strict=True):
            place = slice(top, top + height), slice(left, left + width)
            weight = np.outer(_from_edge(height), _from_edge(width))
            crop = resized(values[np.newaxis, index : index + 1], (1, height, width))[0, 0]
            warm[place] += weight * crop
            weights[place] += weight
    seen = weights > 0
    return np.divide(warm, weights, out=warm, where=seen), seen.astype(np.float32)


def _from_edge(length: int) -> np.ndarray:
    places = np.arange(1, length + 1)
    return np.minimum(places, places[::-1]).astype(np.float32)


def blended(frame: np.ndarray, warm: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A picture with heat over it.

    Args:
        frame: [height, width, 3] in [0, 255].
        warm: [height, width] in [0, 1].
        seen: [height, width] in [0, 1]: 0 is darkened.

    Returns:
        uint8 [height, width, 3].
    """
    warm = warm[..., np.newaxis]
    colour = np.concatenate([np.full_like(warm, 255), 255 * (1 - warm), np.zeros_like(warm)], -1)
    light = _UNSEEN + (1 - _UNSEEN) * seen[..., np.newaxis]
    share = _HEAT * warm
    mixed = frame * light * (1 - share) + colour * share
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)
