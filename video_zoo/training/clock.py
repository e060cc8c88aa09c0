"""How far a run is, and what follows from it: the learning rate, and the end."""

import dataclasses
import time

from .config import TrainingConfig
from .distribution.world import World
from .schedule import learning_rate


@dataclasses.dataclass(eq=False)
class Clock:
    """Steps and seconds of work that a run has had, over all its calls, and whether it has to stop.

    Args:
        config: the run.
        steps_per_epoch: steps of an epoch.
        step: steps that earlier calls have had.
        seconds: the same in seconds.
        world: the processes of the run, which agree on seconds and signals. Defaults to this one.

    Attributes:
        asked: signal that this process got; 0 for none.
    """

    config: TrainingConfig
    steps_per_epoch: int
    step: int
    seconds: float
    world: World = dataclasses.field(default_factory=World)

    def __post_init__(self) -> None:
        self.asked = 0
        self._own_seconds = self.seconds
        self._counted_until: float | None = None

    @property
    def stop(self) -> int:
        """Signal that all workers stop for; 0 for none."""
        return self.world.signal_for_all(self.asked)

    def exchange(self) -> None:
        """Learns of a signal that any of several workers got; each waits here for the others."""
        self.world.agree(0, self._own_seconds, self.asked)

    def start(self) -> None:
        """Begins to count: what comes before the first step is no work."""
        self._counted_until = time.monotonic()

    def tick(self, number: int) -> None:
        """Counts the time since the last call; nobody sees ``seconds`` change in between.

        Args:
            number: of steps, or of batches of validation, as :meth:`World.agree` takes it.
        """
        now = time.monotonic()
        self._own_seconds += now - self._counted_until
        self._counted_until = now
        agreed = self.world.agree(number, self._own_seconds, self.asked)
        self.seconds = self.seconds if agreed is None else agreed

    @property
    def total_steps(self) -> int | None:
        """None where the duration is in hours."""
        if self.config.steps is not None:
            return self.config.steps
        return None if self.config.epochs is None else self.config.epochs * self.steps_per_epoch

    @property
    def progress(self) -> float:
        if self.total_steps is not None:
            return self.step / self.total_steps
        return self.seconds / (self.config.max_hours * 3600)

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        config = self.config
        return learning_rate(
            config.peak_learning_rate,
            config.schedule,
            self.progress,
            self.step,
            config.warmup_steps,
            config.milestone_shares,
        )

    def rise(self, rate_before: float) -> str | None:
        """Tells of a learning rate above that of the last step, which a longer duration makes."""
        rate = self.learning_rate
        if self.step < self.config.warmup_steps or rate <= 1.01 * rate_before:
            return None
        return (
            f"the learning rate rises again, from {rate_before:.3g} to {rate:.3g}: the "
            f"{self.config.schedule!r} schedule spans the whole duration, which is longer than it "
            f"was, and {self.progress:.0%} of it are done. Accuracy may fall before it rises. To "
            "train on at a low rate, start a new run with `weights` and a constant schedule."
        )

    @property
    def seconds_left(self) -> float | None:
        """An estimate; None at the start and after the end."""
        if not 0 < self.progress < 1:
            return None
        return self.seconds * (1 / self.progress - 1)

    @property
    def finished(self) -> bool:
        return self.progress >= 1

    @property
    def epoch(self) -> int:
        """Number, from 0, of the epoch that the next step belongs to."""
        return self.step // self.steps_per_epoch

    @property
    def at_end_of_epoch(self) -> bool:
        """Whether validation follows the last step."""
        return self.step > 0 and (self.step % self.steps_per_epoch == 0 or self.finished)
