"""Fixtures for the tests of data: folders of files, lists, and videos with any times."""

import fractions
import pathlib
import struct

import av
import numpy as np
import pytest

# Presentation times of test videos are whole numbers of these.
TICK = fractions.Fraction(1, 90_000)


@pytest.fixture
def make_files(tmp_path):
    """A function (*names) that makes files, each of its own content, and gives their folder."""

    def make(*names):
        for name in names:
            path = tmp_path / "videos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name, encoding="utf-8")
        return tmp_path / "videos"

    return make


@pytest.fixture
def make_csv(tmp_path):
    """A function (*rows, name="list.csv", encoding="utf-8") that writes lines into a file."""

    def make(*rows, name="list.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text("\n".join(rows) + "\n", encoding=encoding)
        return path

    return make


@pytest.fixture(scope="session")
def grey_shards(tmp_path_factory, write_video, make_shards):
    """Two shards of six videos: each of one grey, 20 x its number, and of class a, b or c."""
    folder = tmp_path_factory.mktemp("grey")
    for number, label in enumerate("aabaacabacab"):
        frames = np.full((4, 32, 32, 3), 20 * number, np.uint8)
        write_video(folder / "videos" / "train" / label / f"{number}.mp4", frames)
    return make_shards(folder)


@pytest.fixture(scope="session")
def write_timed_video():
    """A function (path, frames, times, codec="libx264", options={}, **more) that writes RGB.

    The container is that of the suffix, `times` are seconds as fractions, ascending. `more` is
    set on PyAV's codec context, but `movflags`, which is the container's.
    """

    def write(path, frames, times, codec="libx264", options=None, movflags="", **context):
        path = pathlib.Path(path)
        if codec == "libsvtav1":
            options = {"preset": "8", "crf": "10", "svtav1-params": "lp=1", **(options or {})}
        with av.open(
            str(path), "w", options={"movflags": movflags} if movflags else {}
        ) as container:
            stream = container.add_stream(codec, rate=30, options=options or {})
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = TICK
            for name, value in context.items():
                setattr(stream.codec_context, name, value)
            for frame, time in zip(frames, times, strict=True):
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                picture.pts, picture.time_base = int(time / TICK), TICK
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def set_matrix():
    """A function (path, (a, b, c, d)) that sets an MP4 file's display matrix, of small integers."""

    def change(path, matrix):
        content = bytearray(path.read_bytes())
        # The track header: 4 bytes of name, 4 of version and flags, 36 of other fields, then the
        # matrix a b u c d v x y w in 16.16 fixed point.
        offset = content.index(b"tkhd") + 44
        a, b, c, d = (number << 16 for number in matrix)
        content[offset : offset + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path.write_bytes(content)
        return path

    return change


@pytest.fixture(scope="session")
def turn_upright(set_matrix):
    """A function (path, degrees) that has an MP4 file shown turned clockwise by so much."""
    matrices = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
    return lambda path, degrees: set_matrix(path, matrices[degrees])


@pytest.fixture(scope="session")
def edit():
    """A function (path, start, duration) that changes the one edit of an MP4 file, in seconds."""

    def cut(path, start, duration):
        content = bytearray(path.read_bytes())
        (movie_scale,) = struct.unpack_from(">I", content, content.index(b"mvhd") + 16)
        (media_scale,) = struct.unpack_from(">I", content, content.index(b"mdhd") + 16)
        # After the name: version and flags, the number of edits, then duration and start of one.
        offset = content.index(b"elst") + 4
        version, count, _, begin = struct.unpack_from(">IIIi", content, offset)
        assert (version, count) == (0, 1), "one edit is expected"
        edited = int(duration * movie_scale), begin + int(start * media_scale)
        struct.pack_into(">Ii", content, offset + 8, *edited)
        path.write_bytes(content)
        return path

    return cut
