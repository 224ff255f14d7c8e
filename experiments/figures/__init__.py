"""Pictures of networks and of runs.

The numbers come from :mod:`experiments.analysis`; nothing is computed here that a table could hold.
"""

from experiments.figures.report import save_figures

__all__ = ["save_figures"]
