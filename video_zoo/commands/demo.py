"""Opens a page in the browser on which a network classifies the videos that are dropped there.

    video-zoo demo --workdir RUN

Exit codes: 2 something is wrong with the flags; 75 after SIGTERM, 130 after Ctrl-C.
"""

from video_zoo.evaluation import DemoConfig

from . import cli

_FLAGS = cli.define_flags(DemoConfig)


def main() -> None:
    config = cli.from_flags(DemoConfig, _FLAGS)
    with cli.loading():
        from video_zoo.evaluation import demo

    demo(config)
