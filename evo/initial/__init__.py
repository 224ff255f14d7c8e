"""First generations: random graphs, graphs of feature maps, the example of the seed document, and given networks.

:mod:`evo.operators` changes genomes later.
"""

from evo.initial.founders import create_founders
from evo.initial.map_founders import draw_map_network
from evo.initial.settings import GRAPHS, FounderSettings, FounderSpec
from evo.initial.topologies import TOPOLOGIES, LayerSpec

__all__ = [
    "GRAPHS",
    "TOPOLOGIES",
    "FounderSettings",
    "FounderSpec",
    "LayerSpec",
    "create_founders",
    "draw_map_network",
]
