"""One frozen dataclass that describes a run, checked once, when it is made."""

import dataclasses

from video_zoo.data.augmentation_config import AugmentationConfig

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("step", "cosine", "constant")
DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")
CLASS_BALANCE = ("none", "weights", "sampling")
ON_BAD_RECORD = ("error", "skip")

# Changing one of these between two calls continues the same run; changing another would not.
_MAY_CHANGE = (
    *("data_dir", "workdir", "epochs", "steps", "max_hours", "virtual_devices"),
    *("on_bad_record", "data_service"),
)

# A run has one of them.
DURATIONS = ("epochs", "steps", "max_hours")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """A training run. The defaults are the recipe of Gupta, Dharmaraj & Hayes, section 4.

    Args:
        model: name of a network, see :func:`video_zoo.list_models`.
        data_dir: folder of shards with its label map.
        workdir: folder of the run: checkpoints, history, pictures.
        train_split: split to train on.
        val_split: split to validate on after every epoch.
        num_frames: frames of a clip.
        frame_stride: step between sampled frames.
        image_size: height and width in pixels.
        frame_order: "sequential" or "shuffled", in training and validation.
        random_flip: whether clips are mirrored at random.
        augmentation: what else training clips are put through, see docs/augmentation.md.
        class_balance: "none"; "weights", so that all classes count alike in the loss; or
            "sampling", so that they come equally often.
        on_bad_record: "error" stops at a damaged record; "skip" passes over it, and
            ``skipped_records.csv`` in the workdir lists them.
        data_service: grpc://HOST:PORT of a tf.data service that makes the clips; see docs/data.md.
        batch_size: clips per step, over all devices together.
        epochs: duration in passes over the videos; or
        steps: duration in steps; or
        max_hours: duration in hours of work. Without any of the three: 24 hours, as in the paper.
        optimizer: "sgd" (with momentum), "adam" or "adamw".
        momentum: of "sgd".
        learning_rate: at the start.
        schedule: "step" (a tenth from half way on), "cosine" (to zero) or "constant", over the
            whole duration, in whatever unit it is given.
        warmup_steps: steps during which the learning rate rises linearly.
        weight_decay: decoupled weight decay on kernels; none on biases and batch normalisation.
        label_smoothing: in [0, 1).
        aux_loss_weight: weight of the auxiliary classifier's loss in networks that have one;
            0 leaves it out.
        dtype: "float32", "mixed_bfloat16" or "mixed_float16".
        dropout_rate: None for the network's own.
        width_multiplier: factor on the width of every layer.
        gating: whether to add self-gating.
        weights: published name, or file, of weights to start from; None for random ones. Their
            classifier is kept if it is for the classes of the data, and a new one otherwise.
        new_head: whether to start with a new classifier in any case.
        freeze_until: endpoint up to which, with it, nothing is trained, statistics of batch
            normalisation included; None trains everything.
        backbone_learning_rate_scale: factor on the learning rate of all but the classifiers; 0.1
            lets a new classifier learn ten times as fast as what it stands on.
        seed: of initial weights, order of videos, and augmentation.
        virtual_devices: number of logical CPU devices to train on instead of the real devices; 0
            uses all GPUs, or the CPU where there is none.
    """

    model: str
    data_dir: str
    workdir: str
    train_split: str = "train"
    val_split: str = "val"
    num_frames: int = 64
    frame_stride: int = 1
    image_size: int = 224
    frame_order: str = "sequential"
    random_flip: bool = True
    augmentation: AugmentationConfig = dataclasses.field(default_factory=AugmentationConfig)
    class_balance: str = "none"
    on_bad_record: str = "error"
    data_service: str | None = None
    batch_size: int = 5
    epochs: int | None = None
    steps: int | None = None
    max_hours: float | None = None
    optimizer: str = "sgd"
    momentum: float = 0.9
    learning_rate: float = 0.01
    schedule: str = "step"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    aux_loss_weight: float = 0.4
    dtype: str = "float32"
    dropout_rate: float | None = None
    width_multiplier: float = 1.0
    gating: bool = False
    weights: str | None = None
    new_head: bool = False
    freeze_until: str | None = None
    backbone_learning_rate_scale: float = 1.0
    seed: int = 0
    virtual_devices: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.augmentation, dict):  # from config.json
            object.__setattr__(self, "augmentation", AugmentationConfig(**self.augmentation))
        durations = [name for name in DURATIONS if getattr(self, name) is not None]
        if len(durations) > 1:
            raise ValueError(
                "one of `epochs`, `steps` and `max_hours` may be given. Received: "
                + ", ".join(f"{name}={getattr(self, name)}" for name in durations)
            )
        if not durations:
            object.__setattr__(self, "max_hours", 24.0)
        for argument, allowed in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("dtype", DTYPES),
            ("class_balance", CLASS_BALANCE),
            ("on_bad_record", ON_BAD_RECORD),
        ):
            if getattr(self, argument) not in allowed:
                self._refuse(argument, f"one of {', '.join(map(repr, allowed))}")
        for argument in ("epochs", "steps", "max_hours"):
            value = getattr(self, argument)
            if value is not None and not value > 0:
                self._refuse(argument, "greater than 0")
        if isinstance(self.batch_size, bool) or self.batch_size < 1:
            self._refuse("batch_size", "a positive integer")
        for argument in ("learning_rate", "backbone_learning_rate_scale"):
            if not getattr(self, argument) > 0:
                self._refuse(argument, "greater than 0")
        if self.weights is None:
            if self.new_head:
                self._refuse("new_head", "False without `weights`: all is new then")
            if self.freeze_until is not None:
                self._refuse("freeze_until", "None without `weights`: random layers would stay so")
        for argument in ("weight_decay", "aux_loss_weight", "warmup_steps", "virtual_devices"):
            if getattr(self, argument) < 0:
                self._refuse(argument, "at least 0")
        for argument in ("momentum", "label_smoothing"):
            if not 0 <= getattr(self, argument) < 1:
                self._refuse(argument, "at least 0 and less than 1")

    def _refuse(self, argument: str, allowed: str) -> None:
        raise ValueError(
            f"`{argument}` must be {allowed}. Received: {argument}={getattr(self, argument)!r}"
        )

    def differences(self, other: dict) -> list[str]:
        """What keeps a run with the settings ``other`` from being continued with these."""
        mine = _flat(dataclasses.asdict(self))
        # A run of an earlier version lacks the settings that came later.
        required = {name: mine[name] for name in ("model", "data_dir", "workdir")}
        other = _flat(dataclasses.asdict(TrainingConfig(**required))) | _flat(other)
        return [
            f"{name} was {other[name]!r} and is {value!r}"
            for name, value in mine.items()
            if name not in _MAY_CHANGE and other[name] != value
        ]


def _flat(settings: dict) -> dict:
    """Settings within settings, beside the others."""
    nested = [value for value in settings.values() if isinstance(value, dict)]
    flat = {name: value for name, value in settings.items() if not isinstance(value, dict)}
    return {**flat, **{name: value for inner in nested for name, value in inner.items()}}
