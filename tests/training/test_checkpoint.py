"""Files that a run continues from: all of its state is in them, and damage is seen."""

import dataclasses
import io
import json
import random
import zipfile

import h5py
import numpy as np
import pytest

from video_zoo.training import TrainingConfig, checkpoint, latest_checkpoint
from video_zoo.training.callbacks import Checkpoints
from video_zoo.training.checkpoint import Position, load_checkpoint, load_position, save_checkpoint
from video_zoo.training.clock import Clock
from video_zoo.training.initial import Task, compiled_model
from video_zoo.training.trainer import Trainer

CLASSES = list("abcde")


@pytest.fixture
def model(tiny_run):
    """A function (**settings) -> a compiled network whose optimizer has numbers of its own."""

    def make(**settings):
        config = TrainingConfig(**tiny_run | settings, data_dir="-", workdir="-", epochs=1)
        network = compiled_model(config, Task(5))
        network.optimizer.build(network.trainable_variables)
        numbers = np.random.default_rng(0)
        for variable in network.optimizer.variables:
            variable.assign(numbers.integers(0, 9, variable.shape))
        return network

    return make


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_optimizer_comes_back_whole(model, dtype, tmp_path):
    """With its average of the weights, and around it the scaling of the loss."""
    saved, path = model(dtype=dtype, ema_momentum=0.9), tmp_path / "a.keras"
    save_checkpoint(saved, path, Position(7), CLASSES)
    loaded = load_checkpoint(path, dtype)
    assert type(loaded.optimizer) is type(saved.optimizer)
    assert hasattr(saved.optimizer, "inner_optimizer") == (dtype == "mixed_float16")
    for one, other in zip(saved.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


@pytest.fixture
def two(model, tmp_path):
    """A folder with two checkpoints."""
    network = model(num_frames=2, image_size=16)
    for step in (1, 2):
        path = checkpoint.path_of_step(tmp_path, step)
        path.parent.mkdir(exist_ok=True)
        save_checkpoint(network, path, Position(step), CLASSES)
    return tmp_path


def test_a_changed_byte_anywhere_is_damage_or_changes_nothing(two):
    """Whatever `zipfile` makes of it; the end of the archive is its directory."""
    older, newest = checkpoint.checkpoints(two)
    content, draw = newest.read_bytes(), random.Random(0)
    places = [draw.randrange(len(content)) for _ in range(100)]
    places += range(len(content) - 300, len(content))
    passed_over = 0
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << draw.randrange(8)
        newest.write_bytes(changed)
        passed_over += latest_checkpoint(two) == older
    assert passed_over > len(places) // 2


def test_the_newest_removes_the_one_before_when_it_is_known_to_be_good(model, tiny_run, tmp_path):
    """By a step from it whose loss is sound, or by validation: a loss of no number comes late."""
    settings = {"checkpoint_steps": 1, "keep_checkpoints": 1, "epochs": 1}
    config = TrainingConfig(**tiny_run, data_dir="-", workdir="-", **settings)
    clock = Clock(config, steps_per_epoch=4, step=0, seconds=0.0)
    trainer = Trainer(model(num_frames=2, image_size=16), config, len(CLASSES))
    writer = Checkpoints(trainer, tmp_path, clock, Position(), CLASSES)

    def steps():
        return [load_position(path).step for path in checkpoint.checkpoints(tmp_path)]

    for clock.step, kept in ((1, [1]), (2, [1, 2]), (3, [2, 3]), (4, [3, 4])):
        writer.after_step()
        assert steps() == kept
    writer.after_epoch()
    assert steps() == [4]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_checkpoint_that_is_cut_short_is_passed_over(share, two, capsys):
    older, newest = checkpoint.checkpoints(two)
    content = newest.read_bytes()
    newest.write_bytes(content[: int(share * len(content))])
    assert latest_checkpoint(two) == older
    assert f"warning: {newest} cannot be continued from: it is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("config.json", "it has no config.json"),
        ("model.weights.h5", "it has no model.weights.h5"),
        ("video_zoo.json", "it was not written by a run"),
        ("optimizer", "it has no state of an optimizer"),
    ],
)
def test_a_checkpoint_that_lacks_what_a_run_needs_is_passed_over(missing, told, two, capsys):
    older, newest = checkpoint.checkpoints(two)
    with zipfile.ZipFile(newest) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if missing == "optimizer":
        weights = io.BytesIO(members["model.weights.h5"])
        with h5py.File(weights, "a") as file:
            del file["optimizer"]
        members["model.weights.h5"] = weights.getvalue()
    else:
        del members[missing]
    with zipfile.ZipFile(newest, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert latest_checkpoint(two) == older
    assert f"warning: {newest} cannot be continued from: {told}" in capsys.readouterr().err


def test_the_classes_of_a_checkpoint_are_those_of_the_data(two):
    newest = latest_checkpoint(two)
    checkpoint.check_class_names(newest, CLASSES)
    with pytest.raises(ValueError, match=r"`data_dir` must have the label map of the run"):
        checkpoint.check_class_names(newest, CLASSES[::-1])
    with pytest.raises(ValueError, match=r"characters\), where .* knows") as caught:
        checkpoint.check_class_names(newest, [f"class {number}" for number in range(1000)])
    assert len(str(caught.value)) < 1000


def files(folder, *names):
    """Empty files in the folder of checkpoints."""
    for name in names:
        path = folder / "checkpoints" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()


def test_the_newest_checkpoints_stay(tmp_path):
    paths = [checkpoint.path_of_step(tmp_path, step) for step in (9, 10, 200)]
    files(tmp_path, *(path.name for path in paths), "best.keras")
    assert checkpoint.checkpoints(tmp_path) == paths  # in order of the step
    checkpoint.remove_all_but(tmp_path, 2)
    left = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert left == ["best.keras", "step_00000010.keras", "step_00000200.keras"]


def test_without_checkpoints_a_run_begins_at_the_start(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    assert load_position(None) == Position(step=0, seconds=0.0, seeds={}, metrics=[])


def test_where_all_checkpoints_are_damaged_none_is_taken(tmp_path, capsys):
    files(tmp_path, "step_00000001.keras", "step_00000002.keras")
    with zipfile.ZipFile(tmp_path / "checkpoints" / "step_00000001.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match="`workdir` must have a checkpoint that is whole"):
        latest_checkpoint(tmp_path)
    newer, older = capsys.readouterr().err.splitlines()
    assert newer.endswith("step_00000002.keras cannot be continued from: it is empty, 0 bytes")
    assert "step_00000001.keras cannot be continued from: " in older


@pytest.mark.parametrize(
    "changed",
    [{"step": "7"}, {"step": 7.0}, {"seconds": None}, {"seeds": []}, {"metrics": {}}],
    ids=str,
)
def test_a_position_of_other_types_is_refused(changed, tmp_path):
    whole = dataclasses.asdict(Position(7, 2))
    for name, value in (("good", whole), ("bad", whole | changed)):
        with zipfile.ZipFile(tmp_path / f"{name}.keras", "w") as archive:
            archive.writestr("video_zoo.json", json.dumps(value))
    assert load_position(tmp_path / "good.keras") == Position(7, 2)
    with pytest.raises(
        ValueError, match="`checkpoint` must be .* does not say how far the run was"
    ):
        load_position(tmp_path / "bad.keras")


def test_the_position_comes_back_with_the_state_of_dropout(model, tmp_path):
    saved, path = model(num_frames=2, image_size=16, dropout_rate=0.5), tmp_path / "a.keras"
    dropout = next(layer for layer in saved.layers if hasattr(layer, "seed_generator"))
    dropout.seed_generator.state.assign([11, 13])
    position = Position(7, 1.5, metrics=[2.0, [3.0, 4.0]])
    save_checkpoint(saved, path, position, CLASSES)
    seeds = {dropout.name: [11, 13]}
    assert load_position(path) == dataclasses.replace(position, seeds=seeds)
    loaded = load_checkpoint(path).get_layer(dropout.name)
    assert loaded.seed_generator.state.numpy().tolist() == [11, 13]
    # A file from elsewhere tells no classes: those of the data are taken.
    saved.save(tmp_path / "b.keras")
    checkpoint.check_class_names(tmp_path / "b.keras", CLASSES)


def test_a_checkpoint_that_cannot_be_written_leaves_nothing(model, tmp_path):
    network = model(num_frames=2, image_size=16)
    with pytest.raises(TypeError, match="not JSON serializable"):
        save_checkpoint(network, tmp_path / "a.keras", Position(metrics=[object()]), CLASSES)
    assert list(tmp_path.iterdir()) == []
