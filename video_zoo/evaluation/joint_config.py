"""Several networks as one, as settings. Loads no framework, for the flags of the commands."""

import dataclasses
import pathlib
import typing

from video_zoo import errors, known_names
from video_zoo.inflation_config import InflationConfig
from video_zoo.run.files import EVALUATIONS, check_run

# Whose published weights are meant where no network is named.
_USUAL = "i3d"


@dataclasses.dataclass(frozen=True)
class TwoStreamConfig:
    """Which two networks to evaluate together, and on what.

    Args:
        rgb_workdir: folder of a run on RGB shards; its ``best.keras`` is taken.
        flow_workdir: folder of a run on flow shards of the same videos.
        rgb_data_dir: folder of RGB shards. Defaults to that of the run.
        flow_data_dir: folder of flow shards, converted from the same input with the same seed,
            splits and number of shards. Defaults to that of the run.
        split: split of both.
        num_clips: clips per video, evenly spaced in time.
        num_crops: 1 (centre) or 3 (along the long side) of each.
        image_size: height and width of the crops. Defaults to those of each network.
        average: how the views of a video become one: "softmax", the mean of their probabilities; or
            "logits", the probabilities of their mean logits.
        batch_size: views per step.
        output_dir: where to write. Defaults to ``eval/SPLIT_two_stream`` in the folder of the RGB
            run. Must be given with ``rgb_weights``.
        model: network of ``rgb_weights`` and ``flow_weights``, as in training. None for I3D, and
            for whichever network a ``.keras`` file holds.
        rgb_weights: published name, or file, in place of ``rgb_workdir``.
        flow_weights: published name, or file, in place of ``flow_workdir``.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
    """

    FLAGS: typing.ClassVar[dict[str, str]] = {"imports": "import"}

    rgb_workdir: str | None = None
    flow_workdir: str | None = None
    rgb_data_dir: str | None = None
    flow_data_dir: str | None = None
    split: str = "val"
    num_clips: int = 1
    num_crops: int = 1
    image_size: int | None = None
    average: str = "softmax"
    batch_size: int = 5
    output_dir: str | None = None
    model: str | None = None
    rgb_weights: str | None = None
    flow_weights: str | None = None
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)

    def __post_init__(self) -> None:
        errors.check_settings(self)
        known_names.import_modules(self.imports)
        for stream in ("rgb", "flow"):
            workdir, weights, data_dir = self._of(stream)
            if (workdir is None) == (weights is None):
                raise ValueError(
                    f"one of `{stream}_workdir` and `{stream}_weights` must be given. Received: "
                    f"{stream}_workdir={errors.shown(workdir)}, "
                    f"{stream}_weights={errors.shown(weights)}. Pass one of the two."
                )
            if weights is not None:
                known_names.check_source(None, **self._network_of(weights))
                if data_dir is None:
                    allowed, remedy = f"given with `{stream}_weights`", "Name the folder of shards."
                    raise errors.refusal(f"{stream}_data_dir", allowed, None, remedy)
        self.folder()

    def _of(self, stream: str) -> tuple[str | None, str | None, str | None]:
        return tuple(
            getattr(self, f"{stream}_{name}") for name in ("workdir", "weights", "data_dir")
        )

    def _network_of(self, weights: str) -> dict[str, str | None]:
        """What names the network of ``weights``: a file that holds all of it stands for itself."""
        if self.model is None and weights.endswith(known_names.SAVED):
            return {"checkpoint": weights, "model": None, "weights": None}
        return {"checkpoint": None, "model": self.model or _USUAL, "weights": weights}

    def network(self, stream: str) -> dict[str, typing.Any]:
        """What names the network of "rgb" or "flow", as ``load_network`` takes it."""
        workdir, weights, _ = self._of(stream)
        named = {"workdir": workdir} if weights is None else self._network_of(weights)
        return named | {
            "imports": self.imports,
            "inflation": self.inflation,
            "image_size": self.image_size,
        }

    def check_files(self) -> None:
        """Raises FileNotFoundError if a run, a file of weights, or the shards are not there."""
        for stream in ("rgb", "flow"):
            workdir, weights, data_dir = self._of(stream)
            if weights is None:
                check_run(f"{stream}_workdir", workdir)
            else:
                known_names.check_weights_exist(self.model or _USUAL, weights)
            errors.check_shards(data_dir, f"{stream}_data_dir")

    def folder(self) -> pathlib.Path:
        """Where the results go."""
        if self.output_dir is not None:
            return pathlib.Path(self.output_dir)
        if self.rgb_workdir is None:
            allowed = "given with `rgb_weights`"
            raise errors.refusal("output_dir", allowed, None, "Name a folder for the results.")
        return pathlib.Path(self.rgb_workdir, EVALUATIONS, f"{self.split}_two_stream")


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """How the scores of several evaluations become those of one.

    Args:
        output_dir: where to write.
        split: of the evaluations, where runs are given.
        average: "softmax", the mean of the probabilities; or "logits", the probabilities of the
            mean logits.
    """

    output_dir: str
    split: str = "val"
    average: str = "softmax"

    def __post_init__(self) -> None:
        errors.check_settings(self)

    def folder(self) -> pathlib.Path:
        """Where the results go."""
        return pathlib.Path(self.output_dir)
