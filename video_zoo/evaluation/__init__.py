"""Video-level scores, metrics and pictures of trained networks."""

import lazy_loader

from video_zoo.backend import load_keras_first

load_keras_first()

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": [
            "EvaluationConfig",
            "ExtractionConfig",
            "KernelsConfig",
            "PredictionConfig",
            "TwoStreamConfig",
        ],
        "evaluate": ["describe", "evaluate"],
        "feature_files": ["VideoFeatures", "read_features"],
        "features": ["ExtractionResult", "extract_features"],
        "frechet": ["frechet_video_distance"],
        "heat_maps": ["HeatMaps", "grad_cam"],
        "kernels": ["save_kernels"],
        "metrics": ["video_metrics"],
        "predict": ["Prediction", "predict"],
        "plots": ["save_confusion_matrix", "save_curves"],
        "two_stream": ["evaluate_two_stream"],
        "views": ["VideoScores", "score_videos"],
    },
)
