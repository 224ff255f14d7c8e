"""Results of runs: tables, comparisons with statistics, and trained networks.

This room reads results and computes no new ones. Pictures are in :mod:`experiments.figures`.
"""

from evo.storage.predictor import BaselinePredictor, load_network
from experiments.analysis.comparison import COSTS, compare, summarize
from experiments.analysis.curves import anytime, time_to_target
from experiments.analysis.data_sets import over_data_sets
from experiments.analysis.deciding import metric_of
from experiments.analysis.frames import (
    changed_settings,
    join_tables,
    latex_table,
    lost_networks,
    operator_effects,
    operator_uses,
    pareto,
    population_at,
    with_parent,
)
from experiments.analysis.lineage import learning_curve
from experiments.analysis.results import Results, load_results
from experiments.analysis.samples import mcnemar_of_seeds, over_samples

__all__ = [
    "COSTS",
    "BaselinePredictor",
    "Results",
    "anytime",
    "changed_settings",
    "compare",
    "join_tables",
    "latex_table",
    "learning_curve",
    "load_network",
    "load_results",
    "lost_networks",
    "mcnemar_of_seeds",
    "metric_of",
    "operator_effects",
    "operator_uses",
    "over_data_sets",
    "over_samples",
    "pareto",
    "population_at",
    "summarize",
    "time_to_target",
    "with_parent",
]
