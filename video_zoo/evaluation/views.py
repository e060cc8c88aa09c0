"""Video-level scores: the mean over the views of each video."""

import dataclasses

import numpy as np
import tensorflow as tf
import tqdm

from video_zoo.data.pipeline import data_error

from .run import TrainedNetwork


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


def score_videos(network: TrainedNetwork, dataset: tf.data.Dataset, num_views: int) -> VideoScores:
    """Scores every video of a dataset of views.

    Args:
        network: scores the clips.
        dataset: as :func:`video_zoo.data.evaluation_dataset` gives it with ``details=True``.
        num_views: views per video; each video must have as many.

    Raises:
        ValueError: the data is damaged, or a video had another number of views.
    """
    probabilities, labels, videos, filenames = [], [], [], []
    try:
        for clips, label, about in tqdm.tqdm(dataset, desc="scoring", unit="batch"):
            probabilities.append(network.probabilities(clips))
            labels.append(label.numpy())
            videos.append(about["video"].numpy())
            filenames.extend(about["filename"].numpy())
    except tf.errors.InvalidArgumentError as error:
        raise data_error(error) from error
    number, first, counts = np.unique(np.concatenate(videos), return_index=True, return_counts=True)
    if not np.all(counts == num_views):
        raise ValueError(
            f"`num_views` must be the number of views of every video. Received: "
            f"num_views={num_views}, and videos have {sorted(set(counts.tolist()))}"
        )
    scores = np.concatenate(probabilities).astype(np.float64)
    return VideoScores(
        [filenames[i].decode("utf-8", "replace") for i in first],
        np.concatenate(labels)[first],
        scores.reshape(len(number), num_views, -1).mean(axis=1),
    )
