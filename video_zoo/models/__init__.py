"""Networks from tables. Knows nothing of data; runs on every Keras backend."""

from .complexity import count_macs, count_parameters
from .i3d import i3d
from .registry import get_builder, get_model, list_models
from .s3d import s3d_v1, s3d_v3, s3d_v3_top_heavy
from .spec import TemporalPlan, bottom_heavy, top_heavy

__all__ = [
    "TemporalPlan",
    "bottom_heavy",
    "count_macs",
    "count_parameters",
    "get_builder",
    "get_model",
    "i3d",
    "list_models",
    "s3d_v1",
    "s3d_v3",
    "s3d_v3_top_heavy",
    "top_heavy",
]
