"""A trained network with what its run, or its weights, know: class names, clips, conversion."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping

import keras
import numpy as np

from video_zoo import file_content, models
from video_zoo.data import manifests
from video_zoo.data.pipeline import ClipConfig
from video_zoo.models.weights import WeightsInfo, check_finite, find, weights_info

CONFIG, BEST = "config.json", "best.keras"


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
    """

    model: keras.Model
    checkpoint: str
    clip: ClipConfig
    class_names: list[str] | None
    training: Mapping
    data: Mapping

    @property
    def num_classes(self) -> int:
        return self.model.output_shape[-1]

    @property
    def num_channels(self) -> int:
        return self.model.input_shape[-1]

    def check_channels(self, channels: int, wanted: str) -> None:
        """Raises ValueError, which begins with ``wanted``, if clips have other channels."""
        if channels != self.num_channels:
            raise ValueError(
                f"{wanted} of {self.num_channels} channels, as the network "
                f"{self.checkpoint!r} takes: 3 are colours, 2 are optical flow. Received: clips of "
                f"{channels} channels. Take a network or weights of the same kind."
            )

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 [batch, num_classes], of clips in [-1, 1]."""
        outputs = np.asarray(self.model.predict_on_batch(clips), np.float32)
        activation = getattr(self.model.layers[-1], "activation", None)
        if activation is keras.activations.softmax:
            return outputs
        with np.errstate(invalid="ignore"):  # `check_scores` tells, with the name of the video
            exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)


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
) -> TrainedNetwork:
    """Loads ``best.keras`` of a run, any ``.keras`` file, or a builder with published weights.

    Args:
        workdir: folder of a run of :func:`video_zoo.training.train`.
        checkpoint: a ``.keras`` file. With ``workdir`` too, the run's settings belong to it.
        model: name of a builder, with ``weights``.
        weights: published name or file, as its ``weights=``. Clips, their storage and the class
            names are as they need them.
        frame_order: order of the frames of a clip.

    Raises:
        ValueError: none of these, or both kinds, are given, the file is no Keras model, or it takes
            clips of any size and nothing says which.
        FileNotFoundError: there is no such run or file.
        OSError: published weights cannot be fetched.
    """
    given = workdir is not None or checkpoint is not None
    if (model is None) != (weights is None) or given == (model is not None):
        raise ValueError(
            "one of `workdir` and `checkpoint` must be given, or both `model` and `weights`. "
            f"Received: workdir={_told(workdir)}, checkpoint={_told(checkpoint)}, "
            f"model={_told(model)}, weights={_told(weights)}"
        )
    if model is not None:
        return _published(model, weights, frame_order)
    run = RunFile({}, []) if workdir is None else read_config(pathlib.Path(workdir))
    path = pathlib.Path(checkpoint) if checkpoint is not None else pathlib.Path(workdir, BEST)
    if not path.is_file():
        argument = "workdir" if checkpoint is None else "checkpoint"
        raise FileNotFoundError(
            f"`{argument}` must lead to a saved network. Received: {argument} with {str(path)!r}, "
            "which does not exist. A run writes its first one at the end of its first epoch."
        )
    network = _load(path)
    training = run.training
    frames, height, _, _ = network.input_shape[1:]
    frames, size = frames or training.get("num_frames"), height or training.get("image_size")
    if frames is None or size is None:
        raise ValueError(
            "`workdir` must be given for a network of variable input size: its run says which "
            f"clips to feed. Received: checkpoint={str(path)!r}"
        )
    clip = ClipConfig(frames, training.get("frame_stride", 1), size, frame_order)
    if workdir is None and path.suffix == ".keras":  # other files tell nothing
        info = find(None, path).info
        return TrainedNetwork(network, str(path), clip, info.class_names, training, _data(info))
    names = None if workdir is None else run.class_names
    return TrainedNetwork(network, str(path), clip, names, training, run.data or {})


def _told(value: str | os.PathLike | None) -> str:
    return repr(value if value is None else os.fspath(value))


def _load(path: pathlib.Path) -> keras.Model:
    try:
        network = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"`checkpoint` must be a '.keras' file. Received: checkpoint={str(path)!r} ({error})"
        ) from error
    check_finite(network.weights, f"checkpoint={str(path)!r}")
    if len(network.outputs) > 1:  # the auxiliary classifier has done its work
        network = keras.Model(network.inputs, network.outputs[0], name=network.name)
    return network


def _published(model: str, weights: str | os.PathLike, frame_order: str) -> TrainedNetwork:
    models.get_builder(model)  # fails before the weights are looked for, if it does
    info = weights_info(model, weights)
    if info.num_classes is None:
        raise ValueError(
            f"`weights` must have a classifier. Received: weights={os.fspath(weights)!r}"
        )
    taken = info.convention
    network = models.get_model(
        model,
        info.num_classes,
        input_shape=(taken.num_frames, taken.image_size, taken.image_size, info.channels or 3),
        weights=weights,
    )
    clip = ClipConfig(taken.num_frames, 1, taken.image_size, frame_order)
    return TrainedNetwork(network, os.fspath(weights), clip, info.class_names, {}, _data(info))


def _data(info: WeightsInfo) -> dict:
    """How videos are stored for the weights, in the words of a conversion's settings."""
    if not info.convention_known:
        return {}
    taken = info.convention
    return {"fps": taken.fps, "short_side": taken.short_side, "modality": taken.modality}


@dataclasses.dataclass(frozen=True)
class RunFile:
    """What is read of the ``config.json`` of a run.

    Args:
        training: settings of the run.
        class_names: its label map.
        data: settings of the conversion of its shards, None where they had no manifest.
    """

    training: Mapping[str, object]
    class_names: list[str]
    data: Mapping[str, object] | None = None


@dataclasses.dataclass(frozen=True)
class _Training:
    """The settings of a run that are needed after it."""

    data_dir: str | None = None
    num_frames: int | None = None
    image_size: int | None = None
    frame_stride: int = 1


def read_config(workdir: pathlib.Path) -> RunFile:
    """The ``config.json`` of a run.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is none of a run; the field that is wrong is named.
    """
    path = workdir / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"`workdir` must be the folder of a training run, with {CONFIG} in it. "
            f"Received: workdir={str(workdir)!r}"
        )
    remedy = "Take the file as the run wrote it."
    content = file_content.read_json(path, RunFile, remedy)
    file_content.check({"training": content.training}, Mapping[str, _Training], path, remedy)
    if content.data is not None:
        manifests.check_storage(content.data, path, "data", remedy)
    return content
