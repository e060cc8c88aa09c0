"""ResNets with three-dimensional kernels (Tran et al. 2018)."""

import dataclasses
import os

import keras

from .architecture import Architecture, Paper
from .builder import Options, build
from .registry import describes
from .tables.resnet18 import RESNET_18, RESNET_18_MIXED
from .tables.spec import BatchNorm, Gating, TemporalPlan, bottom_heavy

_R3D_18 = Architecture(
    RESNET_18,
    "global",
    words="ResNet-18, full 3D",
    paper=Paper("Tran et al. 2018", "https://arxiv.org/abs/1711.11248"),
    width_mark=("layer4_0_shortcut", 512),
    tried_with=(8, 32, 32, 3),
    batch_norm=BatchNorm(epsilon=1e-5, scale=True),
)
_MC3_18 = dataclasses.replace(
    _R3D_18, table=RESNET_18_MIXED, words="ResNet-18, full 3D below layer2, 2D above"
)
_R2PLUS1D_18 = dataclasses.replace(_R3D_18, words="ResNet-18, separable")

# Section 3.3: three-dimensional in the stem and the first of the four stages.
MIXED = bottom_heavy("layer2_0", "full")


@describes(_R3D_18)
def r3d_18(
    num_classes: int = 400,
    *,
    input_shape: tuple[int | None, int | None, int | None, int] = (16, 112, 112, 3),
    include_top: bool = True,
    pooling: str | None = None,
    weights: str | os.PathLike | None = None,
    dropout_rate: float = 0.0,
    classifier_activation: str | None = None,
    width_multiplier: float = 1.0,
    temporal: TemporalPlan | str = "full",
    gating: Gating | bool | None = None,
    name: str = "r3d_18",
) -> keras.Model:
    """ResNet-18 with 3x3x3 kernels.

    A Closer Look at Spatiotemporal Convolutions for Action Recognition, Tran et al. 2018
    (https://arxiv.org/abs/1711.11248), section 3.2, as torchvision builds it.
    33,371,472 trainable parameters at 400 classes.

    Args:
        num_classes: number of classes. Defaults to 400.
        input_shape: (frames, height, width, channels), channels last; clips are float32 in
            [-1, 1]. The first three may be None. Two channels for optical flow. Defaults to
            (16, 112, 112, 3).
        include_top: whether to add the classifier. Defaults to True.
        pooling: without the classifier: None for the last feature map
            ([batch, frames / 8, height / 16, width / 16, 512]), "avg" or "max" for a vector.
            Defaults to None.
        weights: the published name "kinetics400", which is torchvision's; the path of a ``.keras``
            or ``.weights.h5`` file or of a published checkpoint; or None for random values. Such a
            network normalises its input as the weights need it. Defaults to None.
        dropout_rate: in [0, 1), before the classifier. Defaults to 0.0.
        classifier_activation: None for logits, or for instance "softmax". Defaults to None.
        width_multiplier: factor on the width of every layer. Defaults to 1.0.
        temporal: "full", "separable", "2d", or a plan: :func:`video_zoo.top_heavy`,
            :func:`video_zoo.bottom_heavy`. Defaults to "full".
        gating: "paper" (or True) for self-gating after each temporal convolution, False for none.
            Defaults to None: as the weights have it, none without any.
        name: name of the model. Defaults to "r3d_18".

    Returns:
        A functional ``keras.Model`` from [batch, frames, height, width, channels] to float32
        logits [batch, num_classes], also under mixed precision. Every endpoint is a layer: "stem",
        "layer1_0", "layer1_1", …, "layer4_1"; torchvision's ``layer1`` ends in "layer1_1".

    Raises:
        ValueError: an argument is out of range, or the weights do not fit.
        FileNotFoundError: there is no file ``weights``.
        OSError: published weights cannot be fetched.
    """
    return build("r3d_18", Options(**locals()))


@describes(_MC3_18)
def mc3_18(
    num_classes: int = 400,
    *,
    input_shape: tuple[int | None, int | None, int | None, int] = (16, 112, 112, 3),
    include_top: bool = True,
    pooling: str | None = None,
    weights: str | os.PathLike | None = None,
    dropout_rate: float = 0.0,
    classifier_activation: str | None = None,
    width_multiplier: float = 1.0,
    temporal: TemporalPlan | str = MIXED,
    gating: Gating | bool | None = None,
    name: str = "mc3_18",
) -> keras.Model:
    """ResNet-18 with 3x3x3 kernels in its first stage, and 1x3x3 kernels above it.

    A Closer Look at Spatiotemporal Convolutions for Action Recognition, Tran et al. 2018
    (https://arxiv.org/abs/1711.11248), section 3.3, as torchvision builds it.
    11,695,440 trainable parameters at 400 classes.
    No stage steps in time.

    Args:
        num_classes: number of classes. Defaults to 400.
        input_shape: (frames, height, width, channels), channels last; clips are float32 in
            [-1, 1]. The first three may be None. Two channels for optical flow. Defaults to
            (16, 112, 112, 3).
        include_top: whether to add the classifier. Defaults to True.
        pooling: without the classifier: None for the last feature map
            ([batch, frames, height / 16, width / 16, 512]), "avg" or "max" for a vector.
            Defaults to None.
        weights: the published name "kinetics400", which is torchvision's; the path of a ``.keras``
            or ``.weights.h5`` file or of a published checkpoint; or None for random values. Such a
            network normalises its input as the weights need it. Defaults to None.
        dropout_rate: in [0, 1), before the classifier. Defaults to 0.0.
        classifier_activation: None for logits, or for instance "softmax". Defaults to None.
        width_multiplier: factor on the width of every layer. Defaults to 1.0.
        temporal: "full", "separable", "2d", or a plan: :func:`video_zoo.top_heavy`,
            :func:`video_zoo.bottom_heavy`. Defaults to ``bottom_heavy("layer2_0", "full")``.
        gating: "paper" (or True) for self-gating after each temporal convolution, False for none.
            Defaults to None: as the weights have it, none without any.
        name: name of the model. Defaults to "mc3_18".

    Returns:
        A functional ``keras.Model`` from [batch, frames, height, width, channels] to float32
        logits [batch, num_classes], also under mixed precision. Every endpoint is a layer: "stem",
        "layer1_0", "layer1_1", …, "layer4_1"; torchvision's ``layer1`` ends in "layer1_1".

    Raises:
        ValueError: an argument is out of range, or the weights do not fit.
        FileNotFoundError: there is no file ``weights``.
        OSError: published weights cannot be fetched.
    """
    return build("mc3_18", Options(**locals()))


@describes(_R2PLUS1D_18)
def r2plus1d_18(
    num_classes: int = 400,
    *,
    input_shape: tuple[int | None, int | None, int | None, int] = (16, 112, 112, 3),
    include_top: bool = True,
    pooling: str | None = None,
    weights: str | os.PathLike | None = None,
    dropout_rate: float = 0.0,
    classifier_activation: str | None = None,
    width_multiplier: float = 1.0,
    temporal: TemporalPlan | str = "separable",
    gating: Gating | bool | None = None,
    name: str = "r2plus1d_18",
) -> keras.Model:
    """ResNet-18 whose 3x3x3 kernels are split in 1x3x3 and 3x1x1.

    A Closer Look at Spatiotemporal Convolutions for Action Recognition, Tran et al. 2018
    (https://arxiv.org/abs/1711.11248), section 3.5, as torchvision builds it.
    31,505,325 trainable parameters at 400 classes. The spatial half of each
    is so wide that the two have about the parameters of the one.

    Args:
        num_classes: number of classes. Defaults to 400.
        input_shape: (frames, height, width, channels), channels last; clips are float32 in
            [-1, 1]. The first three may be None. Two channels for optical flow. Defaults to
            (16, 112, 112, 3).
        include_top: whether to add the classifier. Defaults to True.
        pooling: without the classifier: None for the last feature map
            ([batch, frames / 8, height / 16, width / 16, 512]), "avg" or "max" for a vector.
            Defaults to None.
        weights: the published name "kinetics400", which is torchvision's; the path of a ``.keras``
            or ``.weights.h5`` file or of a published checkpoint; or None for random values. Such a
            network normalises its input as the weights need it. Defaults to None.
        dropout_rate: in [0, 1), before the classifier. Defaults to 0.0.
        classifier_activation: None for logits, or for instance "softmax". Defaults to None.
        width_multiplier: factor on the width of every layer. Defaults to 1.0.
        temporal: "full", "separable", "2d", or a plan: :func:`video_zoo.top_heavy`,
            :func:`video_zoo.bottom_heavy`. Defaults to "separable".
        gating: "paper" (or True) for self-gating after each temporal convolution, False for none.
            Defaults to None: as the weights have it, none without any.
        name: name of the model. Defaults to "r2plus1d_18".

    Returns:
        A functional ``keras.Model`` from [batch, frames, height, width, channels] to float32
        logits [batch, num_classes], also under mixed precision. Every endpoint is a layer: "stem",
        "layer1_0", "layer1_1", …, "layer4_1"; torchvision's ``layer1`` ends in "layer1_1".

    Raises:
        ValueError: an argument is out of range, or the weights do not fit.
        FileNotFoundError: there is no file ``weights``.
        OSError: published weights cannot be fetched.
    """
    return build("r2plus1d_18", Options(**locals()))
