"""Processes of Python, as a user starts them: the tools, and code of a test."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def environment(**variables: str | None) -> dict[str, str]:
    """That of this process, with the package in reach and TensorFlow quiet; None unsets one."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    known = os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"} | variables
    return {name: value for name, value in known.items() if value is not None}


def run(*arguments, cwd=None, timeout=600, **variables) -> subprocess.CompletedProcess:
    """Runs Python to its end: a file and its arguments, or -c and code."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def run_tool(name: str, *arguments, **options) -> subprocess.CompletedProcess:
    return run(ROOT / "tools" / f"{name}.py", *arguments, **options)


def start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **variables):
    """A process of Python that goes on beside the test."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=stdout,
        stderr=stderr,
        text=True,
        env=environment(**variables),
    )


def start_tool(name: str, *arguments, **options) -> subprocess.Popen:
    return start(ROOT / "tools" / f"{name}.py", *arguments, **options)
