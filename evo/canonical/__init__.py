"""Comparison of genomes up to the names and order of their nodes.

A canonical hash finds candidates, and an exact comparison (graph isomorphism) decides.
"""

from evo.canonical.canonical import (
    TooSymmetricError,
    canonical_hash,
    match_nodes,
    same_network,
    unique_networks,
)

__all__ = ["TooSymmetricError", "canonical_hash", "match_nodes", "same_network", "unique_networks"]
