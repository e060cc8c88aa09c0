"""Decoded frames -> the pictures that a player shows, by FFmpeg's own filters.

Only ``readers`` imports PyAV; it hands the module to ``Display``.
"""

import functools
import struct
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

# Transfer functions of high dynamic range, by their numbers in FFmpeg (and in ITU-T H.273).
_HDR_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}
_UNSPECIFIED, _RESERVED = 2, 3  # matrices of colour, by the same numbers
# 36 points along each axis of colour, with interpolation between them.
_TONE_MAP_LEVEL = 6

# (x is mirrored, y is mirrored), where rows become columns -> what FFmpeg calls it.
_TRANSPOSE = {
    (False, False): "cclock_flip",
    (True, False): "clock",
    (False, True): "cclock",
    (True, True): "clock_flip",
}
# By the number of quarter turns, counterclockwise.
_QUARTER_TURNS = (
    (),
    (("transpose", "cclock"),),
    (("hflip", None), ("vflip", None)),
    (("transpose", "clock"),),
)


class _Look(NamedTuple):
    """What the filters depend on."""

    width: int
    height: int
    pixels: str
    colorspace: int
    color_range: int
    transfer: int
    turn: tuple[tuple[str, str | None], ...]
    interlaced: bool


class Display:
    """Turns frames of one video into pictures: whole, upright, of square pixels, 8 bits, BGR.

    Interlaced frames are deinterlaced, one picture for each; frames of high dynamic range are tone
    mapped; the display matrix is applied; pixels that are not square are stretched to be so.
    """

    def __init__(self, av: ModuleType, stream):
        self._av = av
        self._stream = stream
        self._look = None
        self._graph = None

    def show(self, frame) -> Iterator:
        """Takes a decoded frame; yields the pictures (``av.VideoFrame``) that are ready.

        Raises:
            FFmpegError: FFmpeg cannot make a picture of it.
        """
        # Once a stream has had an interlaced frame, all of them pass the deinterlacer, which
        # leaves progressive ones alone: it needs the frames before and after.
        interlaced = frame.interlaced_frame or (self._look is not None and self._look.interlaced)
        look = _Look(
            frame.width,
            frame.height,
            frame.format.name,
            _UNSPECIFIED if frame.colorspace == _RESERVED else int(frame.colorspace),
            int(frame.color_range),
            int(frame.color_trc),
            _turn(frame),
            interlaced,
        )
        if look != self._look:
            yield from self.end()
            self._look, self._graph = look, _Graph(self._av, look, self._stream)
        # What the filters are to know of the colours is in their settings. They refuse frames with
        # numbers that have no meaning, which some cameras write and players pass over.
        frame.colorspace = look.colorspace
        frame.color_trc = frame.color_primaries = _UNSPECIFIED
        yield from self._graph.show(frame)

    def end(self) -> Iterator:
        """Yields the pictures that are left."""
        if self._graph is not None:
            yield from self._graph.show(None)
            self._graph = None


class _Graph:
    """FFmpeg's filters for frames of one look."""

    def __init__(self, av: ModuleType, look: _Look, stream):
        self._av = av
        self._graph = _new_graph(av)
        self._time_base = stream.time_base
        self._table = None
        # AVI does not tell the aspect of a pixel; the decoder may, after the first frame.
        aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1
        self._source = self._graph.add(
            "buffer",
            video_size=f"{look.width}x{look.height}",
            pix_fmt=look.pixels,
            time_base=str(self._time_base),
            pixel_aspect=str(max(0, aspect) or 1),
            colorspace=str(look.colorspace),
            range=str(look.color_range),
        )
        steps = [self._source]
        if look.interlaced:
            steps.append(self._graph.add("bwdif", mode="send_frame", deint="interlaced"))
        if look.transfer in _HDR_TRANSFERS:
            steps += self._tone_mapping(look.transfer)
        steps += [self._graph.add(name, setting) for name, setting in look.turn]
        # A quarter turn inverts the aspect of a pixel, so this comes after it.
        square = {"w": "max(iw, round(iw*sar))", "h": "max(ih, round(ih/sar))"}
        steps += [self._graph.add("scale", **square), self._graph.add("format", pix_fmts="bgr24")]
        self._sink = self._graph.add("buffersink")
        self._graph.link_nodes(*steps, self._sink).configure()

    def _tone_mapping(self, transfer: int) -> list:
        table = _tone_map(self._av, transfer)
        # The filter takes picture and table in one format.
        steps = [
            self._graph.add("scale"),
            self._graph.add("format", pix_fmts=table.format.name),
            self._graph.add("haldclut", clut="first"),
        ]
        source = self._graph.add(
            "buffer",
            video_size=f"{table.width}x{table.height}",
            pix_fmt=table.format.name,
            time_base=str(self._time_base),
        )
        source.link_to(steps[-1], 0, 1)
        self._table = source, table
        return steps

    def show(self, frame) -> Iterator:
        """Takes a frame, or None at the end; yields the pictures that are ready."""
        if self._table is not None:
            (source, table), self._table = self._table, None
            table.pts, table.time_base = frame.pts, self._time_base
            source.push(table)
            source.push(None)
        self._source.push(frame)
        while True:
            try:
                yield self._sink.pull()
            except (self._av.error.BlockingIOError, self._av.error.EOFError):
                return


def _new_graph(av: ModuleType):
    graph = av.filter.Graph()
    # The conversion runs one process per CPU: more threads would only get in the way.
    graph.threads = 1
    return graph


@functools.cache
def _tone_map(av: ModuleType, transfer: int):
    """FFmpeg's mapping of colours from HDR (BT.2100) to BT.709, as a table for ``haldclut``.

    To find it takes FFmpeg seconds, whatever the size of a picture; so once for all videos.
    """
    graph = _new_graph(av)
    hdr = {"color_trc": _HDR_TRANSFERS[transfer], "color_primaries": "bt2020"}
    steps = [
        graph.add("haldclutsrc", level=str(_TONE_MAP_LEVEL)),
        graph.add("format", pix_fmts="rgb48le"),
        graph.add("setparams", colorspace="gbr", range="pc", **hdr),
        graph.add("scale", out_transfer="bt709", out_primaries="bt709", intent="perceptual"),
        graph.add("format", pix_fmts="rgb48le"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*steps).configure()
    return steps[-1].pull()


def _turn(frame) -> tuple[tuple[str, str | None], ...]:
    """Filters, as (name, setting), that do what the frame's display matrix says.

    Other angles than quarter turns become the nearest of these.
    """
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV has no name for one of the frame's side data, such as EXIF
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if matrix is None:
        return ()
    # A point (x, y) is shown at (a x + c y, b x + d y); y points downwards.
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (("hflip", None),) * (a < 0) + (("vflip", None),) * (d < 0)
    return (("transpose", _TRANSPOSE[c < 0, b < 0]),)
