"""What a network costs: trainable parameters, and multiply-accumulates of one forward pass."""

import math

import keras

from .transfer import is_functional


def count_parameters(model: keras.Model) -> int:
    """Number of trainable values of ``model`` (batch-norm statistics are not trainable)."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def count_macs(model: keras.Model, input_shape: tuple[int, int, int, int] | None = None) -> int:
    """Multiply-accumulates of one forward pass on one clip, computed from the built layers.

    Counted are convolutions and dense layers; pools, activations and normalisation are not, as is
    the custom. Divide by 1e9 for GMACs.

    Args:
        model: a built functional model.
        input_shape: (frames, height, width, channels) of one clip. Defaults to the model's own,
            and must be given where that has ``None``. A model of several inputs, as
            :func:`video_zoo.two_stream` gives, has to be built for a fixed size instead.

    Raises:
        ValueError: the input size is not known.
    """
    own = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    shapes = own if input_shape is None else [tuple(input_shape)]
    if len(own) > 1 and (input_shape is not None or any(None in shape for shape in own)):
        raise ValueError(
            "`model` must be built for a fixed size where it has several inputs, and `input_shape` "
            f"left out. Received: input_shape={input_shape}, and the model has {own}"
        )
    if None in shapes[0]:
        raise ValueError(
            "`input_shape` must be given, without None, for a model of variable input size. "
            f"Received: input_shape={input_shape}, and the model has {own[0]}"
        )
    if shapes != own:
        model = keras.models.clone_model(model, input_tensors=keras.Input(shapes[0]))
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.Model):
        # A subclassed one does not tell what its layers are called with.
        return sum(map(_layer_macs, layer.layers)) if is_functional(layer) else 0
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    # Every value of the kernel is used once for each output position: all but batch and channels.
    return math.prod(layer.output.shape[1:-1]) * math.prod(kernel.shape)
