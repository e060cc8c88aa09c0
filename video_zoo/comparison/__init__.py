"""Networks trained and judged side by side: a grid of runs, and one page about them."""

import lazy_loader

from video_zoo.backend import load_keras_first

load_keras_first()

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"config": ["ComparisonConfig"], "compare": ["ComparisonResult", "compare"]},
)
