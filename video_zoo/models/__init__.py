"""Networks from tables. Knows nothing of data; runs on every Keras backend."""

from video_zoo.published import list_weights

from .complexity import count_macs, count_parameters
from .i3d import i3d
from .inflation import inflate, register_inflation
from .overview import summary
from .registry import get_builder, get_model, list_models
from .resnet import mc3_18, r2plus1d_18, r3d_18
from .s3d import s3d_v1, s3d_v3, s3d_v3_top_heavy
from .tables.spec import TemporalPlan, bottom_heavy, top_heavy
from .transfer import feature_extractor, freeze, replace_head, unfreeze
from .two_stream import two_stream
from .weights.labels import class_names
from .weights.load import weights_info

__all__ = [
    "TemporalPlan",
    "bottom_heavy",
    "class_names",
    "count_macs",
    "count_parameters",
    "feature_extractor",
    "freeze",
    "get_builder",
    "get_model",
    "i3d",
    "inflate",
    "list_models",
    "list_weights",
    "mc3_18",
    "r2plus1d_18",
    "r3d_18",
    "register_inflation",
    "replace_head",
    "s3d_v1",
    "s3d_v3",
    "s3d_v3_top_heavy",
    "summary",
    "top_heavy",
    "two_stream",
    "unfreeze",
    "weights_info",
]
