"""When two genomes are the same network: a hash that does not know names, and an exact comparison.

Of a genome only this decides what it computes: which node is which input and which output, the activations and
biases of the nodes that are computed, the effective edges with their weights, whether each acts at once or one tick
later (see :mod:`graphops.order`), the number of ticks and the dtype; of maps their sides, and what each effective tap
reads (:mod:`evo.canonical.labelled_graph`). That is a graph with labels on nodes and edges; two genomes are the same
network if their graphs are isomorphic. Ids, the order of the nodes as far as it is free, the threshold, and entries and
nodes without effect play no part. Numbers are the same if they are equal: −0.0 is 0.0. Sums may be taken in another
order, so the outputs of equal networks are equal to rounding, not to the bit.

The means is colour refinement (Weisfeiler and Leman 1968): a node's next colour is a hash of its present one and of
the colours that it hears and speaks to, until no two nodes of one colour can be told apart any more. Weights are real
numbers, so a round or two usually give every node a colour of its own, and with it a canonical order of the nodes.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo.canonical.hashing import ODD, Words, mix
from evo.canonical.labelled_graph import LabelledGraph, in_order, labelled_graph
from evo.genome.genome import Genome

MAX_SYMMETRIC_WORK = 500_000
"""Nodes that share their colour × (nodes + edges) beyond which a hash does without telling them apart one by one."""

MAX_REFINEMENTS = 2_000
"""Refinements after which a comparison of two highly symmetric networks gives up, if not told otherwise."""

_HEARD, _SPOKEN, _SINGLED = np.uint64(0x1B56C4E9), np.uint64(0x7F4A7C15), np.uint64(0x3C6EF372)


class TooSymmetricError(ValueError):
    """Two networks look so much alike that comparing them exactly would take too long."""


def canonical_hash(genome: Genome) -> str:
    """Return a hash of the network that a genome computes: 32 hexadecimal digits, the same everywhere.

    Genomes that are the same network have the same hash, always. The converse is guaranteed (but for a collision of
    128-bit BLAKE2b) where refinement gives every node a colour of its own, as it does unless nodes agree in all they
    hear and all they speak to, numbers included: then the hash is of the graph itself, in its canonical order. Where
    nodes share a colour, each of them in turn is singled out and refinement goes on, so that two networks with one
    hash are equivalent for this stronger test; there are different ones, among strongly regular graphs with equal
    weights for instance, and where more than :data:`MAX_SYMMETRIC_WORK` would be needed, refinement alone decides.
    :func:`same_network` confirms a hit exactly.

    Parameters
    ----------
    genome : Genome

    Notes
    -----
    O((nodes + edges)·log) a round; two or three rounds where weights differ, at most as many as nodes. Of kernels the
    taps are hashed once.

    Examples
    --------
    >>> one = Genome.from_matrix([[0, 0.5], [0, 0]], n_inputs=1, n_outputs=1)
    >>> with_a_dead_end = Genome.from_matrix([[0, 1.5, 0.5], [0, 0, 0], [0, 0, 0]], n_inputs=1, n_outputs=1)
    >>> canonical_hash(one) == canonical_hash(with_a_dead_end)
    True
    >>> canonical_hash(one)
    '7ab62bd03d7698f5ab878217a00e9224'
    """
    graph = labelled_graph(genome)
    colours = _refine(graph, graph.colours)
    certificate = _certificate(graph, colours)
    alike = np.flatnonzero(_shared(colours))
    if len(alike) and len(alike) * (graph.n_nodes + graph.n_edges) <= MAX_SYMMETRIC_WORK:
        singled = [_certificate(graph, _refine(graph, _single_out(colours, v))) for v in alike]
        certificate = _digest(certificate, *sorted(singled))
    return certificate.hex()


def same_network(a: Genome, b: Genome) -> bool:
    """Tell whether two genomes compute the same network up to naming; exactly, with no trust in a hash.

    Parameters
    ----------
    a, b : Genome

    Raises
    ------
    TooSymmetricError
        If the two can be neither matched nor told apart within :data:`MAX_REFINEMENTS` refinements.

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
    """Find which node of one genome plays the part of which node of another.

    Parameters
    ----------
    a, b : Genome
    max_refinements : int
        When to give up. Where weights differ one is enough, and where nodes are interchangeable too.

    Returns
    -------
    ndarray of int, shape (a.n_nodes,), or None
        For each node of `a` the position in `b`, −1 where it is without effect; None if the two are not the same
        network. Nodes that are interchangeable are matched in some way.

    Raises
    ------
    TooSymmetricError
        If the two can be neither matched nor told apart within so many refinements.
    """
    first, second = labelled_graph(a), labelled_graph(b)
    if first.header != second.header or first.n_edges != second.n_edges:
        return None
    matched = _isomorphism(first, second, max_refinements)
    if matched is None:
        return None
    positions = np.full(a.n_nodes, -1, dtype=np.intp)
    positions[first.positions] = second.positions[matched]
    return positions


def unique_networks(genomes: Sequence[Genome]) -> NDArray[np.intp]:
    """Tell for each genome which is the first one that computes the same network.

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
    """Refine until all colours differ, or no round tells any two nodes apart that the one before did not."""
    spoken = graph.heard[graph.spoken_order] ^ _SPOKEN
    heard = graph.heard ^ _HEARD
    listeners = graph.targets[graph.spoken_order]
    n_colours = _count(colours)
    while n_colours < len(colours):
        around = _sums(mix(colours[graph.sources] * ODD + heard), graph.heard_pointers)
        around += ODD * _sums(mix(colours[listeners] * ODD + spoken), graph.spoken_pointers)
        colours = mix(colours * ODD + mix(around))
        n_before, n_colours = n_colours, _count(colours)
        if n_colours <= n_before:
            break
    return colours


def _single_out(colours: Words, node: int | np.integer[Any]) -> Words:
    """Give one node a colour of its own."""
    singled = colours.copy()
    singled[node : node + 1] = mix(colours[node : node + 1] ^ _SINGLED)
    return singled


def _sums(words: Words, pointers: NDArray[np.intp]) -> Words:
    """Add up each segment modulo 2⁶⁴: a hash of its words in any order."""
    totals = np.zeros(len(words) + 1, dtype=np.uint64)
    np.cumsum(words, out=totals[1:])
    return totals[pointers[1:]] - totals[pointers[:-1]]


def _count(colours: Words) -> int:
    ordered = np.sort(colours)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + (len(ordered) > 0)


def _shared(colours: Words) -> NDArray[np.bool_]:
    """Tell which nodes have a colour that another one has, too."""
    _, inverse, counts = np.unique(colours, return_inverse=True, return_counts=True)
    return np.greater(counts[inverse], 1)


# -- the canonical form ------------------------------------------------------------------------------------------------


def _certificate(graph: LabelledGraph, colours: Words) -> bytes:
    """Hash a refined graph: in its canonical order if there is one, else by its colours."""
    header = repr(graph.header).encode()
    order = np.argsort(colours)
    if _count(colours) < len(colours):
        return _digest(b"colours", header, colours[order])
    return _digest(b"graph", header, *in_order(graph, order))


def _digest(*parts: bytes | NDArray[Any]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        octets = part if isinstance(part, bytes) else part.astype("<u8").tobytes()
        digest.update(len(octets).to_bytes(8, "little"))
        digest.update(octets)
    return digest.digest()


# -- the exact comparison ----------------------------------------------------------------------------------------------

_Branch = tuple[Words, np.integer[Any] | None]
"""Colours, and a node to single out before they are refined again."""


def _isomorphism(
    first: LabelledGraph, second: LabelledGraph, max_refinements: int
) -> NDArray[np.intp] | None:
    """Return the node of `second` for each node of `first`, or None: refine, single out alike nodes, and go back.

    If there is an isomorphism at all, then there is one that takes a node singled out in `first` to one of those with
    its colour in `second`; so one node of `first` and all its counterparts suffice.
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
        # Where colours are shared this is one guess of many; for interchangeable nodes each is right.
        pairs = zip(in_order(first, left_order), in_order(second, right_order), strict=True)
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
    n_alike = int(_shared(_refine(first, first.colours)).sum())
    raise TooSymmetricError(
        f"a and b must be matched or told apart by at most {max_refinements} refinements; got networks "
        f"of {first.n_nodes} nodes, of which {n_alike} look alike"
    )
