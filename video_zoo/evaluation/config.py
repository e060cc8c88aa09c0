"""What to evaluate, predict and extract, as settings. Loads no framework, for the tools' flags."""

import dataclasses
import os
import pathlib
import typing
from collections.abc import Sequence

from video_zoo import errors, known_names
from video_zoo.data.input.service_config import check_address
from video_zoo.inflation_config import InflationConfig
from video_zoo.run.files import EVALUATIONS, PROBES, check_run, network_path

# How the file names of pictures end: a row of frames, and moving ones.
STRIP, MOVING = ".png", (".mp4", ".gif")
_NETWORK = ("workdir", "checkpoint", "model", "weights", "imports", "inflation")


def is_picture(path: str) -> bool:
    """Whether ``path`` is a local file of pictures, by its name."""
    return "://" not in path and path.lower().endswith((STRIP, *MOVING))


def check_picture(argument: str, path: str) -> None:
    """Raises ValueError unless ``path`` is a file of pictures."""
    if not is_picture(path):
        raise errors.refusal(argument, "a local file that ends with .gif, .mp4 or .png", path)


class OfNetwork:
    """What the settings have in common that name a trained network, and may name shards.

    Their fields stand in each dataclass, as those without a default come first.
    """

    FLAGS: typing.ClassVar[dict[str, str]] = {"imports": "import"}

    def __post_init__(self) -> None:
        errors.check_settings(self)
        known_names.import_modules(self.imports)
        known_names.check_source(self.workdir, self.checkpoint, self.model, self.weights)

    @property
    def network(self) -> dict[str, str | None]:
        """What names the network, as :func:`video_zoo.run.trained.load_network` takes it."""
        return {name: getattr(self, name) for name in _NETWORK}

    def check_files(self) -> None:
        """Raises FileNotFoundError if the network, or the shards, are not there."""
        if self.model is not None:
            known_names.check_network_files(self.model, self.weights)
        else:
            if self.workdir is not None:
                check_run("workdir", self.workdir)
            network_path(self.workdir, self.checkpoint)
        errors.check_shards(getattr(self, "data_dir", None))

    def _check_data_dir(self) -> None:
        if self.workdir is None and self.data_dir is None:
            allowed = "given where there is no `workdir`"
            raise errors.refusal("data_dir", allowed, None, "Name the folder of shards.")

    def _folder(self, *below: str) -> pathlib.Path:
        """``output_dir``, or a folder below the run, or beside the checkpoint."""
        if self.output_dir is not None:
            return pathlib.Path(self.output_dir)
        if self.workdir is None and self.checkpoint is None:
            allowed = "given with `weights`"
            raise errors.refusal("output_dir", allowed, None, "Name a folder for the results.")
        base = self.workdir if self.workdir is not None else pathlib.Path(self.checkpoint).parent
        return pathlib.Path(base, *below)


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(OfNetwork):
    """What to evaluate on what.

    Args:
        workdir: folder of a run; its ``best.keras`` is taken.
        checkpoint: a ``.keras`` file instead of that.
        model: name of a network instead, with ``weights``; or "inflate:NAME", a ``.keras`` file,
            "module:function", as in training.
        weights: published name, or file; docs/weights.md lists them.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
        data_dir: folder of shards. Defaults to the run's own.
        split: split of it.
        num_clips: clips per video, evenly spaced in time.
        num_crops: 1 (centre) or 3 (along the long side) of each.
        image_size: height and width of the crops, as 256 for the whole height of videos of short
            side 256. Defaults to those that the network takes.
        average: how the views of a video become one: "softmax", the mean of their probabilities; or
            "logits", the probabilities of their mean logits.
        frame_order: "sequential", or "shuffled", "reversed", "frozen" (the middle frame alone) or
            "half_speed" to see what the network owes to motion.
        batch_size: views per step, over all devices together.
        virtual_devices: number of logical CPU devices to run on instead of the real devices; 0
            uses all GPUs, or the CPU where there is none.
        output_dir: where to write. Defaults to ``eval/SPLIT`` in the run's folder (beside the
            checkpoint where there is no run), ``eval/SPLIT_shuffled`` for shuffled frames. Must be
            given with ``weights``.
        on_bad_record: "error", or "skip" to leave such videos out; ``metrics.json`` lists them.
        data_service: grpc://HOST:PORT of a tf.data service that makes the clips.
        seed: of the shuffling.
    """

    workdir: str | None = None
    checkpoint: str | None = None
    model: str | None = None
    weights: str | None = None
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)
    data_dir: str | None = None
    split: str = "val"
    num_clips: int = 1
    num_crops: int = 1
    image_size: int | None = None
    average: str = "softmax"
    frame_order: str = "sequential"
    batch_size: int = 5
    virtual_devices: int = 0
    output_dir: str | None = None
    on_bad_record: str = "error"
    data_service: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.folder()
        if self.data_service is not None:
            check_address("data_service", self.data_service)
        self._check_data_dir()

    def folder(self) -> pathlib.Path:
        """Where the results go."""
        suffix = "" if self.frame_order == "sequential" else f"_{self.frame_order}"
        return self._folder(EVALUATIONS, self.split + suffix)


@dataclasses.dataclass(frozen=True)
class ProbeConfig(OfNetwork):
    """Which network to ask what it owes to motion, and on what.

    Args:
        workdir: folder of a run; its ``best.keras`` is taken.
        checkpoint: a ``.keras`` file instead of that.
        model: name of a network instead, with ``weights``; or "inflate:NAME", a ``.keras`` file,
            "module:function", as in training.
        weights: published name, or file; docs/weights.md lists them.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
        data_dir: folder of shards. Defaults to the run's own.
        split: split of it.
        num_clips: clips per video, evenly spaced in time.
        num_crops: 1 (centre) or 3 (along the long side) of each.
        batch_size: views per step.
        output_dir: where to write. Defaults to ``probe/SPLIT`` in the run's folder (beside the
            checkpoint where there is no run). Must be given with ``weights``.
        seed: of the shuffling.
    """

    workdir: str | None = None
    checkpoint: str | None = None
    model: str | None = None
    weights: str | None = None
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)
    data_dir: str | None = None
    split: str = "val"
    num_clips: int = 1
    num_crops: int = 1
    batch_size: int = 5
    output_dir: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.folder()
        self._check_data_dir()

    def folder(self) -> pathlib.Path:
        """Where the results go."""
        return self._folder(PROBES, self.split)


@dataclasses.dataclass(frozen=True)
class KernelsConfig(OfNetwork):
    """Of which network to show the first kernels, and where.

    Args:
        output: the file: ``.gif`` or ``.mp4`` for moving pictures, ``.png`` for all moments in a
            row.
        workdir: folder of a run; its ``best.keras`` is taken.
        checkpoint: a ``.keras`` file instead of that.
        model: name of a network instead, with ``weights``; or "inflate:NAME", a ``.keras`` file,
            "module:function", as in training.
        weights: published name, or file; docs/weights.md lists them.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
    """

    output: str
    workdir: str | None = None
    checkpoint: str | None = None
    model: str | None = None
    weights: str | None = None
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_picture("output", self.output)


@dataclasses.dataclass(frozen=True)
class ExtractionConfig(OfNetwork):
    """Which features of which videos.

    Args:
        endpoints: names of endpoints or layers, separated by commas.
        output_dir: folder of the features.
        workdir: folder of a run; its ``best.keras`` is taken.
        checkpoint: a ``.keras`` file instead of that.
        model: name of a network instead, with ``weights``; or "inflate:NAME", a ``.keras`` file,
            "module:function", as in training.
        weights: published name, or file; docs/weights.md lists them.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
        data_dir: folder of shards, in place of video files.
        split: split of it.
        pooling: "avg" or "max" over time and space, or "none" for whole feature maps.
        num_clips: clips per video, evenly spaced in time.
        num_crops: 1 (centre) or 3 (along the long side) of each.
        batch_size: views per step.
        format: "npz" or "tfrecord".
        frames_fps: frames per second of folders of frames, which tell none.
    """

    endpoints: str | Sequence[str]
    output_dir: str
    workdir: str | None = None
    checkpoint: str | None = None
    model: str | None = None
    weights: str | None = None
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)
    data_dir: str | None = None
    split: str = "val"
    pooling: str = "avg"
    num_clips: int = 1
    num_crops: int = 1
    batch_size: int = 5
    format: str = "npz"
    frames_fps: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(self.names):
            raise errors.refusal(
                "endpoints",
                "names with commas between, such as 'Mixed_4f,Mixed_5c'",
                self.endpoints,
            )

    def check_inputs(self, inputs: Sequence[str | os.PathLike]) -> None:
        """Raises ValueError unless either video files or shards are given."""
        if bool(inputs) == (self.data_dir is not None):
            told = errors.shown([os.fspath(each) for each in inputs])
            raise ValueError(
                "one of `inputs` and `data_dir` must be given. Received: "
                f"inputs={told}, data_dir={errors.shown(self.data_dir)}. Pass one of the two."
            )

    @property
    def names(self) -> list[str]:
        """The endpoints, one by one."""
        names = self.endpoints.split(",") if isinstance(self.endpoints, str) else self.endpoints
        return [name.strip() for name in names]
