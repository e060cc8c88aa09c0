"""Names of torchvision's video ResNets (r3d_18, mc3_18, r2plus1d_18) in PyTorch files."""

from collections.abc import Iterator, Mapping

import numpy as np

from ..tables.resnet18 import RESNET_18
from ..tables.spec import Residual
from .mapping import DENSE_HEAD, Origin, torch_dense, torch_kernel

# (convolution, batch normalisation) of the halves, below the place of a unit that is split. In a
# block the halves are a part of their own, and the last normalisation comes after that part.
_STEM = {"": ("0", "1"), "_spatial": ("0", "1"), "_temporal": ("3", "4")}
_IN_BLOCK = {"": ("0", "1"), "_spatial": ("0.0", "0.1"), "_temporal": ("0.3", "1")}


def is_split(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether the tensors are of a network whose convolutions are split in two."""
    return "layer1.0.conv1.0.0.weight" in tensors


def origins(split: bool) -> Iterator[Origin]:
    """The origins of the networks with whole convolutions, or of those with split ones."""
    halves = ("_spatial", "_temporal") if split else ("",)
    for endpoint, row in RESNET_18:
        if not isinstance(row, Residual):
            yield from _unit(endpoint, endpoint, halves, _STEM)
            continue
        block = endpoint.replace("_", ".")
        for number, _conv in enumerate(row.convs, 1):
            part = f"conv{number}"
            yield from _unit(f"{endpoint}_{part}", f"{block}.{part}", halves, _IN_BLOCK)
        if row.shortcut is not None:
            yield from _unit(f"{endpoint}_shortcut", f"{block}.downsample", ("",), _IN_BLOCK)
    yield from torch_dense(DENSE_HEAD, "fc")


def _unit(
    name: str, place: str, halves: tuple[str, ...], parts: Mapping[str, tuple[str, str]]
) -> Iterator[Origin]:
    for half in halves:
        conv, norm = (f"{place}.{part}" for part in parts[half])
        yield Origin(f"{name}{half}_conv/kernel", (f"{conv}.weight",), torch_kernel)
        for ours, theirs in (
            ("gamma", "weight"),
            ("beta", "bias"),
            ("moving_mean", "running_mean"),
            ("moving_variance", "running_var"),
        ):
            yield Origin(f"{name}{half}_bn/{ours}", (f"{norm}.{theirs}",))
