"""What an experiment is told: its settings, their checks, and presets by name.

Nothing here runs one.
"""

from experiments.settings.experiment import (
    OF_EVOLUTION,
    BaselineSettings,
    Experiment,
    load_experiment,
    merged,
    preset_names,
    preset_text,
    read_settings,
)

__all__ = [
    "OF_EVOLUTION",
    "BaselineSettings",
    "Experiment",
    "load_experiment",
    "merged",
    "preset_names",
    "preset_text",
    "read_settings",
]
