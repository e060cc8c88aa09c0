"""Networks of a comparison with scores made by hand, without a training."""

import pathlib

import numpy as np

from video_zoo.comparison.contestants import Run
from video_zoo.evaluation.results import numbers_of
from video_zoo.evaluation.views import VideoScores

NAMES = ["run & jump", "<script>alert(1)</script>", "跳舞"]


def make_run(right, labels, seed=0, several=False):
    """A run that is right about these videos."""
    labels = np.array(labels)
    if several:
        truth = np.eye(3, dtype=np.float32)[labels]
        scores = np.where(np.array(right)[:, None], truth, 1 - truth) * 0.8 + 0.1
    else:
        truth, best = labels, np.where(right, labels, (labels + 1) % 3)
        scores = np.eye(3)[best] * 0.7 + 0.1
    filenames = [f"videos/{number}.mp4" for number in range(len(labels))]
    result = VideoScores(filenames, truth, scores)
    measure = "mean_ap" if several else "top1"
    history = [
        {"epoch": epoch, "step": epoch * 4, "seconds": 60.0 * epoch, "learning_rate": 0.1}
        | {"loss": 1 / epoch, measure: 0.5, "val_loss": 1 / epoch + seed / 10}
        | {f"val_{measure}": 0.5 + epoch / 20, "clips_per_second": 100.0, "input_wait": 0.0}
        for epoch in (1, 2, 3)
    ]
    facts = {"trainable_parameters": 10**6, "frozen_parameters": 5 * 10**5, "gmacs": 1.5}
    protocol = {"num_clips": 2, "num_crops": 3, "average": "softmax"}
    protocol |= {"num_frames": 16, "image_size": 64, "frame_order": "sequential"}
    numbers = numbers_of(result, NAMES)
    folder = pathlib.Path("nowhere")
    training = {"data_dir": "nowhere", "val_split": "val"}
    return Run(folder, training, facts, history, result, NAMES, numbers, protocol)
