"""Video files -> TFRecord shards -> ``tf.data`` batches of clips. Knows nothing of networks.

Names load when first used: the worker processes of a conversion import :mod:`video_zoo.data.video`
and must not pay for TensorFlow.
"""

import lazy_loader

from video_zoo.backend import load_keras_first

load_keras_first()

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augmentation_config": ["AugmentationConfig"],
        "inspection": ["DatasetReport", "inspect_dataset"],
        "inspection_config": ["InspectionConfig"],
        "annotations": ["Clip", "read_annotations"],
        "conversion_config": ["ConversionConfig"],
        "conversion": ["ConversionResult", "convert", "merge"],
        "pipeline": ["evaluation_dataset", "training_dataset"],
        "clips": ["ClipConfig"],
        "synthetic": ["write_motion_videos"],
        "manifests": ["Manifest", "load_label_map", "load_manifest"],
        "tfrecord": ["list_shards"],
        "video": ["EncodingConfig", "UnusableVideo", "encode_clip"],
    },
)
