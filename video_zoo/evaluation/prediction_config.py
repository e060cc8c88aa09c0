"""With which network to classify videos, and what to tell of them, as settings."""

import dataclasses
import os
from collections.abc import Sequence

from video_zoo import errors
from video_zoo.data.videos import readers
from video_zoo.inflation_config import InflationConfig

from .config import MOVING, STRIP, OfNetwork, is_picture

# Classes of a video that are named where nothing says how many.
_TOP = 5


@dataclasses.dataclass(frozen=True)
class PredictionConfig(OfNetwork):
    """With which network to classify videos, and how.

    Args:
        workdir: folder of a run; its ``best.keras`` is taken.
        checkpoint: a ``.keras`` file instead of that.
        model: name of a network instead, with ``weights``; or "inflate:NAME", a ``.keras`` file,
            "module:function", as in training.
        weights: published name, or file; docs/weights.md lists them.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
        num_clips: clips per video, evenly spaced in time.
        num_crops: 1 (centre) or 3 (along the long side) of each.
        top: number of classes to name. Defaults to 5, and with ``threshold`` to all.
        threshold: probability that a class must have to be named, in [0, 1]; where clips have
            several classes, that of each being there.
        average: how the views of a video become one: "softmax", the mean of their probabilities; or
            "logits", the probabilities of their mean logits.
        frames_fps: frames per second of folders of frames, which tell none.
        overlay: where to show what the network looks at for the top class: a ``.mp4`` or ``.gif``
            file of one video, a ``.png`` for a row of its frames, or a folder for any number of
            videos, which gets ``NAME.mp4`` and ``NAME.png`` of each.
        overlay_layer: the layer whose maps are shown. Defaults to the last before the pooling.
        step: seconds from one window to the next: a window as long as a clip slides over each
            video, and its classes are told with their times. None for one answer a video. Then
            ``overlay`` writes the video with the class of the moment above it.
        smooth: seconds over which the windows' probabilities are averaged; 0 for none. Defaults to
            three steps.
        max_seconds: seconds of each video that windows go over; None for all, and for a camera
            until Ctrl-C.
        batch_size: windows that go through the network at once.
        json: file that gets all numbers.
        csv: file that gets a row for each class of a video, or for each segment.
        timeline: where to draw what is seen when: a ``.png`` file of one video, or a folder. It
            needs ``step``.
    """

    workdir: str | None = None
    checkpoint: str | None = None
    model: str | None = None
    weights: str | None = None
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)
    num_clips: int = 1
    num_crops: int = 1
    top: int | None = None
    threshold: float | None = None
    average: str = "softmax"
    frames_fps: float | None = None
    overlay: str | None = None
    overlay_layer: str | None = None
    step: float | None = None
    smooth: float | None = None
    max_seconds: float | None = None
    batch_size: int = 4
    json: str | None = None
    csv: str | None = None
    timeline: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_windows()
        if self.overlay is not None:
            is_folder = not os.path.splitext(self.overlay)[1] and "://" not in self.overlay
            if not (is_folder or is_picture(self.overlay)):
                allowed = "a local file that ends with .mp4, .gif or .png, or a folder"
                raise errors.refusal("overlay", allowed, self.overlay)
        elif self.overlay_layer is not None:
            remedy = "Give `overlay` too."
            raise errors.refusal(
                "overlay_layer", "None without `overlay`", self.overlay_layer, remedy
            )

    def _check_windows(self) -> None:
        if self.step is None:
            for name in ("smooth", "max_seconds", "timeline"):
                if getattr(self, name) is not None:
                    remedy = "Give the seconds between windows as `step` too, such as 1."
                    raise errors.refusal(name, "None without `step`", getattr(self, name), remedy)
            return
        if self.num_clips != 1:
            allowed = "1 with `step`, which places the clips"
            raise errors.refusal("num_clips", allowed, self.num_clips)
        if self.overlay_layer is not None:
            allowed = "None with `step`, whose film shows no heat"
            raise errors.refusal("overlay_layer", allowed, self.overlay_layer)
        if self.overlay is not None and self.overlay.lower().endswith(STRIP):
            allowed = "a film (.mp4) or a folder with `step`"
            raise errors.refusal("overlay", allowed, self.overlay, "`timeline` draws a picture.")
        if self.timeline is not None and self.timeline.lower().endswith(MOVING):
            allowed = "a local file that ends with .png, or a folder"
            raise errors.refusal("timeline", allowed, self.timeline, "`overlay` writes a film.")

    def check_live(self, files: Sequence[str]) -> None:
        """Raises ValueError if a camera or a stream is among ``files`` and cannot be looked at."""
        live = next(filter(readers.is_live, files), None)
        if live is None:
            return
        if self.step is None:
            remedy = "It is the seconds from one window to the next, such as 1."
            raise errors.refusal("step", f"given for {live!r}, which has no end", None, remedy)
        if self.overlay is not None:
            allowed = f"None for {live!r}, which cannot be seen a second time"
            raise errors.refusal("overlay", allowed, self.overlay)

    @property
    def smoothing(self) -> float:
        """Seconds over which the probabilities of windows are averaged."""
        return 3 * (self.step or 0.0) if self.smooth is None else self.smooth

    @property
    def overlay_endings(self) -> tuple[str, ...]:
        """Endings of the files that ``overlay`` as a folder gets of each video."""
        return (MOVING[0], STRIP) if self.step is None else (MOVING[0],)

    @property
    def most(self) -> int | None:
        """The most classes to name; None for all."""
        return _TOP if self.top is None and self.threshold is None else self.top
