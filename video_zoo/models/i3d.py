"""I3D (Carreira & Zisserman 2017)."""

import os

import keras

from .architecture import Architecture, Paper
from .builder import Options, build
from .registry import describes
from .tables.inception_v1 import GATED_FROM, INCEPTION_V1
from .tables.spec import Gating, TemporalPlan

_I3D = Architecture(
    INCEPTION_V1,
    "pairs",
    words="GoogLeNet, full 3D",
    paper=Paper("Carreira & Zisserman 2017", "https://arxiv.org/abs/1705.07750"),
    width_mark=("Conv3d_2c_3x3", 192),
    tried_with=(16, 32, 32, 3),  # two steps of time for the pairs of its head
    gated_from=GATED_FROM,
)


@describes(_I3D)
def i3d(
    num_classes: int = 400,
    *,
    input_shape: tuple[int | None, int | None, int | None, int] = (64, 224, 224, 3),
    include_top: bool = True,
    pooling: str | None = None,
    weights: str | os.PathLike | None = None,
    dropout_rate: float = 0.5,
    classifier_activation: str | None = None,
    width_multiplier: float = 1.0,
    temporal: TemporalPlan | str = "full",
    gating: Gating | bool | None = None,
    padding: str | None = None,
    name: str = "i3d",
) -> keras.Model:
    """GoogLeNet inflated to full 3D convolutions.

    Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset, Carreira & Zisserman 2017
    (https://arxiv.org/abs/1705.07750), Figure 3. 12,689,984 trainable parameters at 400 classes;
    111.15 GMACs on 64x224x224.

    Args:
        num_classes: number of classes. Defaults to 400.
        input_shape: (frames, height, width, channels), channels last; clips are float32 in
            [-1, 1]. The first three may be None. Two channels for optical flow. Defaults to
            (64, 224, 224, 3). With ``frames=None``, feed at least 9 frames.
        include_top: whether to add the classifier. Defaults to True.
        pooling: without the classifier: None for the last feature map (float of the compute
            dtype, [batch, frames / 8, height / 32, width / 32, 1024]), "avg" or "max" for a
            vector. Defaults to None.
        weights: a published name ("kinetics400", "kinetics600", "kinetics400_flow" and others, see
            :func:`video_zoo.list_weights`), the path of a ``.keras`` or ``.weights.h5`` file or of
            a published checkpoint, or None for random values. Padding and normalisation of the
            input are as the weights need them. Defaults to None.
        dropout_rate: in [0, 1), before the classifier. Defaults to 0.5.
        classifier_activation: None for logits, or for instance "softmax". Defaults to None.
        width_multiplier: factor on the width of every layer. Defaults to 1.0.
        temporal: "full", "separable", "2d", or a plan: :func:`video_zoo.top_heavy`,
            :func:`video_zoo.bottom_heavy`. Defaults to "full".
        gating: self-gating: "paper" (or True) after each temporal convolution, as the paper of
            S3D-G says; "released" at the end of each branch and after Conv3d_2c_3x3, as in the
            networks that were released; "blocks" in the branches alone; False for none. Defaults
            to None: as the weights have it, none without any.
        padding: of strided layers: "same", or "symmetric" for half the window on each side, as
            PyTorch pads. Defaults to None: what the weights need, "same" without any.
        name: name of the model. Defaults to "i3d".

    Returns:
        A functional ``keras.Model`` from [batch, frames, height, width, channels] to float32
        logits [batch, num_classes], also under mixed precision. Every endpoint is a layer of its
        published name: ``model.get_layer("Mixed_5c").output``.

    Raises:
        ValueError: an argument is out of range, the input is too small, or the weights do not fit.
        FileNotFoundError: there is no file ``weights``.
        OSError: published weights cannot be fetched.

    Example:
        >>> model = video_zoo.i3d(num_classes=5, input_shape=(16, 112, 112, 3))
        >>> model(np.zeros((1, 16, 112, 112, 3))).shape
        TensorShape([1, 5])
    """
    return build("i3d", Options(**locals()))
