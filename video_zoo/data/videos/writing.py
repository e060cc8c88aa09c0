"""Pictures as a video file that players and browsers show, or as a GIF."""

import fractions
import os
from collections.abc import Iterable
from types import ModuleType

import numpy as np
from PIL import Image

from video_zoo.files import whole_files

from . import readers

MP4, GIF = ".mp4", ".gif"
# H.264, which browsers show, and what every FFmpeg has.
_ENCODERS = ("libx264", "mpeg4")


def write_moving(path: str | os.PathLike, frames: Iterable[np.ndarray], fps: float) -> None:
    """Writes uint8 RGB frames [height, width, 3] of one size as ``.mp4`` or ``.gif``.

    Whole or not at all. An MP4 file is made frame by frame, so it may be long. Its pictures have
    even sides: a last row or column is there twice where need be.

    Raises:
        OSError: it cannot be written.
    """
    ending = os.path.splitext(path)[1].lower()
    with whole_files.atomic_write(path, ending) as temporary:
        if ending == GIF:
            first, *others = map(Image.fromarray, frames)
            options = {"save_all": True, "append_images": others, "loop": 0}
            first.save(temporary, duration=1000 / fps, **options)
            return
        av = readers.load_av()
        try:
            _write_mp4(av, temporary, frames, fps)
        except av.error.FFmpegError as error:
            raise OSError(f"{os.fspath(path)} cannot be written: {error}") from error


def _write_mp4(av: ModuleType, path: str, frames: Iterable[np.ndarray], fps: float) -> None:
    encoder = next(name for name in _ENCODERS if name in av.codecs_available)
    rate = fractions.Fraction(fps).limit_denominator(1001)
    stream = None
    with av.open(path, "w", format="mp4") as container:
        for frame in frames:
            height, width = frame.shape[:2]
            even = np.pad(frame, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")
            if stream is None:
                stream = container.add_stream(encoder, rate=rate, pix_fmt="yuv420p")
                stream.height, stream.width = even.shape[:2]
                stream.bit_rate = 0 if encoder == _ENCODERS[0] else 4_000_000
                stream.options = {"crf": "20"} if encoder == _ENCODERS[0] else {}
            for packet in stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
