"""Size of the quickstart, as settings. Loads no framework, for the tool's flags and its workers."""

import dataclasses

from . import errors
from .limits import LIMITS


@dataclasses.dataclass(frozen=True)
class QuickstartConfig:
    """Size of the quickstart. The defaults take some minutes on two CPU cores.

    Args:
        output_dir: folder for videos, shards and the run.
        train_per_class: training videos of each of the five classes.
        val_per_class: validation videos of each.
        epochs: passes over the training videos.
        virtual_devices: logical CPU devices to train on.
        seed: of everything.
    """

    output_dir: str = "runs/quickstart"
    train_per_class: int = 120
    val_per_class: int = 40
    epochs: int = 12
    virtual_devices: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        errors.check_settings(
            self, train_per_class=LIMITS["num_samples"], val_per_class=LIMITS["num_samples"]
        )
