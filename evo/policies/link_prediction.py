"""Link prediction between two layers: how likely an edge is at a free place, given the other edges.

The two layers are a bipartite graph X, sources × targets; weights do not count. Between a source u and a target v that
are not connected, the paths of length three u – b – a – v lead over a target b of u and a source a of v. These b and a
are the *local community* of u and v. A member of it has *internal* links, to other members, and *external* links, to
nodes that are neither members nor u or v. In a bipartite graph both numbers have a closed form. Let D = X·Xᵀ and
T = Xᵀ·X hold the numbers of common neighbours. Source a has D[a, u] internal links and k_a − D[a, u] − 1 external ones,
because all targets that a and u share are members. Target b has T[b, v] and k_b − T[b, v] − 1.

Y. Zhang et al., *Epitopological learning and Cannistraci-Hebb network shape intelligence brain-inspired theory for
ultra-sparse advantage in deep learning* (ICLR 2024), and *Brain network science modelling of sparse neural networks
enables Transformers and LLMs to perform as fully connected* (NeurIPS 2025), equation 3 and appendix C.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from evo.genome.genome import FloatArray
from evo.operators.growth import highest
from evo.policies import link_prediction_kernels as kernels
from evo.policies.link_prediction_kernels import Numbers, Scores

BLOCK = 1 << 19
"""Largest number of places that are scored at a time, but at least those of one target."""


class Lists(NamedTuple):
    """The neighbours of each node of a layer in the other layer, ascending.

    Those of node n are ``nodes[indptr[n] : indptr[n + 1]]``.
    """

    indptr: Numbers
    nodes: Numbers

    def bounds(self, first: int, end: int, width: int) -> tuple[Numbers, Numbers]:
        """Return where the neighbours `first` … `end` − 1 begin and end in each list; the other layer has `width`."""
        n = len(self.indptr) - 1
        offsets = np.arange(n) * width
        keys = np.repeat(offsets, np.diff(self.indptr)) + self.nodes
        begins, ends = np.searchsorted(keys, offsets + first), np.searchsorted(keys, offsets + end)
        return begins.astype(np.uint32), ends.astype(np.uint32)


@dataclass(frozen=True)
class BipartiteGraph:
    """The edges between two layers.

    Attributes
    ----------
    of_sources, of_targets : Lists
        The targets of each source, and the sources of each target.
    """

    of_sources: Lists
    of_targets: Lists

    @classmethod
    def from_matrix(cls, matrix: Any) -> Self:
        """Return the graph of a matrix, dense or sparse, of shape (sources, targets): an edge where it is not 0.

        Examples
        --------
        >>> BipartiteGraph.from_matrix([[0, 1, 1], [1, 0, 0]]).shape
        (2, 3)
        """
        columns = sparse.csc_array(matrix, copy=True)
        columns.eliminate_zeros()
        return cls.from_columns(columns.indptr, columns.indices, columns.shape[0])

    @classmethod
    def from_columns(cls, indptr: NDArray[Any], sources: NDArray[Any], n_sources: int) -> Self:
        """Return the graph of a matrix stored by columns."""
        shape = n_sources, len(indptr) - 1
        ones = np.ones(len(sources), np.int8)
        rows = sparse.csc_array((ones, sources, indptr), shape=shape).tocsr()
        columns = rows.tocsc()
        lists = [
            Lists(*(part.astype(np.uint32) for part in (one.indptr, one.indices)))
            for one in (rows, columns)
        ]
        return cls(*lists)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sources and of targets."""
        return len(self.of_sources.indptr) - 1, len(self.of_targets.indptr) - 1

    @cached_property
    def whole(self) -> tuple[Numbers, Numbers]:
        """Where the list of each target begins and ends."""
        indptr = self.of_targets.indptr
        return indptr[:-1], indptr[1:]


Rule = Callable[[BipartiteGraph, int, int], Scores]
"""Scores the places of the targets from a first one to the one before an end; shape (targets, sources)."""


def ch2_l3n(graph: BipartiteGraph, first: int, end: int) -> Scores:
    """Score by the nodes on paths of length three: Σ (1 + internal links) / (1 + external links).

    The sum is over all members of the local community. O(nodes² + places · degree), where a compiled loop adds rows of
    places.
    """
    (n_sources, n_targets), (sources, targets) = graph.shape, (graph.of_sources, graph.of_targets)
    bounds = sources.bounds(first, end, n_targets)
    scores = np.zeros((end - first, n_sources), np.float32)
    terms = np.empty(n_sources, np.float32)
    low, zero = np.uint32(first), np.uint32(0)
    kernels.add_node_terms(*sources, *bounds, low, targets.nodes, *graph.whole, zero, terms, scores)
    turned = np.zeros((n_sources, end - first), np.float32)
    terms = np.empty(end - first, np.float32)
    kernels.add_node_terms(*targets, *graph.whole, zero, sources.nodes, *bounds, low, terms, turned)
    kernels.add_transposed(turned, scores)
    return scores


def ch3_l3p(graph: BipartiteGraph, first: int, end: int) -> Scores:
    """Score by the paths of length three: Σ 1 / √((1 + external links of a) · (1 + external links of b)).

    The sum is over all paths u – b – a – v. O(edges · degree² + places · degree).
    """
    (n_sources, n_targets), (sources, targets) = graph.shape, (graph.of_sources, graph.of_targets)
    bounds, low = sources.bounds(first, end, n_targets), np.uint32(first)
    shares = np.empty((n_targets, end - first), np.float32)
    kernels.find_shares(*targets, sources.nodes, *bounds, low, shares)
    scores = np.zeros((end - first, n_sources), np.float32)
    roots, sums = np.empty((2, n_sources), np.float32)
    of_middles = np.empty(n_targets, np.float32)
    # Room for the paths u – b – a of the source a that has the most.
    in_degrees = np.diff(targets.indptr).astype(np.int64)[sources.nodes]
    most = np.diff(np.append(0, np.cumsum(in_degrees))[sources.indptr]).max(initial=0)
    beginnings, middles = np.empty((2, most), np.uint32)
    kernels.add_paths(
        *(*sources, *bounds, low, *targets, shares),
        *(beginnings, middles, of_middles, roots, sums, scores),
    )
    return scores


def link_scores(matrix: Any, rule: Rule) -> Scores:
    """Return the score of every free place between two layers.

    Parameters
    ----------
    matrix : array_like or sparse array, shape (sources, targets)
        The edges: all entries other than 0.
    rule : callable
        :func:`ch2_l3n` or :func:`ch3_l3p`.

    Returns
    -------
    ndarray of float32, shape (sources, targets)
        0 where there is an edge, and where no path of length three leads.

    Examples
    --------
    Source 0 and target 1 are connected by one path, over target 0 and source 1, which have no other neighbours.

    >>> link_scores([[1, 0], [1, 1]], ch3_l3p)
    array([[0., 1.],
           [0., 0.]], dtype=float32)
    >>> link_scores([[1, 0], [1, 1]], ch2_l3n)
    array([[0., 4.],
           [0., 0.]], dtype=float32)
    """
    graph = BipartiteGraph.from_matrix(matrix)
    if 0 in graph.shape:
        return np.zeros(graph.shape, np.float32)
    scores = np.concatenate([block for _, block in _blocks(graph, rule)])
    scores[scores == _STORED] = 0
    return scores.T


def best_places(
    graph: BipartiteGraph, rule: Rule, count: int, *, soft: bool, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose free places by their scores.

    Parameters
    ----------
    graph : BipartiteGraph
    rule : callable
    count : int
        Number of places; fewer are chosen if fewer are free.
    soft : bool
        Whether places are drawn without replacement, each with a probability in proportion to its score. Otherwise the
        highest scores are chosen, and of equal scores the first ones, target after target.
    rng : numpy.random.Generator

    Returns
    -------
    sources, targets : ndarray of int
        Ordered by target and source. Places of score 0 are chosen only if no others are left, at random.

    Notes
    -----
    To draw without replacement, each score is divided by an exponential random number, and the highest quotients are
    chosen (P. S. Efraimidis and P. G. Spirakis 2006). Memory is O(:data:`BLOCK` + count · blocks).
    """
    n_sources, _ = graph.shape
    found_keys, found_places = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    for first, scores in _blocks(graph, rule):
        flat = scores.ravel()
        free = np.flatnonzero(flat != _STORED)
        keys = _keys(flat[free], soft=soft, rng=rng)
        best = highest(keys, count)
        found_keys.append(keys[best])
        found_places.append(free[best] + first * n_sources)
    places = np.concatenate(found_places)
    chosen = np.sort(places[highest(np.concatenate(found_keys), count)])
    targets, sources = np.divmod(chosen, max(n_sources, 1))
    return sources, targets


def _keys(scores: Scores, *, soft: bool, rng: np.random.Generator) -> FloatArray:
    """Return the numbers by which places are ranked; those of score 0 are random and below all others."""
    if soft:
        draws = rng.standard_exponential(len(scores), dtype=np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(scores > 0, scores / draws, -draws)
    keys = scores.copy()
    without = np.flatnonzero(keys == 0)
    keys[without] = -rng.standard_exponential(len(without), dtype=np.float32)
    return keys


_STORED = np.float32(-1)
"""The score of a place that holds an edge."""


def _blocks(graph: BipartiteGraph, rule: Rule) -> Iterator[tuple[int, Scores]]:
    """Yield the scores of some targets after others, shape (targets, sources), and the first of these targets."""
    n_sources, n_targets = graph.shape
    indptr, nodes = graph.of_targets
    size = max(1, BLOCK // max(n_sources, 1))
    for first in range(0, n_targets, size):
        end = min(first + size, n_targets)
        scores = rule(graph, first, end)
        rows = np.repeat(np.arange(end - first), np.diff(indptr[first : end + 1]))
        scores[rows, nodes[indptr[first] : indptr[end]]] = _STORED
        yield first, scores
