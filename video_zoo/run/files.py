"""The names of a run's files, and where its network lies. Loads no framework."""

import os
import pathlib

from video_zoo import errors, known_names

# In the folder of a run: what it was, its best network, its epochs.
CONFIG, BEST, HISTORY = known_names.RUN_CONFIG, "best.keras", "history.csv"
CHECKPOINTS, TENSORBOARD = "checkpoints", "tensorboard"
CURVES, CONFUSION = "curves.png", "confusion_matrix.png"
BAD_BATCH, SKIPPED_RECORDS = "bad_batch.npz", "skipped_records.csv"
PRECISE, PRECISE_RESULTS = "precise_bn.keras", "precise_bn.json"

# The folder of its evaluations, and what each of them holds beside the confusion matrix.
EVALUATIONS = "eval"
AVERAGE_PRECISION, RELIABILITY = "average_precision.png", "reliability.png"
METRICS, SCORES, PREDICTIONS = "metrics.json", "scores.csv", "predictions.csv"

# The folder of what a run owes to motion, and what is in it.
PROBES, PROBE, PROBE_CHART = "probe", "probe.json", "probe.png"

# In a folder of features: the settings that they were made with.
FEATURE_SETTINGS = "features.json"


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
