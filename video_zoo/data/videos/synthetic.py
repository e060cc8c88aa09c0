"""Real MP4 files whose classes differ by motion alone: the embedded data set of the quickstart.

A disc moves over a still background. It drifts left, right, up or down and comes back in on the
other side, or it stays and grows, over and over. Place, size, colours and background are drawn
alike for every class at every frame, so a single frame says nothing about the class.
"""

import os
import pathlib

import numpy as np
import tqdm

from video_zoo import errors
from video_zoo.files import whole_files

from . import readers

CLASSES = ("down", "growing", "left", "right", "up")
# (horizontal, vertical) of the drift, in the picture's axes: y points down.
_DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1), "growing": (0, 0)}
_DIAMETERS = (0.2, 0.5)  # of the picture's side


def motion_frames(
    label: str, rng: np.random.Generator, num_frames: int = 32, size: int = 64
) -> np.ndarray:
    """The frames of one video.

    Args:
        label: one of :data:`CLASSES`.
        rng: draws everything but the class.
        num_frames: number of frames.
        size: height and width in pixels.

    Returns:
        uint8 [num_frames, size, size, 3], RGB.
    """
    if label not in CLASSES:
        raise errors.refusal("label", f"one of {', '.join(CLASSES)}", label)
    background, colour = _colours(rng, size)
    centre = rng.uniform(0, size, 2)
    small, large = np.array(_DIAMETERS) * size
    phase, period = rng.uniform(), rng.uniform(14, 20)  # frames for one growth
    speed = rng.uniform(0.03, 0.06) * size  # pixels per frame
    y, x = np.mgrid[:size, :size]
    frames = np.empty((num_frames, size, size, 3), np.uint8)
    for index in range(num_frames):
        progress = (phase + index / period) % 1 if label == "growing" else phase
        radius = (small + (large - small) * progress) / 2
        centre_x, centre_y = centre + np.array(_DIRECTIONS[label]) * speed * index
        # Distances on a torus: what leaves on one side comes in on the other.
        dx = (x - centre_x + size / 2) % size - size / 2
        dy = (y - centre_y + size / 2) % size - size / 2
        cover = np.clip(radius - np.hypot(dx, dy) + 0.5, 0, 1)[..., np.newaxis]
        frames[index] = np.round(background * (1 - cover) + colour * cover)
    return frames


def _colours(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A dark, blotchy background and the colour of a bright disc."""
    coarse = rng.uniform(0, 40, 3) + rng.uniform(0, 60, (size // 8 + 1, size // 8 + 1, 3))
    background = coarse.repeat(8, axis=0).repeat(8, axis=1)[:size, :size]
    return background, rng.uniform(150, 255, 3)


def write_video(path: str | os.PathLike, frames: np.ndarray, fps: float) -> None:
    """Writes uint8 RGB [num_frames, height, width, 3] as an MPEG-4 file, whole or not at all.

    Raises:
        OSError: OpenCV cannot write there.
    """
    cv2 = readers.load_opencv()
    path = pathlib.Path(path)
    height, width = frames.shape[1:3]
    codec = cv2.VideoWriter_fourcc(*"mp4v")
    with whole_files.atomic_write(path, path.suffix) as temporary:
        writer = cv2.VideoWriter(temporary, codec, fps, (width, height))
        if not writer.isOpened():
            raise OSError(f"OpenCV cannot write a video to {path}: is the folder writable?")
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))  # OpenCV expects BGR
        writer.release()


def write_motion_videos(
    output_dir: str | os.PathLike,
    *,
    train_per_class: int = 100,
    val_per_class: int = 25,
    num_frames: int = 32,
    size: int = 64,
    fps: float = 25.0,
    seed: int = 0,
) -> dict[str, int]:
    """Writes ``OUTPUT_DIR/{train,val}/CLASS/00000.mp4``, real MP4 files.

    Args:
        output_dir: folder to write to; made if need be.
        train_per_class: training videos of each class.
        val_per_class: validation videos of each class.
        num_frames: frames per video.
        size: height and width in pixels, at least 16.
        fps: frames per second of the files.
        seed: the files are a function of it.

    Returns:
        split -> number of videos.
    """
    errors.check("train_per_class", train_per_class)
    errors.check("val_per_class", val_per_class)
    if size < 16:
        raise errors.refusal("size", "at least 16 pixels", size)
    per_class = {"train": train_per_class, "val": val_per_class}
    jobs = [
        (split, label, number)
        for split, count in per_class.items()
        for label in CLASSES
        for number in range(count)
    ]
    for split, label, number in tqdm.tqdm(jobs, desc="writing videos", unit="video"):
        key = [seed, list(per_class).index(split), CLASSES.index(label), number]
        frames = motion_frames(label, np.random.default_rng(key), num_frames, size)
        path = pathlib.Path(errors.at_home(output_dir), split, label, f"{number:05d}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, frames, fps)
    return {split: count * len(CLASSES) for split, count in per_class.items()}
