"""Names of S3D-G in PyTorch files: MIL-NCE's (antoine77340/S3D_HowTo100M), and CoCLR's.

Both have a factor (gamma) in their batch normalisation, and gates at the end of each branch. In
CoCLR's code gates are a choice: some of its files have none.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from ..tables.inception_v1 import GATED_FROM, SPACE_TO_DEPTH
from .mapping import (
    DENSE_HEAD,
    Origin,
    Place,
    places,
    separable_units,
    torch_dense,
    torch_kernel,
)

_SPLIT = {"_spatial": ("conv1", "bn1"), "_temporal": ("conv2", "bn2")}
_MILNCE_UNITS = {"": ("conv1", "bn1"), **_SPLIT}
_COCLR_UNITS = {"": ("conv", "bn"), **_SPLIT}
_MILNCE_STEM = {"Conv3d_1a_8x8": "conv1", "Conv3d_2b_1x1": "conv_2b", GATED_FROM: "conv_2c"}

# Where CoCLR's pretraining keeps the network that is queried; that of the keys lags behind it.
QUERIED = "encoder_q.0."


def _milnce(place: Place) -> str:
    if place.branch is None:
        return _MILNCE_STEM[place.endpoint]
    branch = f"{place.endpoint.lower()}.conv_b{place.branch}"
    return branch if place.branch == 0 else f"{branch}_{place.letter}"


def _coclr(place: Place) -> str:
    if place.branch is None:
        return place.endpoint.replace("3d", "").rpartition("_")[0]
    return f"{place.endpoint}.branch{place.branch}.{place.step}"


def _from_blocks(weight: np.ndarray) -> np.ndarray:
    """A kernel on blocks of 2x2x2 positions as one on positions, as Keras has it.

    The file counts the channels of a block position by position: time, height, width, colour.
    """
    out, _, *size = weight.shape
    parts = weight.reshape(out, 2, 2, 2, -1, *size)
    sides = [2 * n for n in size]
    return parts.transpose(5, 1, 6, 2, 7, 3, 4, 0).reshape(*sides, -1, out)


def milnce_origins() -> Iterator[Origin]:
    """The origins of MIL-NCE's network, and of its embedding of videos."""
    for place in places(SPACE_TO_DEPTH):
        stem = place.endpoint == SPACE_TO_DEPTH[0][0]
        kernel = _from_blocks if stem else torch_kernel
        yield from separable_units(place, _milnce(place), _MILNCE_UNITS, kernel)
        if place.endpoint == GATED_FROM:
            yield from torch_dense(f"{place.name}_gate", "gating.fc")
        elif place.branch is not None and place.last:
            gate = f"{place.endpoint.lower()}.gating_b{place.branch}.fc"
            yield from torch_dense(f"{place.name}_gate", gate)
    yield from torch_dense(DENSE_HEAD, "fc")


def has_gates(root: str, tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether the network of CoCLR below ``root`` has gates."""
    return f"{root}Mixed_3b.gating_b0.fc.weight" in tensors


def coclr_origins(root: str, gated: bool) -> Iterator[Origin]:
    """The origins of CoCLR's network, which has no classifier, below ``root``."""
    for place in places():
        yield from separable_units(place, f"{root}{_coclr(place)}", _COCLR_UNITS)
        if gated and place.branch is not None and place.last:
            gate = f"{root}{place.endpoint}.gating_b{place.branch}.fc"
            yield from torch_dense(f"{place.name}_gate", gate)
