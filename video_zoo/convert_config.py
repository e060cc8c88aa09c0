"""Which weights to convert, as settings. Loads no framework, for the tool's flags."""

import dataclasses
import os

from . import errors, known_names


@dataclasses.dataclass(frozen=True)
class WeightsConversionConfig:
    """Weights to convert into a file of the zoo.

    Args:
        model: name of the network.
        weights: published name, or file; docs/weights.md lists them.
        output: the .keras or .weights.h5 to write.
        overwrite: whether an existing file is replaced.
    """

    model: str
    weights: str
    output: str
    overwrite: bool = False

    def __post_init__(self) -> None:
        errors.check_settings(self)
        known_names.check_network(self.model)
        known_names.check_weights(self.model, self.weights)
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
