"""A hash of networks that ignores node names, and an exact comparison of networks.

A network is a graph with labels on nodes and edges. The labels are: the roles of nodes and their order among inputs or
outputs, the activations and biases of computed nodes, the weights of effective edges, whether an edge is delayed
(:mod:`graphops.order`), the number of ticks and the dtype; for feature maps also the map sizes and the pixels that
effective taps read (:mod:`evo.canonical.labelled_graph`). Two genomes are the same network if their graphs are
isomorphic. Ids, an order of nodes without effect, the threshold, and entries and nodes without effect are ignored. −0.0
equals 0.0. Equal networks may sum in another order, so their outputs are equal up to rounding.

With several ticks the input may be a sequence, and then the delay of an edge from an input counts
(:meth:`evo.genome.genome.Genome.is_delayed`). So equal networks have equal outputs for constant inputs and for
sequences. Two networks that differ for sequences alone are different.

The algorithm is colour refinement (Weisfeiler and Leman 1968): the next colour of a node is a hash of its colour and
the colours of its predecessors and successors, until a round separates no further nodes. Weights are real numbers, so
one or two rounds usually give every node a different colour, and the colours give a canonical order of the nodes.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.canonical.hashing import Words, mix
from evo.canonical.hashing_kernels import refine
from evo.canonical.labelled_graph import LabelledGraph, arrays_in_order, labelled_graph
from evo.genome.genome import Genome

MAX_SYMMETRIC_WORK = 500_000
"""Largest nodes with shared colours × (nodes + edges) for which a hash singles out these nodes one by one."""

MAX_REFINEMENTS = 2_000
"""Default number of refinements after which a comparison of two highly symmetric networks fails."""

_SINGLED_OUT = np.uint64(0x3C6EF372)


class TooSymmetricError(ValueError):
    """An exact comparison of two highly symmetric networks would take too long."""


def canonical_hash(genome: Genome, *, effective: NDArray[np.integer[Any]] | None = None) -> str:
    """Return a hash of the network of a genome: 32 hexadecimal digits, the same on every machine.

    Equal networks have equal hashes. If refinement gives every node a different colour, the hash is of the graph in its
    canonical order, and different networks have different hashes (up to collisions of 128-bit BLAKE2b). Nodes share a
    colour only if their in-edges and out-edges agree, weights included. Then each of these nodes is singled out in turn
    and refined further. Different networks can still have one hash: strongly regular graphs with equal weights, or
    graphs beyond :data:`MAX_SYMMETRIC_WORK`, for which no node is singled out. :func:`same_network` decides exactly.

    Parameters
    ----------
    genome : Genome
    effective : ndarray of int, optional
        The indices of its effective entries, ascending, where they are known: ``network.plan.entries`` of a phenotype.

    Notes
    -----
    O((nodes + edges)·log) per round; two or three rounds if weights differ, at most one per node. The taps of kernels
    are hashed once.

    Examples
    --------
    >>> one = Genome.from_matrix([[0, 0.5], [0, 0]], n_inputs=1, n_outputs=1)
    >>> with_a_dead_end = Genome.from_matrix([[0, 1.5, 0.5], [0, 0, 0], [0, 0, 0]], n_inputs=1, n_outputs=1)
    >>> canonical_hash(one) == canonical_hash(with_a_dead_end)
    True
    >>> canonical_hash(one)
    '7ab62bd03d7698f5ab878217a00e9224'
    """
    graph = labelled_graph(genome, effective)
    colours = _refine(graph, graph.colours)
    certificate = _certificate(graph, colours)
    if _count(colours) == len(colours):
        return certificate.hex()
    alike = np.flatnonzero(_shared(colours))
    if len(alike) * (graph.n_nodes + graph.n_edges) <= MAX_SYMMETRIC_WORK:
        singled = [_certificate(graph, _refine(graph, _single_out(colours, v))) for v in alike]
        certificate = _digest(certificate, *sorted(singled))
    return certificate.hex()


def same_network(a: Genome, b: Genome) -> bool:
    """Return whether two genomes are the same network up to node names, by an exact comparison.

    Parameters
    ----------
    a, b : Genome

    Raises
    ------
    TooSymmetricError
        If :data:`MAX_REFINEMENTS` refinements do not decide.

    Examples
    --------
    >>> a = Genome.from_matrix([[0, 1, 2, 0], [0, 0, 0, 3], [0, 0, 0, 4], [0, 0, 0, 0]], n_inputs=1, n_outputs=1)
    >>> b = Genome.from_matrix([[0, 2, 1, 0], [0, 0, 0, 4], [0, 0, 0, 3], [0, 0, 0, 0]], n_inputs=1, n_outputs=1)
    >>> same_network(a, b)
    True
    """
    return match_nodes(a, b) is not None


def match_nodes(
    a: Genome, b: Genome, *, max_refinements: int = MAX_REFINEMENTS
) -> NDArray[np.intp] | None:
    """Return the node of one genome that corresponds to each node of another.

    Parameters
    ----------
    a, b : Genome
    max_refinements : int
        Largest number of refinements. One is enough if weights differ or if nodes are interchangeable.

    Returns
    -------
    ndarray of int, shape (a.n_nodes,), or None
        For each node of `a` its index in `b`, −1 for nodes without effect; None if the two are different networks.
        Interchangeable nodes are matched arbitrarily.

    Raises
    ------
    TooSymmetricError
        If `max_refinements` do not decide.
    """
    first, second = labelled_graph(a), labelled_graph(b)
    if first.header != second.header or first.n_edges != second.n_edges:
        return None
    matched = _isomorphism(first, second, max_refinements)
    if matched is None:
        return None
    nodes = np.full(a.n_nodes, -1, dtype=np.intp)
    nodes[first.nodes] = second.nodes[matched]
    return nodes


def unique_networks(genomes: Sequence[Genome]) -> NDArray[np.intp]:
    """Return for each genome the index of the first genome that is the same network.

    Parameters
    ----------
    genomes : sequence of Genome

    Returns
    -------
    ndarray of int, shape (len(genomes),)
        ``len(set(result))`` is the number of different networks.

    Raises
    ------
    TooSymmetricError
        As :func:`same_network`.
    """
    found: dict[str, list[int]] = {}
    first = np.arange(len(genomes))
    for k, genome in enumerate(genomes):
        known = found.setdefault(canonical_hash(genome), [])
        twin = next((i for i in known if same_network(genomes[i], genome)), None)
        if twin is None:
            known.append(k)
        else:
            first[k] = twin
    return first


# -- refinement --------------------------------------------------------------------------------------------------------


def _refine(graph: LabelledGraph, colours: Words) -> Words:
    """Refine until all colours differ, or a round separates no further nodes."""
    n_colours = _count(colours)
    while n_colours < len(colours):
        refined = np.empty_like(colours)
        refine(
            graph.sources,
            graph.targets,
            graph.edge_colours,
            graph.in_pointers,
            graph.out_order,
            graph.out_pointers,
            colours,
            refined,
        )
        colours = refined
        n_before, n_colours = n_colours, _count(colours)
        if n_colours <= n_before:
            break
    return colours


def _single_out(colours: Words, node: int | np.integer[Any]) -> Words:
    """Give one node a new colour."""
    singled_out = colours.copy()
    singled_out[node : node + 1] = mix(colours[node : node + 1] ^ _SINGLED_OUT)
    return singled_out


def _count(colours: Words) -> int:
    ordered = np.sort(colours)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + (len(ordered) > 0)


def _shared(colours: Words) -> NDArray[np.bool_]:
    """Return for each node whether another node has the same colour."""
    _, inverse, counts = np.unique(colours, return_inverse=True, return_counts=True)
    return np.greater(counts[inverse], 1)


# -- the canonical form ------------------------------------------------------------------------------------------------


def _certificate(graph: LabelledGraph, colours: Words) -> bytes:
    """Hash a refined graph: the graph in its canonical order, or the colours if nodes share a colour."""
    header = repr(graph.header).encode()
    order = np.argsort(colours)
    if _count(colours) < len(colours):
        return _digest(b"colours", header, colours[order])
    return _digest(b"graph", header, *arrays_in_order(graph, order))


def _digest(*parts: bytes | NDArray[Any]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        octets = part if isinstance(part, bytes) else part.astype("<u8").tobytes()
        digest.update(len(octets).to_bytes(8, "little"))
        digest.update(octets)
    return digest.digest()


# -- the exact comparison ----------------------------------------------------------------------------------------------

_Branch = tuple[Words, np.integer[Any] | None]
"""Colours, and a node to single out before the next refinement."""


def _isomorphism(
    first: LabelledGraph, second: LabelledGraph, max_refinements: int
) -> NDArray[np.intp] | None:
    """Return the node of `second` for each node of `first`, or None, by refinement with backtracking.

    An isomorphism maps a node of `first` to a node of `second` with the same colour. So it suffices to single out one
    node of `first` and, in turn, each node of `second` with its colour.
    """
    open_branches: list[tuple[_Branch, _Branch]] = [((first.colours, None), (second.colours, None))]
    for _ in range(max_refinements):
        if not open_branches:
            return None
        left, right = (
            _refine(graph, colours if node is None else _single_out(colours, node))
            for graph, (colours, node) in zip((first, second), open_branches.pop(), strict=True)
        )
        left_order, right_order = np.argsort(left, kind="stable"), np.argsort(right, kind="stable")
        ordered = left[left_order]
        if not np.array_equal(ordered, right[right_order]):
            continue
        # If nodes share a colour this order is one of many; for interchangeable nodes every order is right.
        pairs = zip(
            arrays_in_order(first, left_order), arrays_in_order(second, right_order), strict=True
        )
        if all(np.array_equal(one, other) for one, other in pairs):
            matched = np.empty_like(left_order)
            matched[left_order] = right_order
            return matched
        _, starts, sizes = np.unique(ordered, return_index=True, return_counts=True)
        if sizes.max() > 1:
            smallest = np.where(sizes > 1, sizes, len(ordered) + 1).argmin()
            alike = slice(starts[smallest], starts[smallest] + sizes[smallest])
            chosen = left_order[alike][0]
            open_branches += [((left, chosen), (right, node)) for node in right_order[alike][::-1]]
    n_shared = int(_shared(_refine(first, first.colours)).sum())
    raise TooSymmetricError(
        f"a and b must be comparable by {max_refinements} refinements; got networks of {first.n_nodes} nodes, of which "
        f"{n_shared} share a colour"
    )
