"""Results of runs: tables, comparisons with statistics, and trained networks.

This room reads results and computes no new ones. Pictures are in :mod:`experiments.figures`.
"""

from evo.storage.predictor import BaselinePredictor, load_network
from experiments.analysis.comparison import COSTS, compare, summarize
from experiments.analysis.deciding import metric_of
from experiments.analysis.results import Results, load_results

__all__ = [
    "COSTS",
    "BaselinePredictor",
    "Results",
    "compare",
    "load_network",
    "load_results",
    "metric_of",
    "summarize",
]
