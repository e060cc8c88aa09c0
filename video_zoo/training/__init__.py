"""Training with ``model.fit``: recipe, distribution, checkpoints, resume."""

import lazy_loader

from video_zoo.backend import load_keras_first

load_keras_first()

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpoint": ["latest_checkpoint"],
        "config": ["TrainingConfig"],
        "distribution.strategy": ["make_strategy"],
        "loop": ["TrainingResult", "train"],
    },
)
