"""What can be done with shards that were just made, on this machine: flags for the tools."""

import os

import tensorflow as tf

from video_zoo.data.format.manifests import Manifest

_NO_VALIDATION = (
    "no video is for validation, which training needs. Convert again with --val_fraction 0.1 "
    "--overwrite, or give some videos another split in the annotations"
)
# The batch of the default recipe, and of recipes/cpu_quick.yaml, which trains on two devices.
_BATCH, _CPU_BATCH, _CPU_DEVICES = 5, 8, 2
# What makes a network small enough for a CPU, where there is no recipe.
_SMALL = (
    *("--width_multiplier", "0.25", "--num_frames", "16", "--image_size", "64"),
    *("--batch_size", str(_CPU_BATCH), "--epochs", "12", "--virtual_devices", str(_CPU_DEVICES)),
)


def training_flags(manifest: Manifest, data_dir: str, clone: str | None) -> list[str]:
    """Flags of ``video-zoo train`` for a first run on the shards, which this machine can do.

    Args:
        manifest: of the shards.
        data_dir: their folder.
        clone: folder of the clone, which has recipes; None without one.

    Raises:
        ValueError: nothing can be trained on them; the message says why, and what to do.
    """
    counts = {name: split.num_examples for name, split in manifest.splits.items()}
    counts = {name: count for name, count in counts.items() if count}
    train_split = "train" if "train" in counts else max(counts, key=counts.get)
    others = [name for name in counts if name != train_split]
    if not others:
        raise ValueError(_NO_VALIDATION)
    gpus = len(tf.config.list_physical_devices("GPU"))
    chosen = ["--model", "s3d_v1"]
    if not gpus:
        recipe = None if clone is None else os.path.join(clone, "recipes", "cpu_quick.yaml")
        chosen = [*chosen, *_SMALL] if recipe is None else ["--config", recipe]
    chosen += ["--data_dir", data_dir, "--workdir", _unused(os.path.join("runs", "first"))]
    usual, devices = (_BATCH, gpus) if gpus else (_CPU_BATCH, _CPU_DEVICES)
    batch = min(max(usual, devices), counts[train_split])
    if batch < devices:
        raise ValueError(
            f"{counts[train_split]} videos for training are fewer than the {devices} devices that "
            "share a batch. Convert more videos"
        )
    if batch != usual:
        chosen += ["--batch_size", str(batch)]
    if train_split != "train":
        chosen += ["--train_split", train_split]
    if "val" not in others:
        chosen += ["--val_split", others[0]]
    return chosen


def _unused(folder: str) -> str:
    """``folder``, or one like it that does not exist: it may hold another run."""
    number, found = 1, folder
    while os.path.exists(found):
        number += 1
        found = f"{folder}-{number}"
    return found
