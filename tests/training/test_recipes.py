"""The files in recipes/ are runs of this version, and say what the paper says."""

import pytest

from video_zoo import models
from video_zoo.commands.config_file import read_settings
from video_zoo.settings import make_config
from video_zoo.training import TrainingConfig

PLACE = {"data_dir": "shards", "workdir": "run"}
PAPER = ["i3d", "s3d_v1", "s3d_v3", "s3d_v3_top_heavy"]
OTHERS = ["cpu_quick", "finetune", "multi_machine"]


@pytest.fixture
def recipe(repository):
    """A function (name) -> path and settings of a recipe."""

    def read(name):
        path = repository / "recipes" / f"{name}.yaml"
        return path, read_settings(TrainingConfig, path)

    return read


def test_these_are_all(repository):
    names = {path.stem for path in (repository / "recipes").iterdir()}
    assert names == {*OTHERS, *(f"{name}_paper" for name in PAPER)}


@pytest.mark.parametrize("name", [*OTHERS, *(f"{name}_paper" for name in PAPER)])
def test_a_recipe_is_a_run_without_its_place(name, recipe):
    path, settings = recipe(name)
    assert not settings.keys() & PLACE.keys()
    config = make_config(TrainingConfig, settings | PLACE)
    assert config.model in models.list_models()
    if config.weights is not None:
        assert config.weights in {entry.name for entry in models.list_weights(config.model)}
    comment = path.read_text(encoding="utf-8").split("\n\n")[0]
    assert all(line.startswith("#") for line in comment.splitlines())
    assert "Source: " in comment
    assert f"python tools/train.py --config recipes/{name}.yaml" in comment


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_recipes_are_the_defaults(name, recipe):
    _, settings = recipe(f"{name}_paper")
    assert make_config(TrainingConfig, settings | PLACE) == TrainingConfig(name, **PLACE)
    # What the paper speaks of is written out, and not left to the defaults of a later version.
    spoken = {
        "num_frames": 64,
        "image_size": 224,
        "batch_size": 5,
        "max_hours": 24.0,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "schedule": "step",
    }
    assert settings.items() >= spoken.items()
    assert ("aux_loss_weight" in settings) == ("v3" in name)
