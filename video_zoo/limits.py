"""What the settings of the zoo may be: ranges of numbers, and choices. Data.

A name means the same in every config class and function, so it has its limits here, once. Upper
ends lie where more makes no sense: they catch a slip of the keyboard before it costs memory or
hours. Loads no framework.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``.

    Args:
        low: the smallest.
        high: the largest.
        above: whether ``low`` itself is left out.
        below: whether ``high`` itself is left out.
        whole: whether they are integers.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        """Whether ``value`` is among them; NaN is not."""
        low = value > self.low if self.above else value >= self.low
        return low and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        ends = (self.low, self.high)
        low, high = (f"{int(n):,}" if n == int(n) else str(n) for n in ends)
        if not (self.above or self.below):
            numbers = f"from {low} to {high}"
        else:
            numbers = f"{'above' if self.above else 'at least'} {low} and "
            numbers += f"{'below' if self.below else 'at most'} {high}"
        return f"an integer {numbers}" if self.whole else numbers


def _count(high: int, low: int = 1) -> Range:
    return Range(low, high, whole=True)


def _above_0(high: float) -> Range:
    return Range(0, high, above=True)


_SHARE = Range(0, 1)
_BELOW_1 = Range(0, 1, below=True)

MODALITIES = ("rgb", "flow_dis", "flow_tvl1")

LIMITS: dict[str, Range | tuple] = {
    # Clips, and how a video is seen.
    "num_frames": _count(10_000),
    "step": _above_0(86_400),
    "smooth": Range(0, 86_400),
    "max_seconds": _above_0(31_622_400),
    "frame_stride": _count(10_000),
    "max_frame_stride": _count(10_000),
    "image_size": _count(8192),
    "frame_order": ("sequential", "shuffled", "reversed", "frozen", "half_speed"),
    "num_clips": _count(10_000),
    "num_crops": (1, 3),
    "batch_size": _count(100_000),
    # What the random generators of TensorFlow, Keras and NumPy take alike.
    "seed": _count(2**32 - 1, low=0),
    "on_bad_record": ("error", "skip"),
    # Stored videos.
    "fps": Range(0.001, 1000),
    "frames_fps": Range(0.001, 1000),
    "short_side": _count(8192),
    "jpeg_quality": _count(100),
    "min_frames": _count(10_000_000),
    "min_fraction": _SHARE,
    "max_clip_seconds": _above_0(604_800),
    "modality": MODALITIES,
    "flow_bound": Range(0.001, 10_000),
    # Conversion.
    "num_shards": _count(1_000_000),
    "workers": _count(1024),
    "num_classes": _count(1_000_000),
    "fold": _count(100),
    "train_per_class": _count(10_000_000, low=0),
    "val_per_class": _count(10_000_000, low=0),
    "val_fraction": _BELOW_1,
    "max_skipped": _SHARE,
    "clip_timeout": _above_0(604_800),  # a week
    "num_samples": _count(1_000_000),
    # Augmentation.
    "min_area": Range(0, 1, above=True),
    "crop_fraction": Range(0, 1, above=True),
    "max_area": Range(0, 1, above=True),
    "min_aspect": Range(0.01, 100),
    "max_aspect": Range(0.01, 100),
    "scale_jitter": Range(1, 10),
    "color_jitter": _SHARE,
    "rand_augment": _count(20, low=0),
    "rand_augment_magnitude": Range(0, 10),
    "mixup_alpha": Range(0, 100),
    "cutmix_alpha": _SHARE,
    # Training.
    "class_balance": ("none", "weights", "sampling"),
    "epochs": _count(1_000_000),
    "steps": _count(1_000_000_000),
    "max_hours": _above_0(100_000),
    "optimizer": ("sgd", "adam", "adamw"),
    "momentum": _BELOW_1,
    "learning_rate": Range(1e-12, 1e6),
    "schedule": ("step", "cosine", "constant"),
    "warmup_steps": _count(1_000_000_000, low=0),
    "weight_decay": Range(0, 100),
    "label_smoothing": _BELOW_1,
    "clip_norm": Range(1e-12, 1e12),
    "accumulate_steps": _count(100_000),
    "ema_momentum": Range(0, 1, above=True, below=True),
    "early_stopping_epochs": _count(1_000_000),
    "max_loss": _above_0(1e12),
    "aux_loss_weight": Range(0, 1000),
    "dtype": ("float32", "mixed_bfloat16", "mixed_float16"),
    "dropout_rate": _BELOW_1,
    "batch_norm_momentum": _BELOW_1,
    "batch_norm_epsilon": Range(0, 1, above=True),
    "precise_bn_steps": _count(1_000_000, low=0),
    "convolution": ("separable", "full", "2d"),
    "temporal_kernel": _count(99, low=3),
    "width_multiplier": Range(0.001, 16),
    "backbone_learning_rate_scale": Range(1e-12, 1e6),
    "virtual_devices": _count(128, low=0),
    "num_devices": _count(100_000),
    "worker_index": _count(99_999, low=0),
    "checkpoint_steps": _count(1_000_000_000),
    "checkpoint_minutes": _above_0(1_000_000),
    "keep_checkpoints": _count(1_000_000),
    # Evaluation, prediction and features.
    "top": _count(1_000_000),
    "threshold": _SHARE,
    "seeds": _count(1000),
    "trials": _count(100_000),
    "first_seed": _count(2**31, low=0),
    "average": ("softmax", "logits"),
    "pooling": ("avg", "max", "none"),
    "format": ("npz", "tfrecord"),
    # Inspection.
    "max_records": _count(1_000_000_000),
    "columns": _count(1000),
    # Benchmarks.
    "clips": _count(1_000_000),
    "repeats": _count(1000),
    "max_clips": _count(10_000_000),
    "small_size": _count(8192),
    # The service of tf.data, and the page of the demo.
    "port": _count(65_535, low=0),
    "upload_megabytes": _count(100_000),
}
