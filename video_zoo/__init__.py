"""video_zoo: action-recognition networks, data and training for Keras 3.

The names below are loaded when they are first used. So ``import video_zoo`` is quick, needs neither
OpenCV nor matplotlib, and the networks never import the TensorFlow-only parts (``data``,
``training``, ``evaluation``), whatever Keras backend is set.
"""

import os
import sys

import lazy_loader

from .known_names import NETWORKS

# Without AVX-512 TensorFlow leaves its oneDNN kernels off, and training is up to 14 times slower.
# It looks once, when it is imported; a choice of the user's stands.
if "tensorflow" not in sys.modules:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["data", "evaluation", "models", "quickstart", "training"],
    submod_attrs={
        "evaluation": ["frechet_video_distance", "grad_cam", "save_kernels"],
        "models": [
            *NETWORKS,
            "TemporalPlan",
            "UncopyableNetworkError",
            "bottom_heavy",
            "class_names",
            "count_macs",
            "count_parameters",
            "feature_extractor",
            "freeze",
            "get_model",
            "inflate",
            "list_models",
            "list_weights",
            "optimize_for_inference",
            "register",
            "register_inflation",
            "replace_head",
            "summary",
            "top_heavy",
            "two_stream",
            "unfreeze",
            "weights_info",
        ],
    },
)
