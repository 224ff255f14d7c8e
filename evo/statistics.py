"""What the tables say about a genome: sizes, density, the graph that acts, determinants."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphops
from evo.canonical import canonical_hash
from evo.genome import Genome, Role
from evo.phenotype import Phenotype

LARGEST_DETERMINANT = 2000
"""Nodes beyond which determinants are not computed: they cost up to n³ and nothing selects on them."""


LARGEST_GRAPH = 100_000
"""Stored entries beyond which the graph is not looked at: that takes a few passes over its edges, and sorting them."""

LARGEST_COMPONENT = 128
"""Nodes in one strongly connected component beyond which the spectral radius is not computed: it costs their cube."""


@dataclass(frozen=True)
class GenomeStatistics:
    """Numbers that describe one genome as it was trained.

    Attributes
    ----------
    nodes, hidden_nodes, active_nodes : int
        All, those with the role *hidden*, and those that are computed because an output depends on them.
    stored, edges, effective_edges : int
        Stored entries; those let through by the threshold; of these, the ones that act on an output.
    density : float
        Edges over n².
    threshold : float or None
        A, where it is one number.
    ticks : int
    parameters, macs : int
        Trainable numbers; multiply-accumulates per sample.
    determinant_sign, identity_minus_sign : int or None
        Signs of det W (stored entries) and det(I − W): −1, 0 (singular) or 1; None where not computed.
    log_abs_determinant, log_abs_identity_minus : float or None
        Natural logarithms of their magnitudes; None where singular or not computed.
    mean_degree : float or None
        Effective edges per node. This and all that follows is of the effective edges, and None where there are more
        than :data:`LARGEST_GRAPH` stored entries.
    in_degree_max, out_degree_max : int or None
    delayed_edges : int or None
        Those that act one tick later.
    components, cyclic_nodes : int or None
        Strongly connected components, and nodes on a cycle.
    depth : int or None
        Edges on the longest path of edges that act within a tick.
    hops_mean : float or None
        Edges from the nearest input to an output, over the outputs that hear one; None where none does.
    spectral_radius : float or None
        Of W; None, too, where a component has more than :data:`LARGEST_COMPONENT` nodes.
    network : str or None
        :func:`evo.canonical.canonical_hash`.
    """

    nodes: int
    hidden_nodes: int
    active_nodes: int
    stored: int
    edges: int
    effective_edges: int
    density: float
    threshold: float | None
    ticks: int
    parameters: int
    macs: int
    determinant_sign: int | None
    log_abs_determinant: float | None
    identity_minus_sign: int | None
    log_abs_identity_minus: float | None
    mean_degree: float | None = None
    in_degree_max: int | None = None
    out_degree_max: int | None = None
    delayed_edges: int | None = None
    components: int | None = None
    cyclic_nodes: int | None = None
    depth: int | None = None
    hops_mean: float | None = None
    spectral_radius: float | None = None
    network: str | None = None


def describe(genome: Genome, network: Phenotype) -> GenomeStatistics:
    """Describe a genome and the network compiled from it."""
    edges = int(genome.live_mask().sum())
    sign, log_abs, sign_minus, log_abs_minus = _determinants(genome)
    return GenomeStatistics(
        nodes=genome.n_nodes,
        hidden_nodes=int((genome.roles == Role.HIDDEN).sum()),
        active_nodes=len(network.plan.positions),
        stored=genome.n_stored,
        edges=edges,
        effective_edges=network.n_edges,
        density=edges / genome.n_nodes**2,
        threshold=float(genome.limit) if isinstance(genome.limit, float | int) else None,
        ticks=genome.ticks,
        parameters=network.parameter_count,
        macs=network.macs,
        determinant_sign=sign,
        log_abs_determinant=log_abs,
        identity_minus_sign=sign_minus,
        log_abs_identity_minus=log_abs_minus,
        **_graph(genome),
    )


def _graph(genome: Genome) -> dict[str, Any]:
    """Return what the graph of the effective edges is like; nothing where it is too large to be looked at."""
    if genome.n_stored > LARGEST_GRAPH:
        return {}
    W = genome.weights_of(genome.effective_mask())
    targets = np.repeat(np.arange(genome.n_nodes), np.diff(W.indptr))
    delayed = (W.indices >= targets) & (genome.roles[W.indices] != Role.INPUT)
    degrees, cycles = graphops.degree_statistics(W), graphops.cycle_statistics(W)
    paths = graphops.path_statistics(W, genome.inputs, genome.outputs)
    radius = None
    if cycles.largest_component <= LARGEST_COMPONENT:
        radius = graphops.spectral_radius(W) if cycles.cyclic_nodes else 0.0
    return {
        "mean_degree": degrees.mean_degree,
        "in_degree_max": degrees.in_degree_max,
        "out_degree_max": degrees.out_degree_max,
        "delayed_edges": int(delayed.sum()),
        "components": cycles.components,
        "cyclic_nodes": cycles.cyclic_nodes,
        "depth": paths.depth,
        "hops_mean": paths.hops_mean,
        "spectral_radius": radius,
        "network": canonical_hash(genome),
    }


def _determinants(genome: Genome) -> tuple[int | None, float | None, int | None, float | None]:
    if genome.n_nodes > LARGEST_DETERMINANT:
        return None, None, None, None
    weights = genome.weights
    if not graphops.cycle_statistics(weights).cyclic_nodes:  # strictly triangular, in some order
        return 0, None, 1, 0.0
    stored = graphops.slogdet(weights)
    minus = graphops.slogdet(graphops.identity_minus(weights))
    return (
        int(stored.sign),
        float(stored.log_abs) if math.isfinite(stored.log_abs) else None,
        int(minus.sign),
        float(minus.log_abs) if math.isfinite(minus.log_abs) else None,
    )
