"""How every picture looks: its size, fonts and colours, names of classes and features, and facts for its title.

Nothing is drawn here; pictures are in :mod:`experiments.figures`.
"""

from experiments.figures.style.sizes import PAPER, WIDTHS, inches, new_figure, rendered

__all__ = ["PAPER", "WIDTHS", "inches", "new_figure", "rendered"]
