"""Tells what a network owes to motion: frames in order, reversed, shuffled, frozen, slow and fast.

    video-zoo probe --workdir RUN

Writes probe.json, probe.png and the scores of each condition into RUN/probe/SPLIT.

Exit codes: 0 done; 2 something is wrong with the flags or the data; 75 after SIGTERM, 130 after
Ctrl-C.
"""

from video_zoo.evaluation import ProbeConfig

from . import cli

_FLAGS = cli.define_flags(ProbeConfig)


def main() -> None:
    config = cli.from_flags(ProbeConfig, _FLAGS)
    with cli.loading():
        from video_zoo.evaluation import describe_probe, probe

    print(describe_probe(probe(config)))
    print(f"written to {config.folder()}")
