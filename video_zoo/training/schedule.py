"""The learning rate as a function of how much of the run is done."""

import math
from collections.abc import Sequence

STEP_FACTOR = 0.1  # "from 0.01 to 0.001 after 12 hours" of 24 (Gupta et al., section 4)


def learning_rate(
    initial: float,
    schedule: str,
    progress: float,
    step: int = 0,
    warmup_steps: int = 0,
    milestones: Sequence[float] = (0.5,),
) -> float:
    """Learning rate at ``progress`` in [0, 1] of the run's duration.

    Args:
        initial: learning rate at the start, after the warm-up.
        schedule: "step", "cosine" or "constant".
        progress: share of the duration that is done, in whatever unit the duration has.
        step: number of steps done.
        warmup_steps: the rate rises linearly over these first steps.
        milestones: of "step": values of ``progress`` from which on the rate is a tenth of before.
    """
    factor = {
        "constant": lambda: 1.0,
        "step": lambda: STEP_FACTOR ** sum(progress >= share for share in milestones),
        "cosine": lambda: 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))),
    }[schedule]()
    if step < warmup_steps:
        factor *= (step + 1) / warmup_steps
    return initial * factor
