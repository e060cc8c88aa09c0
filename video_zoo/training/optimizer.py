"""The optimizers of a run: Keras's own, or the same with a smaller learning rate for the backbone.

Keras knows no groups of variables. A smaller gradient would not do: Adam divides by its size.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras

from video_zoo.models.transfer import backbone_layers

from .config import TrainingConfig


class _ScaledBackbone:
    """Gives some variables the learning rate, and all others ``scale`` times as much.

    In front of a Keras optimizer. Weight decay is scaled alike. Only with this package imported can
    Keras load such an optimizer; the network loads anywhere with ``compile=False``.

    Args:
        scale: factor on the learning rate of all variables but ``full_rate``.
        full_rate: paths of these variables.
    """

    def __init__(self, *args: Any, scale: float = 1.0, full_rate: Iterable[str] = (), **kwargs):
        super().__init__(*args, **kwargs)
        self.scale = scale
        self.full_rate = tuple(full_rate)
        self._factors = ()

    def build(self, variables: list[keras.Variable]) -> None:
        super().build(variables)
        full_rate = set(self.full_rate)
        self._factors = tuple(1.0 if v.path in full_rate else self.scale for v in variables)

    def update_step(self, gradient, variable, learning_rate) -> None:
        factor = self._factors[self._get_variable_index(variable)]
        rate = keras.ops.cast(learning_rate, variable.dtype) * factor
        if self.weight_decay is not None and self._use_weight_decay(variable):
            self.assign_sub(variable, variable * self.weight_decay * rate)
        super().update_step(gradient, variable, rate)

    def _apply_weight_decay(self, variables) -> None:
        """Keras's own knows one learning rate only; ``update_step`` has done it."""

    def get_config(self) -> dict:
        return super().get_config() | {"scale": self.scale, "full_rate": list(self.full_rate)}


@keras.saving.register_keras_serializable("video_zoo")
class ScaledBackboneSGD(_ScaledBackbone, keras.optimizers.SGD):
    """SGD with two learning rates."""


@keras.saving.register_keras_serializable("video_zoo")
class ScaledBackboneAdam(_ScaledBackbone, keras.optimizers.Adam):
    """Adam with two learning rates."""


@keras.saving.register_keras_serializable("video_zoo")
class ScaledBackboneAdamW(_ScaledBackbone, keras.optimizers.AdamW):
    """AdamW with two learning rates."""


_OPTIMIZERS = {
    "sgd": (keras.optimizers.SGD, ScaledBackboneSGD),
    "adam": (keras.optimizers.Adam, ScaledBackboneAdam),
    "adamw": (keras.optimizers.AdamW, ScaledBackboneAdamW),
}


@contextlib.contextmanager
def global_dtype(policy: str) -> Iterator[None]:
    """Lets Keras make layers, and optimizers with the scaling of the loss or without, for it."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def make_optimizer(config: TrainingConfig, model: keras.Model) -> keras.optimizers.Optimizer:
    """The optimizer of ``config`` for ``model``; its biases and normalisation are not decayed."""
    # Only AdamW takes a decay of 0 as such; the others decay nothing without one.
    decay = config.weight_decay if config.optimizer == "adamw" else config.weight_decay or None
    rate = config.peak_learning_rate
    options: dict[str, Any] = {"learning_rate": rate, "weight_decay": decay}
    if config.ema_momentum is not None:
        options |= {"use_ema": True, "ema_momentum": config.ema_momentum}
    if config.optimizer == "sgd":
        options["momentum"] = config.momentum
    plain, scaled = _OPTIMIZERS[config.optimizer]
    if config.backbone_learning_rate_scale == 1:
        optimizer = plain(**options)
    else:
        backbone = {w.path for layer in backbone_layers(model) for w in layer.weights}
        head = [w.path for w in model.trainable_weights if w.path not in backbone]
        optimizer = scaled(**options, scale=config.backbone_learning_rate_scale, full_rate=head)
    spare_from_decay(optimizer)
    return optimizer


def spare_from_decay(optimizer: keras.optimizers.Optimizer) -> None:
    """Excepts biases and batch normalisation from weight decay, which no saved file remembers."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of loss scaling
    if optimizer.weight_decay is not None:
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
