"""One generation of small networks in a few compiled calls: children of given genomes, and what networks are worth.

:mod:`evo.gradient_free.neuroevolution` keeps all generations in compiled code; here each network becomes a genome with
a record, which the loop of :mod:`evo.evolution` selects, stores and replays.
"""

from evo.gradient_free.generation.breeding import LARGEST_NETWORK, Child, breed, draw_key, rules_of
from evo.gradient_free.generation.scoring import Sizes, play_networks, score_networks, sizes_of

__all__ = [
    "LARGEST_NETWORK",
    "Child",
    "Sizes",
    "breed",
    "draw_key",
    "play_networks",
    "rules_of",
    "score_networks",
    "sizes_of",
]
