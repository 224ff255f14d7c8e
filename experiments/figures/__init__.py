"""Pictures of networks and of runs, each by its name, and the film of a matrix.

The numbers come from :mod:`experiments.analysis`; nothing is computed here that a table could hold. How pictures look
is in :mod:`experiments.figures.style`.
"""

from experiments.figures.pictures import PICTURES, draw_network, figure, save_figures

__all__ = ["PICTURES", "draw_network", "figure", "save_figures"]
