"""``config.json`` of a run, read."""

import dataclasses
import pathlib
from collections.abc import Mapping

from video_zoo.data.format import manifests
from video_zoo.files import file_content

from .files import CONFIG, check_run

# What decides how a network's videos are stored, and how its clips are sampled from them.
STORAGE = ("fps", "short_side", "modality", "flow_bound", "jpeg_quality")


@dataclasses.dataclass(frozen=True)
class RunFile:
    """What is read of the ``config.json`` of a run.

    Args:
        training: settings of the run.
        class_names: its label map.
        data: settings of the conversion of its shards, None where they had no manifest.
    """

    training: Mapping[str, object]
    class_names: list[str]
    data: Mapping[str, object] | None = None


@dataclasses.dataclass(frozen=True)
class _Training:
    """The settings of a run that are needed after it."""

    data_dir: str | None = None
    num_frames: int | None = None
    image_size: int | None = None
    frame_stride: int = 1


def read_config(workdir: pathlib.Path) -> RunFile:
    """The ``config.json`` of a run.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is none of a run; the field that is wrong is named.
    """
    check_run("workdir", str(workdir))
    path = workdir / CONFIG
    remedy = "Take the file as the run wrote it."
    content = file_content.read_json(path, RunFile, remedy)
    file_content.check({"training": content.training}, Mapping[str, _Training], path, remedy)
    if content.data is not None:
        manifests.check_storage(content.data, path, "data", remedy)
    return content
