"""Pictures of networks and of runs.

The numbers come from :mod:`experiments.analysis`.
"""

from experiments.figures.report import save_figures

__all__ = [
    "save_figures",
]
