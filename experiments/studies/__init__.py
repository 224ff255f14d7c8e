"""Running experiments: one run, its arms, its baselines, and studies of several arms.

This room writes run folders; :mod:`experiments.analysis` reads them.
"""

from experiments.studies.progress import Reporter, TerminalReporter
from experiments.studies.runner import run
from experiments.studies.study import Study, load_study, parse_study, resume, run_study

__all__ = [
    "Reporter",
    "Study",
    "TerminalReporter",
    "load_study",
    "parse_study",
    "resume",
    "run",
    "run_study",
]
