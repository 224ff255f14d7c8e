"""First generations: random graphs, layered graphs and graphs of feature maps.

What changes a genome afterwards is in :mod:`evo.operators`.
"""

from evo.initial.founders import FounderSettings, create_founders
from evo.initial.map_founders import draw_map_network

__all__ = [
    "FounderSettings",
    "create_founders",
    "draw_map_network",
]
