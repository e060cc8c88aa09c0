"""How an image network becomes a video network, as settings. Loads no framework."""

import dataclasses

from video_zoo import errors


@dataclasses.dataclass(frozen=True)
class InflationConfig:
    """How `inflate:NAME` becomes a video network; docs/inflation.md tells more.

    Args:
        convolution: of an inflated network: "separable", "full" or "2d".
        temporal_kernel: extent in time of what gets one; odd, at least 3.
        temporal_from: layer from which on an inflated network is temporal. None for all of it.
        temporal_strides: strides in time of layers of an inflated network, as LAYER=2,LAYER=2.
    """

    convolution: str = "separable"
    temporal_kernel: int = 3
    temporal_from: str | None = None
    temporal_strides: str | None = None

    def __post_init__(self) -> None:
        errors.check_settings(self)
        if self.temporal_kernel % 2 == 0:
            raise errors.refusal("temporal_kernel", "an odd integer", self.temporal_kernel)
        self.strides()

    def strides(self) -> dict[str, int]:
        """``temporal_strides`` as layer -> stride."""
        found = {}
        for pair in filter(None, (self.temporal_strides or "").split(",")):
            layer, _, stride = pair.strip().rpartition("=")
            if not layer or not stride.isdecimal() or int(stride) < 1:
                allowed = "LAYER=STRIDE with commas between, such as 'conv2_block3_out=2'"
                raise errors.refusal("temporal_strides", allowed, self.temporal_strides)
            found[layer] = int(stride)
        return found
