"""What the tables say about a genome: sizes, density, the graph that acts, determinants."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

import graphops
from evo.canonical.canonical import canonical_hash
from evo.genome.feature_maps import map_transform
from evo.genome.genome import Genome, Role
from evo.phenotype.phenotype import Phenotype

LARGEST_DETERMINANT = 2000
"""Nodes beyond which determinants are not computed: they cost up to n³ and nothing selects on them."""


LARGEST_GRAPH = 100_000
"""Stored edges beyond which the graph is not looked at: that takes a few passes over them, and sorting them."""

LARGEST_COMPONENT = 128
"""Nodes in one strongly connected component beyond which the spectral radius is not computed: it costs their cube."""


@dataclass(frozen=True)
class GenomeStatistics:
    """Numbers that describe one genome as it was trained.

    Attributes
    ----------
    nodes, hidden_nodes, active_nodes : int
        All, those with the role *hidden*, and those that are computed because an output depends on them.
    maps : int
        Nodes with a side above 1.
    stored, edges, effective_edges : int
        Stored entries, of kernels the taps; those let through by the threshold; of these, the ones that act on an
        output.
    kernels : int
        Edges that may have more than one tap, and have one at least that acts on an output.
    taps_per_kernel : float or None
        Effective taps of these, the mean; None where there are none.
    density : float
        Edges over all entries that there could be: n², and between maps the taps of every kernel.
    threshold : float or None
        A, where it is one number.
    ticks : int
    parameters, macs : int
        Trainable numbers; multiply-accumulates per sample.
    entries : {"weights", "l1 norms"}
        What the matrix holds whose determinants and spectral radius these are: the weights or, where there are maps,
        a number for each edge, see :meth:`evo.genome.genome.Genome.strengths`.
    determinant_sign, identity_minus_sign : int or None
        Signs of det W (stored entries) and det(I − W): −1, 0 (singular) or 1; None where not computed.
    log_abs_determinant, log_abs_identity_minus : float or None
        Natural logarithms of their magnitudes; None where singular or not computed.
    mean_degree : float or None
        Effective edges per node, a kernel being one. This and all that follows is of the effective edges, and None
        where there are more than :data:`LARGEST_GRAPH` stored ones.
    max_in_degree, max_out_degree : int or None
    delayed_edges : int or None
        Those that act one tick later.
    components, cyclic_nodes : int or None
        Strongly connected components, and nodes on a cycle.
    depth : int or None
        Edges on the longest path of edges that act within a tick.
    mean_hops : float or None
        Edges from the nearest input to an output, over the outputs that hear one; None where none does.
    spectral_radius : float or None
        Of W; None, too, where a component has more than :data:`LARGEST_COMPONENT` nodes.
    network : str or None
        :func:`evo.canonical.canonical.canonical_hash`.
    """

    nodes: int
    hidden_nodes: int
    active_nodes: int
    maps: int
    stored: int
    edges: int
    effective_edges: int
    kernels: int
    taps_per_kernel: float | None
    density: float
    threshold: float | None
    ticks: int
    parameters: int
    macs: int
    entries: str
    determinant_sign: int | None
    log_abs_determinant: float | None
    identity_minus_sign: int | None
    log_abs_identity_minus: float | None
    mean_degree: float | None = None
    max_in_degree: int | None = None
    max_out_degree: int | None = None
    delayed_edges: int | None = None
    components: int | None = None
    cyclic_nodes: int | None = None
    depth: int | None = None
    mean_hops: float | None = None
    spectral_radius: float | None = None
    network: str | None = None


def describe(genome: Genome, network: Phenotype) -> GenomeStatistics:
    """Describe a genome and the network compiled from it."""
    edges = int(genome.active_mask().sum())
    kernels, taps_per_kernel = _kernels(genome, network)
    stored = genome.strengths()
    sign, log_abs, sign_minus, log_abs_minus = _determinants(stored)
    return GenomeStatistics(
        nodes=genome.n_nodes,
        hidden_nodes=int((genome.roles == Role.HIDDEN).sum()),
        active_nodes=len(network.plan.nodes),
        maps=int((genome.map_sizes > 1).sum()),
        stored=genome.n_stored,
        edges=edges,
        effective_edges=network.n_edges,
        kernels=kernels,
        taps_per_kernel=taps_per_kernel,
        density=edges / _places(genome),
        threshold=float(genome.threshold) if isinstance(genome.threshold, float | int) else None,
        ticks=genome.ticks,
        parameters=network.parameter_count,
        macs=network.macs,
        entries="l1 norms" if genome.has_maps else "weights",
        determinant_sign=sign,
        log_abs_determinant=log_abs,
        identity_minus_sign=sign_minus,
        log_abs_identity_minus=log_abs_minus,
        **(_graph(genome) if stored.nnz <= LARGEST_GRAPH else {}),
    )


def _kernels(genome: Genome, network: Phenotype) -> tuple[int, float | None]:
    """Return how many computed edges are kernels, and how many taps these have on average."""
    if not genome.has_maps:
        return 0, None
    taps = network.plan.entries[genome.windows[network.plan.entries] > 1]
    edges = np.unique(genome.targets[taps] * genome.n_nodes + genome.indices[taps])
    return len(edges), len(taps) / len(edges) if len(edges) else None


def _places(genome: Genome) -> int:
    """Return how many entries there could be."""
    map_sizes, counts = np.unique(genome.map_sizes, return_counts=True)
    pairs = itertools.product(zip(map_sizes.tolist(), counts.tolist(), strict=True), repeat=2)
    return sum(
        n_sources * n_targets * map_transform(source, target, genome.kernel).window ** 2
        for (source, n_sources), (target, n_targets) in pairs
    )


def _graph(genome: Genome) -> dict[str, Any]:
    """Return what the graph of the effective edges is like."""
    W = genome.strengths(genome.effective_mask())
    targets = np.repeat(np.arange(genome.n_nodes), np.diff(W.indptr))
    delayed = (W.indices >= targets) & (genome.roles[W.indices] != Role.INPUT)
    degrees, cycles = graphops.degree_statistics(W), graphops.cycle_statistics(W)
    paths = graphops.path_statistics(W, genome.inputs, genome.outputs)
    radius = None
    if cycles.largest_component <= LARGEST_COMPONENT:
        radius = graphops.spectral_radius(W) if cycles.cyclic_nodes else 0.0
    return {
        "mean_degree": degrees.mean_degree,
        "max_in_degree": degrees.max_in_degree,
        "max_out_degree": degrees.max_out_degree,
        "delayed_edges": int(delayed.sum()),
        "components": cycles.components,
        "cyclic_nodes": cycles.cyclic_nodes,
        "depth": paths.depth,
        "mean_hops": paths.mean_hops,
        "spectral_radius": radius,
        "network": canonical_hash(genome),
    }


def _determinants(
    weights: sparse.csc_array,
) -> tuple[int | None, float | None, int | None, float | None]:
    if weights.shape[0] > LARGEST_DETERMINANT:
        return None, None, None, None
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
