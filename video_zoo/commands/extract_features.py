"""Writes the features that a network gives of videos, a file per video.

    video-zoo extract-features --workdir RUN --endpoints Mixed_5c --output_dir DIR VIDEO...

VIDEO is a file, or a folder that is searched; --data_dir SHARDS takes a split of shards instead.
The same command continues where it was stopped. docs/transfer.md tells the rest.

Exit codes: 0 done; 1 some videos could not be used; 2 something is wrong with the flags or the
data; 75 after SIGTERM, 130 after Ctrl-C.
"""

from video_zoo.evaluation import ExtractionConfig

from . import cli

RUN = {
    "inputs": True,
    "names": {"inputs": "VIDEO..."},
    "interrupted": "Written features are kept; the same command continues.",
}
_FLAGS = cli.define_flags(ExtractionConfig)


def main(*inputs: str) -> int:
    config = cli.from_flags(ExtractionConfig, _FLAGS)
    config.check_inputs(inputs)
    with cli.loading():
        from video_zoo.evaluation import extract_features

    result = extract_features(config, inputs)
    for name, problem in result.problems.items():
        print(f"{name}\n    cannot be used: {problem}")
    print(
        f"{len(result.written)} videos written, {len(result.kept)} kept from before, "
        f"{len(result.problems)} cannot be used; {result.output_dir}"
    )
    return 1 if result.problems else 0
