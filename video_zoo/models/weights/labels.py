"""Class names: of the published datasets, shipped with the package, and of runs and shards."""

import dataclasses
import functools
import importlib.resources
import os
import pathlib
from collections.abc import Sequence

from video_zoo import errors
from video_zoo.files import file_content
from video_zoo.known_names import LABEL_MAP, RUN_CONFIG

LISTS = ("kinetics400", "kinetics600", "charades")


@functools.cache
def _read(name: str) -> tuple[str, ...]:
    folder = importlib.resources.files("video_zoo.models") / "class_names"
    return tuple((folder / f"{name}.txt").read_text(encoding="utf-8").splitlines())


def same_classes(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two lists are of the same classes in order; Charades' codes stand for its words."""
    pair = tuple(names), tuple(others)
    return len(names) == len(others) if _read("charades") in pair else pair[0] == pair[1]


@dataclasses.dataclass(frozen=True)
class _Run:
    class_names: list[str]


def class_names(name: str | os.PathLike) -> list[str]:
    """Class names of a dataset or of a training run, in the order of the logits.

    Kinetics-400 (Kay et al. 2017) and Kinetics-600 (Carreira et al. 2018) are in alphabetical order
    whatever the case, which is the order of DeepMind's and of torchvision's lists. Those of
    Charades (Sigurdsson et al. 2016) are its labels, "c000" to "c156": its licence lets nobody pass
    on the words, which are in its own ``Charades_v1_classes.txt``.

    Args:
        name: "kinetics400", "kinetics600" or "charades", the folder of a run, or a local folder of
            shards.

    Raises:
        ValueError: there is no such list or folder, or its file of class names cannot be read.

    Example:
        >>> video_zoo.class_names("kinetics400")[227]
        'playing cricket'
        >>> video_zoo.class_names("runs/first")  # doctest: +SKIP
        ['down', 'growing', 'left', 'right', 'up']
    """
    if name in LISTS:
        return list(_read(name))
    folder = pathlib.Path(errors.at_home(name))
    if (folder / RUN_CONFIG).is_file():
        remedy = "Take the file as the run wrote it."
        return file_content.read_json(folder / RUN_CONFIG, _Run, remedy).class_names
    if (folder / LABEL_MAP).is_file():
        return file_content.read_lines(folder / LABEL_MAP)
    allowed = f"one of {', '.join(map(repr, LISTS))}, or the folder of a run or of shards"
    raise errors.refusal("name", allowed, name)
