"""What a network says of itself. Data: builder, registry, overview and tests read it."""

import dataclasses
from typing import Literal

from .tables.spec import INCEPTION_NORM, BatchNorm, Gating, Table


@dataclasses.dataclass(frozen=True)
class Paper:
    """Where a network comes from."""

    citation: str
    url: str = ""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A network, but for the arguments of its builder.

    Args:
        table: endpoint -> row.
        head: ``"pairs"`` averages over space and over pairs of neighbouring steps in time before
            the classifier, which makes the two end steps weigh half (I3D); ``"global"`` averages
            over everything.
        words: table and temporal plan, in words.
        paper: where it comes from.
        width_mark: beginning of the name of a layer, and its filters at width 1: they tell the
            width of a saved network.
        tried_with: (frames, height, width, channels) of a small input that tests build it for.
        auxiliary: the endpoint that carries the auxiliary classifier, if there may be one.
        batch_norm: of all of its units.
        gating: self-gating, where neither its caller nor its weights say.
        gated_from: the endpoint from which released networks gate the ends of all branches; None
            where none was released.
    """

    table: Table
    head: Literal["pairs", "global"]
    words: str
    paper: Paper
    width_mark: tuple[str, int]
    tried_with: tuple[int, int, int, int]
    auxiliary: str | None = None
    batch_norm: BatchNorm = INCEPTION_NORM
    gating: Gating | Literal[False] = False
    gated_from: str | None = None
