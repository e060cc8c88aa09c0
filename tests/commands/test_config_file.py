"""Settings in a file: what is read, how flags override it, and what is said of mistakes."""

import dataclasses
import json

import processes
import pytest

from video_zoo.commands.config_file import read_settings
from video_zoo.data.input.augmentation_config import AugmentationConfig
from video_zoo.settings import make_config
from video_zoo.training import TrainingConfig

REQUIRED = {"model": "s3d_v1", "data_dir": ".", "workdir": "run"}
# What tools/train.py does before it trains, with the config printed instead.
SCRIPT = """
import dataclasses, json
from absl import app
from video_zoo.commands import cli
from video_zoo.training.config import DURATIONS, TrainingConfig
holders = cli.define_flags(TrainingConfig, config_file=True)
def show():
    config = cli.from_flags(TrainingConfig, holders, one_of=DURATIONS)
    print(json.dumps(dataclasses.asdict(config)))
app.run(lambda argv: cli.run(show, argv), flags_parser=cli.parse_flags)
"""


@pytest.fixture
def write(tmp_path):
    """A function (text, name="settings.yaml") -> the file."""

    def write(text, name="settings.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def config_of(*flags):
    """The config that a tool makes of them."""
    done = processes.run("-c", SCRIPT, *flags)
    assert done.returncode == 0, done.stderr
    return TrainingConfig(**json.loads(done.stdout))


def required(**others):
    return [f"--{name}={value}" for name, value in (REQUIRED | others).items()]


def test_a_file_gives_settings_nested_or_flat(write):
    nested = read_settings(TrainingConfig, write("augmentation: {mixup_alpha: 0.2}\nsteps: 3"))
    assert nested == {"mixup_alpha": 0.2, "steps": 3}
    assert read_settings(TrainingConfig, write("mixup_alpha: 0.2\nsteps: 3")) == nested
    text = '{"augmentation": {"mixup_alpha": 0.2}, "steps": 3}'
    assert read_settings(TrainingConfig, write(text, "settings.json")) == nested
    config = make_config(TrainingConfig, REQUIRED | nested)
    augmentation = AugmentationConfig(mixup_alpha=0.2)
    assert config == TrainingConfig(**REQUIRED, steps=3, augmentation=augmentation)


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e-3", 1e-3), ("1E+2", 100.0), ("2.5e3", 2500.0), (".5e-1", 0.05), ("1", 1.0), ("0.1", 0.1)],
)
def test_numbers_are_what_they_look_like(written, value, write):
    (found,) = read_settings(TrainingConfig, write(f"learning_rate: {written}")).values()
    assert found == value
    assert type(found) is float


def test_null_is_none_where_that_is_allowed(write):
    settings = read_settings(TrainingConfig, write("dropout_rate: null\nweights:\n"))
    assert settings == {"dropout_rate": None, "weights": None}


def test_other_config_classes_have_files_too(write):
    settings = read_settings(AugmentationConfig, write("rand_augment: 2"))
    assert make_config(AugmentationConfig, settings) == AugmentationConfig(rand_augment=2)


def test_a_byte_order_mark_is_no_part_of_the_first_name(write):
    assert read_settings(TrainingConfig, write("\ufeffsteps: 3")) == {"steps": 3}


def test_config_json_of_a_run_gives_its_settings(write):
    config = TrainingConfig(**REQUIRED, augmentation=AugmentationConfig(color_jitter=0.5))
    record = {"training": dataclasses.asdict(config), "class_names": ["a"], "versions": {}}
    path = write(json.dumps(record), "config.json")
    assert make_config(TrainingConfig, read_settings(TrainingConfig, path)) == config


def test_flags_come_before_the_file_and_the_file_before_defaults(write):
    path = write("learning_rate: 0.5\nrandom_flip: false\nmixup_alpha: 0.3\nmodel: i3d\nsteps: 3")
    flags = [*required(), "--learning_rate=0.01", "--random_flip", f"--config={path}"]
    config = config_of(*flags)
    # 0.01 and True are also the defaults: given on the command line, they hold nevertheless.
    assert (config.learning_rate, config.random_flip, config.model) == (0.01, True, "s3d_v1")
    assert (config.augmentation.mixup_alpha, config.steps) == (0.3, 3)
    assert config.batch_size == 5
    assert config_of(*flags, "--norandom_flip", "--mixup_alpha=0").random_flip is False


def test_the_file_may_give_what_is_required(write):
    path = write("model: i3d\ndata_dir: .\nworkdir: run\n")
    assert config_of("--config", path) == TrainingConfig(**REQUIRED | {"model": "i3d"})


@pytest.mark.parametrize(
    ("flag", "duration"),
    [("epochs", "steps: 40"), ("steps", "max_hours: 40"), ("max_hours", "max_hours: 40")],
)
def test_a_duration_replaces_whatever_duration_the_file_has(flag, duration, write):
    config = config_of(*required(**{flag: 10}), "--config", write(duration))
    assert config == TrainingConfig(**REQUIRED, **{flag: 10})


def test_without_a_file_flags_are_all():
    config = config_of(*required(), "--cutmix_alpha=1", "--epochs=2")
    augmentation = AugmentationConfig(cutmix_alpha=1.0)
    assert config == TrainingConfig(**REQUIRED, epochs=2, augmentation=augmentation)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "learning_rat: 1",
            "`config` must have known settings only. Received: learning_rat in {path}. "
            "Did you mean learning_rate?",
        ),
        (
            "learning_rat: 1\nbatchsize: 2\nqqq: 3",
            "Received: learning_rat, batchsize, qqq in {path}. Did you mean learning_rate, "
            "batch_size?",
        ),
        ("qqq: 3", "Received: qqq in {path}. --help lists them."),
        ("3: 4", "Received: 3 in {path}."),
        (
            "augmentation: {mixup: 1}",
            "Received: augmentation.mixup in {path}. Did you mean mixup_alpha?",
        ),
        ("augmentation: {steps: 1}", "Received: augmentation.steps in {path}."),
        ("training: {steps: 1}", "Received: training in {path}."),
        ("augmentation: 3", "`augmentation` must be a mapping of settings. Received: augmenta"),
        ("learning_rate: fast", "`learning_rate` must be a number. Received: learning_rate='fast'"),
        ("learning_rate: '1e-3'", "`learning_rate` must be a number. Received: learning_rate='1e"),
        ("learning_rate: true", "`learning_rate` must be a number. Received: learning_rate=True"),
        ("learning_rate:", "`learning_rate` must be a number. Received: learning_rate=None"),
        ("epochs: 2.5", "`epochs` must be an integer, or null. Received: epochs=2.5 in {path}"),
        ("epochs: true", "`epochs` must be an integer, or null. Received: epochs=True in {path}"),
        ("batch_size: [8]", "`batch_size` must be an integer. Received: batch_size=[8] in {path}"),
        ("random_flip: 0", "`random_flip` must be true or false. Received: random_flip=0"),
        ("val_split: no", "`val_split` must be a string. Received: val_split=False in {path}"),
        (
            "steps: 1\nseed: 1\nsteps: 2",
            "`config` must have every setting once. Received: steps twice in {path}",
        ),
        (
            "min_area: 0.1\naugmentation: {min_area: 0.2}",
            "`config` must have every setting once. Received: min_area twice in {path}",
        ),
        ("", "such as `batch_size: 8`. Received: config='{path}', which holds nothing"),
        ("- a", "Received: config='{path}', which holds a list"),
        ("steps", "Received: config='{path}', which holds a single value"),
        (
            "steps: 1\nseed: [",
            "`config` must be a YAML or JSON file. Received: config='{path}' (line 2: expected",
        ),
        ("seed: 010", "`seed` must be an integer. Received: seed='010' in {path}"),
        ("seed: 1:30", "`seed` must be an integer. Received: seed='1:30' in {path}"),
        ("max_hours: 1:30", "or null. Received: max_hours='1:30' in {path}"),
        ("steps: &n 3\nseed: 4", "no anchors and aliases (& and *). Received: one in line 1 of"),
        ("steps: 3\nseed: *n", "no anchors and aliases (& and *). Received: one in line 2 of"),
        ("<<: {steps: 3}", "Received: << in {path}."),
        ("steps: " + 1000 * "[", "`config` must have at most 20 levels. Received: more in {path}"),
        ("a: 1\n\tb: 2", "Received: config='{path}' (line 2: "),
        ("a: \x00", "Received: config='{path}' (unacceptable character #x0000"),
        ("!!python/name:os.system", "Received: config='{path}' (line 1: could not determine"),
    ],
)
def test_mistakes_are_named(text, message, write):
    path = write(text)
    with pytest.raises(ValueError) as error:
        read_settings(TrainingConfig, path)
    assert message.format(path=path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"steps": 1,}', "`config` must be a YAML or JSON file. Received: config='{path}' ("),
        ('{"steps": 1, "steps": 2}', "every setting once. Received: steps twice in {path}"),
        ('{"step": 1}', "Received: step in {path}. Did you mean steps?"),
        ('{"training": 3, "versions": {}}', "which holds a single value"),
        ('{"steps": ' + 100_000 * "[", "`config` must have at most 20 levels. Received: more in"),
    ],
)
def test_mistakes_in_json_are_named(text, message, write):
    path = write(text, "settings.json")
    with pytest.raises(ValueError) as error:
        read_settings(TrainingConfig, path)
    assert message.format(path=path) in str(error.value)


NUMBERS = {"inf": ".inf", "nan": ".nan", "much": "1e400", "digits": "9" * 400, "long": "9" * 9000}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("name", ["steps", "learning_rate"])
def test_numbers_that_make_no_sense_are_refused_by_name(name, number, write):
    number = number.strip(".").replace("inf", "Infinity").replace("nan", "NaN")
    for path in (write(f"{name}: {number}"), write(f'{{"{name}": {number}}}', "settings.json")):
        with pytest.raises(ValueError) as error:
            make_config(TrainingConfig, REQUIRED | read_settings(TrainingConfig, path))
        assert str(error.value).startswith(f"`{name}` must be ")
        assert len(str(error.value)) < 400 + len(str(path))


def test_a_message_shows_200_characters_of_what_a_file_holds(write):
    long = "x" * 100_000
    for text in (f"seed: {long}", f"{long}: 1", f"seed: [{long}]", f"{long}: 1\n{long}: 2", long):
        with pytest.raises(ValueError) as error:
            read_settings(TrainingConfig, write(text))
        assert len(str(error.value)) < 600 + len(str(write(""))), str(error.value)[:600]


def test_a_file_that_never_ends_is_refused():
    with pytest.raises(ValueError, match="at most 1,048,576 bytes. Received: more in /dev/zero"):
        read_settings(TrainingConfig, "/dev/zero")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="`config` must be a YAML or JSON file.*No such"):
        read_settings(TrainingConfig, tmp_path / "missing.yaml")
    with pytest.raises(IsADirectoryError, match="`config` must be a YAML or JSON file.*directory"):
        read_settings(TrainingConfig, tmp_path)
    (tmp_path / "video.yaml").write_bytes(b"\x80\xff\x00")
    with pytest.raises(ValueError, match="`config` must be a YAML or JSON file.*can't decode"):
        read_settings(TrainingConfig, tmp_path / "video.yaml")
