"""``precise_bn.keras``: the network of a run with statistics of batch normalisation taken anew."""

import pathlib
from collections.abc import Mapping

import tensorflow as tf

from video_zoo.files import file_content, whole_files
from video_zoo.run.files import PRECISE, PRECISE_RESULTS
from video_zoo.run.history import MEASURES, main_output_logs, measure_of

from . import batch_norm
from .callbacks import Checkpoints, averaged_weights
from .config import TrainingConfig
from .trainer import Trainer


def is_due(config: TrainingConfig, workdir: pathlib.Path, step: int) -> bool:
    """Whether precise statistics are asked for, and are not there for the last step."""
    if not config.precise_bn_steps:
        return False
    path = workdir / PRECISE_RESULTS
    if not path.exists():
        return True
    found = file_content.read_json(path, Mapping[str, object], "Remove the file.")
    return found.get("step") != step


def write(
    trainer: Trainer,
    batches: tf.data.Dataset,
    validation: tf.data.Dataset,
    checkpoints: Checkpoints,
) -> None:
    """Writes ``precise_bn.keras``, and what its statistics change on validation.

    Args:
        trainer: of the trained network.
        batches: training clips, as :func:`batch_norm.set_precise_statistics` takes them.
        validation: as ``evaluate`` takes it.
        checkpoints: of the run.
    """
    clock, workdir = checkpoints.clock, checkpoints.workdir
    steps = clock.config.precise_bn_steps
    results = {}
    with averaged_weights(trainer):
        for name in ("moving averages", "precise"):
            if name == "precise":
                batch_norm.set_precise_statistics(trainer.network, batches, steps)
            results[name] = trainer.evaluate(validation, verbose=0, return_dict=True)
        checkpoints.save_as(workdir / PRECISE, [])
    if not checkpoints.writes:
        return
    whole_files.write_json(workdir / PRECISE_RESULTS, {"step": clock.step} | results)
    shown = {name: main_output_logs(logs) for name, logs in results.items()}
    measure = measure_of(shown["precise"])
    told = (f"{n} {logs[measure]:.1%} (loss {logs['loss']:.4f})" for n, logs in shown.items())
    called = MEASURES[measure]
    print(f"validation {called} by statistics of batch normalisation: {', '.join(told)}")
