"""Which weights to convert, as settings. Loads no framework, for the tool's flags."""

import dataclasses
import os
import typing

from . import errors, known_names
from .inflation_config import InflationConfig


@dataclasses.dataclass(frozen=True)
class WeightsConversionConfig:
    """Weights to convert into a file of the zoo.

    Args:
        model: name of the network; or "inflate:NAME", "module:function", as in training.
        weights: published name, or file; docs/weights.md lists them.
        output: the .keras or .weights.h5 to write.
        overwrite: whether an existing file is replaced.
        imports: modules that define layers or networks of yours, with commas between.
        inflation: settings of "inflate:NAME", see docs/inflation.md.
    """

    FLAGS: typing.ClassVar[dict[str, str]] = {"imports": "import"}

    model: str
    weights: str
    output: str
    overwrite: bool = False
    imports: str | None = None
    inflation: InflationConfig = dataclasses.field(default_factory=InflationConfig)

    def __post_init__(self) -> None:
        errors.check_settings(self)
        known_names.import_modules(self.imports)
        known_names.check_source(None, None, self.model, self.weights)
        if not self.output.endswith(known_names.WEIGHT_ENDINGS):
            raise ValueError(
                "`output` must end in '.keras' or '.weights.h5'. Received: "
                f"output={errors.shown(self.output)}. Choose one of these endings."
            )

    def check_files(self) -> None:
        """Raises FileNotFoundError or FileExistsError where the files forbid the conversion."""
        known_names.check_weights_exist(self.model, self.weights)
        if os.path.exists(self.output) and not self.overwrite:
            raise FileExistsError(
                f"`output` must not exist. Received: output={errors.shown(self.output)}. Pass "
                "`overwrite=True` (--overwrite) to replace it."
            )
