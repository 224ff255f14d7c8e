"""Edges between two layers, as first topologies of sparse networks: random, local, small-world, scale-free, correlated.

A *pattern* says where the edges between two layers are: a boolean matrix of shape (sources, targets). Weights come
later, from :func:`connect_layers`. A density gives the number of edges, ``max(round(density · places), targets)``, as
in :mod:`graphops.initial`.

The layers lie beside each other on a ring of sources: target j faces source ⌊j · sources / targets⌋, and the distance
of a source is the number of steps from there, in the shorter direction.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from graphops import _stored
from graphops._draws import Scale, draw_distinct, draw_sources, weighted
from graphops.validation import (
    FloatArray,
    check_choice,
    check_fraction,
    check_generator,
    check_integer,
)

BLOCK = 1 << 20
"""Largest number of places for which random numbers are drawn at a time, but at least those of one target."""

SAMPLES = 4096
"""Number of samples whose products of features are added up at a time."""


def random_pattern(
    n_sources: int, n_targets: int, density: float, *, rng: np.random.Generator
) -> sparse.csc_array:
    """Return edges at random places, at least one into each target (Erdős–Rényi).

    Parameters
    ----------
    n_sources, n_targets : int
        Nodes of the two layers, at least 1.
    density : float
        Fraction of the places, from 0 to 1.
    rng : numpy.random.Generator

    Returns
    -------
    csc_array of bool, shape (n_sources, n_targets)

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> random_pattern(4, 3, 0.5, rng=np.random.default_rng(0)).nnz
    6
    """
    _check(n_sources, n_targets, density, rng)
    return _pattern(*draw_sources(np.full(n_targets, n_sources), density, rng), n_sources)


def receptive_field_pattern(
    n_sources: int, n_targets: int, density: float, randomness: float, *, rng: np.random.Generator
) -> sparse.csc_array:
    """Return edges that are more likely the nearer the two nodes are: the bipartite receptive field (BRF).

    All targets have the same in-degree, to one. The sources of a target are drawn without replacement, with
    probabilities in proportion to (1 + distance)^(−(1 − r)/r).

    Parameters
    ----------
    n_sources, n_targets, density, rng
        As for :func:`random_pattern`.
    randomness : float
        r: with 0 the nearest sources are taken, with 1 all are equally likely. Published best for perceptrons is 0.25.

    Returns
    -------
    csc_array of bool, shape (n_sources, n_targets)

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    O(places). Y. Zhang et al., *Brain network science modelling of sparse neural networks enables Transformers and LLMs
    to perform as fully connected* (NeurIPS 2025), appendix D, with fixed sampling of degrees. 1 + distance is that of
    their code, whose score at distance 0 is finite. As in the text, the degrees of targets are fixed; their code fixes
    those of the smaller layer.

    Examples
    --------
    >>> receptive_field_pattern(6, 3, 0.3, 0.0, rng=np.random.default_rng(0)).toarray().astype(int)
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 0],
           [0, 0, 0],
           [0, 0, 1],
           [1, 0, 0]])
    """
    _check(n_sources, n_targets, density, rng)
    randomness = check_fraction("randomness", randomness)
    degrees = _equal_degrees(n_sources, n_targets, density, rng)
    if randomness == 0:
        return _pattern(degrees, _nearest(n_sources, degrees), n_sources)
    exponent = (1 - randomness) / randomness
    # Powers of the C library: NumPy's differ between processors in the last bit.
    shares = np.array([math.pow(1 + d, -exponent) for d in range(n_sources // 2 + 1)])
    rows, columns = [], max(1, BLOCK // n_sources)
    for first in range(0, n_targets, columns):
        some = degrees[first : first + columns]
        draws = rng.standard_exponential((len(some), n_sources))
        targets = np.arange(first, first + len(some))
        draws /= shares[_distances(n_sources, n_targets, targets)]
        # The smallest of exponential numbers with these rates: a draw without replacement (Efraimidis, Spirakis 2006).
        order = np.argpartition(draws, np.unique(some) - 1, axis=1)
        rows += [np.sort(one[:count]) for one, count in zip(order, some.tolist(), strict=True)]
    return _pattern(degrees, np.concatenate(rows), n_sources)


def small_world_pattern(
    n_sources: int, n_targets: int, density: float, rewiring: float, *, rng: np.random.Generator
) -> sparse.csc_array:
    """Return edges from the nearest sources, a fraction of them rewired: the bipartite small world (Watts–Strogatz).

    All targets first have the same in-degree, to one. Then each edge is removed with a probability, and as many edges
    are drawn from all free places. So a target may end without in-edges.

    Parameters
    ----------
    n_sources, n_targets, density, rng
        As for :func:`random_pattern`.
    rewiring : float
        β, the probability that an edge is rewired; with 1 edges are random.

    Returns
    -------
    csc_array of bool, shape (n_sources, n_targets)

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    O(edges·log edges + targets). Y. Zhang et al., *Epitopological learning and Cannistraci-Hebb network shape
    intelligence brain-inspired theory for ultra-sparse advantage in deep learning* (ICLR 2024).

    Examples
    --------
    >>> small_world_pattern(100, 50, 0.1, 0.2, rng=np.random.default_rng(0)).nnz
    500
    """
    _check(n_sources, n_targets, density, rng)
    rewiring = check_fraction("rewiring", rewiring)
    degrees = _equal_degrees(n_sources, n_targets, density, rng)
    places = np.repeat(np.arange(n_targets) * n_sources, degrees) + _nearest(n_sources, degrees)
    kept = places[rng.random(len(places)) >= rewiring]
    return _from_places(
        _with_others(kept, len(places) - len(kept), n_sources * n_targets, rng),
        n_sources,
        n_targets,
    )


def scale_free_pattern(
    n_sources: int, n_targets: int, density: float, *, rng: np.random.Generator
) -> sparse.csc_array:
    """Return edges whose degrees follow a power law: the bipartite Barabási–Albert graph.

    A graph of all nodes grows by preferential attachment: each node in turn connects with earlier ones, with
    probabilities in proportion to their degrees. Its nodes are dealt to the two layers at random. Edges inside a layer
    are then cut, and their ends joined to ends of the other layer. The ends that are left over, because one layer has
    more of them, and those that would double an edge, become edges at random free places. So degrees are those of the
    graph but for few nodes, and the number of edges is exact. A node may end without edges.

    Parameters
    ----------
    n_sources, n_targets, density, rng
        As for :func:`random_pattern`.

    Returns
    -------
    csc_array of bool, shape (n_sources, n_targets)

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    O(edges·log edges), in Python. Y. Zhang et al. (ICLR 2024), as for :func:`small_world_pattern`; theirs joins the
    ends that are left over to nodes of large degree.

    Examples
    --------
    >>> scale_free_pattern(100, 50, 0.1, rng=np.random.default_rng(0)).nnz
    500
    """
    _check(n_sources, n_targets, density, rng)
    n, n_edges = n_sources + n_targets, _n_edges(n_sources, n_targets, density)
    a, b = _preferential_attachment(n, n_edges, rng)
    names = rng.permutation(n)
    ends = np.sort(np.stack([names[a], names[b]]), axis=0)  # a source comes before a target
    across = (ends[0] < n_sources) & (ends[1] >= n_sources)
    loose = ends[:, ~across].ravel()
    of_sources = rng.permutation(loose[loose < n_sources])
    of_targets = rng.permutation(loose[loose >= n_sources])
    n_pairs = min(len(of_sources), len(of_targets))
    sources = np.concatenate([ends[0, across], of_sources[:n_pairs]])
    targets = np.concatenate([ends[1, across], of_targets[:n_pairs]]) - n_sources
    kept = _stored.distinct(targets * n_sources + sources)
    places = _with_others(kept, n_edges - len(kept), n_sources * n_targets, rng)
    return _from_places(places, n_sources, n_targets)


def correlation_pattern(samples: ArrayLike, n_targets: int, density: float) -> sparse.csc_array:
    """Return edges between features that are correlated: correlated sparse topological initialization (CSTI).

    Target j stands for feature j modulo the number of features. The places of the largest correlations have edges.

    Parameters
    ----------
    samples : array_like, shape (n_samples, n_features)
        At least two samples; a sample of more dimensions counts as a vector. The features are the sources.
    n_targets : int
        At least 1.
    density : float
        As for :func:`random_pattern`; the number of edges is ``round(density · places)``.

    Returns
    -------
    csc_array of bool, shape (n_features, n_targets)
        A feature that never varies has no edges, nor has its target, as long as others have correlations left.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    O(samples · features² + places·log places). Y. Zhang et al. (ICLR 2024), as for :func:`small_world_pattern`. The
    correlation of a feature with itself counts as 0, as in their code, and correlations are rounded to six digits, so
    that no last bit decides; of equal ones the first are taken, target after target.

    Examples
    --------
    >>> samples = np.array([[0, 0, 1], [1, 1, 0], [2, 2, 1], [3, 3, 0]])
    >>> correlation_pattern(samples, 3, 0.2).toarray().astype(int)
    array([[0, 1, 0],
           [1, 0, 0],
           [0, 0, 0]])
    """
    rows = np.asarray(samples)
    if rows.ndim < 2 or len(rows) < 2:
        raise ValueError(f"samples must be two or more rows of features; got shape {rows.shape}")
    rows = rows.reshape(len(rows), -1)
    n_sources = rows.shape[1]
    n_targets = check_integer("n_targets", n_targets, at_least=1)
    count = round(check_fraction("density", density) * n_sources * n_targets)
    mean = rows.mean(axis=0, dtype=np.float64)
    products = np.zeros((n_sources, n_sources))
    for first in range(0, len(rows), SAMPLES):
        centred = rows[first : first + SAMPLES] - mean
        products += centred.T @ centred
    norms = np.sqrt(np.diagonal(products))
    norms = np.where(norms > 0, norms, 1.0)
    correlations = np.abs(np.round(products / norms / norms[:, None], 6))
    np.fill_diagonal(correlations, 0.0)
    scores = correlations[:, np.arange(n_targets) % n_sources].T.ravel()
    places = np.sort(np.argsort(-scores, kind="stable")[:count])
    return _from_places(places, n_sources, n_targets)


def connect_layers(
    patterns: Sequence[Any], *, rng: np.random.Generator, scale: Scale = "he"
) -> sparse.csc_array:
    """Return a network of layers with edges where patterns say, and random weights.

    Parameters
    ----------
    patterns : sequence of sparse array or array_like, shape (nodes of a layer, nodes of the next)
        Edges are where an entry is not 0.
    rng : numpy.random.Generator
    scale : {"he", "glorot"}
        Variance of the weights, see :mod:`graphops.initial`.

    Returns
    -------
    csc_array of float32, shape (n, n)
        Nodes are numbered layer by layer.

    Raises
    ------
    TypeError, ValueError
        If there is no pattern, or one does not fit the next.

    Examples
    --------
    >>> connect_layers([[[1, 0], [0, 1]], [[1], [1]]], rng=np.random.default_rng(0)).nnz
    4
    """
    rng = check_generator("rng", rng)
    check_choice("scale", scale, get_args(Scale))
    columns = [_edges_of(pattern) for pattern in patterns]
    if not columns:
        raise ValueError("patterns must be at least one; got none")
    for k, (one, other) in enumerate(itertools.pairwise(columns)):
        if one.shape[1] != other.shape[0]:
            raise ValueError(
                f"patterns must fit each other: pattern {k} has {one.shape[1]} targets, and the next one must have as "
                f"many sources; got {other.shape[0]}"
            )
    n = columns[0].shape[0] + sum(one.shape[1] for one in columns)
    lengths, rows, first = [np.zeros(columns[0].shape[0], dtype=np.intp)], [], 0
    for one in columns:
        lengths.append(np.diff(one.indptr).astype(np.intp))
        rows.append((one.indices + first).astype(_stored.index_type(n)))
        first += one.shape[0]
    return weighted(np.concatenate(lengths), np.concatenate(rows), scale, rng)


def erdos_renyi_densities(
    sizes: Sequence[int],
    density: float,
    *,
    dense: Sequence[int] = (),
    windows: Sequence[int] | None = None,
) -> list[float]:
    """Return a density for each pair of consecutive layers that grows with (m + n)/(m·n), as in SET and RigL.

    The layers of m and n nodes have ε(m + n) edges, at most m·n. Between maps, whose kernels have k × k taps, they have
    ε(m + n + 2k) taps, at most m·n·k² (Erdős–Rényi–kernel). ε is such that all together are a fraction `density` of the
    places.

    Parameters
    ----------
    sizes : sequence of int
        Nodes of each layer, at least two.
    density : float
        From 0 to 1.
    dense : sequence of int
        Pairs of layers, from 0, that have density 1 and do not count.
    windows : sequence of int, optional
        k of each pair of layers; by default, and between neurons, 1.

    Returns
    -------
    list of float

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    U. Evci et al., *Rigging the lottery* (2020), section 3.1: layers that would have more edges than places are dense,
    and the others share what is left.

    Examples
    --------
    >>> [round(one, 3) for one in erdos_renyi_densities([784, 300, 100, 10], 0.05)]
    [0.038, 0.111, 0.919]
    """
    counts = [check_integer("sizes", size, at_least=1) for size in sizes]
    if len(counts) < 2:
        raise ValueError(f"sizes must name at least two layers; got {sizes!r}")
    density = check_fraction("density", density)
    n_pairs = len(counts) - 1
    sides = [1] * n_pairs if windows is None else [*windows]
    if len(sides) != n_pairs:
        raise ValueError(f"windows must be {n_pairs}, one per pair of layers; got {len(sides)}")
    sides = [check_integer("windows", side, at_least=1) for side in sides]
    triples = list(zip(counts, counts[1:], sides, strict=False))
    places = np.array([float(m * n * k**2) for m, n, k in triples])
    edges = np.array([float(m + n + (2 * k if k > 1 else 0)) for m, n, k in triples])
    full = np.zeros(n_pairs, np.bool_)
    full[list(dense)] = True
    counted, epsilon = ~full, 0.0
    wanted = density * places[counted].sum()
    while not full.all():
        left = max(wanted - places[counted & full].sum(), 0.0)
        epsilon = left / edges[~full].sum()
        over = ~full & (epsilon * edges > places)
        if not over.any():
            break
        full |= over
    densities: list[float] = np.where(full, 1.0, epsilon * edges / places).tolist()
    return densities


# -- inside ------------------------------------------------------------------------------------------------------------


def _check(n_sources: int, n_targets: int, density: float, rng: np.random.Generator) -> None:
    check_integer("n_sources", n_sources, at_least=1)
    check_integer("n_targets", n_targets, at_least=1)
    check_fraction("density", density)
    check_generator("rng", rng)


def _n_edges(n_sources: int, n_targets: int, density: float) -> int:
    return max(round(density * n_sources * n_targets), n_targets)


def _equal_degrees(
    n_sources: int, n_targets: int, density: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return the in-degree of each target: the mean rounded down, or up for targets drawn at random."""
    least, more = divmod(_n_edges(n_sources, n_targets, density), n_targets)
    degrees = np.full(n_targets, least)
    degrees[draw_distinct(n_targets, more, rng=rng)] += 1
    return degrees


def _faced(n_sources: int, n_targets: int, targets: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the source that each of some targets faces."""
    faced: NDArray[np.intp] = targets * n_sources // n_targets
    return faced


def _distances(n_sources: int, n_targets: int, targets: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the distance of each source from some targets; shape (targets, sources)."""
    steps = np.abs(np.arange(n_sources) - _faced(n_sources, n_targets, targets)[:, None])
    distances: NDArray[np.intp] = np.minimum(steps, n_sources - steps)
    return distances


def _nearest(n_sources: int, degrees: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the nearest sources of each target, ascending, target after target."""
    faced = _faced(n_sources, len(degrees), np.arange(len(degrees)))
    windows = _stored.ranges(faced - degrees // 2, degrees) % n_sources
    order = np.lexsort((windows, np.repeat(np.arange(len(degrees)), degrees)))
    nearest: NDArray[np.intp] = windows[order]
    return nearest


def _with_others(
    kept: NDArray[np.intp], count: int, n_places: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return places, ascending, and others drawn at random from the rest."""
    others = draw_distinct(n_places - len(kept), count, rng=rng)
    # The m-th free place comes after all kept places k with kept[k] - k <= m.
    others += np.searchsorted(kept - np.arange(len(kept)), others, side="right")
    return np.sort(np.concatenate([kept, others]))


def _preferential_attachment(
    n: int, n_edges: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the ends of the edges of a Barabási–Albert graph of n nodes; it has few edges less where n is small.

    The first nodes are connected with each other. Each later node connects with as many earlier ones, to one.
    """
    mean = n_edges / n
    core = min(math.floor(mean) + 1, n)
    a, b = (part.tolist() for part in np.triu_indices(core, 1))
    ends = [*a, *b] or [0]
    n_left = max(n_edges - len(a), 0)
    counts = np.full(n - core, n_left // max(n - core, 1))
    counts[draw_distinct(n - core, n_left - int(counts.sum()), rng=rng) if n > core else []] += 1
    for node, count in enumerate(counts.tolist(), core):
        found: dict[int, None] = {}
        while len(found) < min(count, node):
            found[ends[int(rng.integers(len(ends)))]] = None
        a += [*found]
        b += [node] * len(found)
        ends += [*found, *[node] * len(found)]
    return np.array(a, np.intp), np.array(b, np.intp)


def _edges_of(pattern: Any) -> sparse.csc_array:
    """Return the entries of a pattern that are not 0, sorted, by columns; the pattern is not changed."""
    columns = sparse.csc_array(pattern)
    if not columns.data.all():
        columns = columns.copy()
        columns.eliminate_zeros()
    return columns if columns.has_sorted_indices else columns.sorted_indices()


def _from_places(places: NDArray[np.intp], n_sources: int, n_targets: int) -> sparse.csc_array:
    """Return the pattern of places, ascending, numbered target after target."""
    targets, sources = np.divmod(places, n_sources)
    return _pattern(np.bincount(targets, minlength=n_targets), sources, n_sources)


def _pattern(
    degrees: NDArray[np.intp], sources: NDArray[np.intp], n_sources: int
) -> sparse.csc_array:
    """Return the pattern of the sources of target after target, ascending."""
    values: FloatArray = np.ones(len(sources), np.bool_)
    return _stored.assemble(_stored.pointers(degrees), sources, values, (n_sources, len(degrees)))
