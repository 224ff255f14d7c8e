"""Statistics of one genome: sizes, density, determinants, and the graph of its effective edges."""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import graphops
from evo.canonical.canonical import canonical_hash
from evo.genome import graph_kernels
from evo.genome.feature_maps import first_taps, map_transform
from evo.genome.genome import Genome, Role, read_only
from evo.phenotype.phenotype import Phenotype
from evo.time_account import spending

LARGEST_DETERMINANT = 2000
"""Largest number of nodes for which determinants are computed: they cost up to n³ and no selection uses them."""

LARGEST_GRAPH = 100_000
"""Largest number of stored edges for which the graph is described: a description sorts them and passes over them."""

LARGEST_COMPONENT = 128
"""Largest strongly connected component, in nodes, for which the spectral radius is computed: it costs their cube."""


class Statistic(NamedTuple):
    """The declaration of a statistic, beside its type: the table ``individuals`` has a column for each."""

    unit: str
    description: str
    former_name: str = ""
    bits: int = 64


@dataclass(frozen=True)
class GenomeStatistics:
    """Numbers that describe one genome as it was trained. A statistic that does not exist, or costs too much, is None.

    Each field declares its unit and meaning; :mod:`evo.storage.tables` derives the columns from the fields.
    """

    # fmt: off
    n_nodes: Annotated[int, Statistic("nodes", "Number of nodes, inputs and outputs included.", "nodes")]
    n_hidden: Annotated[int, Statistic("nodes", "Number of hidden nodes.", "hidden_nodes")]
    n_computed: Annotated[int, Statistic("nodes",
        "Number of computed nodes: all outputs, and the hidden nodes on which an output depends.", "active_nodes")]
    n_maps: Annotated[int, Statistic("nodes", "Number of nodes that are feature maps with a side above 1.", "maps")]
    n_stored: Annotated[int, Statistic("entries",
        "Number of stored entries, dormant ones included; a tap is an entry.", "stored")]
    n_active: Annotated[int, Statistic("entries",
        "Number of active entries: stored entries above the threshold, or all if there is none.", "edges")]
    n_effective: Annotated[int, Statistic("entries",
        "Number of active entries that can change an output; only these are computed.", "effective_edges")]
    n_kernels: Annotated[int, Statistic("edges",
        "Number of edges with a window of several taps, at least one of them effective.", "kernels")]
    taps_per_kernel: Annotated[float | None, Statistic("taps",
        "Mean number of effective taps of a kernel; empty if there are no kernels.")]
    density: Annotated[float, Statistic("",
        "Active entries divided by all places of the matrix: n_nodes squared, and with maps the taps of all possible "
        "kernels.")]
    threshold: Annotated[float | None, Statistic("weight",
        "Threshold A, if the network has a single one. Empty if there is no threshold, so that every stored entry is "
        "active, or if each node has its own threshold.")]
    ticks: Annotated[int, Statistic("ticks", "Number T of times that every node is evaluated for one sample.")]
    parameters: Annotated[int, Statistic("", "Number of trainable numbers: effective entries and biases.")]
    macs: Annotated[int, Statistic("per sample", "Multiply-accumulates for one sample, all ticks included.")]
    matrix_entries: Annotated[str, Statistic("",
        "Kind of the numbers in W from which determinants and spectral_radius are computed: weights, or l1 norms if "
        "there are maps. With l1 norms, a kernel counts as the sum of its taps' magnitudes, and an edge between two "
        "neurons as its weight.", "entries")]
    determinant_sign: Annotated[int | None, Statistic("",
        "Sign of det W over the stored entries: -1, 0 or 1; empty if not computed.", bits=8)] = None
    log_abs_determinant: Annotated[float | None, Statistic("nat",
        "ln |det W|, rounded to float32; empty if W is singular or it is not computed.")] = None
    identity_minus_sign: Annotated[int | None, Statistic("",
        "Sign of det(I - W); empty if not computed.", bits=8)] = None
    log_abs_identity_minus: Annotated[float | None, Statistic("nat",
        "ln |det(I - W)|, rounded to float32; empty if I - W is singular or it is not computed.")] = None
    mean_degree: Annotated[float | None, Statistic("edges",
        "Mean number of effective edges per node. A kernel is one edge here and in the columns that follow, up to "
        f"network_hash. All these columns are empty if there are more than {LARGEST_GRAPH:,} edges, dormant ones "
        "included, or if evolution.statistics = sizes.")] = None
    max_in_degree: Annotated[int | None, Statistic("edges",
        "Largest number of in-edges of one node, counting effective edges only.", "in_degree_max")] = None
    max_out_degree: Annotated[int | None, Statistic("edges",
        "Largest number of out-edges of one node, counting effective edges only.", "out_degree_max")] = None
    n_delayed: Annotated[int | None, Statistic("edges",
        "Number of effective edges that act one tick later; edges from inputs to earlier nodes do so in a "
        "sequence, and count if there are several ticks.", "delayed_edges")] = None
    n_components: Annotated[int | None, Statistic("",
        "Number of strongly connected components of the graph of effective edges; equal to n_nodes if no cycle has "
        "several nodes.",
        "components")] = None
    n_cyclic: Annotated[int | None, Statistic("nodes",
        "Number of nodes on a cycle of effective edges.", "cyclic_nodes")] = None
    depth: Annotated[int | None, Statistic("edges",
        "Length of the longest path of effective edges that act within one tick.")] = None
    mean_hops: Annotated[float | None, Statistic("edges",
        "Number of edges from the nearest input to an output, as a mean over the outputs that an input reaches; empty "
        "if no input reaches an output.", "hops_mean")] = None
    spectral_radius: Annotated[float | None, Statistic("",
        "Largest magnitude of the eigenvalues of W over the effective edges, rounded to float32; 0 without a cycle, "
        f"and empty if a strongly connected component has more than {LARGEST_COMPONENT} nodes.")] = None
    network_hash: Annotated[str | None, Statistic("",
        "Canonical hash of the network before its training. Two genomes with the same network, whatever its nodes are "
        "called, have the same hash; evo.canonical_hash describes the rare cases in which different networks have "
        "the same hash too.", "network")] = None
    # fmt: on


@spending("describe")
def describe(genome: Genome, network: Phenotype) -> GenomeStatistics:
    """Describe a genome and the network compiled from it without dormant entries."""
    sign, log_abs, sign_minus, log_abs_minus = _determinants(genome)
    return replace(
        describe_sizes(genome, network),
        determinant_sign=sign,
        log_abs_determinant=log_abs,
        identity_minus_sign=sign_minus,
        log_abs_identity_minus=log_abs_minus,
        **(_graph(genome, network) if _n_stored_edges(genome) <= LARGEST_GRAPH else {}),
    )


@spending("describe")
def describe_sizes(genome: Genome, network: Phenotype) -> GenomeStatistics:
    """Describe as :func:`describe`, but leave out what needs a look at the whole graph: determinants and paths."""
    n_active = int(np.count_nonzero(genome.active_mask()))
    n_computed, n_effective = len(network.plan.nodes), network.n_edges
    described = describe_neurons(genome, n_computed, n_effective, n_active)
    if not genome.has_maps:
        return described
    n_kernels, taps_per_kernel = _kernels(genome, network)
    return replace(
        described,
        n_maps=int(np.count_nonzero(genome.map_sizes > 1)),
        n_kernels=n_kernels,
        taps_per_kernel=taps_per_kernel,
        density=n_active / _possible_entries(genome),
        macs=network.macs,
        matrix_entries="l1 norms",
    )


def describe_neurons(
    genome: Genome, n_computed: int, n_effective: int, n_active: int
) -> GenomeStatistics:
    """Describe a genome of neurons as :func:`describe_sizes`, by numbers that are known already.

    Parameters
    ----------
    genome : Genome
    n_computed, n_effective, n_active : int
        Computed nodes, effective edges, and active entries.
    """
    return GenomeStatistics(
        n_nodes=genome.n_nodes,
        n_hidden=genome.n_nodes - len(genome.inputs) - len(genome.outputs),
        n_computed=n_computed,
        n_maps=0,
        n_stored=genome.n_stored,
        n_active=n_active,
        n_effective=n_effective,
        n_kernels=0,
        taps_per_kernel=None,
        density=n_active / genome.n_nodes**2,
        threshold=float(genome.threshold) if isinstance(genome.threshold, float | int) else None,
        ticks=genome.ticks,
        parameters=n_effective + n_computed,
        macs=n_effective * genome.ticks,
        matrix_entries="weights",
    )


def _kernels(genome: Genome, network: Phenotype) -> tuple[int, float | None]:
    """Return the number of computed edges that are kernels, and their mean number of taps."""
    taps = network.plan.entries[genome.windows[network.plan.entries] > 1]
    edges = np.unique(genome.targets[taps] * genome.n_nodes + genome.indices[taps])
    return len(edges), len(taps) / len(edges) if len(edges) else None


def _possible_entries(genome: Genome) -> int:
    """Return the number of entries of a matrix in which every possible entry is stored."""
    map_sizes, counts = np.unique(genome.map_sizes, return_counts=True)
    pairs = itertools.product(zip(map_sizes.tolist(), counts.tolist(), strict=True), repeat=2)
    return sum(
        n_sources * n_targets * map_transform(source, target, genome.kernel).window ** 2
        for (source, n_sources), (target, n_targets) in pairs
    )


def _n_stored_edges(genome: Genome) -> int:
    """Return the number of stored edges, dormant ones included; a kernel is one edge."""
    if not genome.has_maps:
        return genome.n_stored
    return len(first_taps(genome.indices, genome.targets))


def _graph(genome: Genome, network: Phenotype) -> dict[str, Any]:
    """Return the statistics of the graph of effective edges."""
    entries, is_input = network.plan.entries, genome.roles == Role.INPUT
    indptr, sources = genome.indptr, genome.indices
    if len(entries) < genome.n_stored:
        indptr = read_only(np.searchsorted(entries, indptr))
        sources = read_only(sources[entries])
    targets = np.repeat(np.arange(genome.n_nodes), np.diff(indptr))
    if genome.has_maps:  # one of its taps stands for a kernel
        first = first_taps(sources, targets)
        indptr = read_only(np.searchsorted(first, indptr))
        sources, targets = read_only(sources[first]), targets[first]
    n_components, n_cyclic, largest = graph_kernels.count_components(indptr, sources)
    hops = np.empty(genome.n_nodes, np.int64)
    graph_kernels.count_hops(indptr, sources, is_input, hops)
    reached = hops[genome.outputs]
    reached = reached[reached >= 0]
    radius = None
    if largest <= LARGEST_COMPONENT:
        radius = _spectral_radius(genome, entries) if n_cyclic else 0.0
    return {
        "mean_degree": len(sources) / genome.n_nodes,
        "max_in_degree": int(np.diff(indptr).max()),
        "max_out_degree": int(np.bincount(sources, minlength=1).max()),
        "n_delayed": int(np.count_nonzero(genome.is_delayed(sources, targets))),
        "n_components": n_components,
        "n_cyclic": n_cyclic,
        "depth": graph_kernels.longest_path(indptr, sources, is_input, genome.ticks == 1),
        "mean_hops": float(reached.mean()) if len(reached) else None,
        "spectral_radius": radius,
        "network_hash": canonical_hash(genome, effective=entries),
    }


def _spectral_radius(genome: Genome, entries: NDArray[np.int64]) -> float:
    effective = np.zeros(genome.n_stored, np.bool_)
    effective[entries] = True
    return _rounded(graphops.spectral_radius(genome.strengths(effective)))


def _determinants(genome: Genome) -> tuple[int | None, float | None, int | None, float | None]:
    """Return sign and logarithm of det W and of det(I − W) over the stored entries."""
    if genome.n_nodes > LARGEST_DETERMINANT:
        return None, None, None, None
    _, n_cyclic, _ = graph_kernels.count_components(genome.indptr, genome.indices)
    if not n_cyclic:  # strictly triangular, in some order
        return 0, None, 1, 0.0
    weights = genome.strengths()
    stored = graphops.slogdet(weights)
    minus = graphops.slogdet(graphops.identity_minus(weights))
    return (
        int(stored.sign),
        _rounded(stored.log_abs) if math.isfinite(stored.log_abs) else None,
        int(minus.sign),
        _rounded(minus.log_abs) if math.isfinite(minus.log_abs) else None,
    )


def _rounded(value: float) -> float:
    """Round to float32: the last digits of LAPACK's results differ between processors."""
    return float(np.float32(value))
