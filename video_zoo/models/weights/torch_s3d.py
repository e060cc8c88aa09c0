"""Names of S3D-v1 in PyTorch files: torchvision's, and those of kylemin/S3D.

Both pad every strided layer symmetrically, and both have a factor (gamma) in their batch
normalisation, which folds exactly into the convolution above it and its moving mean.
"""

import dataclasses
from collections.abc import Iterator

from video_zoo.published import KYLEMIN, TORCHVISION, InputConvention

from .mapping import Origin, Place, places, separable_units, torch_head


@dataclasses.dataclass(frozen=True)
class Names:
    """How one of the two names its tensors.

    Args:
        root: of the features.
        head: the classifier.
        units: as :func:`mapping.separable_units` takes them.
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
        yield from separable_units(place, names.prefix(place), names.units)
    yield from torch_head(names.head)
