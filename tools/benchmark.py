"""Measures what the documentation says.

    python tools/benchmark.py input --data_dir SHARDS
    python tools/benchmark.py conversion --input VIDEOS
    python tools/benchmark.py inflation --output inflation.json

input: clips per second of bare JPEG decoding, of the input pipeline, of the training step, and of
both together. conversion: bare decode, resize and encode against the conversion. Both measure in
turn, so that only the ratios mean something on a busy machine.

inflation: every network of keras.applications as a video network: parameters, GMACs, the largest
difference on a still video, the time of a forward pass. Takes hours on a CPU; the same command
continues where it was stopped.

`tools/benchmark.py NAME --help` lists the flags. Exit codes: 0 done; 2 something is wrong with the
flags or the input; 75 after SIGTERM, 130 after Ctrl-C.
"""

# The processes of a conversion import this file again: nothing heavy may be imported at its top.
import importlib
import sys

from absl import app

from video_zoo.benchmarks import config
from video_zoo.commands import cli

# Name of the module -> config and function.
_BENCHMARKS = {
    "input": (config.InputConfig, "measure_input"),
    "conversion": (config.ConversionBenchmarkConfig, "measure_conversion"),
    "inflation": (config.InflationConfig, "inflation_report"),
}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in _BENCHMARKS:
        if name in ("-h", "--help", "-help"):
            sys.exit(print(__doc__))
        known = ", ".join(_BENCHMARKS)
        sys.exit(cli.fail(f"the benchmark must be one of {known}. Received: {name!r}"))
    config_class, measure = _BENCHMARKS[name]
    holders = cli.define_flags(config_class)

    def work() -> None:
        settings = cli.from_flags(config_class, holders)
        with cli.loading():
            module = importlib.import_module(f"video_zoo.benchmarks.{name}")
        print(getattr(module, measure)(settings))

    argv = [sys.argv[0], *sys.argv[2:]]
    names = {"input_dir": "--input"}
    app.run(lambda rest: cli.run(work, rest, names=names), argv, flags_parser=cli.parse_flags)


if __name__ == "__main__":
    main()
