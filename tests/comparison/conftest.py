"""Three networks of a comparison."""

import numpy as np
import pytest
from networks import make_run

from video_zoo.comparison.contestants import Contestant


@pytest.fixture
def three():
    """Networks on 60 videos: right on 51 and, with another seed, 49; on 48; on 20 of them."""
    labels, place = np.arange(60) % 3, np.arange(60)
    return [
        Contestant("good|1", [make_run(place < 51, labels), make_run(place < 49, labels, 1)]),
        Contestant("equal", [make_run((place >= 2) & (place < 50), labels)]),
        Contestant("bad", [make_run(place < 20, labels)]),
    ]
