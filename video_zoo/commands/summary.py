"""Prints what is known of the networks: size, cost, smallest input, paper, published weights.

    video-zoo summary [NAME...]      (also inflate:ResNet50V2, FILE.keras, module:function)
    video-zoo summary --markdown

Exit codes: 0 done; 2 a network is unknown.
"""

from absl import flags

from video_zoo import known_names
from video_zoo.inflation_config import InflationConfig

from . import cli

RUN = {"inputs": True}
_FLAGS = cli.define_flags(InflationConfig)
_IMPORT = flags.DEFINE_string(
    "import", None, "Modules that define layers or networks of yours, with commas between."
)
_MARKDOWN = flags.DEFINE_bool("markdown", False, "As the tables of docs/models.md, all networks.")


def main(*names: str) -> None:
    known_names.import_modules(_IMPORT.value)
    for name in names:
        known_names.check_any_network(name)
    inflation = cli.from_flags(InflationConfig, _FLAGS)
    with cli.loading():
        import video_zoo
        from video_zoo.models.overview import models_table

    if _MARKDOWN.value:
        print(models_table())
        return
    for name in names or video_zoo.list_models():
        print(video_zoo.summary(name, inflation))
