"""Shows the kernels of a network's first convolution as moving pictures.

    video-zoo kernels --workdir RUN --output kernels.gif
    video-zoo kernels --model i3d --weights kinetics400 --output kernels.gif

Exit codes: 0 done; 2 something is wrong with the flags; 75 after SIGTERM, 130 after Ctrl-C.
"""

from video_zoo.evaluation import KernelsConfig

from . import cli

RUN = {"names": {"path": "output"}}
_FLAGS = cli.define_flags(KernelsConfig)


def main() -> None:
    config = cli.from_flags(KernelsConfig, _FLAGS)
    with cli.loading():
        from video_zoo.evaluation import save_kernels
        from video_zoo.run.trained import load_network

    print(save_kernels(load_network(**config.network).model, config.output))
