"""Results as tables, comparisons and statistics, and baselines as predictors.

Pictures are in :mod:`experiments.figures`.
"""

from evo.storage.predictor import load_network
from experiments.analysis.baseline_predictor import BaselinePredictor, load_baseline
from experiments.analysis.comparison import COSTS, Interval, differences, metric_of, summarize
from experiments.analysis.results import Results, load_results

__all__ = [
    "COSTS",
    "BaselinePredictor",
    "Interval",
    "Results",
    "differences",
    "load_baseline",
    "load_network",
    "load_results",
    "metric_of",
    "summarize",
]
