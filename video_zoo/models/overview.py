"""What is known of each network: size, cost, smallest input, paper, published weights."""

import dataclasses
import functools

from video_zoo import known_names
from video_zoo.inflation_config import InflationConfig
from video_zoo.published import WeightsEntry, list_weights

from . import elsewhere
from .architecture import Paper
from .complexity import count_macs, count_parameters
from .registry import architecture_of, get_builder, list_models
from .tables.spec import smallest_input

CLIP = (64, 224, 224, 3)


@dataclasses.dataclass(frozen=True)
class Summary:
    """Facts on one network; ``print`` shows them.

    Args:
        name: of the builder; or "inflate:NAME", a file, "module:function".
        architecture: table and temporal plan, in words.
        paper: where it comes from; None of a network from elsewhere.
        parameters: trainable ones at ``num_classes``.
        gmacs: billions of multiply-accumulates for one ``clip``.
        smallest_input: frames, height, width; None of a network from elsewhere.
        weights: what ``weights=`` takes by name.
        num_classes: 400, or those of a saved network.
        clip: frames, height, width, channels: (64, 224, 224, 3), or those of a saved network.
    """

    name: str
    architecture: str
    paper: Paper | None
    parameters: int
    gmacs: float
    smallest_input: tuple[int, int, int] | None
    weights: tuple[WeightsEntry, ...]
    num_classes: int = 400
    clip: tuple[int, int, int, int] = CLIP

    @property
    def smallest(self) -> str:
        """The smallest input in words."""
        if self.smallest_input is None:
            return "unknown"
        frames, height, width = self.smallest_input
        if self.smallest_input == (1, 1, 1):
            return "any"
        return f"{frames} frames, {height}×{width} pixels"

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.architecture}"]
        if self.paper is not None:
            source = " ".join((self.paper.citation, self.paper.url)).strip()
            lines.append(f"  paper           {source}")
        size = "x".join(map(str, self.clip[:3]))
        lines.append(f"  parameters      {self.parameters:,} ({self.num_classes} classes)")
        lines.append(f"  GMACs           {self.gmacs:.2f} ({size})")
        if self.smallest_input is not None:
            lines.append(f"  smallest input  {self.smallest}")
        for entry in self.weights:
            accuracy = "accuracy not published"
            if entry.top1 is not None:
                accuracy = f"top-1 {entry.top1:g} %, top-5 {entry.top5:g} % ({entry.source})"
            counted = entry.num_classes is not None and not entry.embedding
            outputs = f"{entry.outputs} classes" if counted else entry.outputs
            lines.append(f"  weights         {entry.name!r}: {outputs}, {accuracy}")
        return "\n".join(lines)


@functools.cache
def summary(name: str, inflation: InflationConfig | None = None) -> Summary:
    """Size, cost, smallest input, paper and published weights of a network.

    Sizes and costs are counted on the network, which is built for it.

    Args:
        name: one of :func:`video_zoo.list_models`; or a network from elsewhere, as
            :class:`video_zoo.training.TrainingConfig` takes it.
        inflation: settings of "inflate:NAME".

    Raises:
        ValueError: ``name`` is unknown.
        FileNotFoundError, ImportError: the file, or the module, is not there.

    Example:
        >>> print(video_zoo.summary("s3d_v1"))  # doctest: +ELLIPSIS
        s3d_v1: GoogLeNet, separable
        ...
    """
    if known_names.kind_of(name) != "zoo":
        return _from_elsewhere(name, inflation or InflationConfig())
    model = get_builder(name)(400, input_shape=CLIP)
    architecture = architecture_of(name)
    return Summary(
        name,
        architecture.words,
        architecture.paper,
        count_parameters(model),
        count_macs(model) / 1e9,
        tuple(smallest_input(architecture.table, axis) for axis in range(3)),
        tuple(list_weights(name)),
    )


_WORDS = {
    "inflated": "an image network of keras.applications, inflated",
    "saved": "a saved network",
    "function": "a network of your own",
}


def _from_elsewhere(name: str, inflation: InflationConfig) -> Summary:
    known_names.check_any_network(name)
    kind = known_names.kind_of(name)
    made_for = () if kind == "saved" else (400, CLIP)  # a saved one is as it is
    model, _ = elsewhere.build(elsewhere.Wanted(name, *made_for, inflation=inflation))
    clip = tuple(known or usual for known, usual in zip(model.input_shape[1:], CLIP, strict=True))
    if None in model.input_shape[1:]:
        model = elsewhere.of_shape(model, clip)
    return Summary(
        name,
        _WORDS[kind],
        None,
        count_parameters(model),
        count_macs(model) / 1e9,
        None,
        (),
        model.output_shape[-1],
        clip,
    )


def models_table() -> str:
    """All networks and their published weights, as the two tables of docs/models.md."""
    lines = [
        "| builder | table and temporal plan | paper | trainable parameters, 400 classes "
        "| GMACs, 64×224×224 | smallest input |",
        "|---|---|---|---|---|---|",
    ]
    rows = [summary(name) for name in list_models()]
    for row in rows:
        paper = f"[{row.paper.citation}]({row.paper.url})" if row.paper.url else row.paper.citation
        cells = (
            f"`{row.name}`",
            row.architecture,
            paper,
            f"{row.parameters:,}",
            f"{row.gmacs:.2f}",
            row.smallest,
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| builder | `weights=` | classes | input | published top-1 / top-5 | source |",
        "|---|---|---|---|---|---|",
    ]
    for entry in (entry for row in rows for entry in row.weights):
        modality = "RGB" if entry.channels == 3 else "flow"
        cells = (
            f"`{entry.model}`",
            f'`"{entry.name}"`',
            entry.outputs,
            f"{modality}, {entry.convention.num_frames} frames at {entry.convention.fps:g} fps",
            entry.accuracy,
            "" if entry.top1 is None else entry.source,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
