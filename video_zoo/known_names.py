"""Names that settings may give, known before anything slow loads: networks and their weights.

The networks themselves need Keras. Those of the zoo are named here, and :mod:`video_zoo.models`
builds no others under these names; networks that a program registers join them when it does.
"""

import importlib
import os
import re
import sys
from types import ModuleType

from .errors import check_file, check_text, nearest, refusal, shown
from .published import list_weights

# Network -> the module of video_zoo.models that builds it.
NETWORKS = {
    "i3d": "i3d",
    "mc3_18": "resnet",
    "r2plus1d_18": "resnet",
    "r3d_18": "resnet",
    "s3d_milnce": "s3d",
    "s3d_v1": "s3d",
    "s3d_v3": "s3d",
    "s3d_v3_top_heavy": "s3d",
}
# Their table is that of keras.applications' InceptionV3, whose weights they take as "imagenet".
OF_IMAGES = ("s3d_v3", "s3d_v3_top_heavy")
_registered: set[str] = set()

INFLATE, SAVED = "inflate:", ".keras"
# Those of keras.applications.
IMAGE_NETWORKS = (
    *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
    *(f"DenseNet{depth}" for depth in (121, 169, 201)),
    *(f"EfficientNetB{number}" for number in range(8)),
    *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    *("InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2"),
    *("MobileNetV3Large", "MobileNetV3Small", "NASNetLarge", "NASNetMobile"),
    *(f"ResNet{depth}{version}" for depth in (50, 101, 152) for version in ("", "V2")),
    *("VGG16", "VGG19", "Xception"),
)
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

WEIGHT_ENDINGS = (".keras", ".weights.h5")
PUBLISHED_ENDINGS = (".h5", ".pth", ".pt", ".pth.tar", ".safetensors", ".index")

# Where class names are told: in the folder of a run, and in a folder of shards.
RUN_CONFIG, LABEL_MAP = "config.json", "label_map.txt"


def enter(name: str) -> None:
    """Makes the name of a registered network known."""
    _registered.add(name)


def networks() -> list[str]:
    """Names of all networks, sorted."""
    return sorted({*NETWORKS, *_registered})


def kind_of(model: str) -> str:
    """Where a network comes from: "zoo", "inflated", "saved" (a file) or "function"."""
    if model.startswith(INFLATE):
        return "inflated"
    if model.endswith(SAVED):
        return "saved"
    return "function" if ":" in model else "zoo"


def check_network(name: str, argument: str = "model") -> None:
    """Raises ValueError, with the names that are most like it, unless the zoo has the network."""
    if name not in networks():
        remedy = nearest(name, networks()) if isinstance(name, str) else ""
        raise refusal(argument, f"one of {', '.join(networks())}", name, remedy)


def check_any_network(model: str) -> None:
    """Raises ValueError unless ``model`` names a network of the zoo, or one from elsewhere."""
    kind = kind_of(model)
    if kind == "inflated":
        name = model.removeprefix(INFLATE)
        if name not in IMAGE_NETWORKS:
            near = nearest(name, IMAGE_NETWORKS)
            allowed = f"{INFLATE}NAME with a network of keras.applications, such as ResNet50V2"
            raise refusal("model", allowed, model, near)
    elif kind == "function" and not _FUNCTION.fullmatch(model):
        raise refusal("model", "module:function, a builder of yours", model)
    elif kind == "zoo" and model not in networks():
        raise refusal(
            "model",
            f"one of {', '.join(networks())}; {INFLATE}NAME of keras.applications; a "
            f"'{SAVED}' file; or module:function",
            model,
            nearest(model, networks()),
        )


def import_modules(imports: str | None, model: str | None = None) -> None:
    """Imports modules of the user's, for the layers and networks that they register.

    Args:
        imports: their names, with commas between. They may lie in the working folder.
        model: a network; that of a "module:function" is imported too.

    Raises:
        ImportError: there is no such module; the message names it.
    """
    for name in filter(None, (each.strip() for each in (imports or "").split(","))):
        import_module(name, "imports")
    if model is not None and kind_of(model) == "function":
        import_module(model.partition(":")[0], "model")


def import_module(name: str, argument: str) -> ModuleType:
    """The module ``name``, also from the working folder; ImportError tells ``argument``."""
    if os.getcwd() not in sys.path:  # `python -m` has it there, a command that pip installed not
        sys.path.append(os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"`{argument}` must name a module that can be imported. Received: {name!r} ({error}). "
            "Start from the folder where it lies, or install it."
        ) from error


def weight_names(model: str | None) -> list[str]:
    """What the weights of a network are called, where they need no file."""
    names = [] if model is None else [entry.name for entry in list_weights(model)]
    of_images = model is not None and (model in OF_IMAGES or kind_of(model) == "inflated")
    return names + (["imagenet"] if of_images else [])


def check_weights(model: str, weights: str) -> None:
    """Raises ValueError unless ``weights`` may be weights of the network ``model``.

    They are a published name, or a path, which need not exist yet. A word that is neither is
    refused with the names that are most like it. Networks that a program registers may have names
    of their own.
    """
    check_text("weights", weights)
    if not (_is_name(model, weights) or _looks_like_a_path(weights) or _exists(weights)):
        raise unknown_weights(model, weights)


def check_weights_exist(model: str, weights: str) -> None:
    """Raises FileNotFoundError if ``weights`` are the path of a file that is not there."""
    if not (_is_name(model, weights) or _exists(weights)):
        raise FileNotFoundError(
            f"`weights` must be an existing file. Received: weights={shown(weights)}"
        )


def check_network_files(model: str, weights: str | None) -> None:
    """Raises FileNotFoundError if a network, or its weights, are files that are not there."""
    if weights is not None:
        check_weights_exist(model, weights)
    if kind_of(model) == "saved":
        check_file("model", model)


def _is_name(model: str, weights: str) -> bool:
    return weights in weight_names(model) or model in _registered - NETWORKS.keys()


def _looks_like_a_path(weights: str) -> bool:
    return bool(os.path.dirname(weights)) or weights.endswith((*WEIGHT_ENDINGS, *PUBLISHED_ENDINGS))


def _exists(path: str) -> bool:
    """Whether something lies there; a TensorFlow checkpoint is named without its endings."""
    return os.path.exists(path) or os.path.exists(f"{path.split('.data-')[0]}.index")


def unknown_weights(model: str | None, weights: str) -> ValueError:
    """The error that refuses weights which are neither a name nor a file that is known."""
    names = weight_names(model)
    published = f"a published name ({', '.join(map(repr, names))}) or " if names else ""
    return refusal(
        "weights",
        f"None, {published}the path of a '.keras' or '.weights.h5' file, or of a published "
        f"checkpoint ({', '.join(PUBLISHED_ENDINGS)})",
        weights,
        nearest(weights, names),
    )


def check_source(
    workdir: str | None, checkpoint: str | None, model: str | None, weights: str | None
) -> None:
    """Raises ValueError unless a trained network is named in one way.

    Args:
        workdir: folder of a run, or
        checkpoint: a ``.keras`` file; or
        model: name of a network, with
        weights: its published name or file.
    """
    given = workdir is not None or checkpoint is not None
    complete = weights is not None or (model is not None and kind_of(model) != "zoo")
    if (model is not None) != complete or given == (model is not None):
        raise ValueError(
            "one of `workdir` and `checkpoint` must be given, or both `model` and `weights`. "
            f"Received: workdir={shown(workdir)}, checkpoint={shown(checkpoint)}, "
            f"model={shown(model)}, weights={shown(weights)}. Leave out the others."
        )
    if model is not None:
        check_any_network(model)
        if weights is not None:
            if kind_of(model) == "saved":
                remedy = "To take them alone, name the network that they are of as `model`."
                raise refusal("weights", "None with a saved network", weights, remedy)
            check_weights(model, os.fspath(weights))
