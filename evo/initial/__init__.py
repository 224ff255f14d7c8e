"""First generations: random graphs, layered graphs and graphs of feature maps.

What changes a genome afterwards is in :mod:`evo.operators`.
"""

from evo.initial.founders import FounderSettings, found
from evo.initial.map_founders import draw_maps

__all__ = [
    "FounderSettings",
    "draw_maps",
    "found",
]
