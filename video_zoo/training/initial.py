"""The network that a run starts with: random, or from weights, with a classifier that fits."""

import dataclasses
import inspect
import sys
from collections.abc import Mapping, Sequence

import keras

from video_zoo import errors, known_names, models
from video_zoo.models import elsewhere, transfer
from video_zoo.models.weights.labels import same_classes
from video_zoo.models.weights.load import WeightsInfo

from .batch_norm import check_precise, set_constants, synchronise
from .config import TrainingConfig
from .optimizer import global_dtype, make_optimizer


def has_auxiliary_loss(config: TrainingConfig) -> bool:
    """Whether the network has an auxiliary classifier and the run trains it."""
    return config.aux_loss_weight > 0 and _may_have_auxiliary(config.model)


def _may_have_auxiliary(model: str) -> bool:
    if known_names.kind_of(model) != "zoo":
        return False
    return "aux_logits" in inspect.signature(models.get_builder(model)).parameters


@dataclasses.dataclass(frozen=True)
class Task:
    """What the data ask of the network.

    Args:
        num_classes: of the data.
        class_names: of the data, to compare with those of the weights; None if unknown.
        channels: of a clip.
        storage: settings with which its videos are stored, such as "fps"; empty if unknown.
        multi_label: whether a clip may have several classes, or none.
    """

    num_classes: int
    class_names: Sequence[str] | None = None
    channels: int = 3
    storage: Mapping = dataclasses.field(default_factory=dict)
    multi_label: bool = False


def initial_model(config: TrainingConfig, task: Task) -> tuple[keras.Model, str]:
    """The network of ``config``, partly frozen if it says so.

    Args:
        config: the run.
        task: what the data ask for.

    Returns:
        The network, and one line that says what is random in it and what was loaded.

    Raises:
        ValueError: the weights do not fit, or nothing is left to train.
        FileNotFoundError: there is no file of weights.
    """
    with global_dtype(config.dtype):
        if known_names.kind_of(config.model) != "zoo":
            model, note = _from_elsewhere(config, task)
        elif config.weights is None:
            model = _build(config, task, task.num_classes, has_auxiliary_loss(config))
            note = "all weights are random"
        else:
            model, note = _from_weights(config, task)
    if config.freeze_until is not None:
        transfer.find_layer(model, config.freeze_until, "freeze_until")
        models.freeze(model, config.freeze_until)
        note += f"; frozen until {config.freeze_until}"
    if not model.trainable_weights:
        raise ValueError(
            "`freeze_until` must leave something to train. Received: "
            f"freeze_until={config.freeze_until!r}, with which all weights are frozen. Choose an "
            "earlier endpoint."
        )
    return model, note


def compiled_model(config: TrainingConfig, task: Task) -> keras.Model:
    """The network of ``config`` with optimizer, loss and metrics; tells what was loaded."""
    model, note = initial_model(config, task)
    if config.weights is not None or known_names.kind_of(config.model) != "zoo":
        print(note)
    one_of = not task.multi_label  # else the trainer has the metric
    metrics = [keras.metrics.CategoricalAccuracy("top1")] if one_of else []
    if one_of and task.num_classes > 5:
        metrics.append(keras.metrics.TopKCategoricalAccuracy(5, "top5"))
    kind = keras.losses.CategoricalCrossentropy if one_of else keras.losses.BinaryCrossentropy
    loss = kind(from_logits=True, label_smoothing=config.label_smoothing)
    optimizer = make_optimizer(config, model)
    check_precise(model, config.precise_bn_steps)
    set_constants(model, config.batch_norm_momentum, config.batch_norm_epsilon)
    if config.sync_batch_norm:
        synchronise(model)
    options = {"loss": loss, "weighted_metrics": metrics}
    if has_auxiliary_loss(config):
        options = {"loss": [loss, loss], "weighted_metrics": [metrics, []]}
        options["loss_weights"] = [1.0, config.aux_loss_weight]
    model.compile(optimizer, jit_compile=config.jit_compile, **options)
    return model


def check_freeze_until(config: TrainingConfig) -> None:
    """Raises ValueError if ``freeze_until`` is no layer; builds a small network to find out."""
    if config.freeze_until is not None and known_names.kind_of(config.model) == "zoo":
        model = models.get_model(
            config.model,
            input_shape=(config.num_frames, config.image_size, config.image_size, 3),
            width_multiplier=0.01,
            gating=config.gating,
        )
        transfer.find_layer(model, config.freeze_until, "freeze_until")


def _build(
    config: TrainingConfig, task: Task, num_classes: int, auxiliary: bool, **options
) -> keras.Model:
    if auxiliary:
        options["aux_logits"] = True
    if config.dropout_rate is not None:
        options["dropout_rate"] = config.dropout_rate
    options = {"width_multiplier": config.width_multiplier, "gating": config.gating} | options
    # Builders of the user's need not have these.
    if options["width_multiplier"] in (None, 1.0):
        del options["width_multiplier"]
    if not options["gating"]:
        del options["gating"]
    builder = models.get_builder(config.model)
    known = inspect.signature(builder).parameters
    if not any(each.kind is each.VAR_KEYWORD for each in known.values()):
        for name in options.keys() - known.keys():
            allowed = f"left out for {config.model!r}, whose builder has no such argument"
            raise errors.refusal(name, allowed, options[name])
    shape = (config.num_frames, config.image_size, config.image_size, task.channels)
    return builder(num_classes, input_shape=shape, **options)


def _from_elsewhere(config: TrainingConfig, task: Task) -> tuple[keras.Model, str]:
    """A network that is none of the zoo's, with a classifier for the classes of the data."""
    shape = (config.num_frames, config.image_size, config.image_size, task.channels)
    wanted = elsewhere.Wanted(
        config.model, task.num_classes, shape, config.weights, config.inflation
    )
    model, info = elsewhere.build(wanted)
    saved = config.model if info is not None and config.weights is None else config.weights
    reason = "all weights are random" if info is None else _why_new_head(config, task, info)
    if config.dtype != "float32" and saved is not None and saved.endswith(known_names.SAVED):
        raise errors.refusal("dtype", "'float32' with a saved network, as it is", config.dtype)
    if config.dropout_rate is not None and reason is None:
        raise errors.refusal("dropout_rate", "None where the classifier stays", config.dropout_rate)
    fits = info is None or info.of_images  # it was built for these classes
    if fits and model.output_shape[-1] != task.num_classes:
        allowed = f"a function whose network has the {task.num_classes} classes asked for"
        raise errors.refusal("model", allowed, config.model)
    if reason is not None and (not fits or config.dropout_rate is not None):
        model = models.replace_head(model, task.num_classes, dropout_rate=config.dropout_rate)
    if info is None:
        return model, reason
    note = f"weights from {saved}; the classifier is {'new: ' + reason if reason else 'theirs'}"
    return model, note + _note_on_clips(config, task, info, saved)


def _from_weights(config: TrainingConfig, task: Task) -> tuple[keras.Model, str]:
    info = models.weights_info(config.model, config.weights)
    wanted = has_auxiliary_loss(config)
    loaded, auxiliary = _loaded(config, task, info, wanted)
    reason = _why_new_head(config, task, info)
    name, outputs = loaded.name, loaded.outputs
    if info.num_classes is None or (wanted and not auxiliary):
        model = _grown(config, task, loaded, info, keep_classifier=reason is None)
    else:
        if auxiliary and not wanted:
            loaded = keras.Model(loaded.input, outputs[0], name=name)
        model = loaded if reason is None else models.replace_head(loaded, task.num_classes)
    note = f"weights from {config.weights}; the classifier is "
    note += "theirs" if reason is None else f"new: {reason}"
    if wanted:
        new = reason is not None or not auxiliary
        note += f"; the auxiliary classifier is {'new' if new else 'theirs'}"
    elif auxiliary:
        note += "; their auxiliary classifier is left out"
    return model, note + _note_on_clips(config, task, info, config.weights)


def _loaded(
    config: TrainingConfig, task: Task, info: WeightsInfo, wanted: bool
) -> tuple[keras.Model, bool]:
    """The network as the weights have it, and whether they have an auxiliary classifier."""
    if info.num_classes is None:
        options = {"include_top": False, "weights": config.weights, **_shape(config, info)}
        return _build(config, task, 1, False, **options), False
    # A file does not say whether it has an auxiliary classifier: it fits only one of the two.
    problem = None
    for auxiliary in (wanted, not wanted) if _may_have_auxiliary(config.model) else (False,):
        try:
            options = {"weights": config.weights, **_shape(config, info)}
            return _build(config, task, info.num_classes, auxiliary, **options), auxiliary
        except ValueError as error:
            problem = problem or error
    raise problem


def _shape(config: TrainingConfig, info: WeightsInfo) -> dict:
    """Width and gating of the network that the weights are of, where their file tells."""
    width = config.width_multiplier or info.width_multiplier or 1.0
    return {"width_multiplier": width, "gating": config.gating or info.gating or False}


def _note_on_clips(
    config: TrainingConfig, task: Task, info: WeightsInfo, weights: str | None
) -> str:
    """Where the clips of the run are others than those that the weights were trained on."""
    if info.of_images:
        return ""
    if info.assumed:
        print(
            f"note: {weights} does not say which clips its network was trained on "
            f"({info.about_assumed()} are assumed): this run's are taken",
            file=sys.stderr,
            flush=True,
        )
        return ""
    mine = {name: getattr(config, name) for name in ("num_frames", "frame_stride", "image_size")}
    mine |= {name: task.storage[name] for name in ("fps", "short_side") if name in task.storage}
    theirs = dataclasses.asdict(info.convention)
    other = [
        f"{name} {value} in place of {theirs[name]}"
        for name, value in mine.items()
        if value != theirs[name]
    ]
    return f"; its clips are others than theirs: {', '.join(other)}" if other else ""


def _why_new_head(config: TrainingConfig, task: Task, info: WeightsInfo) -> str | None:
    """Why the classifier of the weights cannot stay; None if it can."""
    if info.num_classes is None:
        return "the weights have none"
    if info.num_classes != task.num_classes:
        return f"{task.num_classes} classes, and the weights have {info.num_classes}"
    if config.new_head:
        return "asked for"
    known = task.class_names is not None and info.class_names is not None
    if known and not same_classes(task.class_names, info.class_names):
        return "the classes of the weights are others"
    return None


def _grown(
    config: TrainingConfig,
    task: Task,
    loaded: keras.Model,
    info: WeightsInfo,
    keep_classifier: bool,
) -> keras.Model:
    """A random network with the loaded weights in it, where these lack a classifier."""
    normalises = info.convention.mean is not None
    if normalises and has_auxiliary_loss(config):
        raise errors.refusal(
            "aux_loss_weight",
            "0 with weights that normalise their clips and have no auxiliary classifier",
            config.aux_loss_weight,
        )
    options = _shape(config, info)
    options |= {} if info.padding == "same" else {"padding": info.padding}
    model = _build(config, task, task.num_classes, has_auxiliary_loss(config), **options)
    if normalises:  # which a builder does for weights alone
        return _with_head_of(model, loaded)
    values = {weight.path: weight for weight in loaded.weights}
    if keep_classifier:
        kept = keras.Model(model.inputs, model.outputs[0]).weights
    else:
        kept = [weight for layer in transfer.backbone_layers(model) for weight in layer.weights]
    for weight in kept:
        weight.assign(values[weight.path])
    return model


def _with_head_of(model: keras.Model, backbone: keras.Model) -> keras.Model:
    """``backbone``, which has no classifier, with one that is made anew as that of ``model`` is.

    Args:
        model: a network of the zoo, whose last endpoint is as the output of ``backbone``.
        backbone: its layers are shared with the result.
    """
    last, calls, tensor = transfer.list_endpoints(model)[-1], [], model.outputs[0]
    while transfer.call_of(tensor)[0].name != last:
        calls.insert(0, transfer.call_of(tensor))
        (tensor,) = calls[0][1].input_tensors
    x = backbone.output
    for operation, node in calls:
        x = transfer.call_again(type(operation).from_config(operation.get_config()), node, x)
    return keras.Model(transfer.inputs_of(backbone), x, name=backbone.name)
