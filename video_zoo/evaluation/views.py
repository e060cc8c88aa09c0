"""The views of a video as clips, and video-level scores: the mean over the views of each video."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
import tqdm

from video_zoo import errors
from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.format.modality import channels_of
from video_zoo.data.input import transforms
from video_zoo.data.input.clips import NO_PLACE, decode_clips, gather_clips, views
from video_zoo.data.input.records import named_errors
from video_zoo.data.input.source import Split
from video_zoo.data.videos import video
from video_zoo.run.devices import OnDevices
from video_zoo.run.room import enough_room
from video_zoo.run.trained import TrainedNetwork, check_scores


def encoding_of(
    network: TrainedNetwork, argument: str, frames_fps: float | None = None
) -> EncodingConfig:
    """How the videos were stored that ``network`` was trained on; defaults where nothing tells.

    Args:
        network: is to see videos.
        argument: what they were given as, for the messages.
        frames_fps: of folders of frames.

    Raises:
        ValueError: the network takes other clips.
        ImportError: a library that decodes them is missing.
    """
    known = {field.name for field in dataclasses.fields(EncodingConfig)}
    stored = {k: v for k, v in network.data.items() if k in known}
    encoding = EncodingConfig(**stored | {"frames_fps": frames_fps})
    network.check_channels(channels_of(encoding.modality), f"`{argument}` must be videos")
    video.decoder_versions(encoding.modality)
    return encoding


class ViewsOfVideo:
    """The views of one video after another, as a network takes them.

    Their graph is made once: to make it takes longer than to decode a short video.

    Args:
        network: says which clips.
        num_clips: clips, evenly spaced in time.
        num_crops: 1 (centre) or 3 (along the long side) of each.
        batch_size: views that are decoded at once, side by side.
    """

    def __init__(
        self, network: TrainedNetwork, num_clips: int, num_crops: int, batch_size: int = 1
    ) -> None:
        self._network, self._num_clips, self._num_crops = network, num_clips, num_crops
        self._starts = range(0, num_clips * num_crops, batch_size)
        self._batch_size = batch_size
        text, number = tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)
        frames = tf.TensorSpec([None], tf.string)
        self._batch = tf.function(self._views, input_signature=[frames, text, number, number])

    def _views(
        self, frames: tf.Tensor, shard: tf.Tensor, record: tf.Tensor, first: tf.Tensor
    ) -> tf.Tensor:
        clip, seed = self._network.clip, tf.constant([0, 0], tf.int64)
        chosen = views(frames, clip, self._num_clips, self._num_crops, seed, (shard, record))
        chosen = chosen.skip(first).take(self._batch_size)
        decoded = decode_clips(chosen, clip, self._network.num_channels)
        clips = gather_clips(decoded, clip.num_frames, self._batch_size)
        return transforms.normalise(clips.get_single_element()[0])

    def __call__(
        self, frames: Sequence[bytes], place: tuple[str, int] = NO_PLACE
    ) -> Iterator[np.ndarray]:
        """Batches of views, float32 [views, time, height, width, channels] in [-1, 1].

        Args:
            frames: all frames of the video as JPEGs.
            place: shard and record of the video. Defaults to none.
        """
        frames, (shard, record) = tf.constant(frames), place
        for first in self._starts:
            yield self._batch(frames, shard, tf.constant(record, tf.int64), first).numpy()


@dataclasses.dataclass(frozen=True)
class VideoScores:
    """Scores of the videos of a split, in its order.

    Args:
        filenames: one per video.
        labels: int [num_videos]; where a video may have several classes, float32 [num_videos,
            num_classes], 1 for each of them.
        scores: float64 [num_videos, num_classes], class probabilities over the views.
    """

    filenames: list[str]
    labels: np.ndarray
    scores: np.ndarray


def score_videos(
    network: TrainedNetwork,
    dataset: tf.data.Dataset,
    num_views: int,
    sources: Sequence[Split] = (),
    average: str = "softmax",
    devices: Sequence[str] = (),
) -> VideoScores:
    """Scores every video of a dataset of views.

    Args:
        network: scores the clips.
        dataset: as :func:`video_zoo.data.evaluation_dataset` gives it with ``details=True`` and
            ``dtype="uint8"``.
        num_views: views per video; each video must have as many.
        sources: the splits that it reads, for the errors of bad records.
        average: how the views of a video become one, as :meth:`TrainedNetwork.scores` does.
            Defaults to "softmax".
        devices: to run on, as of :func:`video_zoo.run.devices.find_devices`. Defaults to none:
            wherever the network is.

    Raises:
        ValueError: the data is damaged, or a video had another number of views.
    """
    scorer = OnDevices(network, devices)
    logits, labels, videos, filenames = [], [], [], []
    with named_errors(*sources), enough_room("Lower `batch_size`."):
        for batch, label, about in tqdm.tqdm(dataset, desc="scoring", unit="batch"):
            inputs = tf.nest.map_structure(transforms.normalise, batch)
            logits.append(scorer.logits(inputs))
            labels.append(label.numpy())
            videos.append(about["video"].numpy())
            filenames.extend(about["filename"].numpy())
    if not videos:
        raise ValueError(
            "`dataset` must have videos. Received: none, as no record of the split can be used. "
            f"{errors.INSPECT} tells why."
        )
    # The views of a video may come between those of others.
    order = np.argsort(np.concatenate(videos), kind="stable")
    videos = np.concatenate(videos)[order]
    number, first, counts = np.unique(videos, return_index=True, return_counts=True)
    if not np.all(counts == num_views):
        place = f", and videos have {sorted(set(counts.tolist()))}"
        allowed = "the number of views of every video"
        raise errors.refusal("num_views", allowed, num_views, place=place)
    names = [filenames[i].decode("utf-8", "surrogateescape") for i in order[first]]
    by_video = np.concatenate(logits)[order].reshape(len(number), num_views, -1)
    scores = network.scores(by_video, average)
    for name, row in zip(names, scores, strict=True):
        check_scores(row, name)
    return VideoScores(names, np.concatenate(labels)[order[first]], scores)
