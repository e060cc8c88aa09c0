"""Networks from tables. Knows nothing of data; runs on every Keras backend."""

import importlib

from video_zoo import known_names
from video_zoo.published import list_weights

from .complexity import count_macs, count_parameters
from .inference import optimize_for_inference
from .inflation import inflate, register_inflation
from .inflation.graph import UncopyableNetworkError
from .overview import summary
from .registry import get_builder, get_model, list_models, register
from .tables.spec import TemporalPlan, bottom_heavy, top_heavy
from .transfer import feature_extractor, freeze, replace_head, unfreeze
from .two_stream import two_stream
from .weights.labels import class_names
from .weights.load import weights_info

__all__ = [  # and the networks, below
    "TemporalPlan",
    "UncopyableNetworkError",
    "bottom_heavy",
    "class_names",
    "count_macs",
    "count_parameters",
    "feature_extractor",
    "freeze",
    "get_builder",
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
]

# A network is imported by its row there.
for _name, _module in known_names.NETWORKS.items():
    globals()[_name] = getattr(importlib.import_module(f".{_module}", __name__), _name)
    __all__ += [_name]
