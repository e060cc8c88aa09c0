"""video_zoo: action-recognition networks, data and training for Keras 3.

The names below are loaded when they are first used. So ``import video_zoo`` is quick, needs neither
OpenCV nor matplotlib, and the networks never import the TensorFlow-only parts (``data``,
``training``, ``evaluation``), whatever Keras backend is set.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["data", "evaluation", "models", "quickstart", "training"],
    submod_attrs={
        "models": [
            "TemporalPlan",
            "bottom_heavy",
            "count_macs",
            "count_parameters",
            "get_model",
            "i3d",
            "list_models",
            "s3d_v1",
            "s3d_v3",
            "s3d_v3_top_heavy",
            "top_heavy",
        ],
    },
)
