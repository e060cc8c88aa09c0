"""A path that begins with `~`, given to a function of Python, lies at home."""

import os

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo import data, evaluation, training
from video_zoo.evaluation.feature_files import write_features

CLIP = data.ClipConfig(num_frames=4, image_size=32)


@pytest.fixture(scope="module")
def at_home(motion_shards, tmp_path_factory):
    """A home folder with one of each: videos, shards, a network, a checkpoint, features."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "videos").symlink_to(motion_shards.parent / "videos")
    (folder / "shards").symlink_to(motion_shards)
    keras.utils.set_random_seed(1)
    network = video_zoo.r3d_18(5, input_shape=(4, 32, 32, 3), width_multiplier=0.0625)
    network.save(folder / "network.keras")
    features = {"Mixed_5c": np.zeros((1, 2), np.float32)}
    content = evaluation.VideoFeatures(features, np.zeros(1, np.int64), "a.mp4")
    write_features(folder / "a.npz", content)
    return folder


@pytest.fixture
def elsewhere(at_home, tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.setenv("HOME", str(at_home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def first_batch(dataset):
    return next(iter(dataset))[0].numpy().sum()


def write_videos(path):
    counts = {"train_per_class": 1, "val_per_class": 0}
    data.write_motion_videos(os.path.dirname(path) + "/made", **counts, num_frames=2, size=16)
    return "made" in os.listdir(os.path.dirname(os.path.expanduser(path)))


READERS = {
    "class_names": ("shards", video_zoo.class_names),
    "weights_info": ("network.keras", lambda path: video_zoo.weights_info("r3d_18", path)),
    "builder": (
        "network.keras",
        lambda path: (
            video_zoo.r3d_18(5, input_shape=(4, 32, 32, 3), width_multiplier=0.0625, weights=path)
            .get_weights()[0]
            .sum()
        ),
    ),
    "load_manifest": ("shards", data.load_manifest),
    "load_label_map": ("shards", data.load_label_map),
    "list_shards": ("shards", lambda path: data.list_shards(path, "val")),
    "training_dataset": (
        "shards",
        lambda path: first_batch(data.training_dataset(path, batch_size=1, clip=CLIP)),
    ),
    "evaluation_dataset": (
        "shards",
        lambda path: first_batch(data.evaluation_dataset(path, batch_size=1, clip=CLIP)),
    ),
    "read_annotations": ("videos", lambda path: data.read_annotations(path).clips),
    "encode_clip": ("videos/val/up/00000.mp4", data.encode_clip),
    "predict": (
        "videos/val/up/00000.mp4",
        lambda path: [
            prediction.probabilities
            for prediction in evaluation.predict(
                path, checkpoint=os.path.expanduser("~/network.keras")
            )
        ],
    ),
    "read_features": ("a.npz", lambda path: evaluation.read_features(path).filename),
    "write_motion_videos": ("videos", write_videos),
}


@pytest.mark.parametrize("name", READERS)
def test_a_function_finds_what_lies_at_home(name, at_home, elsewhere):
    path, read = READERS[name]
    assert read(f"~/{path}") == read(str(at_home / path))
    assert not os.listdir(elsewhere)  # no folder called ~


def test_the_newest_checkpoint_of_a_run_at_home(at_home, elsewhere):
    with pytest.raises(ValueError, match="all are damaged"):  # found, at least
        (at_home / "run" / "checkpoints").mkdir(parents=True)
        (at_home / "run" / "checkpoints" / "step_00000004.keras").touch()
        training.latest_checkpoint("~/run")


def test_a_picture_is_written_to_where_home_is(at_home, elsewhere):
    evaluation.save_confusion_matrix(np.eye(2, dtype=int), ["a", "b"], "~/matrix.png")
    assert (at_home / "matrix.png").exists() and not os.listdir(elsewhere)
