"""Names that settings may give, known before anything slow loads: networks and their weights.

The networks themselves need Keras. Those of the zoo are named here, and :mod:`video_zoo.models`
builds no others under these names; networks that a program registers join them when it does.
"""

import os

from .errors import check_text, nearest, refusal, shown
from .published import list_weights

# Network -> the module of video_zoo.models that builds it.
NETWORKS = {
    "i3d": "i3d",
    "mc3_18": "resnet",
    "r2plus1d_18": "resnet",
    "r3d_18": "resnet",
    "s3d_v1": "s3d",
    "s3d_v3": "s3d",
    "s3d_v3_top_heavy": "s3d",
}
# Their table is that of keras.applications' InceptionV3, whose weights they take as "imagenet".
OF_IMAGES = ("s3d_v3", "s3d_v3_top_heavy")
_registered: set[str] = set()

WEIGHT_ENDINGS = (".keras", ".weights.h5")
PUBLISHED_ENDINGS = (".h5", ".pth", ".pt", ".safetensors", ".index")


def enter(name: str) -> None:
    """Makes the name of a registered network known."""
    _registered.add(name)


def networks() -> list[str]:
    """Names of all networks, sorted."""
    return sorted({*NETWORKS, *_registered})


def check_network(name: str, argument: str = "model") -> None:
    """Raises ValueError, with the names that are most like it, unless a network has the name."""
    if name not in networks():
        remedy = nearest(name, networks()) if isinstance(name, str) else ""
        raise refusal(argument, f"one of {', '.join(networks())}", name, remedy)


def weight_names(model: str | None) -> list[str]:
    """What the weights of a network are called, where they need no file."""
    names = [] if model is None else [entry.name for entry in list_weights(model)]
    return names + (["imagenet"] if model in OF_IMAGES else [])


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


def _is_name(model: str, weights: str) -> bool:
    return weights in weight_names(model) or model not in NETWORKS


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
    if (model is None) != (weights is None) or given == (model is not None):
        raise ValueError(
            "one of `workdir` and `checkpoint` must be given, or both `model` and `weights`. "
            f"Received: workdir={shown(workdir)}, checkpoint={shown(checkpoint)}, "
            f"model={shown(model)}, weights={shown(weights)}"
        )
    if model is not None:
        check_network(model)
        check_weights(model, os.fspath(weights))
