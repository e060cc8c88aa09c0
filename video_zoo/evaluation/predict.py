"""predict: a trained network on any video file, the way that evaluation sees it."""

import dataclasses
import os
from collections.abc import Iterator, Sequence

import numpy as np

from video_zoo.data.format.encoding import EncodedClip, EncodingConfig
from video_zoo.data.videos import video
from video_zoo.inflation_config import InflationConfig
from video_zoo.run.room import enough_room
from video_zoo.run.trained import TrainedNetwork, check_scores, load_network

from .config import PredictionConfig
from .heat_maps import find_maps
from .inputs import list_inputs
from .overlay import heat_of_video, targets, write_overlay
from .views import ViewsOfVideo, encoding_of


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The classes of one video, most probable first.

    Args:
        filename: the video.
        classes: names of the top classes; none where no class reaches the threshold.
        probabilities: of each of them, in [0, 1]. They share 1, unless a clip may have several
            classes: then each is the probability that the video has it.
        problem: why there are none: the video cannot be used.
        overlays: files that show what the network looked at.
    """

    filename: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    problem: str | None = None
    overlays: tuple[str, ...] = ()


def predict(
    filenames: Sequence[str | os.PathLike] | str | os.PathLike,
    *,
    workdir: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    model: str | None = None,
    weights: str | os.PathLike | None = None,
    num_clips: int = 1,
    num_crops: int = 1,
    top: int | None = None,
    threshold: float | None = None,
    average: str = "softmax",
    frames_fps: float | None = None,
    imports: str | None = None,
    inflation: InflationConfig | None = None,
    overlay: str | os.PathLike | None = None,
    overlay_layer: str | None = None,
) -> Iterator[Prediction]:
    """Classifies video files, one after another.

    A file goes the way of a converted one (rate, size and JPEG quality of the data that the run was
    trained on, or those that published weights need), so that it gets the scores that an evaluation
    would give it.

    Args:
        filenames: video files, folders of frames, and folders that are searched for them; or a
            single one.
        workdir: folder of a run; its ``best.keras`` is taken.
        checkpoint: a ``.keras`` file instead of that.
        model: name of a builder instead, with ``weights``; or a network from elsewhere, as
            :class:`video_zoo.training.TrainingConfig` takes it.
        weights: published name or file, as its ``weights=``.
        num_clips: clips per video, evenly spaced in time.
        num_crops: 1 (centre) or 3 (along the long side) of each.
        top: number of classes to name. Defaults to 5, and with ``threshold`` to all.
        threshold: probability that a class must have to be named, in [0, 1]. Defaults to None: any.
        average: how the views of a video become one: "softmax", the mean of their probabilities,
            or "logits", the probabilities of their mean logits.
        frames_fps: frames per second of folders of frames, which tell none.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME".
        overlay: where to show what the network looks at for the top class, by
            :func:`video_zoo.grad_cam`: ``.mp4`` or ``.gif`` of one video, ``.png`` for a row of its
            frames, or a folder for any number of videos.
        overlay_layer: as ``layer`` of that function.

    Yields:
        A prediction per file, in order; for an unusable one its ``problem``.

    Raises:
        ValueError: the folders hold no videos, ``overlay`` does not fit them, or the network has no
            maps to show.
        ValueError, OSError: as :func:`load_network`.
    """
    if isinstance(filenames, str | os.PathLike):
        filenames = [filenames]
    config = PredictionConfig(
        workdir=workdir,
        checkpoint=checkpoint,
        model=model,
        weights=weights,
        imports=imports,
        inflation=inflation or InflationConfig(),
        num_clips=num_clips,
        num_crops=num_crops,
        top=top,
        threshold=threshold,
        average=average,
        frames_fps=frames_fps,
        overlay=overlay,
        overlay_layer=overlay_layer,
    )
    config.check_files()
    inputs = list_inputs(filenames, "filenames")
    overlays = targets(config.overlay, inputs)
    video.decoder_versions()  # fails before the network is loaded, if it does
    network = load_network(**config.network)
    network.check_classifier()
    if overlay is not None:
        find_maps(network.model, overlay_layer, "overlay_layer")
    encoding = encoding_of(network, "filenames", frames_fps)
    names = network.class_names or [str(index) for index in range(network.num_classes)]
    predictor = _Predictor(network, encoding, names, config)
    return (
        predictor.predict(file, paths) for (_, file), paths in zip(inputs, overlays, strict=True)
    )


class _Predictor:
    """Classifies one video after another.

    Args:
        network: of the videos.
        encoding: how they were stored that it was trained on.
        names: of its classes.
        config: which views of a video, and what to tell of it.
    """

    def __init__(
        self,
        network: TrainedNetwork,
        encoding: EncodingConfig,
        names: list[str],
        config: PredictionConfig,
    ) -> None:
        self._network, self._encoding = network, encoding
        self._names, self._config = names, config
        self._views = ViewsOfVideo(network, config.num_clips, config.num_crops)

    def predict(self, filename: str, overlays: tuple[str, ...]) -> Prediction:
        """The classes of a video; writes its overlays."""
        try:
            encoded = video.encode_clip(filename, self._encoding)
        except video.UnusableVideo as error:
            return Prediction(filename, problem=str(error))
        with enough_room("The network takes one clip at a time: use a device with more of it."):
            views = self._views(encoded.frames)
            logits = np.stack([self._network.logits(view)[0] for view in views])
            scores = self._network.scores(logits, self._config.average)
            check_scores(scores, filename)
            order = np.argsort(-scores, kind="stable")
            if overlays:
                self._show(encoded, overlays, int(order[0]), float(scores[order[0]]))
        least = self._config.threshold or 0.0
        best = [index for index in order[: self._config.most] if scores[index] >= least]
        return Prediction(
            filename,
            tuple(self._names[i] for i in best),
            tuple(float(scores[i]) for i in best),
            overlays=overlays,
        )

    def _show(
        self, encoded: EncodedClip, overlays: tuple[str, ...], best: int, probability: float
    ) -> None:
        network, config = self._network, self._config
        views = self._views(encoded.frames)
        heat = heat_of_video(network, views, encoded, config.num_crops, best, config.overlay_layer)
        for path in overlays:
            write_overlay(path, encoded, heat, self._names[best], probability, network.num_channels)
