"""The rows that architecture tables are made of, and temporal plans. Data only.

A *table* is a tuple of ``(endpoint, row)``. Kernels and strides are ``(time, height, width)`` and
always give the nominal, fully three-dimensional form: what becomes of their temporal extent is the
business of the *temporal plan*, which maps each endpoint to one mode:

* ``"full"``: kernels as they stand, ``(kt, kh, kw)``;
* ``"separable"``: ``(1, kh, kw)``, then ``(kt, 1, 1)``, each a convolution-BN-ReLU unit;
* ``"inflated_pair"``: separable, but factorized pairs keep their temporal extent in place of
  gaining a third convolution: 1x7 and 7x1 become 7x1x7 and 7x7x1 (Gupta et al., section 5);
* ``"2d"``: ``(1, kh, kw)`` alone.
"""

import dataclasses
from typing import Literal

from video_zoo.errors import refusal

Mode = Literal["full", "separable", "inflated_pair", "2d"]
MODES: tuple[Mode, ...] = ("full", "separable", "inflated_pair", "2d")

# Where self-gating stands (Xie et al. 2017, S3D-G): after each temporal convolution, as the paper
# says; at the end of each branch of a block, and once before the blocks, as in the networks that
# were released; or in the blocks alone.
Gating = Literal["paper", "released", "blocks"]
GATINGS: tuple[Gating, ...] = ("paper", "released", "blocks")

Triple = tuple[int, int, int]
# (before, after) of time, height and width.
Margins = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class BatchNorm:
    """What the batch normalisation of a whole network has: its epsilon, and whether a factor."""

    epsilon: float = 1e-3
    scale: bool = False


INCEPTION_NORM = BatchNorm()


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution-BN-ReLU unit.

    ``padding`` is ``"same"``, ``"valid"`` or ``"symmetric"`` (half the kernel on each side, as
    PyTorch pads; see :func:`symmetric`), in all three axes, or the zeros before and after each.
    Separable, the spatial half has ``middle`` filters, or ``filters`` where that is None; what is
    not ``separable`` stays whole. Without ``activation`` the unit ends with its batch
    normalisation.
    """

    filters: int
    kernel: Triple = (1, 1, 1)
    strides: Triple = (1, 1, 1)
    padding: str | Margins = "same"
    middle: int | None = None
    activation: bool = True
    separable: bool = True

    @property
    def splits(self) -> bool:
        """Whether the separable mode makes two convolutions of it."""
        return self.separable and self.kernel[0] > 1


@dataclasses.dataclass(frozen=True)
class Factorized:
    """Convolutions that factorize one spatial kernel and share one temporal convolution.

    Inception-v3 writes a 7x7 convolution as 1x7 and 7x1. Separable, the pair is followed by one
    ``(7, 1, 1)`` convolution of the last one's width; full and as inflated pair, each has its own
    temporal extent (the paper's future work: 7x1x7 and 7x7x1). All have stride 1.
    """

    convs: tuple[Conv, ...]


@dataclasses.dataclass(frozen=True)
class Parallel:
    """Convolutions side by side on one tensor, concatenated; they share one temporal convolution.

    Separable, a ``(kt, 1, 1)`` convolution that keeps the width goes before them.
    """

    convs: tuple[Conv, ...]


@dataclasses.dataclass(frozen=True)
class Pool:
    """A max or average pool, padded like a ``Conv``. Averages leave padding out of the count."""

    kind: Literal["max", "avg"]
    size: Triple
    strides: Triple = (1, 1, 1)
    padding: str = "same"


Row = Conv | Factorized | Parallel | Pool


@dataclasses.dataclass(frozen=True)
class Mixed:
    """An Inception block: branches on one input, concatenated along the channels."""

    branches: tuple[tuple[Row, ...], ...]


@dataclasses.dataclass(frozen=True)
class Residual:
    """A residual block (He et al. 2016): convolutions one after the other, plus their input, ReLU.

    ``shortcut`` is what the input goes through where its shape is another; None for nothing.
    """

    convs: tuple[Conv, ...]
    shortcut: Conv | None = None


Endpoint = Conv | Pool | Mixed | Residual
Table = tuple[tuple[str, Endpoint], ...]


@dataclasses.dataclass(frozen=True)
class TemporalPlan:
    """Which mode each endpoint of a table has: ``below`` up to, and ``above`` from, ``start``.

    Args:
        below: mode of the endpoints before ``start``.
        above: mode of ``start`` and of all endpoints after it.
        start: name of an endpoint; ``None`` gives all endpoints the mode ``above``.
    """

    above: Mode
    below: Mode = "2d"
    start: str | None = None

    def __post_init__(self) -> None:
        for argument in ("above", "below"):
            mode = getattr(self, argument)
            if mode not in MODES:
                raise refusal(argument, f"one of {', '.join(map(repr, MODES))}", mode)

    def modes(self, table: Table) -> dict[str, Mode]:
        """Returns endpoint -> mode for every row of ``table``."""
        names = [name for name, _ in table]
        if "inflated_pair" in (self.above, self.below) and not _has_pairs(table):
            raise ValueError(
                "`temporal` may be 'inflated_pair' in networks that factorize convolutions, which "
                "the S3D-v3 ones do. Received: 'inflated_pair' for one without such pairs. Use "
                "'separable', which is the same there."
            )
        if self.start is None:
            return dict.fromkeys(names, self.above)
        if self.start not in names:
            allowed = f"an endpoint of the network: {', '.join(names)}"
            raise refusal("start", allowed, self.start)
        first = names.index(self.start)
        return {n: self.below if i < first else self.above for i, n in enumerate(names)}


def _has_pairs(table: Table) -> bool:
    branches = [branch for _, row in table if isinstance(row, Mixed) for branch in row.branches]
    return any(isinstance(part, Factorized) for branch in branches for part in branch)


def top_heavy(start: str, mode: Mode = "separable") -> TemporalPlan:
    """2D convolutions below the endpoint ``start``, temporal ones from it on (Xie et al. 2017)."""
    return TemporalPlan(above=mode, below="2d", start=start)


def bottom_heavy(start: str, mode: Mode = "separable") -> TemporalPlan:
    """Temporal convolutions below the endpoint ``start``, 2D ones from it on (Xie et al. 2017)."""
    return TemporalPlan(above="2d", below=mode, start=start)


def as_plan(temporal: "TemporalPlan | str") -> TemporalPlan:
    """A plan as it is; the name of a mode as the plan that gives that mode to every endpoint."""
    if isinstance(temporal, TemporalPlan):
        return temporal
    if temporal in MODES:
        return TemporalPlan(above=temporal)
    allowed = f"one of {', '.join(map(repr, MODES))}, or a plan such as "
    raise refusal("temporal", f"{allowed}`video_zoo.top_heavy('Mixed_4b')`", temporal)


def symmetric(table: Table) -> Table:
    """``table`` as PyTorch would pad it, which S3D-v1's published weights were trained with.

    On even sizes SAME pads a stride of 2 at the far end alone, or more there: only rows with a
    stride change. An even window has no middle: it is placed without padding, so that the size is
    rounded down where SAME rounds it up.
    """
    return tuple((endpoint, _symmetric_row(row)) for endpoint, row in table)


def _symmetric_row(row):
    if isinstance(row, Mixed):
        return Mixed(tuple(tuple(map(_symmetric_row, branch)) for branch in row.branches))
    if isinstance(row, Residual):
        return Residual(tuple(map(_symmetric_row, row.convs)), _symmetric_row(row.shortcut))
    if not isinstance(row, (Conv, Pool)) or max(row.strides) == 1 or row.padding != "same":
        return row
    window = row.kernel if isinstance(row, Conv) else row.size
    padding = "valid" if any(n % 2 == 0 for n in window) else "symmetric"
    return dataclasses.replace(row, padding=padding)


def strided_rows(row: Endpoint) -> tuple[Conv | Pool, ...]:
    """The rows of one path through ``row`` that can change the size of what passes."""
    if isinstance(row, Residual):
        return row.convs
    rows = row.branches[0] if isinstance(row, Mixed) else (row,)
    return tuple(r for r in rows if isinstance(r, (Conv, Pool)))


def smallest_input(table: Table, axis: int) -> int:
    """Smallest size along ``axis`` (0 time, 1 height, 2 width) that leaves one position at the end.

    Walks the table backwards: what must go in so that one position comes out.
    """
    size = 1
    for _, row in reversed(table):
        for part in reversed(strided_rows(row)):
            window = part.kernel if isinstance(part, Conv) else part.size
            needed = window[axis] if part.padding == "valid" else 1
            if isinstance(part.padding, tuple):
                needed = max(1, window[axis] - sum(part.padding[axis]))
            size = (size - 1) * part.strides[axis] + needed
    return size
