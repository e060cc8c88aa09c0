"""PyTorch files, and safetensors with its names, which tell the network that they are of."""

import os
import zipfile

import numpy as np

from video_zoo.published import TORCHVISION_RESNETS

from . import torch_resnet, torch_s3d
from .mapping import Checkpoint, translate
from .network_files import check_growth, reading

_TENSORS = "whole file that holds tensors alone, nothing else of which is run"


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
    with reading(path, what=_TENSORS):
        for names in torch_s3d.STYLES:
            if any(name.startswith(f"{names.root}.") for name in tensors):
                rules = torch_s3d.rules(names)
                return translate(tensors, rules, names.convention, "symmetric")
        if any(name.startswith("layer1.") for name in tensors):
            rules = torch_resnet.rules(torch_resnet.is_split(tensors))
            return translate(tensors, rules, TORCHVISION_RESNETS, "symmetric")
    listed = ", ".join(list(tensors)[:5])
    raise ValueError(
        "`weights` must name its tensors as torchvision's s3d ('features.…') or video ResNets "
        "('layer1.…') or as kylemin/S3D ('base.…') does. "
        f"Received: weights={path!r} with {listed}, …"
    )
