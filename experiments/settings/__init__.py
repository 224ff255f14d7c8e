"""The settings of an experiment or study, their checks, presets by name, and the parts that settings can name.

This room reads and checks settings; :mod:`experiments.studies` runs experiments.
"""

from experiments.arms import BaselineSettings
from experiments.settings.experiment import (
    OF_EVOLUTION,
    Experiment,
    load_experiment,
    preset_names,
    preset_text,
    read_settings,
)

__all__ = [
    "OF_EVOLUTION",
    "BaselineSettings",
    "Experiment",
    "load_experiment",
    "preset_names",
    "preset_text",
    "read_settings",
]
