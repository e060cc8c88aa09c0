"""Rows of a table as layers: the convolution-BN-ReLU unit, its temporal modes, pools, self-gating.

Built-in Keras layers only, so that a saved network loads in any Keras, on any backend, without this
package.
"""

import dataclasses
import itertools
import string
from collections.abc import Iterator
from typing import Literal

import keras

from .spec import (
    INCEPTION_NORM,
    BatchNorm,
    Conv,
    Endpoint,
    Factorized,
    Margins,
    Mode,
    Parallel,
    Pool,
    Residual,
    Row,
    Triple,
)

# The share that Keras keeps per step. Trained from scratch on small sets, with the 0.99 of Keras or
# the 0.9997 of the ImageNet networks, the statistics would lag behind the weights for hundreds of
# steps, and in a deep network the error grows with every layer.
BN_MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True)
class Style:
    """What a whole network, or one endpoint of it, applies to each of its rows.

    ``gating`` is True for self-gating after each temporal convolution, and "ends" for one at the
    end of the row, or of each branch of it.
    """

    mode: Mode
    gating: bool | Literal["ends"] = False
    width_multiplier: float = 1.0
    batch_norm: BatchNorm = INCEPTION_NORM

    def width(self, filters: int) -> int:
        return max(1, int(filters * self.width_multiplier + 0.5))


@dataclasses.dataclass(frozen=True)
class Unit:
    """One convolution-BN-ReLU: what remains of a row once its temporal mode is applied."""

    name: str
    filters: int
    kernel: Triple
    strides: Triple
    padding: str | Margins
    crop_time: int = 0
    activation: bool = True


def expand(convs: tuple[Conv, ...], names: list[str], mode: Mode) -> list[Unit]:
    """The units that a chain of convolutions with one shared temporal extent becomes."""
    duration = max(conv.kernel[0] for conv in convs)
    if mode == "inflated_pair":
        mode = "full" if len(convs) > 1 else "separable"
    if duration == 1 or (mode == "separable" and not convs[-1].separable):
        mode = "full"
    halved = mode == "separable"
    units = []
    for conv, name in zip(convs, names, strict=True):
        # A VALID kernel sees no centre closer to the end than half its extent. Without its temporal
        # part, those frames are cut off, so that the sizes of the table hold.
        crop = (conv.kernel[0] - 1) // 2 if mode == "2d" and conv.padding == "valid" else 0
        units.append(
            Unit(
                f"{name}_spatial" if halved else name,
                conv.middle if halved and conv.middle else conv.filters,
                conv.kernel if mode == "full" else (1, *conv.kernel[1:]),
                (1, *conv.strides[1:]) if halved else conv.strides,
                conv.padding,
                crop,
                conv.activation or halved,
            )
        )
    if halved:
        last = convs[-1]
        units.append(
            Unit(
                f"{names[-1]}_temporal",
                last.filters,
                (duration, 1, 1),
                (last.strides[0], 1, 1),
                last.padding,
                activation=last.activation,
            )
        )
    return units


def pad(x, window: Triple, padding: str | Margins, name: str):
    """Makes padding that Keras lacks a layer. Returns ``x`` and the padding that is left to do."""
    if padding in ("same", "valid"):
        return x, padding
    if padding == "symmetric":
        padding = tuple((n // 2, n // 2) for n in window)
    # An axis that the kernel no longer looks along needs none.
    margins = tuple(m if n > 1 else (0, 0) for m, n in zip(padding, window, strict=True))
    return keras.layers.ZeroPadding3D(margins, data_format="channels_last", name=f"{name}_pad")(
        x
    ), "valid"


def conv_bn_relu(x, unit: Unit, style: Style, output_name: str | None = None):
    """Convolution without bias, batch normalisation, and ReLU if the unit has it."""
    if unit.crop_time:
        crop = ((unit.crop_time, unit.crop_time), (0, 0), (0, 0))
        x = keras.layers.Cropping3D(crop, data_format="channels_last", name=f"{unit.name}_crop")(x)
    x, padding = pad(x, unit.kernel, unit.padding, unit.name)
    x = keras.layers.Conv3D(
        style.width(unit.filters),
        unit.kernel,
        strides=unit.strides,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_normal",
        data_format="channels_last",
        name=f"{unit.name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(
        scale=style.batch_norm.scale,
        epsilon=style.batch_norm.epsilon,
        momentum=BN_MOMENTUM,
        name=f"{unit.name}_bn",
    )(x)
    if not unit.activation:
        return x
    return keras.layers.Activation("relu", name=output_name or f"{unit.name}_relu")(x)


def self_gating(x, name: str, output_name: str | None = None):
    """``x * sigmoid(W mean(x) + b)``, the mean over time and space (Xie et al. 2017, S3D-G)."""
    context = keras.layers.GlobalAveragePooling3D(
        keepdims=True, data_format="channels_last", name=f"{name}_context"
    )(x)
    weight = keras.layers.Dense(x.shape[-1], activation="sigmoid", name=f"{name}_gate")(context)
    return keras.layers.Multiply(name=output_name or f"{name}_gated")([x, weight])


def conv_chain(
    x, convs: tuple[Conv, ...], names: list[str], style: Style, output_name: str | None = None
):
    """Convolutions that share one temporal extent; gated, where the style says so."""
    units = expand(convs, names, style.mode)
    temporal = any(unit.kernel[0] > 1 for unit in units)
    gated = style.gating == "ends" or (style.gating and temporal)
    for unit in units:
        last = unit is units[-1] and not gated
        x = conv_bn_relu(x, unit, style, output_name if last else None)
    return self_gating(x, names[-1], output_name) if gated else x


def pool(x, row: Pool, style: Style, name: str):
    """A pool. In a 2D endpoint only a pool that strides time still looks at several frames."""
    size = row.size
    if style.mode == "2d" and row.strides[0] == 1:
        size = (1, *size[1:])
    if row.kind == "avg":
        return average_pool(x, size, row.strides, row.padding, name)
    # What is pooled comes from a ReLU, so zeros at the border win against nothing, like PyTorch's
    # padding with minus infinity.
    x, padding = pad(x, size, row.padding, name)
    return keras.layers.MaxPooling3D(
        size, strides=row.strides, padding=padding, data_format="channels_last", name=name
    )(x)


def average_pool(x, size: Triple, strides: Triple, padding: str, name: str):
    """An average pool that leaves padding out of the count, on maps of any size.

    PyTorch refuses an average window that is larger than the map before padding, as in Mixed_7b,
    where one step of time is left. A SAME window of stride 1 that reaches over a whole axis from
    each of its positions is the mean over that axis, repeated.
    """
    whole = tuple(
        n if n is not None and padding == "same" and step == 1 and n <= (k + 1) // 2 else 1
        for n, k, step in zip(x.shape[1:4], size, strides, strict=True)
    )
    size = tuple(
        1 if n == over and padding == "same" and step == 1 else k
        for n, k, step, over in zip(x.shape[1:4], size, strides, whole, strict=True)
    )
    if max(whole) > 1:
        x = keras.layers.AveragePooling3D(whole, data_format="channels_last", name=f"{name}_whole")(
            x
        )
    x = keras.layers.AveragePooling3D(
        size, strides=strides, padding=padding, data_format="channels_last", name=name
    )(x)
    if max(whole) > 1:
        x = keras.layers.UpSampling3D(whole, data_format="channels_last", name=f"{name}_repeat")(x)
    return x


def parallel(x, row: Parallel, names: list[str], style: Style, name: str):
    """Convolutions side by side; separable, one temporal convolution of their input goes before."""
    duration = max(conv.kernel[0] for conv in row.convs)
    mode = style.mode
    if mode in ("separable", "inflated_pair"):
        temporal = Unit(f"{name}_temporal", x.shape[-1], (duration, 1, 1), (1, 1, 1), "same")
        x = conv_bn_relu(x, temporal, dataclasses.replace(style, width_multiplier=1.0))
        x = self_gating(x, f"{name}_temporal") if style.gating else x
        mode = "2d"
    side = dataclasses.replace(style, mode=mode)
    outputs = [
        conv_chain(x, (conv,), [part], side, part)
        for conv, part in zip(row.convs, names, strict=True)
    ]
    return keras.layers.Concatenate(name=name)(outputs)


def residual(x, row: Residual, style: Style, name: str):
    """A residual block."""
    y = x
    for number, conv in enumerate(row.convs, 1):
        part = f"{name}_conv{number}"
        y = conv_chain(y, (conv,), [part], style)
    if row.shortcut is not None:
        part = f"{name}_shortcut"
        x = conv_chain(x, (row.shortcut,), [part], style)
    x = keras.layers.Add(name=f"{name}_add")([y, x])
    return keras.layers.Activation("relu", name=name)(x)


def conv_name(prefix: str, letter: str, conv: Conv) -> str:
    """Name of a convolution in a branch, as in the published checkpoints."""
    return f"{prefix}_Conv3d_0{letter}_{conv.kernel[1]}x{conv.kernel[2]}"


def branch_row(x, row: Row, letters: Iterator[str], style: Style, prefix: str):
    """One row of a branch. Names count up as in the published checkpoints: 0a, 0b, …"""
    if isinstance(row, Pool):
        kind = {"max": "MaxPool3d", "avg": "AvgPool3d"}[row.kind]
        return pool(x, row, style, f"{prefix}_{kind}_0{next(letters)}_{row.size[1]}x{row.size[2]}")
    convs = (row,) if isinstance(row, Conv) else row.convs
    used = list(itertools.islice(letters, len(convs)))
    names = [conv_name(prefix, letter, conv) for letter, conv in zip(used, convs, strict=True)]
    if isinstance(row, Parallel):
        return parallel(x, row, names, style, f"{prefix}_Split_0{used[0]}")
    assert isinstance(row, (Conv, Factorized))
    return conv_chain(x, convs, names, style, names[-1])


def apply_endpoint(x, row: Endpoint, style: Style, name: str):
    """One row of a table; the last layer bears the endpoint's name."""
    if isinstance(row, Pool):
        return pool(x, row, style, name)
    if isinstance(row, Conv):
        return conv_chain(x, (row,), [name], style, name)
    if isinstance(row, Residual):
        return residual(x, row, style, name)
    outputs = []
    for index, branch in enumerate(row.branches):
        y, letters = x, iter(string.ascii_lowercase)
        for step, part in enumerate(branch, 1):
            early = style.gating == "ends" and step < len(branch)
            inner = dataclasses.replace(style, gating=False) if early else style
            y = branch_row(y, part, letters, inner, f"{name}_Branch_{index}")
        outputs.append(y)
    return keras.layers.Concatenate(name=name)(outputs)
