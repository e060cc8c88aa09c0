"""A trained network with what its run knows: class names, clips, how videos were converted."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping

import keras
import numpy as np

from video_zoo.data.pipeline import ClipConfig

CONFIG, BEST = "config.json", "best.keras"


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A network ready to score clips.

    Args:
        model: the network, with one output.
        checkpoint: the file that it was loaded from.
        clip: the clips that it takes.
        class_names: name of each output, or None where only a checkpoint is known.
        training: the settings of the run, empty where only a checkpoint is known.
        data: the settings of the conversion that the run was trained on, likewise.
    """

    model: keras.Model
    checkpoint: pathlib.Path
    clip: ClipConfig
    class_names: list[str] | None
    training: Mapping
    data: Mapping

    @property
    def num_classes(self) -> int:
        return self.model.output_shape[-1]

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 [batch, num_classes], of clips in [-1, 1]."""
        outputs = np.asarray(self.model.predict_on_batch(clips), np.float32)
        activation = getattr(self.model.layers[-1], "activation", None)
        if activation is keras.activations.softmax:
            return outputs
        exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)


def load_network(
    workdir: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    *,
    frame_order: str = "sequential",
) -> TrainedNetwork:
    """Loads ``best.keras`` of a run, or any ``.keras`` file.

    Args:
        workdir: folder of a run of :func:`video_zoo.training.train`.
        checkpoint: a ``.keras`` file. With ``workdir`` too, the run's settings belong to it.
        frame_order: order of the frames of a clip.

    Raises:
        ValueError: neither is given, the file is no Keras model, or it takes clips of any size and
            no run says which.
        FileNotFoundError: there is no such run or file.
    """
    if workdir is None and checkpoint is None:
        raise ValueError("one of `workdir` and `checkpoint` must be given. Received: neither")
    run = {} if workdir is None else _read_config(pathlib.Path(workdir))
    path = pathlib.Path(checkpoint) if checkpoint is not None else pathlib.Path(workdir, BEST)
    if not path.is_file():
        argument = "workdir" if checkpoint is None else "checkpoint"
        raise FileNotFoundError(
            f"`{argument}` must lead to a saved network. Received: {argument} with {str(path)!r}, "
            "which does not exist. A run writes its first one at the end of its first epoch."
        )
    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"`checkpoint` must be a '.keras' file. Received: checkpoint={str(path)!r} ({error})"
        ) from error
    if len(model.outputs) > 1:  # the auxiliary classifier has done its work
        model = keras.Model(model.inputs, model.outputs[0], name=model.name)
    training = run.get("training", {})
    frames, height, _, _ = model.input_shape[1:]
    frames, size = frames or training.get("num_frames"), height or training.get("image_size")
    if frames is None or size is None:
        raise ValueError(
            "`workdir` must be given for a network of variable input size: its run says which "
            f"clips to feed. Received: checkpoint={str(path)!r}"
        )
    clip = ClipConfig(frames, training.get("frame_stride", 1), size, frame_order)
    names = run.get("class_names")
    return TrainedNetwork(model, path, clip, names, training, run.get("data") or {})


def _read_config(workdir: pathlib.Path) -> dict:
    path = workdir / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"`workdir` must be the folder of a training run, with {CONFIG} in it. "
            f"Received: workdir={str(workdir)!r}"
        )
    return json.loads(path.read_text())
