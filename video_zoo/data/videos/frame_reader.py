"""Reads a folder of frames as if it were a video."""

import os
from collections.abc import Iterator
from types import ModuleType

import numpy as np

from ..format.frame_folders import frames_among


class FrameReader:
    """A folder of pictures, with the attributes of :class:`~video_zoo.data.videos.readers.Reader`.

    Args:
        cv2: the module of OpenCV.
        folder: an absolute path.
        rate: frames per second.
    """

    reached_end = True

    def __init__(self, cv2: ModuleType, folder: str, rate: float):
        self._cv2, self._folder = cv2, folder
        self._names = frames_among(os.listdir(folder))
        self.rate, self.num_damaged = rate, 0
        self.num_frames = len(self._names)
        self.seconds = self.num_frames / rate

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yields ``(clock, frame)`` as the reader of videos does; damaged pictures are left out."""
        for index, name in enumerate(self._names):
            try:
                # By OpenCV itself, names of any bytes could not be opened.
                data = np.fromfile(os.path.join(self._folder, name), np.uint8)
                picture = self._cv2.imdecode(data, self._cv2.IMREAD_COLOR) if data.size else None
            except (OSError, self._cv2.error):
                picture = None
            if picture is None:
                self.num_damaged += 1
            else:
                yield index / self.rate, picture

    def close(self) -> None:
        """Nothing stays open."""
