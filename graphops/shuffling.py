"""Shuffled wiring: other edges with the same in-degrees and out-degrees.

Two edges a → b and c → d become a → d and c → b. Every node keeps its numbers of in-edges and out-edges, so a network
of many such swaps has nothing of the wiring but its degrees: the null model of Maslov and Sneppen (2002).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphops.validation import check_generator, check_integer

SWAPS_PER_EDGE = 10
"""Swaps that are tried for each edge by default; the correlation with the original wiring is then lost."""


def shuffle_sources(
    sources: ArrayLike,
    targets: ArrayLike,
    *,
    rng: np.random.Generator,
    groups: ArrayLike | None = None,
    positions: ArrayLike | None = None,
    swaps_per_edge: int = SWAPS_PER_EDGE,
) -> NDArray[np.int64]:
    """Return other sources for the edges into given targets, so that all degrees stay.

    Parameters
    ----------
    sources, targets : array_like of int, shape (m,)
        The edges, each once.
    rng : numpy.random.Generator
    groups : array_like of int, shape (m,), optional
        Only edges of one group exchange their sources; by default all edges are one group.
    positions : array_like of int, optional
        The place of each node, as a source, in the order of evaluation; by default its number. An edge to a later node
        stays one, and an edge to an earlier node too: an acyclic network stays acyclic. A self-loop stays where it is.
    swaps_per_edge : int
        Number of swaps that are tried, divided by m. A swap that would repeat an edge or turn one around is left out.

    Returns
    -------
    ndarray of int64, shape (m,)
        The new source of each edge; the targets stay.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or an edge is given twice.

    Notes
    -----
    O(m · swaps_per_edge).

    References
    ----------
    S. Maslov and K. Sneppen, *Specificity and stability in topology of protein networks*, Science 296 (2002).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> shuffle_sources([0, 1, 2, 3], [4, 5, 6, 7], rng=rng).tolist()
    [3, 2, 1, 0]
    """
    before, ends = _check_edges(sources, targets)
    place = np.arange(max(before.max(initial=-1), ends.max(initial=-1)) + 1)
    place = place if positions is None else np.asarray(positions, np.int64)
    group = np.zeros(len(before), np.int64) if groups is None else np.asarray(groups, np.int64)
    directions = np.sign(ends - place[before])
    _, group = np.unique(np.stack([group, directions]), axis=1, return_inverse=True)
    n_tries = check_integer("swaps_per_edge", swaps_per_edge, at_least=0) * len(before)
    first, second = _pairs_of_one_group(group.ravel(), n_tries, check_generator("rng", rng))
    return _swapped(before, ends, place, directions, np.stack([first, second], axis=1))


def _check_edges(sources: ArrayLike, targets: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the ends of edges as arrays; raise ValueError unless each edge is given once."""
    before, ends = np.array(sources, np.int64), np.array(targets, np.int64)
    if before.ndim != 1 or before.shape != ends.shape:
        raise ValueError(
            f"sources and targets must have one number for each edge; got shapes {before.shape} and {ends.shape}"
        )
    if len(np.unique(np.stack([before, ends]), axis=1).T) < len(before):
        raise ValueError("sources and targets must have each edge once; got one twice")
    return before, ends


def _pairs_of_one_group(
    group: NDArray[np.intp], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw pairs of edges: the first among all edges, the second among those of its group."""
    if not len(group):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    sizes = np.bincount(group)
    begins = np.cumsum(sizes) - sizes
    members = np.argsort(group, kind="stable")
    first = rng.integers(len(group), size=count)
    of = group[first]
    return first, members[begins[of] + rng.integers(sizes[of])]


def _swapped(
    before: NDArray[np.int64],
    ends: NDArray[np.int64],
    place: NDArray[np.int64],
    directions: NDArray[np.int64],
    pairs: NDArray[np.intp],
) -> NDArray[np.int64]:
    """Return the sources after those of the swaps that are possible, one after the other."""
    source, target, where = before.tolist(), ends.tolist(), place.tolist()
    direction = directions.tolist()
    edges = set(zip(source, target, strict=True))
    for one, two in pairs.tolist():
        a, b, c, d = source[one], target[one], source[two], target[two]
        if a == c or b == d or (a, d) in edges or (c, b) in edges:
            continue
        if _sign(d - where[a]) != direction[two] or _sign(b - where[c]) != direction[one]:
            continue
        edges -= {(a, b), (c, d)}
        edges |= {(a, d), (c, b)}
        source[one], source[two] = c, a
    return np.array(source, np.int64)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
