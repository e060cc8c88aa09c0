"""Video-level scores, metrics and pictures of trained networks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluate": ["EvaluationConfig", "describe", "evaluate"],
        "feature_files": ["VideoFeatures", "read_features"],
        "features": ["ExtractionConfig", "ExtractionResult", "extract_features"],
        "metrics": ["video_metrics"],
        "predict": ["Prediction", "predict"],
        "plots": ["save_confusion_matrix", "save_curves"],
        "two_stream": ["TwoStreamConfig", "evaluate_two_stream"],
        "views": ["VideoScores", "score_videos"],
    },
)
