"""The names of a run's files, and where its network lies. Loads no framework."""

import os
import pathlib

from video_zoo import errors

# In the folder of a run: what it was, and its best network.
CONFIG, BEST = "config.json", "best.keras"


def check_run(argument: str, workdir: str) -> None:
    """Raises FileNotFoundError if ``workdir`` is no folder of a run."""
    if not os.path.isfile(os.path.join(workdir, CONFIG)):
        raise FileNotFoundError(
            f"`{argument}` must be the folder of a training run, with {CONFIG} in it. "
            f"Received: {argument}={errors.shown(workdir)}"
        )


def network_path(
    workdir: str | os.PathLike | None, checkpoint: str | os.PathLike | None
) -> tuple[str, str]:
    """The file of a trained network, and the argument that leads to it.

    Raises:
        FileNotFoundError: it is not there.
    """
    argument = "workdir" if checkpoint is None else "checkpoint"
    path = str(pathlib.Path(workdir, BEST) if checkpoint is None else pathlib.Path(checkpoint))
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"`{argument}` must lead to a saved network. Received: {argument} with "
            f"{errors.shown(path)}, which does not exist. A run writes its first one at the end of "
            "its first epoch."
        )
    return path, argument
