"""The pictures of a run, under their public names."""

from video_zoo.run.plots import save_confusion_matrix as save_confusion_matrix
from video_zoo.run.plots import save_curves as save_curves
