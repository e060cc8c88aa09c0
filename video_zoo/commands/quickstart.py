"""The main job on an embedded default, from video files to a table of results.

    video-zoo quickstart [--output_dir runs/quickstart]

Exit codes: 0 the network has learnt motion; 1 it has not; 2 an error; 75 after SIGTERM, 130 after
Ctrl-C.
"""

from video_zoo.quickstart_config import QuickstartConfig

from . import cli

_FLAGS = cli.define_flags(QuickstartConfig)


def main() -> int:
    config = cli.from_flags(QuickstartConfig, _FLAGS)
    with cli.loading():
        import tensorflow  # noqa: F401  (which the job loads bit by bit)

        from video_zoo.quickstart import quickstart
    return 0 if quickstart(config) else 1
