"""From an experiment to preprocessed data, in memory if they fit, else read in parts."""

from __future__ import annotations

from pathlib import Path

from gradus.data.array_preprocessor import Preprocessor
from gradus.experiments.preparation.prepare_in_memory import PreparedData, prepare_in_memory
from gradus.experiments.preparation.prepare_streamed import (
    prepare_streamed,
    prepare_with_streamed_test,
)
from gradus.experiments.preparation.reading_in_parts import (
    check_settings,
    is_too_large,
    reads_in_parts,
)
from gradus.experiments.settings.experiment import Experiment


def prepare_data(
    experiment: Experiment, preprocessor: Preprocessor | None = None, again: bool = False
) -> PreparedData:
    """Prepare data, in memory if they fit, else in parts.

    Args:
        experiment: the settings; `stream` decides, if it is not None.
        preprocessor: of an earlier training, to use instead of fitting one.
        again: whether an earlier training goes on.

    Raises:
        DataError: if the data cannot be read or trained on.
        ExperimentError: for invalid settings, or those that data in parts lack.
    """
    if not reads_in_parts(experiment, again or preprocessor is not None):
        test = experiment.test
        if isinstance(test, str) and experiment.stream is None and is_too_large(Path(test)):
            return prepare_with_streamed_test(experiment, test, preprocessor)
        return prepare_in_memory(experiment, preprocessor)
    check_settings(experiment, Path(experiment.data))
    return prepare_streamed(experiment, preprocessor)
