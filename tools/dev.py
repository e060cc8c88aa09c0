"""The commands of the README: each makes its own environment, then does its work in it.

    python3 tools/dev.py quickstart [--venv DIR] [arguments of tools/quickstart.py]
    python3 tools/dev.py test       [--venv DIR] [arguments of pytest]
    python3 tools/dev.py test_io    [--venv DIR] [arguments of pytest]
    python3 tools/dev.py mutants    [--venv DIR] [arguments of tools/mutants.py]
    python3 tools/dev.py test_peers [--venv DIR] [arguments of pytest]

`test_peers` compares with PyTorch and torchvision, and writes what the other tests expect of them.
`test_io` tries the file systems of tensorflow-io in an environment of its own: it takes an older
TensorFlow, and no newer Python than 3.12.

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 10)
# Two workers: each pays for its own import of TensorFlow, and holds about 1 GB.
PYTEST_DEFAULTS = ["-n", "2", "--dist", "loadscope", "--durations", "25"]
MARK = "made-by-video-zoo.json"


class Command(NamedTuple):
    """What a command needs: extras of the package, its environment's folder, a Python."""

    extra: str
    venv: Path
    newest: tuple[int, int]
    limit: str  # whose wheels end with that Python


COMMANDS = {
    "quickstart": Command("", ROOT / ".venv", (3, 13), "TensorFlow"),
    "test": Command("test", ROOT / ".venv", (3, 13), "TensorFlow"),
    "test_peers": Command("test,peers", ROOT / "build" / "venv_peers", (3, 13), "PyTorch"),
    "test_io": Command("io,io-test", ROOT / "build" / "venv_io", (3, 12), "tensorflow-io"),
    "mutants": Command("test,mutants", ROOT / "build" / "venv_mutants", (3, 13), "TensorFlow"),
}


class SetupError(Exception):
    """An error that the user reads as one line."""


def say(text: str) -> None:
    print(f"[dev] {text}", flush=True)


def check_python(command: Command, version: tuple[int, int] = sys.version_info[:2]) -> None:
    if not OLDEST <= version <= command.newest:
        raise SetupError(
            "Python {}.{} to {}.{} is needed, as {} has no other. Received: Python {}.{}. Run this "
            "file with one of those.".format(*OLDEST, *command.newest, command.limit, *version)
        )


def child_environment() -> dict[str, str]:
    """The caller's variables, less those that would let other packages into the environment."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    environment["PIP_USER"] = "0"
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return environment


def exit_code(arguments: list[str], cwd: Path | None = None) -> int:
    code = subprocess.call(arguments, cwd=cwd, env=child_environment())
    return code if code >= 0 else 128 - code


def quietly(arguments: list[str], what: str) -> None:
    """Runs a command whose output matters only when it fails."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        code = subprocess.call(
            arguments, cwd=ROOT, env=child_environment(), stdout=log, stderr=subprocess.STDOUT
        )
        if code:
            log.seek(0)
            print("".join(log.readlines()[-60:]), file=sys.stderr, flush=True)
            raise SetupError(f"{what} failed with exit code {code}; its last lines stand above")


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def requirements() -> str:
    """Changes when what has to be installed may have changed."""
    text = b"".join((ROOT / name).read_bytes() for name in ("setup.cfg", "pyproject.toml"))
    return hashlib.sha256(text + os.fsencode(ROOT)).hexdigest()


def read_mark(venv: Path) -> dict:
    try:
        return json.loads((venv / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_mark(venv: Path, **content: str | None) -> None:
    new = venv / f"{MARK}.new"
    new.write_text(json.dumps(content), encoding="utf-8")
    new.replace(venv / MARK)


def this_python() -> str:
    return f"{platform.python_version()} {sys.base_prefix}"


def create(venv: Path) -> None:
    """Makes an empty environment with pip, on systems without ensurepip (Debian) too."""
    say(f"making an environment in {venv} for Python {platform.python_version()}")
    make = [sys.executable, "-m", "venv"]
    if importlib.util.find_spec("ensurepip"):
        quietly([*make, str(venv)], "making the environment")
    elif importlib.util.find_spec("virtualenv"):
        quietly([sys.executable, "-m", "virtualenv", str(venv)], "making the environment")
    elif importlib.util.find_spec("pip") and importlib.util.find_spec("venv"):
        quietly([*make, "--without-pip", str(venv)], "making the environment")
        into = [sys.executable, "-m", "pip", "--python", str(python_of(venv)), "install", "pip"]
        quietly(into, "installing pip into the environment")
    else:
        version = "{}.{}".format(*sys.version_info[:2])
        raise SetupError(
            "this Python can make no environment: it has neither ensurepip, virtualenv nor pip. "
            f"On Debian and Ubuntu: sudo apt install python{version}-venv"
        )


def install(venv: Path, extra: str) -> None:
    python = str(python_of(venv))
    target = f".[{extra}]" if extra else "."
    say(f"installing video_zoo as {target!r}, TensorFlow included: some minutes the first time")
    quietly([python, "-m", "pip", "install", "-e", target], "installing")
    if subprocess.call(
        [python, "-c", "import cv2"], env=child_environment(), stderr=subprocess.DEVNULL
    ):
        say("cv2 does not load (no libGL here?): opencv-python-headless in place of opencv-python")
        quietly([python, "-m", "pip", "uninstall", "-y", "opencv-python"], "removing opencv-python")
        # Both packages own the same files, so that one that is there already has just lost them.
        headless = ["--force-reinstall", "--no-deps", "opencv-python-headless"]
        quietly([python, "-m", "pip", "install", *headless], "installing opencv-python-headless")
        quietly([python, "-c", "import cv2"], "importing cv2")


def environment(venv: Path, extra: str) -> Path:
    """An environment in which the package is installed; returns its Python."""
    mark = read_mark(venv)
    wanted = requirements()
    if venv.exists() and not venv.is_dir():
        raise SetupError(f"`--venv` must be a folder. Received: --venv={venv}")
    if venv.is_dir() and any(venv.iterdir()) and not mark:
        raise SetupError(
            "`--venv` must be a new folder or one that this file made. "
            f"Received: --venv={venv}, which holds something else. Pass another with --venv DIR"
        )
    sound = mark.get("python") == this_python() and python_of(venv).exists()
    if sound and mark.get("requirements") == wanted and extra in ("", mark.get("extra")):
        say(f"using the environment in {venv}")
        return python_of(venv)
    if not (sound and mark.get("requirements")):
        # Another Python's, or half made when it was stopped.
        shutil.rmtree(venv, ignore_errors=True)
        venv.mkdir(parents=True, exist_ok=True)
        write_mark(venv, python=this_python(), requirements=None, extra=None)
        create(venv)
    extra = extra or mark.get("extra") or ""
    write_mark(venv, python=this_python(), requirements=None, extra=extra)
    install(venv, extra)
    write_mark(venv, python=this_python(), requirements=wanted, extra=extra)
    return python_of(venv)


def test(python: Path, arguments: list[str]) -> int:
    """Form and tests; returns the first exit code that is not 0."""
    ruff = [str(python), "-m", "ruff"]
    pytest = [str(python), "-m", "pytest", "-m", "not slow", *(arguments or PYTEST_DEFAULTS)]
    steps = {
        "ruff check": [*ruff, "check", "."],
        "ruff format --check": [*ruff, "format", "--check", "."],
        "pytest": pytest,
    }
    codes = []
    for name, command in steps.items():
        say(name)
        codes.append(exit_code(command, cwd=ROOT))
    failed = [name for name, code in zip(steps, codes) if code]  # noqa: B905 (any Python reads it)
    say(f"failed: {', '.join(failed)}" if failed else "all passed")
    return next((code for code in codes if code), 0)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument(
        "--venv", type=Path, help="the environment's folder (.venv, or one in build/)"
    )
    options, rest = parser.parse_known_args(argv)
    command = COMMANDS[options.command]
    try:
        check_python(command)
        python = environment((options.venv or command.venv).resolve(), command.extra)
        if options.command == "test":
            return test(python, rest)
        say(options.command)
        if options.command == "test_peers":
            pytest = [str(python), "-m", "pytest", "-m", "peers", str(ROOT / "tests" / "models")]
            return exit_code([*pytest, *rest], cwd=ROOT)
        if options.command == "test_io":
            pytest = [str(python), "-m", "pytest", str(ROOT / "tests" / "io")]
            return exit_code([*pytest, *rest], cwd=ROOT)
        return exit_code([str(python), str(ROOT / "tools" / f"{options.command}.py"), *rest])
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
