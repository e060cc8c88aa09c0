"""Videos, and runs as a training leaves them, of a small network that has learnt nothing."""

import keras
import pytest

from video_zoo.data.input.source import Split
from video_zoo.training import TrainingConfig, workdir
from video_zoo.training.checkpoint import Position, save_checkpoint


@pytest.fixture(scope="session")
def videos(motion_shards):
    """The ten validation videos of `motion_shards`, in order."""
    return sorted((motion_shards.parent / "videos" / "val").rglob("*.mp4"))


@pytest.fixture(scope="session")
def write_run(tiny_run):
    """A function (data_dir, folder, channels=3, **settings) -> the folder of a run."""

    def write(data_dir, folder, channels=3, **settings):
        config = TrainingConfig(**tiny_run | settings, data_dir=str(data_dir), workdir=str(folder))
        clips = keras.Input((config.num_frames, config.image_size, config.image_size, channels))
        x = keras.layers.Conv3D(6, 4, strides=4, activation="relu")(clips)
        x = keras.layers.Dense(5, name="Logits")(keras.layers.Flatten()(x))
        model, source = keras.Model(clips, x), Split.open(config.data_dir, "val")
        best = workdir.make_workdir(config) / "best.keras"
        workdir.write_config(config, model, source)
        told = workdir.convention_of(config, model, source)
        save_checkpoint(model, best, Position(2), source.class_names, told)
        return folder

    return write


@pytest.fixture(scope="session")
def run(motion_shards, write_run, tmp_path_factory):
    return write_run(motion_shards, tmp_path_factory.mktemp("evaluation") / "run")
