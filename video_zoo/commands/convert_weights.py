"""Converts published weights into a file of the zoo, once.

    video-zoo convert-weights --model i3d --weights NAME_OR_FILE --output OUT.keras

OUT.weights.h5 holds the weights alone. Prints where each weight came from.

Exit codes: 0 done; 2 something is wrong with the flags or the weights; 75 after SIGTERM, 130 after
Ctrl-C.
"""

import dataclasses

from video_zoo.convert_config import WeightsConversionConfig

from . import cli

_FLAGS = cli.define_flags(WeightsConversionConfig)


def main() -> None:
    config = cli.from_flags(WeightsConversionConfig, _FLAGS)
    with cli.loading():
        from video_zoo.models.convert_weights import convert_weights

    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    done = convert_weights(**settings)
    for weight in done.weights:
        print(f"{weight.origin} -> {weight.path} {weight.shape}")
    print(f"{len(done.weights)} weights, {done.num_parameters:,} trainable parameters")
    print(f"padding {done.info.padding!r}, {done.info.convention}")
    print(f"written to {config.output}: {done.call}")
