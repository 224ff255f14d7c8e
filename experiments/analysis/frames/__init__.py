"""Data frames that answer one question each, made of the tables of runs.

The functions know data frames only; methods of :class:`experiments.Results` call them with the tables of its runs.
``docs/analysis.md`` has the questions.
"""

from experiments.analysis.frames.elites import (
    Grid,
    elites,
    grid_of,
    grids_of,
    quality_diversity,
)
from experiments.analysis.frames.joins import join_tables, with_parent
from experiments.analysis.frames.latex import latex_table
from experiments.analysis.frames.losses import lost_networks
from experiments.analysis.frames.operators import operator_effects, operator_uses
from experiments.analysis.frames.searches import objectives, pareto, population_at, selection_front
from experiments.analysis.frames.settings import changed_settings, settings_of_studies

__all__ = [
    "Grid",
    "changed_settings",
    "elites",
    "grid_of",
    "grids_of",
    "join_tables",
    "latex_table",
    "lost_networks",
    "objectives",
    "operator_effects",
    "operator_uses",
    "pareto",
    "population_at",
    "quality_diversity",
    "selection_front",
    "settings_of_studies",
    "with_parent",
]
