"""The views of a video as clips, and video-level scores: the mean over the views of each video."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tqdm

from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.input import transforms
from video_zoo.data.input.clips import NO_PLACE, decode_clips, gather_clips, views
from video_zoo.data.input.records import named_errors
from video_zoo.data.input.source import Split
from video_zoo.run.trained import TrainedNetwork, check_scores

from .memory import enough_memory


def encoding_of(network: TrainedNetwork) -> EncodingConfig:
    """How the videos were stored that ``network`` was trained on; defaults where nothing tells."""
    known = {field.name for field in dataclasses.fields(EncodingConfig)}
    return EncodingConfig(**{k: v for k, v in network.data.items() if k in known})


def clips_of_video(
    frames: Sequence[bytes],
    network: TrainedNetwork,
    num_clips: int,
    num_crops: int,
    place: tuple[str, int] = NO_PLACE,
) -> tf.data.Dataset:
    """The views of one video as ``network`` takes them, decoded side by side.

    Args:
        frames: all frames of the video as JPEGs.
        network: says which clips.
        num_clips: clips, evenly spaced in time.
        num_crops: 1 (centre) or 3 (along the long side) of each.
        place: shard and record of the video. Defaults to none.

    Returns:
        A dataset of float32 [time, height, width, channels] in [-1, 1].
    """
    clip = network.clip
    seed = tf.constant([0, 0], tf.int64)
    chosen = views(tf.constant(frames), clip, num_clips, num_crops, seed, place)
    decoded = decode_clips(chosen, clip, network.num_channels)
    clips = gather_clips(decoded, clip.num_frames, 1, drop_remainder=True)
    return clips.map(lambda pixels, _about: transforms.normalise(pixels[0]))


@dataclasses.dataclass(frozen=True)
class VideoScores:
    """Scores of the videos of a split, in its order.

    Args:
        filenames: one per video.
        labels: int [num_videos].
        scores: float64 [num_videos, num_classes], mean class probabilities over the views.
    """

    filenames: list[str]
    labels: np.ndarray
    scores: np.ndarray


def score_videos(
    network: TrainedNetwork,
    dataset: tf.data.Dataset,
    num_views: int,
    sources: Sequence[Split] = (),
) -> VideoScores:
    """Scores every video of a dataset of views.

    Args:
        network: scores the clips.
        dataset: as :func:`video_zoo.data.evaluation_dataset` gives it with ``details=True`` and
            ``dtype="uint8"``.
        num_views: views per video; each video must have as many.
        sources: the splits that it reads, for the errors of bad records.

    Raises:
        ValueError: the data is damaged, or a video had another number of views.
    """
    probabilities, labels, videos, filenames = [], [], [], []
    with named_errors(*sources), enough_memory("Lower `batch_size`."):
        for batch, label, about in tqdm.tqdm(dataset, desc="scoring", unit="batch"):
            inputs = tf.nest.map_structure(transforms.normalise, batch)
            probabilities.append(network.probabilities(inputs))
            labels.append(label.numpy())
            videos.append(about["video"].numpy())
            filenames.extend(about["filename"].numpy())
    if not videos:
        raise ValueError(
            "`dataset` must have videos. Received: none, as no record of the split can be used. "
            "tools/inspect_dataset.py tells why."
        )
    # The views of a video may come between those of others.
    order = np.argsort(np.concatenate(videos), kind="stable")
    videos = np.concatenate(videos)[order]
    number, first, counts = np.unique(videos, return_index=True, return_counts=True)
    if not np.all(counts == num_views):
        raise ValueError(
            f"`num_views` must be the number of views of every video. Received: "
            f"num_views={num_views}, and videos have {sorted(set(counts.tolist()))}"
        )
    names = [filenames[i].decode("utf-8", "surrogateescape") for i in order[first]]
    scores = np.concatenate(probabilities).astype(np.float64)[order]
    scores = scores.reshape(len(number), num_views, -1).mean(axis=1)
    for name, row in zip(names, scores, strict=True):
        check_scores(row, name)
    return VideoScores(names, np.concatenate(labels)[order[first]], scores)
