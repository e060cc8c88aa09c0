"""Which world a run is in: one process, or the workers of several machines."""

import os

from ..config import TrainingConfig
from .strategy import make_strategy
from .world import World


def find_world(config: TrainingConfig) -> World:
    """The world of a run: that of its workers, or this process with all of its devices.

    Raises:
        ValueError: the workers, or the devices, cannot be used.
        ConnectionError: some workers did not come; the message names them.
    """
    given = (config.worker_hosts, config.worker_index) != (None, None)
    if given or os.environ.get("TF_CONFIG"):
        from .workers import find_workers

        if (found := find_workers(config)) is not None:
            return found
    return World(make_strategy(config.virtual_devices))
