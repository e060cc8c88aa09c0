"""PyTorch checkpoints of S3D-v1: torchvision's, and that of kylemin/S3D.

Both pad every strided layer symmetrically, and both have a factor (gamma) in their batch
normalisation, which folds exactly into the convolution above it and its moving mean.
"""

import dataclasses
import os
import zipfile

import numpy as np

from video_zoo.published import KYLEMIN, TORCHVISION, InputConvention

from ..network_files import check_growth, reading
from .rules import HEAD, Checkpoint, Place, Rule, places, translate

_TENSORS = "whole file that holds tensors alone, nothing else of which is run"


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


def _kernel(weight: np.ndarray) -> np.ndarray:
    return weight.transpose(2, 3, 4, 1, 0)  # [out, in, time, height, width]


def _folded_kernel(weight: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    return _kernel(weight) * gamma


def _rules(names: Names):
    for place in places():
        prefix = names.prefix(place)
        halves = ("_spatial", "_temporal") if place.kernel[0] > 1 else ("",)
        for half in halves:
            conv, norm = (f"{prefix}.{part}" for part in names.units[half])
            name, gamma = f"{place.name}{half}", f"{norm}.weight"
            yield Rule(f"{name}_conv/kernel", (f"{conv}.weight", gamma), _folded_kernel)
            yield Rule(f"{name}_bn/beta", (f"{norm}.bias",))
            yield Rule(f"{name}_bn/moving_mean", (f"{norm}.running_mean", gamma), np.multiply)
            yield Rule(f"{name}_bn/moving_variance", (f"{norm}.running_var",))
    yield Rule(f"{HEAD}/kernel", (f"{names.head}.weight",), _kernel)
    yield Rule(f"{HEAD}/bias", (f"{names.head}.bias",))


def _load_safetensors(path: str) -> dict[str, np.ndarray]:
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ImportError(
            "`weights` in a '.safetensors' file need the package safetensors: "
            f"`pip install safetensors`. Received: weights={path!r}"
        ) from error
    with reading(path, what=_TENSORS):
        return load_file(path)


def _load_torch(path: str) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "`weights` in a PyTorch file need PyTorch: `pip install 'video-zoo[torch]'`, or save "
            f"the tensors as '.safetensors' elsewhere. Received: weights={path!r}"
        ) from error
    with reading(path, what=_TENSORS):
        _check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        named = isinstance(state, dict) and all(isinstance(name, str) for name in state)
        if not named or not all(torch.is_tensor(value) for value in state.values()):
            raise ValueError(
                "it does not map names to tensors, as `torch.save(network.state_dict(), path)` does"
            )
        # A tensor may repeat a single number, and say that it is as large as it likes.
        size = sum(value.numel() * value.element_size() for value in state.values())
        check_growth(size, os.path.getsize(path))
        # Tensors of a network that was pickled as they are still ask for gradients.
        return {name: value.detach().float().numpy() for name, value in state.items()}


def _check_archive(path: str) -> None:
    """Compares the checksums of an archive, which PyTorch writes and does not look at."""
    if not zipfile.is_zipfile(path):
        return  # of an old version, which wrote none
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.file_size]
        check_growth(sum(info.file_size for info in members), os.path.getsize(path))
        sound = [_is_sound(archive, info) for info in members]
    # PyTorch can be told to write no checksums; then none fits.
    if any(sound) and not all(sound):
        raise ValueError(f"{members[sound.index(False)].filename} in it is damaged")


def _is_sound(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(info) as member:
            while member.read(1 << 20):
                pass
    except zipfile.BadZipFile:
        return False
    return True


def read(path: str) -> Checkpoint:
    """Reads a ``.pth``, ``.pt`` or ``.safetensors`` file, without running what it holds."""
    loaded = (_load_safetensors if path.endswith(".safetensors") else _load_torch)(path)
    tensors = {
        name.removeprefix("module."): value  # of a network that was trained on several GPUs
        for name, value in loaded.items()
        if not name.endswith(".num_batches_tracked")
    }
    for names in STYLES:
        if any(name.startswith(f"{names.root}.") for name in tensors):
            with reading(path, what=_TENSORS):
                return translate(tensors, _rules(names), names.convention, "symmetric")
    listed = ", ".join(list(tensors)[:5])
    raise ValueError(
        "`weights` must name its tensors as torchvision's s3d ('features.…') or kylemin/S3D "
        f"('base.…') does. Received: weights={path!r} with {listed}, …"
    )
