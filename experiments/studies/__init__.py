"""Running experiments: one run, its arms, its baselines, and studies of several arms.

This room writes run folders; :mod:`experiments.analysis` reads them.
"""

from experiments.studies.runner import run
from experiments.studies.study import Study, load_study, parse_study, resume, run_study

__all__ = [
    "Study",
    "load_study",
    "parse_study",
    "resume",
    "run",
    "run_study",
]
