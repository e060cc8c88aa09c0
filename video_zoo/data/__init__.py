"""Video files -> TFRecord shards -> ``tf.data`` batches of clips. Knows nothing of networks.

Names load when first used: the worker processes of a conversion import
:mod:`video_zoo.data.videos.video` and must not pay for TensorFlow.
"""

import lazy_loader

from video_zoo.backend import load_keras_first

load_keras_first()

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "annotations.clip": ["Clip"],
        "annotations.listing": ["read_annotations"],
        "conversion.config": ["ConversionConfig"],
        "conversion.convert": ["convert", "merge"],
        "conversion.finish": ["ConversionResult"],
        "format.encoding": ["EncodingConfig"],
        "format.folder": ["list_shards"],
        "format.manifests": ["Manifest", "load_label_map", "load_manifest"],
        "input.augmentation_config": ["AugmentationConfig"],
        "input.clips": ["ClipConfig"],
        "input.pipeline": ["evaluation_dataset", "training_dataset"],
        "inspect.config": ["InspectionConfig"],
        "inspect.inspection": ["inspect_dataset"],
        "inspect.report": ["DatasetReport"],
        "videos.readers": ["UnusableVideo"],
        "videos.synthetic": ["write_motion_videos"],
        "videos.video": ["encode_clip"],
    },
)
