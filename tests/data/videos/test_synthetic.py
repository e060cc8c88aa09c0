"""The embedded data set: classes differ by motion alone."""

import itertools

import numpy as np
import pytest

from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos import synthetic, video


def shift(before, after):
    """Displacement (down, right) in pixels of what moved, on a torus."""
    spectrum = np.conj(np.fft.fft2(before)) * np.fft.fft2(after)
    peak = np.unravel_index(np.fft.ifft2(spectrum).real.argmax(), before.shape)
    size = before.shape[0]
    return [(place + size // 2) % size - size // 2 for place in peak]


@pytest.mark.parametrize(
    ("label", "direction"),
    [("left", (0, -1)), ("right", (0, 1)), ("up", (-1, 0)), ("down", (1, 0)), ("growing", (0, 0))],
)
def test_discs_move_as_their_class_says(label, direction):
    for number in range(5):
        frames = synthetic.motion_frames(label, np.random.default_rng(number)).mean(axis=-1)
        moving = frames - np.median(frames, axis=0)
        shifts = [shift(a, b) for a, b in itertools.pairwise(moving)]
        assert np.sign(np.median(shifts, axis=0)).tolist() == list(direction)


def test_single_frames_are_drawn_alike_for_every_class():
    """Where the disc is and how large it is says nothing about the class."""
    statistics = {}
    for index, label in enumerate(synthetic.CLASSES):
        rows = []
        for number in range(300):
            rng = np.random.default_rng([index, number])
            frame = synthetic.motion_frames(label, rng, num_frames=12, size=32)[11]
            disc = frame.min(axis=-1) > 120
            angles = 2 * np.pi * np.argwhere(disc) / 32
            rows.append([disc.mean(), np.cos(angles).mean(), np.sin(angles).mean()])
        statistics[label] = np.array(rows)
    pooled = np.concatenate(list(statistics.values()))
    error = pooled.std(axis=0) / np.sqrt(300)
    for rows in statistics.values():
        assert np.all(np.abs(rows.mean(axis=0) - pooled.mean(axis=0)) < 4 * error)


def test_files_are_real_videos_and_a_function_of_the_seed(tmp_path):
    for folder in ("a", "b"):
        counts = synthetic.write_motion_videos(
            tmp_path / folder, train_per_class=2, val_per_class=1, num_frames=6
        )
    assert counts == {"train": 10, "val": 5}
    files = sorted((tmp_path / "a").rglob("*.mp4"))
    assert len(files) == 15
    for file in files:
        twin = tmp_path / "b" / file.relative_to(tmp_path / "a")
        assert file.read_bytes() == twin.read_bytes()
        encoded = video.encode_clip(file, EncodingConfig(short_side=64))
        assert (len(encoded.frames), encoded.height, encoded.width) == (6, 64, 64)
    assert len({file.read_bytes() for file in files}) == 15


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`size` must be at least 16 pixels. Received: size=8"):
        synthetic.write_motion_videos(tmp_path, size=8)
    with pytest.raises(ValueError, match="`label` must be one of down, growing, left"):
        synthetic.motion_frames("spinning", np.random.default_rng(0))
