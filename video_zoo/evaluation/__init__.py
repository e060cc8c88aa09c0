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
            "ProbeConfig",
        ],
        "demo": ["demo"],
        "demo_config": ["DemoConfig"],
        "joint_config": ["FusionConfig", "TwoStreamConfig"],
        "evaluate": ["evaluate"],
        "feature_files": ["VideoFeatures", "read_features"],
        "features": ["ExtractionResult", "extract_features"],
        "frechet": ["frechet_video_distance"],
        "fusion": ["fuse", "recompute"],
        "metrics": ["multi_label_metrics", "video_metrics"],
        "heat_maps": ["HeatMaps", "grad_cam"],
        "kernels": ["save_kernels"],
        "predict": ["predict", "predict_videos"],
        "prediction": ["Prediction"],
        "prediction_config": ["PredictionConfig"],
        "probe": ["describe_probe", "probe"],
        "plots": ["save_confusion_matrix", "save_curves"],
        "results": ["describe"],
        "score_files": ["read_scores"],
        "timeline": ["Segment", "Timeline"],
        "two_stream": ["evaluate_two_stream"],
        "views": ["VideoScores", "score_videos"],
    },
)
