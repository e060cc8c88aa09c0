"""convert_weights: published weights, once, into a file of the zoo."""

import dataclasses
import os
import pathlib
import uuid

import keras

from video_zoo import known_names
from video_zoo.convert_config import WeightsConversionConfig
from video_zoo.files import full_disk
from video_zoo.inflation_config import InflationConfig

from . import elsewhere
from .complexity import count_parameters
from .registry import get_model
from .weights import saved
from .weights.load import Source, WeightsInfo, find


@dataclasses.dataclass(frozen=True)
class Mapped:
    """One weight: its name in the file, its path in the network, its shape."""

    origin: str
    path: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What was converted.

    Args:
        weights: every weight of the network, in its order.
        num_parameters: trainable ones.
        info: what the weights need of a network.
        call: the call that builds the network from the new file.
    """

    weights: list[Mapped]
    num_parameters: int
    info: WeightsInfo
    call: str


def convert_weights(
    model: str,
    weights: str | os.PathLike,
    output: str | os.PathLike,
    *,
    overwrite: bool = False,
    imports: str | None = None,
    inflation: InflationConfig | None = None,
) -> Conversion:
    """Writes weights that :func:`find` finds as a ``.keras`` or ``.weights.h5`` file.

    The file also says which clips its network takes and what its classes are called, which
    prediction and evaluation read.

    Args:
        model: name of a builder; or "inflate:NAME", "module:function", as in training.
        weights: as its ``weights=``.
        output: the new file, which appears whole or not at all.
        overwrite: whether an existing file is replaced.
        imports: modules that define layers or networks of the user's, with commas between.
        inflation: settings of "inflate:NAME".

    Raises:
        ValueError: ``output`` has another ending, or the weights do not fit the network.
        FileExistsError: ``output`` exists.
        OSError: the weights cannot be had, or ``output`` cannot be written.
    """
    inflation = inflation or InflationConfig()
    config = WeightsConversionConfig(model, weights, output, overwrite, imports, inflation)
    config.check_files()
    convert = _of_zoo if known_names.kind_of(model) == "zoo" else _from_elsewhere
    return convert(config)


def _of_zoo(config: WeightsConversionConfig) -> Conversion:
    model, weights, output = config.model, config.weights, config.output
    source = find(model, weights)
    info = source.info
    num_classes = info.num_classes or 1
    size = info.convention.image_size
    shape = (info.convention.num_frames, size, size, info.channels or 3)
    options = {"input_shape": shape, "include_top": info.num_classes is not None}
    network = get_model(model, num_classes, weights=weights, **options)
    _save(network, output, _provenance(info))
    top = f"{num_classes}, " if info.num_classes is not None else "include_top=False, "
    return Conversion(
        _mapping(network, source),
        count_parameters(network),
        info,
        f"video_zoo.{model}({top}input_shape={shape}, weights={output!r})",
    )


def _from_elsewhere(config: WeightsConversionConfig) -> Conversion:
    wanted = elsewhere.Wanted(config.model, weights=config.weights, inflation=config.inflation)
    network, info = elsewhere.build(wanted)
    _save(network, config.output, _provenance(info))
    whole = config.output.endswith(known_names.SAVED)
    call = f"keras.saving.load_model({config.output!r})" if whole else "weights of the same network"
    mapped = [Mapped(each.path, each.path, tuple(each.shape)) for each in network.weights]
    return Conversion(mapped, count_parameters(network), info, call)


def _mapping(network: keras.Model, source: Source) -> list[Mapped]:
    origins = {} if source.checkpoint is None else source.checkpoint.sources
    return [
        Mapped(origins.get(weight.path, weight.path), weight.path, tuple(weight.shape))
        for weight in network.weights
    ]


def _provenance(info: WeightsInfo) -> dict:
    known = dataclasses.asdict(info.convention)
    return {
        "name": info.name,
        "class_names": info.class_names,
        "padding": info.padding,
        "gating": info.gating,
        "epsilon": info.epsilon,
        "embedding": info.embedding,
        "multi_label": info.multi_label,
        "convention": {n: value for n, value in known.items() if n not in info.assumed},
    }


def _save(network: keras.Model, output: str, provenance: dict) -> None:
    ending = next(ending for ending in saved.ENDINGS if output.endswith(ending))
    path = pathlib.Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two of them may be at work on one file.
    own = f"{path.name.removesuffix(ending)}.{uuid.uuid4().hex[:8]}"
    unfinished = path.with_name(f".{own}.unfinished{ending}")
    try:
        with full_disk.explained(path):
            if ending == ".keras":
                network.save(unfinished)
            else:
                network.save_weights(unfinished)
            saved.write_provenance(str(unfinished), provenance)
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
