"""What a page in the browser shows, and to whom, as settings. Loads no framework."""

import dataclasses

from video_zoo.inflation_config import InflationConfig

from .config import OfNetwork
from .prediction_config import PredictionConfig


@dataclasses.dataclass(frozen=True)
class DemoConfig(OfNetwork):
    """Which network to try in a browser, and for whom the page is.

    Args:
        workdir: folder of a run; its ``best.keras`` is taken.
        checkpoint: a ``.keras`` file instead of that.
        model: name of a network instead, with ``weights``; or "inflate:NAME", a ``.keras`` file,
            "module:function", as in training.
        weights: published name, or file; docs/weights.md lists them.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
        host: address that the page is bound to. The default is open to this machine alone;
            "0.0.0.0" opens it to whoever reaches the machine, without a password.
        port: of the page. None for the first that is free from 7860 on.
        upload_megabytes: size of a video at the most.
        num_clips: clips of each video that its classes are the mean of, evenly spaced in time.
        step: seconds from one window of the timeline to the next.
        max_seconds: seconds of each video that are looked at.
    """

    workdir: str | None = None
    checkpoint: str | None = None
    model: str | None = None
    weights: str | None = None
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)
    host: str = "127.0.0.1"
    port: int | None = None
    upload_megabytes: int = 100
    num_clips: int = 3
    step: float = 1.0
    max_seconds: float = 60.0

    @property
    def prediction(self) -> PredictionConfig:
        """How the whole video is classified."""
        return PredictionConfig(**self.network, num_clips=self.num_clips)

    @property
    def sliding(self) -> PredictionConfig:
        """How its timeline is made."""
        return PredictionConfig(**self.network, step=self.step, max_seconds=self.max_seconds)
