"""A trained network with what its run, or its weights, know: class names, clips, conversion."""

import dataclasses
import functools
import os
import pathlib
import sys
from collections.abc import Mapping

import keras
import numpy as np
from absl import logging
from scipy import special

from video_zoo import errors, known_names, models
from video_zoo.backend import leave_gpus_to_keras
from video_zoo.data.input.clips import ClipConfig
from video_zoo.inflation_config import InflationConfig
from video_zoo.models import elsewhere
from video_zoo.models.weights import network_files, saved
from video_zoo.models.weights.load import WeightsInfo, check_finite, info_of_file, weights_info

from .config import STORAGE, RunFile, read_config
from .files import CONFIG, network_path

_SAMPLING = ("num_frames", "frame_stride", "image_size")


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A network ready to score clips.

    Args:
        model: the network, with one output.
        checkpoint: the file that it was loaded from, or the name of published weights.
        clip: the clips that it takes.
        class_names: name of each output, or None where neither a run nor the weights tell.
        training: the settings of the run, empty where there is none.
        data: the settings of the conversion that it was trained on, empty where nothing tells.
        multi_label: whether a clip may have several classes: each has a probability of its own.
        embedding: whether its outputs are no scores of classes, but a vector to compare.
    """

    model: keras.Model
    checkpoint: str
    clip: ClipConfig
    class_names: list[str] | None
    training: Mapping
    data: Mapping
    multi_label: bool = False
    embedding: bool = False

    @functools.cached_property
    def fast(self) -> keras.Model:
        """The network, optimised for inference: ``logits`` are its outputs.

        It is made once, when the first logits are asked for. ``model`` stays, for gradients, layers
        and the digest of its weights, so that weights take twice the memory from then on.
        """
        return for_inference(self.model)

    @property
    def num_classes(self) -> int:
        return self.model.output_shape[-1]

    @property
    def names(self) -> list[str]:
        """The names of the classes; their numbers where no names are known."""
        return list(self.class_names or map(str, range(self.num_classes)))

    @property
    def num_channels(self) -> int:
        return self.model.input_shape[-1]

    def data_dir(self, given: str | None, argument: str = "data_dir") -> str:
        """The folder of shards that is ``given``, or that of the run.

        Raises:
            ValueError: neither is.
        """
        data_dir = given or self.training.get("data_dir")
        if data_dir is None:
            allowed = f"given, as {CONFIG} of the run does not tell its shards"
            raise errors.refusal(argument, allowed, None)
        return data_dir

    def check_channels(self, channels: int, wanted: str) -> None:
        """Raises ValueError, which begins with ``wanted``, if clips have other channels."""
        if channels != self.num_channels:
            raise ValueError(
                f"{wanted} of {self.num_channels} channels, as the network "
                f"{self.checkpoint!r} takes: 3 are colours, 2 are optical flow. Received: clips of "
                f"{channels} channels. Take a network or weights of the same kind."
            )

    def check_classifier(self) -> None:
        """Raises ValueError unless the network gives a score per class, and names fit them."""
        shape = self.model.output_shape
        if self.embedding:
            raise ValueError(
                "a classifier must be given, which scores classes. Received: "
                f"{self.checkpoint!r}, whose {shape[-1]} outputs are an embedding, to compare "
                "videos by. Extract it as features (`extract_features`, endpoint 'Logits'), or "
                "train a classifier on it."
            )
        if len(shape) != 2:
            raise ValueError(
                "a classifier must be given, whose output is (batch, classes). Received: "
                f"{self.checkpoint!r}, whose output is {shape}. Take a network with its classifier."
            )
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise ValueError(
                f"the network must have a name for each of its {self.num_classes} classes. "
                f"Received: {self.checkpoint!r} with {len(self.class_names)} names: its file and "
                "the `workdir` are of two runs, or damaged."
            )

    def logits(self, clips: np.ndarray) -> np.ndarray:
        """What the network gives for clips in [-1, 1], float32 [batch, num_classes]."""
        if keras.backend.backend() != "tensorflow":  # others take no tensors of TensorFlow
            clips = keras.tree.map_structure(np.asarray, clips)
        return np.asarray(self.fast.predict_on_batch(clips), np.float32)

    def scores(self, logits: np.ndarray, average: str = "softmax") -> np.ndarray:
        """Class probabilities of videos, of the logits of their views.

        They sum to 1, unless a clip may have several classes.

        Args:
            logits: [..., num_views, num_classes].
            average: "softmax", the mean of the views' probabilities; or "logits", the probabilities
                of their mean logits. Defaults to "softmax".

        Returns:
            float64 [..., num_classes].
        """
        logits = logits.astype(np.float64)
        # `check_scores` tells what is not finite, with the name of the video.
        with np.errstate(invalid="ignore"):
            if average == "logits":
                return self._probabilities(logits.mean(axis=-2))
            return self._probabilities(logits).mean(axis=-2)

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        return special.expit(logits) if self.multi_label else special.softmax(logits, axis=-1)


def for_inference(model: keras.Model) -> keras.Model:
    """``model``, optimised for inference; where it cannot be copied a warning, and as it is."""
    try:
        return models.optimize_for_inference(model)
    except models.UncopyableNetworkError as error:
        logging.warning("the network scores as it is, which takes more time: %s", error)
        return model


def check_scores(scores: np.ndarray, filename: str) -> None:
    """Raises ValueError if a score of the video ``filename`` is NaN or infinite."""
    if not np.isfinite(scores).all():
        raise ValueError(
            f"the network's scores must be finite, and those of {filename!r} are not. Received: "
            f"{scores.tolist()[:5]}. Its weights are finite, so its values are too large for their "
            "type: take another checkpoint, or float32."
        )


def load_network(
    workdir: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    *,
    model: str | None = None,
    weights: str | os.PathLike | None = None,
    frame_order: str = "sequential",
    imports: str | None = None,
    inflation: InflationConfig | None = None,
    image_size: int | None = None,
) -> TrainedNetwork:
    """Loads ``best.keras`` of a run, any ``.keras`` file, or a builder with published weights.

    The file says which clips its network takes, and what its classes are. Where it does not (it is
    of an earlier version, or of Keras alone) the run's ``config.json`` does; where that is missing
    too, a line on stderr says what is assumed.

    Args:
        workdir: folder of a run of :func:`video_zoo.training.train`.
        checkpoint: a ``.keras`` file. With ``workdir`` too, the run's settings belong to it.
        model: name of a builder, with ``weights``; or a network from elsewhere, as
            :class:`video_zoo.training.TrainingConfig` takes it.
        weights: published name or file, as its ``weights=``. Clips, their storage and the class
            names are as they need them.
        frame_order: order of the frames of a clip.
        imports: modules that define layers or networks of the user's, with commas between.
        inflation: settings of "inflate:NAME".
        image_size: height and width of its clips, in place of those that it takes.

    Raises:
        ValueError: none of these, or both kinds, are given, the file is damaged, or holds no
            network of clips.
        FileNotFoundError: there is no such run or file.
        OSError: published weights cannot be fetched.
    """
    leave_gpus_to_keras()
    known_names.check_source(workdir, checkpoint, model, weights)
    known_names.import_modules(imports, model)
    if model is not None and (whole := _whole_network(model, weights)) is not None:
        model, checkpoint = None, whole
    if model is None:
        network = _of_file(workdir, checkpoint, frame_order)
    else:
        built = _published if known_names.kind_of(model) == "zoo" else _from_elsewhere
        network = built(model, weights, frame_order, inflation)
    return network if image_size is None else _at_size(network, image_size)


def _at_size(network: TrainedNetwork, size: int) -> TrainedNetwork:
    """The network, with its weights, for clips of another size; what they show is as large."""
    own = network.clip
    fraction = min(1.0, own.crop_fraction * size / own.image_size)
    clip = dataclasses.replace(own, image_size=size, crop_fraction=fraction)
    try:
        model = elsewhere.of_shape(
            network.model, (clip.num_frames, size, size, network.num_channels)
        )
    except ValueError as error:
        allowed = f"{own.image_size} or None: its layers are made for that size"
        raise errors.refusal("image_size", allowed, size) from error
    return dataclasses.replace(network, model=model, clip=clip)


def _of_file(
    workdir: str | os.PathLike | None, checkpoint: str | os.PathLike | None, frame_order: str
) -> TrainedNetwork:
    run = None if workdir is None else read_config(pathlib.Path(workdir))
    if run is not None:
        known_names.import_modules(run.training.get("imports"), run.training.get("model"))
    path, argument = network_path(workdir, checkpoint)
    network, activation = _load(path, argument)
    about = info_of_file(path, argument)
    if about.assumed and run is not None:  # the file is of before it told
        about = _with_run(about, run)
    _tell_assumed(path, about)
    clip = _clip_of(network, about, frame_order)
    training = {} if run is None else run.training
    several = about.multi_label or activation == "sigmoid"
    known = (about.class_names, training, _data(about), several, about.embedding)
    return TrainedNetwork(network, path, clip, *known)


def _tell_assumed(path: str, about: WeightsInfo) -> None:
    if about.assumed:
        print(
            f"note: {path} does not say which clips its network was trained on: assumed are "
            f"{about.about_assumed()}",
            file=sys.stderr,
            flush=True,
        )


def _with_run(about: WeightsInfo, run: RunFile) -> WeightsInfo:
    """What config.json adds to a file that tells less; what the file tells stays."""
    training, stored = run.training, run.data or {}
    known = {name: training[name] for name in _SAMPLING if name in training}
    known |= {name: stored[name] for name in STORAGE if name in stored}
    if "frame_stride" not in about.assumed:  # it tells something
        known = {name: value for name, value in known.items() if name in about.assumed}
    return dataclasses.replace(
        about,
        convention=dataclasses.replace(about.convention, **known),
        class_names=about.class_names or run.class_names,
        assumed=tuple(name for name in about.assumed if name not in known),
    )


def _load(path: str, argument: str) -> tuple[keras.Model, str | None]:
    """The network of a file with logits as its output, and what made probabilities of them."""
    network = network_files.load(path, argument)
    with network_files.reading(path, argument, "network of clips"):
        shape = network.input_shape
        if not isinstance(shape, tuple) or len(shape) != 5 or shape[-1] is None:
            raise ValueError(
                f"it takes {shape}, and clips are (batch, frames, height, width, channels)"
            )
        if shape[2] != shape[3]:
            raise ValueError(f"it takes frames of {shape[2]}x{shape[3]} pixels, and not squares")
    check_finite(network.weights, f"{argument}={path!r}")
    if len(network.outputs) > 1:  # the auxiliary classifier has done its work
        network = keras.Model(network.input, network.outputs[0], name=network.name)
    return elsewhere.with_logits(network)


def _whole_network(model: str, weights: str | os.PathLike | None) -> str | os.PathLike | None:
    """The file that holds all of a network from elsewhere; None where it must be built."""
    kind = known_names.kind_of(model)
    if kind == "saved":
        return model
    if kind == "zoo" or weights is None or not os.fspath(weights).endswith(known_names.SAVED):
        return None
    # One of images is to be inflated.
    return weights if kind == "function" or saved.takes_clips(os.fspath(weights)) else None


def _from_elsewhere(
    model: str,
    weights: str | os.PathLike | None,
    frame_order: str,
    inflation: InflationConfig | None,
) -> TrainedNetwork:
    weights = None if weights is None else os.fspath(weights)
    wanted = elsewhere.Wanted(model, weights=weights, inflation=inflation or InflationConfig())
    network, info = elsewhere.ready(wanted)
    called = model if weights is None else weights
    _tell_assumed(called, info)
    clip = _clip_of(network, info, frame_order)
    return TrainedNetwork(
        network, called, clip, info.class_names, {}, _data(info), info.multi_label
    )


def _clip_of(network: keras.Model, info: WeightsInfo, frame_order: str) -> ClipConfig:
    frames, height = network.input_shape[1:3]
    taken = info.convention
    return ClipConfig(
        frames or taken.num_frames, taken.frame_stride, height or taken.image_size, frame_order
    )


def _published(
    model: str, weights: str | os.PathLike, frame_order: str, _: InflationConfig | None
) -> TrainedNetwork:
    models.get_builder(model)  # fails before the weights are looked for, if it does
    info = weights_info(model, weights)
    _tell_assumed(os.fspath(weights), info)
    taken = info.convention
    told = {"width_multiplier": info.width_multiplier, "gating": info.gating}
    bare = info.num_classes is None  # good for features
    network = models.get_model(
        model,
        1 if bare else info.num_classes,
        include_top=not bare,
        input_shape=(taken.num_frames, taken.image_size, taken.image_size, info.channels or 3),
        weights=weights,
        # What decides the shapes of weights, where their file tells it.
        **{name: value for name, value in told.items() if value is not None},
    )
    clip = ClipConfig(taken.num_frames, taken.frame_stride, taken.image_size, frame_order)
    return TrainedNetwork(
        network,
        os.fspath(weights),
        clip,
        info.class_names,
        {},
        _data(info),
        info.multi_label,
        info.embedding,
    )


def _data(info: WeightsInfo) -> dict:
    """How videos are stored for the weights, in the words of a conversion's settings."""
    names = (name for name in STORAGE if name not in info.assumed)
    return {name: getattr(info.convention, name) for name in names}
