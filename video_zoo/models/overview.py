"""What is known of each network: size, cost, smallest input, paper, published weights."""

import dataclasses
import functools

from video_zoo.published import WeightsEntry, list_weights

from .architecture import Paper
from .complexity import count_macs, count_parameters
from .registry import architecture_of, get_builder, list_models
from .tables.spec import smallest_input

CLIP = (64, 224, 224, 3)


@dataclasses.dataclass(frozen=True)
class Summary:
    """Facts on one network; ``print`` shows them.

    Args:
        name: of the builder.
        architecture: table and temporal plan, in words.
        paper: where it comes from.
        parameters: trainable ones at 400 classes.
        gmacs: billions of multiply-accumulates for one clip of 64x224x224.
        smallest_input: frames, height, width.
        weights: what ``weights=`` takes by name.
    """

    name: str
    architecture: str
    paper: Paper
    parameters: int
    gmacs: float
    smallest_input: tuple[int, int, int]
    weights: tuple[WeightsEntry, ...]

    @property
    def smallest(self) -> str:
        """The smallest input in words."""
        frames, height, width = self.smallest_input
        if self.smallest_input == (1, 1, 1):
            return "any"
        return f"{frames} frames, {height}×{width} pixels"

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.architecture}",
            f"  paper           {' '.join((self.paper.citation, self.paper.url)).strip()}",
            f"  parameters      {self.parameters:,} (400 classes)",
            f"  GMACs           {self.gmacs:.2f} (64x224x224)",
            f"  smallest input  {self.smallest}",
        ]
        for entry in self.weights:
            accuracy = "accuracy not published"
            if entry.top1 is not None:
                accuracy = f"top-1 {entry.top1:g} %, top-5 {entry.top5:g} % ({entry.source})"
            counted = entry.num_classes is not None and not entry.embedding
            outputs = f"{entry.outputs} classes" if counted else entry.outputs
            lines.append(f"  weights         {entry.name!r}: {outputs}, {accuracy}")
        return "\n".join(lines)


@functools.cache
def summary(name: str) -> Summary:
    """Size, cost, smallest input, paper and published weights of a network of the zoo.

    Sizes and costs are counted on the network, which is built for it.

    Args:
        name: one of :func:`video_zoo.list_models`.

    Raises:
        ValueError: ``name`` is unknown.

    Example:
        >>> print(video_zoo.summary("s3d_v1"))  # doctest: +ELLIPSIS
        s3d_v1: GoogLeNet, separable
        ...
    """
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
