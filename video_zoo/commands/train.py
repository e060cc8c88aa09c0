"""Trains a network on shards, or continues a run that was stopped.

    video-zoo train --model s3d_v1 --data_dir SHARDS --workdir RUN
    video-zoo train --config recipes/s3d_v1_paper.yaml --data_dir SHARDS --workdir RUN

Without further flags this is the paper's recipe: 64 frames at 224x224, batches of 5, SGD with
momentum 0.9, learning rate 0.01 and 0.001 from half way on, 24 hours, on all visible GPUs. The same
command continues where it was stopped. docs/training.md tells the rest.

Exit codes: 0 finished; 2 something is wrong with the flags or the data; 75 after SIGTERM, 130 after
Ctrl-C: what was done is saved, and the same command continues.
"""

from video_zoo.training.config import DURATIONS, TrainingConfig

from . import cli

_FLAGS = cli.define_flags(TrainingConfig, config_file=True)


def main() -> int:
    config = cli.from_flags(TrainingConfig, _FLAGS, one_of=DURATIONS)
    with cli.loading():
        from video_zoo.training import train

    result = train(config)
    if result.finished:
        split = [] if config.val_split == "val" else ["--split", config.val_split]
        print(f"next: {cli.command('evaluate', '--workdir', result.workdir, *split)}")
        return 0
    return cli.INTERRUPTED[result.signum]
