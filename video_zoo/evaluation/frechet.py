"""The Fréchet video distance (Unterthiner et al. 2018, https://arxiv.org/abs/1812.01717)."""

import numpy as np

from video_zoo import errors


def frechet_video_distance(features: np.ndarray, others: np.ndarray) -> float:
    """How far two sets of videos are apart, by the features that a network gives of them.

    Both are taken for samples of normal distributions: the distance is that between these,
    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with means m and covariances C. It is 0 for equal
    sets, grows without an upper end, and is biased for few videos: compare figures of equal numbers
    of videos alone. docs/transfer.md tells the published protocol.

    Args:
        features: float [videos, features], of at least two videos.
        others: float [videos, features], of the other set; the number of videos may differ.

    Raises:
        ValueError: an array has another shape, too few videos, or values that are not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> real, made = rng.normal(0, 1, (500, 4)), rng.normal(1, 1, (500, 4))
        >>> round(video_zoo.frechet_video_distance(real, real), 6)
        0.0
        >>> 3 < video_zoo.frechet_video_distance(real, made) < 5
        True
    """
    one, other = (
        _checked(argument, values)
        for argument, values in (("features", features), ("others", others))
    )
    if one.shape[1] != other.shape[1]:
        allowed = f"of {one.shape[1]} features a video, as `features` are"
        raise errors.refusal("others", allowed, other.shape)
    shift = one.mean(axis=0) - other.mean(axis=0)
    covariances = [np.atleast_2d(np.cov(values, rowvar=False)) for values in (one, other)]
    # The trace of the root of a product, by two symmetric matrices: those have real eigenvalues.
    root = _root(covariances[0])
    product = np.linalg.eigvalsh(root @ covariances[1] @ root)
    shared = np.sqrt(np.clip(product, 0, None)).sum()
    distance = shift @ shift + sum(map(np.trace, covariances)) - 2 * shared
    return max(0.0, float(distance))


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def _checked(argument: str, values: np.ndarray) -> np.ndarray:
    found = np.asarray(values, np.float64)
    if found.ndim != 2 or len(found) < 2 or not found.shape[1]:
        raise errors.refusal(argument, "[videos, features] of at least two videos", found.shape)
    if not np.isfinite(found).all():
        raise ValueError(
            f"`{argument}` must be finite. Received: values that are NaN or infinite. Find out "
            "which video they are of, and leave it out."
        )
    return found
