"""How videos are stored: the settings, and the frames of one clip. Loads no framework."""

import dataclasses

from video_zoo import errors

from .modality import RGB


@dataclasses.dataclass(frozen=True)
class EncodingConfig:
    """How a video becomes JPEG frames.

    Args:
        fps: Frames per second of the result; a frame is repeated or dropped as needed. None (as
            a flag, 0) keeps every frame of the video.
        short_side: Pixels of the shorter side of the result; the aspect ratio is kept.
        jpeg_quality: From 1 to 100.
        frames_fps: Frames per second of folders of frames (VIDEO/img_00001.jpg), which tell none:
            12 for Something-Something v1 and Jester.
        min_frames: A clip that gives fewer frames is skipped.
        min_fraction: A video of which less than this part of the declared (or asked for) duration
            decodes is skipped. From 0 to 1.
        max_clip_seconds: Store the first seconds of longer clips. None for all of them, up to the
            2 GB that one example can hold.
        modality: rgb, or the optical flow from each frame to the next: flow_dis (fast), or
            flow_tvl1 (I3D's), which takes some sixty times as long.
        flow_bound: Displacement in pixels that flow is clipped to.

    Raises:
        ValueError: if a value is out of range.
    """

    fps: float | None = 25.0
    short_side: int = 256
    jpeg_quality: int = 95
    frames_fps: float | None = None
    min_frames: int = 1
    min_fraction: float = 0.5
    max_clip_seconds: float | None = None
    modality: str = RGB
    flow_bound: float = 20.0

    def __post_init__(self):
        errors.check_settings(self)


@dataclasses.dataclass(frozen=True)
class EncodedClip:
    """The frames of one clip, as they are stored.

    Args:
        frames: one JPEG per frame.
        timestamps_us: time of each frame in microseconds from the video's first frame.
        height: pixels.
        width: pixels.
        frame_rate: frames per second.
        start_us: time of the first frame, in microseconds.
        end_us: time at which the last frame ends, in microseconds.
        note: what is missing of the clip; "" where it is whole.
    """

    frames: list[bytes]
    timestamps_us: list[int]
    height: int
    width: int
    frame_rate: float
    start_us: int
    end_us: int
    note: str = ""
