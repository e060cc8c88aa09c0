"""Settings are checked when a config is made; the recipe's numbers are the paper's."""

import dataclasses
import re
from pathlib import Path

import keras
import pytest

from video_zoo.training import TrainingConfig
from video_zoo.training.callbacks import BetweenSteps, Checkpoints
from video_zoo.training.checkpoint import Position
from video_zoo.training.clock import Clock
from video_zoo.training.schedule import learning_rate

REQUIRED = {"model": "s3d_v1", "data_dir": "shards", "workdir": "run"}
OF_AUGMENTATION = [
    *("random_resized_crop", "scale_jitter", "color_jitter", "rand_augment", "mixup_alpha"),
]


def test_defaults_are_the_papers_recipe():
    config = TrainingConfig(**REQUIRED)
    assert (config.num_frames, config.image_size, config.batch_size) == (64, 224, 5)
    assert (config.optimizer, config.momentum, config.learning_rate) == ("sgd", 0.9, 0.01)
    assert (config.schedule, config.max_hours, config.aux_loss_weight) == ("step", 24.0, 0.4)
    assert config.frame_order == "sequential"


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("optimizer", "lion", "`optimizer` must be one of 'sgd', 'adam', 'adamw'"),
        ("schedule", "linear", "`schedule` must be one of 'step', 'cosine', 'constant'"),
        ("dtype", "float16", "`dtype` must be one of 'float32', 'mixed_bfloat16'"),
        ("epochs", 0, "`epochs` must be an integer from 1 to 1,000,000, or None"),
        ("batch_size", 0, "`batch_size` must be an integer from 1 to 100,000"),
        ("learning_rate", 0.0, "`learning_rate` must be from 1e-12 to 1,000,000"),
        ("warmup_steps", -1, "`warmup_steps` must be an integer from 0 to"),
        ("backbone_learning_rate_scale", 0.0, "`backbone_learning_rate_scale` must be from"),
        ("freeze_until", "Mixed_4f", "`freeze_until` must be None without `weights`"),
        ("new_head", True, "`new_head` must be False without `weights`"),
        ("label_smoothing", 1.0, "`label_smoothing` must be at least 0 and below 1"),
    ],
)
def test_bad_settings_are_refused(argument, value, message):
    with pytest.raises(ValueError, match=f"{message}.*Received: {argument}={value!r}"):
        TrainingConfig(**REQUIRED, **{argument: value})


def test_two_durations_are_refused():
    with pytest.raises(ValueError, match="one of `epochs`, `steps` and `max_hours`.*epochs=2"):
        TrainingConfig(**REQUIRED, epochs=2, steps=10)


def test_a_run_may_get_longer_but_not_other():
    config = TrainingConfig(**REQUIRED, epochs=2)
    longer = dataclasses.asdict(config) | {"epochs": 4, "workdir": "moved", "virtual_devices": 2}
    longer |= {"accumulate_steps": 2, "jit_compile": True}  # fewer devices may need them
    assert config.differences(longer) == []
    other = dataclasses.asdict(config) | {"learning_rate": 0.1}
    assert config.differences(other) == ["learning_rate was 0.1 and is 0.01"]


def test_a_run_of_an_earlier_version_may_continue():
    config = TrainingConfig(**REQUIRED, epochs=2)
    earlier = dataclasses.asdict(config)
    for name in ("new_head", "freeze_until", "backbone_learning_rate_scale"):
        del earlier[name]
    assert config.differences(earlier) == []
    slower = dataclasses.replace(config, backbone_learning_rate_scale=0.1)
    assert slower.differences(earlier) == ["backbone_learning_rate_scale was 1.0 and is 0.1"]


def test_step_schedule_falls_to_a_tenth_half_way():
    rates = [learning_rate(0.01, "step", progress) for progress in (0.0, 0.499, 0.5, 1.0)]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001])


def test_cosine_and_constant_schedules():
    rates = [learning_rate(0.2, "cosine", progress) for progress in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([0.2, 0.1, 0.0])
    assert learning_rate(0.2, "constant", 0.9) == 0.2
    assert learning_rate(0.2, "cosine", 1.2) == 0.0  # the last step of some hours ends later


def test_milestones_are_shares_of_the_duration():
    config = TrainingConfig(**REQUIRED, epochs=9, milestones="0.25, 0.75")
    rates = [
        learning_rate(1.0, "step", progress, milestones=config.milestone_shares)
        for progress in (0.0, 0.25, 0.74, 0.75)
    ]
    assert rates == pytest.approx([1.0, 0.1, 0.1, 0.01])
    with pytest.raises(ValueError, match=r"`milestones` must be numbers in \[0, 1\].*'0.5,often'"):
        TrainingConfig(**REQUIRED, milestones="0.5,often")


@pytest.mark.parametrize(("batch_size", "peak"), [(5, 0.02), (40, 0.16)])
def test_the_learning_rate_follows_the_batch_where_asked(batch_size, peak, tmp_path):
    config = TrainingConfig(**REQUIRED, batch_size=batch_size, learning_rate=0.02, steps=4)
    assert config.peak_learning_rate == 0.02
    scaled = dataclasses.replace(config, scale_lr=True)
    assert scaled.peak_learning_rate == pytest.approx(peak)
    model = keras.Sequential([keras.layers.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd")
    clock = Clock(scaled, steps_per_epoch=4, step=0, seconds=0)
    checkpoints = Checkpoints(model, tmp_path, clock, Position(), ["a"], writes=False)
    between = BetweenSteps(checkpoints, [], [])
    between.set_model(model)
    between.on_train_batch_begin(0)
    assert float(model.optimizer.learning_rate) == pytest.approx(peak)


def test_warm_up_is_linear():
    rates = [learning_rate(1.0, "constant", 0.0, step, 4) for step in range(6)]
    assert learning_rate(1.0, "constant", 0.0, warmup_steps=4) == rates[0]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def documented_groups() -> dict[str, list[str]]:
    """The flags of each group in the table of docs/training.md, as it stands there."""
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    table = text.split("\n## Flags of train.py\n\n")[1].split("\n\n")[0]
    groups = {}
    for row in table.splitlines()[2:]:
        cell = row.split(" | ")[0]
        if title := re.match(r"\| \*\*(.+?)\*\*", cell):
            groups[title[1].lower()] = names = []
        else:
            names += re.findall(r"`--(?:\[no\])?(\w+)`", cell)
    return groups


def test_the_flags_stand_in_the_docs_as_in_the_help():
    groups = {"required": ["model", "data_dir", "workdir", "config"]}
    for field in dataclasses.fields(TrainingConfig):
        if field.name in TrainingConfig.GROUPS:
            groups[TrainingConfig.GROUPS[field.name]] = names = []
        if field.name == "augmentation":  # docs/augmentation.md has the others
            names += OF_AUGMENTATION
        elif dataclasses.is_dataclass(field.type):
            names += [inner.name for inner in dataclasses.fields(field.type)]
        elif field.name not in REQUIRED:
            names.append(TrainingConfig.FLAGS.get(field.name, field.name))
    assert list(documented_groups().items()) == list(groups.items())
