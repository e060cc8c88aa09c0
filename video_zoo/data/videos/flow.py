"""Optical flow as pictures: what the frames of a clip become where motion alone is to be stored.

The recipe is I3D's (Carreira & Zisserman 2017, and the notes to its released code): flow of
consecutive grey frames, clipped to 20 pixels either way, scaled to [-1, 1]. A picture holds the
displacement to the next frame: red to the right, green downwards, blue constant. DMVR reads such
pictures with ``is_flow=True``. Like ``video``, which lends it OpenCV, it imports no TensorFlow.
"""

from collections.abc import Iterator
from types import ModuleType

import numpy as np

# The pixel of displacement 0: 127.5, rounded.
_ZERO = 128


def estimator(cv2: ModuleType, modality: str):
    """OpenCV's estimator of one flow modality, with OpenCV's own parameters.

    Args:
        cv2: the module.
        modality: "flow_dis" (Kroeger et al. 2016, preset MEDIUM), or "flow_tvl1" (Zach et al.
            2007), which I3D was trained on.

    Raises:
        ImportError: this OpenCV has no TV-L1.
    """
    if modality == "flow_dis":
        return cv2.DISOpticalFlow_create(cv2.DISOpticalFlow_PRESET_MEDIUM)
    create = getattr(getattr(cv2, "optflow", None), "DualTVL1OpticalFlow_create", None)
    if create is None:
        raise ImportError(
            "`modality` may be 'flow_tvl1' with OpenCV's contrib modules only. Received: "
            f"modality={modality!r}, and OpenCV {cv2.__version__} without cv2.optflow. Install "
            "them: `pip uninstall -y opencv-python opencv-python-headless && pip install "
            "opencv-contrib-python-headless`, or take 'flow_dis'."
        )
    return create()


def to_picture(flow: np.ndarray, bound: float) -> np.ndarray:
    """Displacements as a picture: ``-bound`` is 0, 0 is 128, ``bound`` is 255.

    ``(pixel / 127.5 - 1) * bound`` gives the displacement back, within ``bound / 255``.

    Args:
        flow: float32 [height, width, 2], pixels to the right and downwards.
        bound: larger displacements are clipped to it, in pixels.

    Returns:
        uint8 [height, width, 3] in OpenCV's order of channels: constant, downwards, right.
    """
    scaled = np.clip(flow / bound, -1, 1)
    picture = np.full((*flow.shape[:2], 3), _ZERO, np.uint8)
    picture[..., :0:-1] = np.rint((scaled + 1) * 127.5)
    return picture


def flow_pictures(
    cv2: ModuleType, frames: Iterator[tuple[float, np.ndarray]], modality: str, bound: float
) -> Iterator[tuple[float, np.ndarray]]:
    """Turns frames into pictures of the flow from each to the next.

    The last frame, which has no next, gets the picture of the one before again: a flow clip is as
    long as the RGB clip of its video, so that frame ``k`` of both is the same moment.

    Args:
        cv2: the module.
        frames: ``(seconds, frame)``, BGR uint8 of one size.
        modality: a flow modality.
        bound: as in :func:`to_picture`.

    Yields:
        ``(seconds, picture)`` for each frame; nothing if there is one frame only.
    """
    estimate = estimator(cv2, modality).calc
    earlier = picture = None
    for seconds, frame in frames:
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        if earlier is not None:
            picture = to_picture(estimate(earlier[1], grey, None), bound)
            yield earlier[0], picture
        earlier = seconds, grey
    if picture is not None:
        yield earlier[0], picture
