"""predict: a trained network on any video file, the way that evaluation sees it."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tqdm

from video_zoo.data.format.encoding import EncodedClip, EncodingConfig
from video_zoo.data.videos import video
from video_zoo.files import whole_files
from video_zoo.inflation_config import InflationConfig
from video_zoo.lettering import lettered
from video_zoo.run.room import enough_room
from video_zoo.run.trained import TrainedNetwork, check_scores, load_network

from .config import STRIP
from .heat_maps import find_maps
from .inputs import list_inputs
from .overlay import heat_of_video, targets, write_overlay
from .prediction import Prediction
from .prediction_config import PredictionConfig
from .prediction_files import save_timeline, write_film, write_predictions
from .timeline import Timeline, Windows, make_timeline
from .views import ViewsOfVideo, encoding_of

_INTERRUPTED = "interrupted"


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
    return predict_videos(filenames, config)


def predict_videos(
    filenames: Sequence[str | os.PathLike], config: PredictionConfig, *, progress: bool = False
) -> Iterator[Prediction | Timeline]:
    """Classifies videos one after another, and writes the files that ``config`` names.

    Args:
        filenames: video files, folders of frames, folders and patterns (``clips/*.mp4``) that are
            searched; with ``config.step`` also ``camera:0`` and ``rtsp://...``.
        config: the network, and what to tell of a video.
        progress: whether to show how far a timeline is. Defaults to False.

    Yields:
        A prediction per video, or with ``config.step`` a :class:`Timeline`. The files for all
        videos are written when the last is done, or when it is interrupted.

    Raises:
        ValueError, OSError: as :func:`predict`.

    Example:
        >>> config = PredictionConfig(workdir="RUN", step=1.0, timeline="when.png")
        >>> timeline, = predict_videos(["long.mp4"], config)  # doctest: +SKIP
    """
    config.check_files()
    inputs = list_inputs(filenames, "filenames")
    config.check_live([file for _, file in inputs])
    overlays = targets(config.overlay, inputs, "overlay", config.overlay_endings)
    pictures = targets(config.timeline, inputs, "timeline", (STRIP,))
    video.decoder_versions()  # fails before the network is loaded, if it does
    network = load_network(**config.network)
    network.check_classifier()
    if config.overlay is not None and config.step is None:
        find_maps(network.model, config.overlay_layer, "overlay_layer")
    written = {
        "overlay": itertools.chain(*overlays),
        "timeline": itertools.chain(*pictures),
        "json": filter(None, [config.json]),
        "csv": filter(None, [config.csv]),
    }
    for argument, paths in written.items():
        for path in paths:
            whole_files.check_file_place(path, argument)
    encoding = encoding_of(network, "filenames", config.frames_fps)
    if config.step is None:
        found = Predictor(network, encoding, config).predict
    else:
        found = Timelines(network, encoding, config, progress).look
    return _one_by_one(found, inputs, overlays, pictures, config)


def _one_by_one(
    look: Callable[..., Iterator[Prediction | Timeline]],
    inputs: Sequence[tuple[str, str]],
    overlays: Sequence[tuple[str, ...]],
    pictures: Sequence[tuple[str, ...]],
    config: PredictionConfig,
) -> Iterator[Prediction | Timeline]:
    found = []
    try:
        for (_, file), *paths in zip(inputs, overlays, pictures, strict=True):
            for each in look(file, *paths):
                found.append(each)  # also where what is drawn of it fails, or is interrupted
            yield found[-1]
            if found[-1].problem == _INTERRUPTED:
                raise KeyboardInterrupt
    finally:
        write_predictions(found, config.json, config.csv, config.most)


class Timelines:
    """Slides a window over one video after another.

    Args:
        network: of the windows.
        encoding: how videos were stored that it was trained on.
        config: the window, and what to tell of it.
        progress: whether to show how far it is.
    """

    def __init__(
        self,
        network: TrainedNetwork,
        encoding: EncodingConfig,
        config: PredictionConfig,
        progress: bool,
    ) -> None:
        self._names, self._config, self._encoding = network.names, config, encoding
        self._multi_label, self._progress = network.multi_label, progress
        self._windows = Windows(
            network,
            encoding,
            config.step,
            config.num_crops,
            config.batch_size,
            config.average,
            config.max_seconds,
        )

    def look(
        self, filename: str, films: Sequence[str], pictures: Sequence[str]
    ) -> Iterator[Timeline]:
        """Gives the timeline of a video, and then writes its film and picture.

        Ctrl-C ends the video, as it must that of a camera. What was seen of it is told.
        """
        found, problem = [], None
        bar = tqdm.tqdm(desc=lettered(filename), unit=" windows", disable=not self._progress)
        try:
            with bar:
                for window in self._windows(filename):
                    found.append(window)
                    start, end, scores = window
                    best = int(scores.argmax())
                    told = f"{start:.1f} to {end:.1f} s: {scores[best]:.0%} {self._names[best]}"
                    bar.set_postfix_str(told, refresh=False)
                    bar.update()
        except video.UnusableVideo as error:
            problem = str(error)
        except KeyboardInterrupt:
            problem = _INTERRUPTED
            if not found:
                raise
        config = self._config
        timeline = make_timeline(
            filename,
            found,
            self._names,
            config.smoothing,
            config.threshold,
            self._multi_label,
            problem,
        )
        yield timeline
        if found:
            for path in pictures:
                save_timeline(timeline, path)
            for path in () if problem == _INTERRUPTED else films:
                write_film(timeline, self._encoding, path)


class Predictor:
    """Classifies one video after another.

    Args:
        network: of the videos.
        encoding: how they were stored that it was trained on.
        config: which views of a video, and what to tell of it.
    """

    def __init__(
        self,
        network: TrainedNetwork,
        encoding: EncodingConfig,
        config: PredictionConfig,
    ) -> None:
        self._network, self._encoding = network, encoding
        self._names, self._config = network.names, config
        self._views = ViewsOfVideo(network, config.num_clips, config.num_crops)

    def predict(
        self, filename: str, overlays: tuple[str, ...], _: tuple[str, ...] = ()
    ) -> Iterator[Prediction]:
        """Gives the classes of a video, and then writes its overlays."""
        try:
            encoded = video.encode_clip(filename, self._encoding)
        except video.UnusableVideo as error:
            yield Prediction(filename, problem=str(error))
            return
        with enough_room("The network takes one clip at a time: use a device with more of it."):
            views = self._views(encoded.frames)
            logits = np.stack([self._network.logits(view)[0] for view in views])
            scores = self._network.scores(logits, self._config.average)
            check_scores(scores, filename)
            order = np.argsort(-scores, kind="stable")
            least = self._config.threshold or 0.0
            best = [index for index in order[: self._config.most] if scores[index] >= least]
            yield Prediction(
                filename,
                tuple(self._names[i] for i in best),
                tuple(float(scores[i]) for i in best),
                overlays=overlays,
            )
            if overlays:
                self._show(encoded, overlays, int(order[0]), float(scores[order[0]]))

    def _show(
        self, encoded: EncodedClip, overlays: tuple[str, ...], best: int, probability: float
    ) -> None:
        network, config = self._network, self._config
        views = self._views(encoded.frames)
        heat = heat_of_video(network, views, encoded, config.num_crops, best, config.overlay_layer)
        for path in overlays:
            write_overlay(path, encoded, heat, self._names[best], probability, network.num_channels)
