"""Measures what the documentation says.

    video-zoo benchmark input --data_dir SHARDS
    video-zoo benchmark conversion --input VIDEOS
    video-zoo benchmark inflation --output inflation.json

input: clips per second of bare JPEG decoding, of the input pipeline, of the training step, and of
both together. conversion: bare decode, resize and encode against the conversion. Both measure in
turn, so that only the ratios mean something on a busy machine.

inflation: every network of keras.applications as a video network: parameters, GMACs, the largest
difference on a still video, the time of a forward pass. Takes hours on a CPU; the same command
continues where it was stopped.

`video-zoo benchmark NAME --help` lists the flags.

Exit codes: 0 done; 2 something is wrong with the flags or the input; 75 after SIGTERM, 130 after
Ctrl-C.
"""

import importlib
import sys

from video_zoo.benchmarks import config

from . import cli
from .cli_help import HELP_FLAGS, help_text

RUN = {"names": {"input_dir": "--input"}}
# Name of the module -> config and function.
_BENCHMARKS = {
    "input": (config.InputConfig, "measure_input"),
    "conversion": (config.ConversionBenchmarkConfig, "measure_conversion"),
    "inflation": (config.InflationBenchmarkConfig, "measure_inflation"),
}
_chosen: list = []


def prepare(argv: list[str]) -> list[str]:
    """Defines the flags of the benchmark that the first argument names; what is left of them."""
    name = argv[1] if len(argv) > 1 else ""
    if name not in _BENCHMARKS:
        if name in HELP_FLAGS:
            sys.exit(print(help_text()))
        known = ", ".join(_BENCHMARKS)
        sys.exit(cli.fail(f"the benchmark must be one of {known}. Received: {name!r}"))
    _chosen[:] = [name, cli.define_flags(_BENCHMARKS[name][0])]
    return [argv[0], *argv[2:]]


def main() -> None:
    name, holders = _chosen
    config_class, measure = _BENCHMARKS[name]
    settings = cli.from_flags(config_class, holders)
    with cli.loading():
        module = importlib.import_module(f"video_zoo.benchmarks.{name}")
    print(getattr(module, measure)(settings))
