"""The kernels of a network's first convolution, which see pixels, as moving pictures."""

import math
import os

import keras
import numpy as np

from video_zoo import errors
from video_zoo.data.videos import writing
from video_zoo.files import whole_files
from video_zoo.models.maps import first_kernel
from video_zoo.models.transfer import is_functional
from video_zoo.run import pictures

from .config import STRIP, check_picture

_SIDE, _GAP = 42, 2  # pixels of a kernel, about, and between them
_FPS, _ROUNDS = 4, 4  # an MP4 file shows them so often
_LEVEL = 127.5  # of a weight of 0


def save_kernels(model: keras.Model, path: str | os.PathLike) -> str:
    """Shows the kernels of the first convolution, [time, height, width, in, out], in a grid.

    Each kernel is a small picture that moves over its time: a weight of 0 is grey, and the largest
    of the kernel, whatever its sign, is black or white in its colour. Three input channels are red,
    green and blue; two, of flow, red and green; of more, the mean is shown in grey. Kernels of one
    moment, as those of factorised networks, which look at time in their next layer, stand still.

    Args:
        model: any functional network of clips, or of images.
        path: ends with ".gif" or ".mp4", or with ".png" for the moments side by side.

    Returns:
        A line that says what is shown.

    Raises:
        ValueError: the network has no convolution, no graph, or ``path`` another ending.
        OSError: the file cannot be written.
    """
    path = errors.at_home(os.fspath(path))
    check_picture("path", path)
    whole_files.check_file_place(path, "path")
    found = first_kernel(model) if is_functional(model) else None
    if found is None:
        raise ValueError(
            "`model` must be a functional keras.Model with a convolution in its graph. Received: "
            f"model={errors.shown(model)}, without any"
        )
    name, kernel = found
    grids = [kernel_grid(moment) for moment in _as_colours(kernel)]
    if path.lower().endswith(STRIP):
        pictures.save_png(path, pictures.side_by_side(grids))
    else:
        rounds = _ROUNDS if path.lower().endswith(writing.MP4) else 1
        writing.write_moving(path, grids * rounds, _FPS)
    time, height, width, channels, count = kernel.shape
    still = "" if time > 1 else ", which see one frame at a time and stand still"
    return f"{path}: {count} kernels {time}x{height}x{width} of {channels} channels, {name}{still}"


def _as_colours(kernel: np.ndarray) -> np.ndarray:
    """uint8 [time, out, height, width, 3]."""
    kernel = np.moveaxis(kernel.astype(np.float32), -1, 1)
    highest = np.abs(kernel).max(axis=(0, 2, 3, 4), keepdims=True)
    kernel = np.divide(kernel, highest, out=np.zeros_like(kernel), where=highest > 0)
    channels = kernel.shape[-1]
    if channels not in (2, 3):
        kernel = np.repeat(kernel.mean(axis=-1, keepdims=True), 3, axis=-1)
    elif channels == 2:
        kernel = np.pad(kernel, [(0, 0)] * 4 + [(0, 1)])
    return np.rint(_LEVEL * (1 + kernel)).astype(np.uint8)


def kernel_grid(kernels: np.ndarray) -> np.ndarray:
    """uint8 [number, height, width, 3] as one picture, as square as can be."""
    count, height, width = kernels.shape[:3]
    factor = max(1, _SIDE // max(height, width))
    large = kernels.repeat(factor, axis=1).repeat(factor, axis=2)
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.zeros((rows * columns, height * factor + _GAP, width * factor + _GAP, 3), np.uint8)
    cells[:count, :-_GAP, :-_GAP] = large
    grid = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
    return grid.reshape(rows * cells.shape[1], columns * cells.shape[2], 3)[:-_GAP, :-_GAP]
