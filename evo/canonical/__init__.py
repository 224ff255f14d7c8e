"""Whether two genomes are the same network up to the names and order of their nodes.

A hash that finds candidates and an exact comparison that decides.
"""

from evo.canonical.canonical import (
    TooSymmetricError,
    canonical_hash,
    match_nodes,
    same_network,
    unique_networks,
)

__all__ = [
    "TooSymmetricError",
    "canonical_hash",
    "match_nodes",
    "same_network",
    "unique_networks",
]
