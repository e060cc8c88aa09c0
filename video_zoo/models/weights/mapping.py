"""How a reader translates a file: where each weight comes from, over the tables of I3D and S3D."""

import dataclasses
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import numpy as np

from video_zoo.published import InputConvention

from ..tables.inception_v1 import INCEPTION_V1
from ..tables.layers import conv_name
from ..tables.spec import Conv, Gating, Mixed, Table, Triple

HEAD, DENSE_HEAD = "Logits_Conv3d_0c_1x1", "Logits"


def torch_kernel(weight: np.ndarray) -> np.ndarray:
    """A kernel of PyTorch, [out, in, time, height, width], as Keras has it."""
    return weight.transpose(2, 3, 4, 1, 0)


@dataclasses.dataclass(frozen=True)
class Place:
    """One convolution of the table and where it stands.

    Args:
        name: what the zoo calls it.
        endpoint: the row that it belongs to.
        row: number of that row, pools counted.
        branch: number of its branch, None outside of a mixed block.
        step: its place in the branch, pools counted.
        kernel: its nominal kernel.
        splits: whether it is two convolutions where it is separable.
        last: whether it ends its branch.
    """

    name: str
    endpoint: str
    row: int
    branch: int | None
    step: int
    kernel: Triple
    splits: bool
    last: bool = True

    @property
    def letter(self) -> str:
        return string.ascii_lowercase[self.step]


def places(table: Table = INCEPTION_V1) -> Iterator[Place]:
    """The convolutions of I3D and S3D-v1, or of a table of such rows, in order."""
    for number, (endpoint, row) in enumerate(table):
        if isinstance(row, Conv):
            yield Place(endpoint, endpoint, number, None, 0, row.kernel, row.splits)
        elif isinstance(row, Mixed):
            for index, branch in enumerate(row.branches):
                for step, part in enumerate(branch):
                    if isinstance(part, Conv):
                        letter = string.ascii_lowercase[step]
                        name = conv_name(f"{endpoint}_Branch_{index}", letter, part)
                        last = part is branch[-1]
                        yield Place(
                            name, endpoint, number, index, step, part.kernel, part.splits, last
                        )


@dataclasses.dataclass(frozen=True)
class Origin:
    """One weight of the zoo: ``make`` computes it from the tensors ``names`` of the file."""

    path: str
    names: tuple[str, ...]
    make: Callable[..., np.ndarray] = np.asarray


def origins_of(
    named: Callable[[Place], str],
    ends: tuple[str, str],
    head: tuple[str, str],
    vector: Callable[..., np.ndarray] = np.asarray,
) -> Iterator[Origin]:
    """The origins of a file that has the weights of I3D one by one, as Keras has them.

    Args:
        named: what the file calls a convolution.
        ends: what follows that name, for its kernel and for its batch normalisation.
        head: kernel and bias of the classifier.
        vector: makes a vector of what stands for one in the file.
    """
    kernel, norm = ends
    for place in places():
        yield Origin(f"{place.name}_conv/kernel", (f"{named(place)}{kernel}",))
        for part in ("beta", "moving_mean", "moving_variance"):
            yield Origin(f"{place.name}_bn/{part}", (f"{named(place)}{norm}/{part}",), vector)
    yield Origin(f"{HEAD}/kernel", head[:1])
    yield Origin(f"{HEAD}/bias", head[1:], vector)


def folded_unit(
    name: str, conv: str, norm: str, kernel: Callable[[np.ndarray], np.ndarray] = torch_kernel
) -> Iterator[Origin]:
    """The origins of one convolution of PyTorch whose normalisation has a factor (gamma).

    It folds exactly into the kernel and the moving mean.

    Args:
        name: what the zoo calls the convolution.
        conv: what the file calls it.
        norm: what the file calls its batch normalisation.
        kernel: makes a kernel of what stands for it in the file.
    """
    gamma = f"{norm}.weight"

    def folded(weight: np.ndarray, factor: np.ndarray) -> np.ndarray:
        return kernel(weight) * factor

    yield Origin(f"{name}_conv/kernel", (f"{conv}.weight", gamma), folded)
    yield Origin(f"{name}_bn/beta", (f"{norm}.bias",))
    yield Origin(f"{name}_bn/moving_mean", (f"{norm}.running_mean", gamma), np.multiply)
    yield Origin(f"{name}_bn/moving_variance", (f"{norm}.running_var",))


def separable_units(
    place: Place,
    named: str,
    units: Mapping[str, tuple[str, str]],
    kernel: Callable[[np.ndarray], np.ndarray] = torch_kernel,
) -> Iterator[Origin]:
    """The origins of one convolution of S3D, or of the halves that it is split into.

    Args:
        place: which convolution.
        named: what the file calls it.
        units: (convolution, batch normalisation) below that name: of a unit that is not split
            (""), and of the halves of one that is ("_spatial", "_temporal").
        kernel: as for :func:`folded_unit`.
    """
    for half in ("_spatial", "_temporal") if place.splits else ("",):
        conv, norm = (f"{named}.{part}" for part in units[half])
        yield from folded_unit(f"{place.name}{half}", conv, norm, kernel)


def torch_head(head: str) -> Iterator[Origin]:
    """The origins of a classifier that is a 1x1x1 convolution of PyTorch."""
    yield Origin(f"{HEAD}/kernel", (f"{head}.weight",), torch_kernel)
    yield Origin(f"{HEAD}/bias", (f"{head}.bias",))


def torch_dense(name: str, layer: str) -> Iterator[Origin]:
    """The origins of the dense layer ``name``, which the file calls ``layer``."""
    yield Origin(f"{name}/kernel", (f"{layer}.weight",), np.transpose)
    yield Origin(f"{name}/bias", (f"{layer}.bias",))


@dataclasses.dataclass(frozen=True)
class PublishedFile:
    """What a published file holds, in terms of the zoo.

    Args:
        values: path of a weight -> float32 values.
        sources: path of a weight -> names of the tensors that it comes from, for every weight that
            files of this kind have.
        unknown: tensors of the file that belong to no weight, with their shapes.
        convention: the clips that files of this kind take.
        padding: of the networks that files of this kind belong to.
        gating: where the network of the file has gates.
        epsilon: of its batch normalisation; None for that of the zoo's network.
        embedding: whether its outputs are no scores of classes, but a vector to compare.
    """

    values: dict[str, np.ndarray]
    sources: dict[str, str]
    unknown: list[str]
    convention: InputConvention
    padding: str
    gating: Gating | Literal[False] = False
    epsilon: float | None = None
    embedding: bool = False

    @property
    def num_classes(self) -> int | None:
        """Of the classifier; None if there is none."""
        for head, rank in ((HEAD, 5), (DENSE_HEAD, 2)):
            kernel = self.values.get(f"{head}/kernel")
            if kernel is not None and kernel.ndim == rank:
                return kernel.shape[-1]
        return None

    @property
    def channels(self) -> int | None:
        """Of the input, by the shape of the first convolution; None if that is missing."""
        kernel = self.values.get(next(iter(self.sources)))
        return None if kernel is None or kernel.ndim != 5 else kernel.shape[3]


def translate(
    tensors: Mapping[str, np.ndarray],
    origins: Iterable[Origin],
    convention: InputConvention,
    padding: str,
) -> PublishedFile:
    """Applies ``origins`` to the tensors of a file; a ValueError where one holds no numbers."""
    values, sources, used, misshapen = {}, {}, set(), set()
    for origin in origins:
        sources[origin.path] = " * ".join(origin.names)
        used.update(origin.names)
        found = [tensors[name] for name in origin.names if name in tensors]
        if len(found) < len(origin.names):
            continue
        for name in origin.names:
            if tensors[name].dtype.kind not in "fiu":
                raise ValueError(f"{name} in it has values of type {tensors[name].dtype}")
        try:
            value = origin.make(*found)
        except ValueError:  # of shapes that do not go together
            misshapen.update(origin.names)
            continue
        values[origin.path] = np.ascontiguousarray(value, np.float32)
    used -= misshapen
    unknown = [f"{name} {tuple(t.shape)}" for name, t in tensors.items() if name not in used]
    return PublishedFile(values, sources, unknown, convention, padding)
