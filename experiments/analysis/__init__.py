"""Results of runs: tables, comparisons with statistics, and trained networks.

This room reads results and computes no new ones. Pictures are in :mod:`experiments.figures`.
"""

from evo.storage.predictor import BaselinePredictor, load_network
from experiments.analysis.comparison import COSTS, compare, summarize
from experiments.analysis.curves import anytime, time_to_target
from experiments.analysis.data_sets import over_data_sets
from experiments.analysis.deciding import metric_of
from experiments.analysis.results import Results, load_results
from experiments.analysis.samples import mcnemar_of_seeds, over_samples

__all__ = [
    "COSTS",
    "BaselinePredictor",
    "Results",
    "anytime",
    "compare",
    "load_network",
    "load_results",
    "mcnemar_of_seeds",
    "metric_of",
    "over_data_sets",
    "over_samples",
    "summarize",
    "time_to_target",
]
