"""What the benchmarks measure, as settings. Loads no framework, for the tools' flags."""

import dataclasses
import typing

from video_zoo import errors, known_names
from video_zoo.inflation_config import InflationConfig
from video_zoo.limits import Range


@dataclasses.dataclass(frozen=True)
class InputConfig:
    """What to read, and for which network.

    Args:
        data_dir: folder of shards.
        split: split of it.
        model: a network, as in training.
        num_frames: frames of a clip.
        image_size: height and width in pixels.
        batch_size: clips per step.
        clips: clips that each measurement of the input takes.
        steps: steps that each measurement of the network takes; 0 measures the input only.
        repeats: how often everything is measured, in turn.
        width_multiplier: factor on the width of the network's layers.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
    """

    FLAGS: typing.ClassVar[dict[str, str]] = {"imports": "import"}

    data_dir: str
    split: str = "train"
    model: str = "s3d_v1"
    num_frames: int = 64
    image_size: int = 224
    batch_size: int = 5
    clips: int = 100
    steps: int = 3
    repeats: int = 5
    width_multiplier: float | None = None
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)

    def __post_init__(self) -> None:
        errors.check_settings(self, steps=Range(0, 1_000_000, whole=True))
        known_names.import_modules(self.imports)
        known_names.check_any_network(self.model)

    def check_files(self) -> None:
        """Raises FileNotFoundError if the shards are not there."""
        errors.check_shards(self.data_dir)


@dataclasses.dataclass(frozen=True)
class ConversionBenchmarkConfig:
    """What to convert, and how often.

    Args:
        input: folder of class folders of videos.
        workers: processes; all CPUs by default.
        repeats: how often each of the two is measured, in turn.
        short_side: pixels of the shorter side of the frames.
        max_clips: at most so many videos; all by default.
    """

    input: str
    workers: int | None = None
    repeats: int = 3
    short_side: int = 256
    max_clips: int | None = None

    def __post_init__(self) -> None:
        errors.check_settings(self)


@dataclasses.dataclass(frozen=True)
class InflationBenchmarkConfig:
    """Which image networks to inflate, and on what to measure them.

    Args:
        output: JSON file of the results, one entry per network; networks in it are not measured
            again.
        networks: names in keras.applications, separated by commas. Defaults to all.
        num_frames: frames of the clip whose cost is measured.
        image_size: its height and width in pixels.
        small_size: the same of the still video; more for networks that need it.
        time: whether to run a forward pass for its seconds; the largest networks take minutes.
    """

    output: str
    networks: str | None = None
    num_frames: int = 16
    image_size: int = 224
    small_size: int = 64
    time: bool = True

    def __post_init__(self) -> None:
        errors.check_settings(self)
