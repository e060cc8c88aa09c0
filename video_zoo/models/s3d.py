"""S3D-v1 (Xie et al. 2017), its MIL-NCE form, S3D-v3 and the top-heavy S3D-v3 (Gupta et al.)."""

import dataclasses
import os

import keras

from .architecture import Architecture, Paper
from .builder import Options, build
from .registry import describes
from .tables.inception_v1 import GATED_FROM, INCEPTION_V1, SPACE_TO_DEPTH
from .tables.inception_v3 import AUXILIARY_ENDPOINT, INCEPTION_V3
from .tables.spec import BatchNorm, Gating, TemporalPlan, top_heavy

_S3D_V1 = Architecture(
    INCEPTION_V1,
    "pairs",
    words="GoogLeNet, separable",
    paper=Paper("Xie et al. 2017", "https://arxiv.org/abs/1712.04851"),
    width_mark=("Conv3d_2c_3x3", 192),
    tried_with=(16, 32, 32, 3),
    gated_from=GATED_FROM,
)
_S3D_MILNCE = Architecture(
    SPACE_TO_DEPTH,
    "global",
    words="GoogLeNet, separable, gated, space-to-depth stem",
    paper=Paper("Miech et al. 2020", "https://arxiv.org/abs/1912.06430"),
    width_mark=("Conv3d_2c_3x3", 192),
    tried_with=(16, 32, 32, 3),
    batch_norm=BatchNorm(epsilon=1e-5),
    gating="released",
    gated_from=GATED_FROM,
)
# Gupta, Dharmaraj & Hayes: published without an address of its own.
_S3D_V3 = Architecture(
    INCEPTION_V3,
    "global",
    words="Inception-v3, separable",
    paper=Paper("Gupta, Dharmaraj & Hayes, Table 1"),
    width_mark=("Conv3d_4a_3x3", 192),
    tried_with=(49, 49, 49, 3),
    auxiliary=AUXILIARY_ENDPOINT,
)
_TOP_HEAVY = dataclasses.replace(
    _S3D_V3,
    words="Inception-v3, 2D below Mixed_6b",
    paper=Paper("Gupta, Dharmaraj & Hayes, section 5"),
)

# "All temporal convolutions were carried out after layer 9" (section 5): the five convolutions of
# the stem, Mixed_5b to 5d and Mixed_6a are nine layers.
TOP_HEAVY = top_heavy("Mixed_6b")


@describes(_S3D_V1)
def s3d_v1(
    num_classes: int = 400,
    *,
    input_shape: tuple[int | None, int | None, int | None, int] = (64, 224, 224, 3),
    include_top: bool = True,
    pooling: str | None = None,
    weights: str | os.PathLike | None = None,
    dropout_rate: float = 0.5,
    classifier_activation: str | None = None,
    width_multiplier: float = 1.0,
    temporal: TemporalPlan | str = "separable",
    gating: Gating | bool | None = None,
    padding: str | None = None,
    name: str = "s3d_v1",
) -> keras.Model:
    """GoogLeNet with separable spatio-temporal convolutions.

    The table of I3D, every temporal convolution split in two: Rethinking Spatiotemporal Feature
    Learning, Xie et al. 2017 (https://arxiv.org/abs/1712.04851). 8,309,440 trainable parameters at
    400 classes; 71.92 GMACs on 64x224x224. S3D-G is ``gating="paper"`` or ``gating="released"``.

    Args:
        num_classes: number of classes. Defaults to 400.
        input_shape: (frames, height, width, channels), channels last; clips are float32 in
            [-1, 1]. The first three may be None. Two channels for optical flow. Defaults to
            (64, 224, 224, 3). With ``frames=None``, feed at least 9 frames.
        include_top: whether to add the classifier. Defaults to True.
        pooling: without the classifier: None for the last feature map
            ([batch, frames / 8, height / 32, width / 32, 1024]), "avg" or "max" for a
            vector. Defaults to None.
        weights: a published name ("kinetics400", which is torchvision's, and others, see
            :func:`video_zoo.list_weights`), the path of a ``.keras`` or ``.weights.h5`` file or of
            a published checkpoint, or None for random values. Padding, gates, epsilon and
            normalisation of the input are as the weights need them. Defaults to None.
        dropout_rate: in [0, 1), before the classifier. Defaults to 0.5.
        classifier_activation: None for logits, or for instance "softmax". Defaults to None.
        width_multiplier: factor on the width of every layer. Defaults to 1.0.
        temporal: "full", "separable", "2d", or a plan: :func:`video_zoo.top_heavy`,
            :func:`video_zoo.bottom_heavy`. Defaults to "separable".
        gating: self-gating: "paper" (or True) after each temporal convolution, as the paper of
            S3D-G says; "released" at the end of each branch and after Conv3d_2c_3x3, as in the
            networks that were released; "blocks" in the branches alone; False for none. Defaults
            to None: as the weights have it, none without any.
        padding: of strided layers: "same", or "symmetric" for half the window on each side, as
            PyTorch pads. Defaults to None: what the weights need, "same" without any.
        name: name of the model. Defaults to "s3d_v1".

    Returns:
        A functional ``keras.Model`` from [batch, frames, height, width, channels] to float32
        logits [batch, num_classes], also under mixed precision. Every endpoint is a layer of
        its published name: ``model.get_layer("Mixed_5c").output``.

    Raises:
        ValueError: an argument is out of range, the input is too small, or the weights do not fit.
        FileNotFoundError: there is no file ``weights``.
        OSError: published weights cannot be fetched.
    """
    return build("s3d_v1", Options(**locals()))


@describes(_S3D_MILNCE)
def s3d_milnce(
    num_classes: int = 512,
    *,
    input_shape: tuple[int | None, int | None, int | None, int] = (32, 224, 224, 3),
    include_top: bool = True,
    pooling: str | None = None,
    weights: str | os.PathLike | None = None,
    dropout_rate: float = 0.0,
    classifier_activation: str | None = None,
    width_multiplier: float = 1.0,
    temporal: TemporalPlan | str = "separable",
    gating: Gating | bool | None = None,
    name: str = "s3d_milnce",
) -> keras.Model:
    """S3D-G as MIL-NCE trained it: gates at the end of each branch, a space-to-depth stem.

    End-to-End Learning of Visual Representations from Uncurated Instructional Videos, Miech et al.
    2020 (https://arxiv.org/abs/1912.06430). The stem, which takes blocks of 2x2x2 positions as
    channels, is one convolution of 4x8x8 with a stride of 2 here, which is the same. 9,660,256
    trainable parameters with the embedding of 512, 36.29 GMACs on 32x224x224.

    Args:
        num_classes: number of classes, or the size of the embedding, which is 512 with the
            published weights. Defaults to 512.
        input_shape: (frames, height, width, channels), channels last; clips are float32 in
            [-1, 1]. The first three may be None. Two channels for optical flow. At least 2 frames
            and 2x2 pixels. Defaults to (32, 224, 224, 3).
        include_top: whether to add the last layer: a classifier, or with the published weights
            that of the embedding which videos and texts share. Defaults to True.
        pooling: without the last layer: None for the last feature map
            ([batch, frames / 8, height / 32, width / 32, 1024]), "avg" or "max" for a
            vector. Defaults to None.
        weights: the published name "howto100m", the path of a ``.keras`` or ``.weights.h5`` file or
            of the published checkpoint, or None for random values. Normalisation of the input is as
            the weights need it. Defaults to None.
        dropout_rate: in [0, 1), before the last layer. Defaults to 0.0.
        classifier_activation: None for logits, or for instance "softmax". Defaults to None.
        width_multiplier: factor on the width of every layer. Defaults to 1.0.
        temporal: "full", "separable", "2d", or a plan: :func:`video_zoo.top_heavy`,
            :func:`video_zoo.bottom_heavy`. The stem is never split. Defaults to "separable".
        gating: "paper" (or True), "released", "blocks" or False, see :func:`video_zoo.s3d_v1`.
            Defaults to None: as the weights have it, "released" without any.
        name: name of the model. Defaults to "s3d_milnce".

    Returns:
        A functional ``keras.Model`` from [batch, frames, height, width, channels] to float32
        [batch, num_classes], also under mixed precision. Every endpoint is a layer of its name, as
        in S3D-v1 but for the first, which is "Conv3d_1a_8x8".

    Raises:
        ValueError: an argument is out of range, the input is too small, or the weights do not fit.
        FileNotFoundError: there is no file ``weights``.
        OSError: published weights cannot be fetched.

    Example:
        >>> model = video_zoo.s3d_milnce(weights="howto100m")  # doctest: +SKIP
        >>> model(np.zeros((1, 32, 224, 224, 3))).shape  # doctest: +SKIP
        TensorShape([1, 512])
    """
    return build("s3d_milnce", Options(**locals()))


@describes(_S3D_V3)
def s3d_v3(
    num_classes: int = 400,
    *,
    input_shape: tuple[int | None, int | None, int | None, int] = (64, 224, 224, 3),
    include_top: bool = True,
    pooling: str | None = None,
    weights: str | os.PathLike | None = None,
    dropout_rate: float = 0.2,
    classifier_activation: str | None = None,
    width_multiplier: float = 1.0,
    temporal: TemporalPlan | str = "separable",
    gating: Gating | bool | None = None,
    aux_logits: bool = False,
    name: str = "s3d_v3",
) -> keras.Model:
    """Inception-v3 with separable spatio-temporal convolutions.

    Reproducing Action Recognition Experiments with Modern Classification Networks, Gupta,
    Dharmaraj & Hayes, Table 1. 29,574,384 trainable parameters at 400 classes without the auxiliary
    classifier; 46.82 GMACs on 64x224x224. ``temporal="inflated_pair"`` inflates the 1x7 and 7x1
    pairs to 7x1x7 and 7x7x1, as the paper's future work proposes.

    Args:
        num_classes: number of classes. Defaults to 400.
        input_shape: (frames, height, width, channels), channels last; clips are float32 in
            [-1, 1]. The first three may be None. Two channels for optical flow. Defaults to
            (64, 224, 224, 3). At least 49 frames and 49x49 pixels.
        include_top: whether to add the classifier. Defaults to True.
        pooling: without the classifier: None for the last feature map
            ([batch, 1, 6, 6, 2048] at the default size), "avg" or "max" for a
            vector. Defaults to None.
        weights: "imagenet", or a file of a ``keras.applications.InceptionV3``, for the image
            network's weights, see :func:`video_zoo.inflate`; the path of a ``.keras`` or
            ``.weights.h5`` file of this network; or None for random values. Defaults to None.
        dropout_rate: in [0, 1), before the classifier. Defaults to 0.2.
        classifier_activation: None for logits, or for instance "softmax". Defaults to None.
        width_multiplier: factor on the width of every layer. Defaults to 1.0.
        temporal: "full", "separable", "inflated_pair", "2d", or a plan:
            :func:`video_zoo.top_heavy`, :func:`video_zoo.bottom_heavy`. Defaults to "separable".
        gating: "paper" (or True) for self-gating after each temporal convolution, False for none.
            Defaults to None: as the weights have it, none without any.
        aux_logits: whether to add the auxiliary classifier on Mixed_6e as a second output; in
            training its loss weighs 0.4. Defaults to False.
        name: name of the model. Defaults to "s3d_v3".

    Returns:
        A functional ``keras.Model`` from [batch, frames, height, width, channels] to float32
        logits [batch, num_classes], also under mixed precision, and the auxiliary ones after them
        if asked for. Every endpoint is a layer of
        its name: ``model.get_layer("Mixed_5c").output``.

    Raises:
        ValueError: an argument is out of range, the input is too small, or the weights do not fit.
        FileNotFoundError: there is no file ``weights``.
    """
    return build("s3d_v3", Options(**locals()))


@describes(_TOP_HEAVY)
def s3d_v3_top_heavy(
    num_classes: int = 400,
    *,
    input_shape: tuple[int | None, int | None, int | None, int] = (64, 224, 224, 3),
    include_top: bool = True,
    pooling: str | None = None,
    weights: str | os.PathLike | None = None,
    dropout_rate: float = 0.2,
    classifier_activation: str | None = None,
    width_multiplier: float = 1.0,
    temporal: TemporalPlan | str = TOP_HEAVY,
    gating: Gating | bool | None = None,
    aux_logits: bool = False,
    name: str = "s3d_v3_top_heavy",
) -> keras.Model:
    """S3D-v3 with 2D convolutions up to Mixed_6a, and temporal ones from Mixed_6b on.

    Gupta, Dharmaraj & Hayes, section 5. 28,718,704 trainable parameters at 400 classes without the
    auxiliary classifier.

    Args:
        num_classes: number of classes. Defaults to 400.
        input_shape: (frames, height, width, channels), channels last; clips are float32 in
            [-1, 1]. The first three may be None. Two channels for optical flow. Defaults to
            (64, 224, 224, 3). At least 49 frames and 49x49 pixels.
        include_top: whether to add the classifier. Defaults to True.
        pooling: without the classifier: None for the last feature map
            ([batch, 1, 6, 6, 2048] at the default size), "avg" or "max" for a
            vector. Defaults to None.
        weights: "imagenet", or a file of a ``keras.applications.InceptionV3``, for the image
            network's weights, see :func:`video_zoo.inflate`; the path of a ``.keras`` or
            ``.weights.h5`` file of this network; or None for random values. Defaults to None.
        dropout_rate: in [0, 1), before the classifier. Defaults to 0.2.
        classifier_activation: None for logits, or for instance "softmax". Defaults to None.
        width_multiplier: factor on the width of every layer. Defaults to 1.0.
        temporal: "full", "separable", "inflated_pair", "2d", or a plan:
            :func:`video_zoo.top_heavy`, :func:`video_zoo.bottom_heavy`. Defaults to
            ``top_heavy("Mixed_6b")``.
        gating: "paper" (or True) for self-gating after each temporal convolution, False for none.
            Defaults to None: as the weights have it, none without any.
        aux_logits: whether to add the auxiliary classifier on Mixed_6e as a second output; in
            training its loss weighs 0.4. Defaults to False.
        name: name of the model. Defaults to "s3d_v3_top_heavy".

    Returns:
        A functional ``keras.Model`` from [batch, frames, height, width, channels] to float32
        logits [batch, num_classes], also under mixed precision, and the auxiliary ones after them
        if asked for. Every endpoint is a layer of
        its name: ``model.get_layer("Mixed_5c").output``.

    Raises:
        ValueError: an argument is out of range, the input is too small, or the weights do not fit.
        FileNotFoundError: there is no file ``weights``.
    """
    return build("s3d_v3_top_heavy", Options(**locals()))
