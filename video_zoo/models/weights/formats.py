"""Readers of published checkpoints: a path -> the weights of the zoo: which module reads which."""

import importlib
import os
import pathlib

from video_zoo import errors
from video_zoo.known_names import PUBLISHED_ENDINGS as FORMATS

from .mapping import PublishedFile


def _prefix(path: pathlib.Path) -> str | None:
    """What a TensorFlow checkpoint is called: the common part of its file names; None if none."""
    if path.is_dir():
        found = sorted(path.glob("*.index"))
        return str(found[0].with_suffix("")) if len(found) == 1 else None
    stem = path.name.split(".data-")[0].removesuffix(".index")
    return str(path.with_name(stem)) if path.with_name(f"{stem}.index").is_file() else None


def reader_of(path: str | os.PathLike) -> tuple[str, str] | None:
    """(module of this package, path for it) that read ``path``; None if no reader takes it."""
    path = pathlib.Path(path)
    if path.suffix == ".h5" and not path.name.endswith(".weights.h5"):
        return "dlpbc", str(path)
    if path.name.endswith((".pth", ".pt", ".pth.tar", ".safetensors")):
        return "torch_files", str(path)
    prefix = _prefix(path)
    return None if prefix is None else ("deepmind", prefix)


# Of the formats that are known by their endings, which others may have too.
_WORDS = {"deepmind": "DeepMind's TensorFlow checkpoints of I3D", "dlpbc": "dlpbc's files of I3D"}


def _not_one_known(module: str, path: str, found: PublishedFile) -> str:
    known = list(found.sources.values())
    return (
        f"`weights` must name their arrays as {_WORDS.get(module, module)} do ({known[0]}, …), or "
        f"be a file of another format ({', '.join(FORMATS)}). Received: weights={path!r} with "
        f"{', '.join(found.unknown[:3])}, …. None of its {len(found.unknown)} names is among the "
        f"{len(known)} of these. Where the network is one of Keras's, save it whole as '.keras', "
        "and give that as `model`."
    )


def read(path: str | os.PathLike) -> PublishedFile:
    """Reads a published checkpoint of any format.

    Raises:
        ValueError: the file is of no known format, or damaged.
        ImportError: its format needs a package that is not installed.
    """
    found = reader_of(path)
    if found is None:
        raise errors.refusal("weights", f"a file of a known format ({', '.join(FORMATS)})", path)
    module, path = found
    read_file = importlib.import_module(f"{__package__}.{module}").read(path)
    if not read_file.values:
        raise ValueError(_not_one_known(module, path, read_file))
    return read_file
