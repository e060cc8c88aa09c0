"""Walks a table into a functional ``keras.Model`` with named endpoints, heads and weights."""

import dataclasses
import functools
import os
from typing import Literal

import keras

from video_zoo import errors
from video_zoo.published import WeightsEntry

from .architecture import Architecture
from .registry import architecture_of
from .tables import layers
from .tables.spec import (
    GATINGS,
    Conv,
    Gating,
    Mixed,
    Table,
    TemporalPlan,
    as_plan,
    smallest_input,
    symmetric,
)
from .weights.load import Source, WeightsInfo, find, load
from .weights.saved import normalisation


@dataclasses.dataclass(frozen=True)
class Options:
    """The arguments that all public builders take, checked; they document them."""

    num_classes: int
    input_shape: tuple[int | None, int | None, int | None, int]
    include_top: bool
    pooling: str | None
    weights: str | os.PathLike | WeightsEntry | None
    dropout_rate: float
    classifier_activation: str | None
    width_multiplier: float
    temporal: TemporalPlan | str
    gating: Gating | bool | None
    name: str
    aux_logits: bool = False
    padding: str | None = None

    def __post_init__(self) -> None:
        for argument in ("num_classes", "dropout_rate", "width_multiplier"):
            errors.check(argument, getattr(self, argument))
        if self.pooling not in (None, "avg", "max"):
            self._refuse("pooling", "None, 'avg' or 'max'")
        if self.pooling is not None and self.include_top:
            self._refuse(
                "pooling", "None when `include_top=True`: pass `include_top=False` with it"
            )
        if self.padding not in (None, "same", "symmetric"):
            self._refuse("padding", "None, 'same' or 'symmetric'")
        if not (self.gating is None or isinstance(self.gating, bool) or self.gating in GATINGS):
            self._refuse("gating", f"None, False or one of {', '.join(map(repr, GATINGS))}")
        if self.aux_logits and not self.include_top:
            self._refuse("aux_logits", "False when `include_top=False`: it is a classifier")

    def _refuse(self, argument: str, allowed: str) -> None:
        raise errors.refusal(argument, allowed, getattr(self, argument))


def _check_input_shape(table: Table, shape: tuple[int | None, ...], name: str) -> None:
    try:
        sizes = tuple(shape)
    except TypeError:
        sizes = ()
    fits = len(sizes) == 4 and all(isinstance(n, int) or n is None for n in sizes)
    if not fits or sizes[-1] is None or any(n is not None and n < 1 for n in sizes):
        sizes = "(frames, height, width, channels)"
        allowed = f"{sizes}: positive integers, the first three may be None"
        raise errors.refusal("input_shape", allowed, shape)
    smallest = [smallest_input(table, axis) for axis in range(3)]
    if any(n is not None and n < least for n, least in zip(sizes, smallest, strict=False)):
        raise ValueError(
            f"`input_shape` must have at least {smallest[0]} frames, a height of at least "
            f"{smallest[1]} and a width of at least {smallest[2]} pixels for {name!r}: below that "
            f"a feature map would be empty. Received: input_shape={tuple(sizes)}"
        )


def _check_weights(options: Options, info: WeightsInfo, name: str) -> None:
    """Raises ValueError if the arguments are others than the weights ``name`` need."""
    received = f" and weights={name!r}"
    if options.include_top and info.num_classes is None:
        allowed = "False: the weights have no classifier"
        raise errors.refusal("include_top", allowed, True, place=received)
    if options.include_top and info.num_classes != options.num_classes:
        remedy = (
            f"For other classes, build with `num_classes={info.num_classes}` and call "
            "`video_zoo.replace_head`, or pass `include_top=False`."
        )
        allowed = f"{info.num_classes}, as in the weights"
        raise errors.refusal("num_classes", allowed, options.num_classes, remedy, received)
    if info.channels not in (None, options.input_shape[-1]):
        raise ValueError(
            f"`input_shape` must end in {info.channels} channels, as in the weights. Received: "
            f"input_shape={tuple(options.input_shape)}{received}"
        )
    if options.padding not in (None, info.padding):
        allowed = f"None or {info.padding!r}, as in the weights"
        raise errors.refusal("padding", allowed, options.padding, place=received)


def _gating(
    options: Options, architecture: Architecture, source: Source | None
) -> Gating | Literal[False]:
    """Where gates stand: as asked for, else as the weights have them, else the network's own."""
    told = None if source is None else source.info.gating
    asked = "paper" if options.gating is True else options.gating
    if asked is not None and told and asked != told:
        allowed = f"None or {told!r}, as in the weights"
        received = f" and weights={source.weights!r}"
        raise errors.refusal("gating", allowed, options.gating, place=received)
    if asked in ("released", "blocks") and architecture.gated_from is None:
        allowed = f"None, False or 'paper' for {options.name!r}: no gated network was released"
        raise errors.refusal("gating", allowed, options.gating)
    if asked is not None:
        return asked
    return architecture.gating if told is None else told


def _styles(
    architecture: Architecture, options: Options, source: Source | None
) -> dict[str, layers.Style]:
    """Endpoint -> what is applied to its row."""
    gating = _gating(options, architecture, source)
    gates = dict.fromkeys((endpoint for endpoint, _ in architecture.table), gating == "paper")
    for endpoint, row in architecture.table:
        before_blocks = gating == "released" and endpoint == architecture.gated_from
        if before_blocks or (gating in ("released", "blocks") and isinstance(row, Mixed)):
            gates[endpoint] = "ends"
    norm = architecture.batch_norm
    if source is not None and source.info.epsilon is not None:
        norm = dataclasses.replace(norm, epsilon=source.info.epsilon)
    modes = as_plan(options.temporal).modes(architecture.table)
    return {
        endpoint: layers.Style(mode, gates[endpoint], options.width_multiplier, norm)
        for endpoint, mode in modes.items()
    }


def _pairs_logits(x, options: Options):
    """I3D's classifier at any input size: classifies each pair of neighbouring steps, and averages.

    The published head pools (2, 7, 7) VALID over a 7x7 map, which is the mean over all of it.
    """
    x = keras.ops.mean(x, axis=(2, 3), keepdims=True)
    if x.shape[1] != 1:
        x = keras.layers.AveragePooling3D(
            (2, 1, 1), strides=1, data_format="channels_last", name="Logits_AvgPool_time"
        )(x)
    x = keras.layers.Dropout(options.dropout_rate, name="Logits_Dropout")(x)
    x = keras.layers.Conv3D(
        options.num_classes,
        1,
        dtype="float32",
        data_format="channels_last",
        name="Logits_Conv3d_0c_1x1",
    )(x)
    return keras.layers.GlobalAveragePooling3D(
        dtype="float32", data_format="channels_last", name="Logits"
    )(x)


def _global_logits(x, options: Options):
    x = keras.layers.GlobalAveragePooling3D(data_format="channels_last", name="Logits_AvgPool")(x)
    x = keras.layers.Dropout(options.dropout_rate, name="Logits_Dropout")(x)
    return keras.layers.Dense(options.num_classes, dtype="float32", name="Logits")(x)


def _auxiliary_logits(x, options: Options):
    """Inception-v3's auxiliary classifier (Szegedy et al. 2015, section 4), with a time axis.

    On the 3x13x13 map of Table 1, the 5/3 VALID pool leaves 1x3x3, so that the published 5x5 kernel
    cannot be placed: it is 3x3 here, whatever the input size, so that weights fit every size.
    """
    style = layers.Style("full", width_multiplier=options.width_multiplier)
    sizes = x.shape[1:4]
    window, padding = (3, 5, 5), "same"
    if None not in sizes:
        # A window no larger than a small map, rather than SAME: where that pads one end only,
        # Keras' PyTorch backend averages copies of the border.
        window, padding = tuple(map(min, sizes, window)), "valid"
    pool = keras.layers.AveragePooling3D(
        window, 3, padding, data_format="channels_last", name="AuxLogits_AvgPool"
    )
    x = pool(x)
    fits = all(n is not None and n >= 3 for n in x.shape[2:4])
    convs = (Conv(128), Conv(768, (1, 3, 3), padding="valid" if fits else "same"))
    for conv, name in zip(
        convs, ("AuxLogits_Conv3d_1b_1x1", "AuxLogits_Conv3d_2a_3x3"), strict=True
    ):
        x = layers.conv_chain(x, (conv,), [name], style, name)
    x = keras.layers.GlobalAveragePooling3D(data_format="channels_last", name="AuxLogits_Pool")(x)
    logits = keras.layers.Dense(options.num_classes, dtype="float32", name="AuxLogits")(x)
    return _activated(logits, "AuxPredictions", options)


def _activated(logits, name: str, options: Options):
    if options.classifier_activation is None:
        return logits
    return keras.layers.Activation(options.classifier_activation, dtype="float32", name=name)(
        logits
    )


def build(model: str, options: Options) -> keras.Model:
    """Builds a registered network as ``options`` say."""
    architecture = architecture_of(model)
    _check_input_shape(architecture.table, options.input_shape, options.name)
    source = None
    if options.weights is not None:
        check = functools.partial(_check_weights, options)
        source = find(model, options.weights, check)
    table = architecture.table
    if (options.padding if source is None else source.info.padding) == "symmetric":
        table = symmetric(table)
        _check_input_shape(table, options.input_shape, options.name)
    styles = _styles(architecture, options, source)
    inputs = keras.Input(tuple(options.input_shape), name="video")
    x, auxiliary = inputs, None
    if source is not None and source.info.convention.mean is not None:
        x = normalisation(source.info.convention)(x)
    for endpoint, row in table:
        x = layers.apply_endpoint(x, row, styles[endpoint], endpoint)
        if options.aux_logits and endpoint == architecture.auxiliary:
            auxiliary = _auxiliary_logits(x, options)
    if options.include_top:
        logits = {"pairs": _pairs_logits, "global": _global_logits}[architecture.head](x, options)
        x = _activated(logits, "Predictions", options)
    elif options.pooling is not None:
        pools = {
            "avg": keras.layers.GlobalAveragePooling3D,
            "max": keras.layers.GlobalMaxPooling3D,
        }
        x = pools[options.pooling](data_format="channels_last", name=f"{options.pooling}_pool")(x)
    network = keras.Model(inputs, x if auxiliary is None else [x, auxiliary], name=options.name)
    if source is not None:
        load(network, source)
    return network
