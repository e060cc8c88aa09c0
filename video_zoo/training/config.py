"""One frozen dataclass that describes a run, checked once, when it is made."""

import dataclasses
import os
import typing

from video_zoo import errors, known_names
from video_zoo.data.input.augmentation_config import AugmentationConfig
from video_zoo.data.input.service_config import check_address
from video_zoo.inflation_config import InflationConfig
from video_zoo.run.files import CONFIG

# Gupta et al., section 4; `scale_lr` counts from it.
PAPER_BATCH = 5

# What may differ between the workers of a run.
WORKER_SETTINGS = ("worker_hosts", "worker_index", "trusted_network")
# Changing one of these between two calls continues the same run; changing another would not.
_MAY_CHANGE = (
    *("data_dir", "workdir", "epochs", "steps", "max_hours", "virtual_devices", "num_devices"),
    *("on_bad_record", "data_service", "early_stopping_epochs", "max_loss"),
    *("checkpoint_steps", "checkpoint_minutes", "keep_checkpoints"),
    *("accumulate_steps", "jit_compile"),
    *WORKER_SETTINGS,
)

# A run has one of them.
DURATIONS = ("epochs", "steps", "max_hours")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """A training run. The defaults are the recipe of Gupta, Dharmaraj & Hayes, section 4.

    Args:
        model: name of a network, see :func:`video_zoo.list_models`; "inflate:ResNet50V2", or
            another network of keras.applications; a ``.keras`` file of any classifier of clips; or
            "module:function", which builds a network from ``num_classes`` and ``input_shape``.
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
        scale_lr: whether to multiply ``learning_rate`` by ``batch_size`` / 5: it is then that of
            the paper's batch.
        schedule: "step" (a tenth at each of the milestones), "cosine" (to zero) or "constant",
            over the whole duration, in whatever unit it is given.
        milestones: of "step": shares of the duration, in [0, 1], with commas between.
        warmup_steps: steps during which the learning rate rises linearly.
        weight_decay: decoupled weight decay on kernels; none on biases and batch normalisation.
        label_smoothing: in [0, 1).
        clip_norm: largest norm of the gradient of a step, all weights together; a longer one is
            shortened to it. None for no limit.
        accumulate_steps: parts into which each device cuts its clips of a step, one after the
            other: the step of a large batch in the memory of a small one.
        ema_momentum: of a moving average of the weights, 0.999 say; validation and ``best.keras``
            then take the average. None for none.
        early_stopping_epochs: the run ends where validation top-1 has not risen for so many epochs.
            None for never.
        max_loss: a step with a higher loss ends the run, as one with NaN does.
        aux_loss_weight: weight of the auxiliary classifier's loss in networks that have one;
            0 leaves it out.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
        dtype: "float32", "mixed_bfloat16" or "mixed_float16".
        dropout_rate: None for the network's own.
        batch_norm_momentum: of the moving statistics of batch normalisation; None for the network's
            own, which is 0.9 in the zoo; 0.999 where I3D's weights come from.
        batch_norm_epsilon: what batch normalisation adds to variances; None for the network's own.
        sync_batch_norm: whether batch normalisation takes its statistics over the clips of all
            devices.
        precise_bn_steps: batches over which, after training, the statistics of batch normalisation
            are taken anew, for ``precise_bn.keras``; 0 for none.
        jit_compile: whether XLA compiles the step; one device only.
        width_multiplier: factor on the width of every layer; None for that of the weights' file,
            and 1 where none tells.
        gating: whether to add self-gating.
        weights: published name, or file, of weights to start from; None for random ones. Their
            classifier is kept if it is for the classes of the data, and a new one otherwise.
        new_head: whether to start with a new classifier in any case.
        freeze_until: endpoint up to which, with it, nothing is trained, statistics of batch
            normalisation included; None trains everything.
        backbone_learning_rate_scale: factor on the learning rate of all but the classifiers; 0.1
            lets a new classifier learn ten times as fast as what it stands on.
        seed: of initial weights, order of videos, and augmentation.
        deterministic: whether equal runs give equal weights bit for bit, at some cost in time.
        virtual_devices: number of logical CPU devices to train on instead of the real devices; 0
            uses all GPUs, or the CPU where there is none.
        num_devices: number of devices that there must be, over all workers; None for whatever is
            found.
        worker_hosts: HOST:PORT,HOST:PORT,... of a run on several machines, the same for all of
            them; None for one machine, or what TF_CONFIG says.
        worker_index: place of this machine among them, from 0.
        trusted_network: whether only machines that you trust reach the ports of ``worker_hosts``,
            on which TensorFlow listens to everybody; several machines need it.
        checkpoint_steps: a checkpoint is written after so many steps, besides that of each epoch;
            None for none.
        checkpoint_minutes: the same in minutes; None for none.
        keep_checkpoints: number of checkpoints to keep, besides the best one.
    """

    # First field -> what it and the fields below it are about.
    GROUPS: typing.ClassVar[dict[str, str]] = {
        "train_split": "clips and batches",
        "epochs": "duration, one of the three",
        "optimizer": "optimisation",
        "imports": "network",
        "weights": "start from weights",
        "seed": "reproducibility, devices and machines",
        "checkpoint_steps": "checkpoints",
    }

    FLAGS: typing.ClassVar[dict[str, str]] = {"imports": "import"}

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
    scale_lr: bool = False
    schedule: str = "step"
    milestones: str = "0.5"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    accumulate_steps: int = 1
    ema_momentum: float | None = None
    early_stopping_epochs: int | None = None
    max_loss: float = 1e4
    aux_loss_weight: float = 0.4
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)
    dtype: str = "float32"
    dropout_rate: float | None = None
    batch_norm_momentum: float | None = None
    batch_norm_epsilon: float | None = None
    sync_batch_norm: bool = False
    precise_bn_steps: int = 0
    jit_compile: bool = False
    width_multiplier: float | None = None
    gating: bool = False
    weights: str | None = None
    new_head: bool = False
    freeze_until: str | None = None
    backbone_learning_rate_scale: float = 1.0
    seed: int = 0
    deterministic: bool = False
    virtual_devices: int = 0
    num_devices: int | None = None
    worker_hosts: str | None = None
    worker_index: int | None = None
    trusted_network: bool = False
    checkpoint_steps: int | None = None
    checkpoint_minutes: float | None = 30.0
    keep_checkpoints: int = 3

    def __post_init__(self) -> None:
        if isinstance(self.augmentation, dict):  # from config.json
            object.__setattr__(self, "augmentation", AugmentationConfig(**self.augmentation))
        if isinstance(self.inflation, dict):
            object.__setattr__(self, "inflation", InflationConfig(**self.inflation))
        # A flag without a value takes back the hosts that a file of settings says.
        errors.check_settings(self, worker_hosts="")
        self._check_network()
        if self.data_service is not None:
            check_address("data_service", self.data_service)
        durations = [name for name in DURATIONS if getattr(self, name) is not None]
        if len(durations) > 1:
            raise ValueError(
                "one of `epochs`, `steps` and `max_hours` may be given. Received: "
                + ", ".join(f"{name}={errors.shown(getattr(self, name))}" for name in durations)
                + ". Leave out the others."
            )
        if not durations:
            object.__setattr__(self, "max_hours", 24.0)
        try:
            fits = all(0 <= share <= 1 for share in self.milestone_shares)
        except ValueError:
            fits = False
        if not fits:
            self._refuse("milestones", "numbers in [0, 1] with commas between, such as '0.5,0.75'")

    def _check_network(self) -> None:
        known_names.import_modules(self.imports)
        known_names.check_any_network(self.model)
        kind = known_names.kind_of(self.model)
        if self.weights is not None:
            known_names.check_source(None, None, self.model, self.weights)
        elif kind not in ("saved", "function"):  # which bring weights, or may do so
            if self.new_head:
                self._refuse("new_head", "False without `weights`: all is new then")
            if self.freeze_until is not None:
                self._refuse("freeze_until", "None without `weights`: random layers would stay so")
        if kind != "inflated" and self.inflation != InflationConfig():
            raise errors.refusal(
                "model", f"{known_names.INFLATE}NAME with settings of inflation", self.model
            )
        if kind != "zoo":
            for name, default in (("width_multiplier", None), ("gating", False)):
                if getattr(self, name) != default:
                    self._refuse(name, f"{default} but for networks of the zoo")

    @property
    def milestone_shares(self) -> tuple[float, ...]:
        """``milestones`` as numbers."""
        return tuple(float(share) for share in self.milestones.split(",") if share.strip())

    @property
    def peak_learning_rate(self) -> float:
        """``learning_rate``, scaled with the batch where ``scale_lr`` says so."""
        return self.learning_rate * (self.batch_size / PAPER_BATCH if self.scale_lr else 1)

    def check_files(self) -> None:
        """Looks for what the run needs, before anything slow is loaded or made.

        Raises:
            FileNotFoundError: the shards, or the weights of a new run, are not there.
        """
        errors.check_shards(self.data_dir)
        if os.path.exists(os.path.join(self.workdir, CONFIG)):
            return  # all that the run needs is in its folder
        known_names.check_network_files(self.model, self.weights)

    def _refuse(self, argument: str, allowed: str) -> None:
        raise errors.refusal(argument, allowed, getattr(self, argument))

    def differences(self, other: dict) -> list[str]:
        """What keeps a run with the settings ``other`` from being continued with these."""
        mine = _flat(dataclasses.asdict(self))
        # A run of an earlier version lacks the settings that came later.
        required = {name: mine[name] for name in ("model", "data_dir", "workdir")}
        other = _flat(dataclasses.asdict(TrainingConfig(**required))) | _flat(other)
        # Such a run was of width 1 where it says so, as all are that say nothing.
        for settings in (mine, other):
            settings["width_multiplier"] = settings["width_multiplier"] or 1.0
        fixed = {name: value for name, value in mine.items() if name not in _MAY_CHANGE}
        return errors.changes(other, fixed)


def _flat(settings: dict) -> dict:
    """Settings within settings, beside the others."""
    nested = [value for value in settings.values() if isinstance(value, dict)]
    flat = {name: value for name, value in settings.items() if not isinstance(value, dict)}
    return {**flat, **{name: value for inner in nested for name, value in inner.items()}}
