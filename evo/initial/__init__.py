"""First generations: random graphs, layered graphs and graphs of feature maps.

:mod:`evo.operators` changes genomes later.
"""

from evo.initial.founders import GRAPHS, FounderSettings, FounderSpec, create_founders
from evo.initial.map_founders import draw_map_network

__all__ = ["GRAPHS", "FounderSettings", "FounderSpec", "create_founders", "draw_map_network"]
