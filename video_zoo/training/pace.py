"""How long a run will take, said after its first steps, and why where the machine is the reason."""

import os
import platform

import psutil
import tensorflow as tf

# Enough that a slow first step does not decide, and few enough to come soon.
FIRST_STEPS = 10
# Above this share of the CPUs other programs are worth a word.
_BUSY = 0.25


class Machine:
    """What keeps this machine from its full speed since the object was made."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._times()

    def _times(self) -> tuple[float, float, float]:
        """Seconds of all CPUs, of which idle, of which this process had."""
        times, own = psutil.cpu_times(), self._process.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # Linux counts a guest's time as user time as well.
        guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        return sum(times) - guest, idle, own.user + own.system

    def share_of_others(self) -> float:
        """Share of the CPUs, in [0, 1], that other programs have had."""
        total, idle, own = (
            now - before for now, before in zip(self._times(), self._before, strict=True)
        )
        return min(max(total - idle - own, 0.0) / total, 1.0) if total > 0 else 0.0

    def reasons(self) -> list[str]:
        """One phrase for each reason why steps may take longer than elsewhere."""
        found = []
        on_cpu = not tf.config.list_physical_devices("GPU")
        fast = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").lower() in ("1", "true")
        if on_cpu and platform.machine() in ("x86_64", "AMD64") and not fast:
            found.append(
                "TensorFlow's oneDNN kernels are not asked for (set TF_ENABLE_ONEDNN_OPTS=1, or "
                "import video_zoo before tensorflow)"
            )
        others = self.share_of_others()
        if on_cpu and others > _BUSY:
            found.append(f"other programs take {others:.0%} of the CPUs")
        return found


def left(seconds: float | None) -> str:
    """The end of a line: how long the run will still take; empty if that cannot be told."""
    if seconds is None:
        return ""
    if seconds >= 3 * 3600:
        return f", about {seconds / 3600:.0f} h left"
    return f", about {max(seconds / 60, 1):.0f} min left"


def estimate(seconds_per_step: float, seconds_left: float | None, reasons: list[str]) -> str:
    """One line: how fast the first steps were, how long the rest will take, and what slows it.

    Args:
        seconds_per_step: mean of the first steps.
        seconds_left: of the whole run; None if that cannot be told.
        reasons: of :meth:`Machine.reasons`.
    """
    slow = f"; slower than it could be: {'; '.join(reasons)}" if reasons else ""
    return f"first {FIRST_STEPS} steps: {seconds_per_step:.2f} s each{left(seconds_left)}{slow}"
