"""One run of a grid: trained and evaluated in a process of its own, continued, never fatal."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import video_zoo
from video_zoo.files import file_content, whole_files

from .config import Cell

CELL, SETTINGS, LOG = "cell.json", "settings.json", "log.txt"
_LAST_LINES = 3
# What a command returns that was interrupted: by Ctrl-C, or by SIGTERM.
_INTERRUPTED = (130, 75)


@dataclasses.dataclass(frozen=True)
class CellReport:
    """How a run ended; kept as ``cell.json`` in its folder.

    Args:
        settings: of its training.
        protocol: of its evaluation.
        error: the last lines of its log; None if it is done.
        seconds: of training and evaluation, over all calls.
        peak_memory: largest memory of its processes, in bytes; None where the system does not tell.
    """

    settings: Mapping[str, object]
    protocol: Mapping[str, object]
    error: str | None = None
    seconds: float = 0.0
    peak_memory: int | None = None


def read_report(folder: pathlib.Path) -> CellReport | None:
    """The report of an earlier call; None if there is none."""
    path = folder / CELL
    if not path.exists():
        return None
    return file_content.read_json(path, CellReport, "Remove the file.")


def unfinished(cells: Sequence[Cell]) -> list[Cell]:
    """Those that are not done."""
    reports = ((cell, read_report(cell.folder)) for cell in cells)
    return [cell for cell, report in reports if report is None or report.error]


def run_cell(
    cell: Cell, protocol: Mapping[str, object], commands: "Commands", device: str | None = None
) -> CellReport:
    """Trains a run, or continues it, and evaluates it; an error is recorded and not raised.

    Args:
        cell: the run.
        protocol: flags of ``evaluate``, by their names.
        commands: runs them.
        device: number of the GPU to run on; None for all devices.

    Raises:
        KeyboardInterrupt: it was interrupted; what it had done is saved.
    """
    earlier = read_report(cell.folder)
    same = earlier is not None and (earlier.settings, earlier.protocol) == (
        json.loads(json.dumps(dict(cell.settings))),
        dict(protocol),
    )
    if same and earlier.error is None:
        return earlier
    cell.folder.mkdir(parents=True, exist_ok=True)
    whole_files.write_json(cell.folder / SETTINGS, dict(cell.settings))
    begun = time.monotonic()
    train = ["train", "--config", str(cell.folder / SETTINGS)]
    evaluate = ["evaluate", "--workdir", str(cell.folder)]
    evaluate += [f"--{name}={value}" for name, value in protocol.items()]
    peaks, error = [], None
    for arguments in (train, evaluate):
        code, peak = commands.call(arguments, cell.folder / LOG, device)
        peaks.append(peak)
        if code:
            error = f"{arguments[0]} ended with {code}: {_end_of(cell.folder / LOG)}"
            break
    before = 0.0 if earlier is None else earlier.seconds
    known = [peak for peak in (*peaks, earlier and earlier.peak_memory) if peak]
    report = CellReport(
        cell.settings,
        protocol,
        error,
        before + time.monotonic() - begun,
        max(known, default=None),
    )
    whole_files.write_json(cell.folder / CELL, dataclasses.asdict(report))
    return report


class Commands:
    """Commands of this package in processes of their own, from several threads."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen] = set()
        self._stopped = False

    def check(self) -> None:
        """Raises KeyboardInterrupt if no others are to be started."""
        if self._stopped:
            raise KeyboardInterrupt

    def stop(self) -> None:
        """Interrupts all that run; they save what they have done. No others are started."""
        self._stopped = True
        for process in list(self._running):
            process.send_signal(signal.SIGINT)

    def call(
        self, arguments: Sequence[str], log: pathlib.Path, device: str | None = None
    ) -> tuple[int, int | None]:
        """Runs a command.

        Args:
            arguments: its name and flags.
            log: file that gets what it prints, after what is there.
            device: number of the GPU that it sees; None for all.

        Returns:
            Its exit code, and the largest memory that it took in bytes, None where nothing tells.

        Raises:
            KeyboardInterrupt: it was interrupted.
        """
        self.check()
        with open(log, "a", encoding="utf-8") as file:
            # In a session of its own: Ctrl-C reaches it once, by `stop`. The pipe tells it that
            # this process is gone, should it be killed.
            process = subprocess.Popen(
                [sys.executable, "-m", "video_zoo.commands.child", *arguments],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=_environment(device),
                start_new_session=True,
            )
        self._running.add(process)
        try:
            if self._stopped:  # since it was asked for
                process.send_signal(signal.SIGINT)
            code, peak = _wait(process)
        except KeyboardInterrupt:
            self.stop()
            _wait(process)
            raise
        finally:
            self._running.discard(process)
            process.stdin.close()
        # One that is stopped while it starts has no exit code for that yet.
        if code in _INTERRUPTED or (code and self._stopped):
            self._stopped = True
            raise KeyboardInterrupt
        return code, peak


def _environment(device: str | None) -> dict[str, str]:
    """Of a process that imports this very package, and sees one GPU if it is to."""
    environment = os.environ | ({} if device is None else {"CUDA_VISIBLE_DEVICES": device})
    paths = [str(pathlib.Path(video_zoo.__file__).parents[1])]
    paths += filter(None, [environment.get("PYTHONPATH")])
    return environment | {"PYTHONPATH": os.pathsep.join(paths)}


def _wait(process: subprocess.Popen) -> tuple[int, int | None]:
    if not hasattr(os, "wait4"):
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return process.returncode, usage.ru_maxrss * unit


def _end_of(log: pathlib.Path) -> str:
    """The last lines that tell something."""
    text = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[-_LAST_LINES:])[-500:]
