"""Statistics on plain arrays: intervals, tests, effect sizes, ranks, Pareto fronts.

This room knows nothing of runs and tables; `experiments.analysis` applies its functions to them. SciPy, statsmodels and
moocore do the computing where they can. ``docs/statistics.md`` says which number answers which question.
"""

from experiments.statistics.corrections import holm
from experiments.statistics.data_sets import Ranks, ranks, stratified_interval
from experiments.statistics.fronts import hypervolume, pareto_front
from experiments.statistics.intervals import Interval, bca_interval, interval, two_way_interval
from experiments.statistics.paired import (
    effect_size,
    equivalence_p,
    seeds_needed,
    sign_flip_p,
    smallest_p,
    superiority,
)
from experiments.statistics.samples import McNemar, mcnemar

__all__ = [
    "Interval",
    "McNemar",
    "Ranks",
    "bca_interval",
    "effect_size",
    "equivalence_p",
    "holm",
    "hypervolume",
    "interval",
    "mcnemar",
    "pareto_front",
    "ranks",
    "seeds_needed",
    "sign_flip_p",
    "smallest_p",
    "stratified_interval",
    "superiority",
    "two_way_interval",
]
