"""Names of S3D-v1 in PyTorch files: torchvision's, and those of kylemin/S3D.

Both pad every strided layer symmetrically, and both have a factor (gamma) in their batch
normalisation, which folds exactly into the convolution above it and its moving mean.
"""

import dataclasses
from collections.abc import Iterator

from video_zoo.published import KYLEMIN, TORCHVISION, InputConvention

from .mapping import Origin, Place, folded_unit, places, torch_head


@dataclasses.dataclass(frozen=True)
class Names:
    """How one of the two names its tensors.

    Args:
        root: of the features.
        head: the classifier.
        units: (convolution, batch normalisation) below a place: of a unit that is not split
            (""), and of the halves of one that is.
        numbered: whether the one convolution of the first branch is numbered, as all others are.
        convention: the clips that it takes.
    """

    root: str
    head: str
    units: dict[str, tuple[str, str]]
    numbered: bool
    convention: InputConvention

    def prefix(self, place: Place) -> str:
        if place.branch is None:
            return f"{self.root}.{place.row}"
        branch = f"{self.root}.{place.row}.branch{place.branch}"
        return f"{branch}.{place.step}" if place.branch or self.numbered else branch


STYLES = (
    Names(
        "features",
        "classifier.1",
        {"": ("0", "1"), "_spatial": ("0.0", "0.1"), "_temporal": ("1.0", "1.1")},
        False,
        TORCHVISION,
    ),
    Names(
        "base",
        "fc.0",
        {"": ("conv", "bn"), "_spatial": ("conv_s", "bn_s"), "_temporal": ("conv_t", "bn_t")},
        True,
        KYLEMIN,
    ),
)


def origins(names: Names) -> Iterator[Origin]:
    """The origins of one of the two."""
    for place in places():
        prefix = names.prefix(place)
        halves = ("_spatial", "_temporal") if place.kernel[0] > 1 else ("",)
        for half in halves:
            conv, norm = (f"{prefix}.{part}" for part in names.units[half])
            yield from folded_unit(f"{place.name}{half}", conv, norm)
    yield from torch_head(names.head)
