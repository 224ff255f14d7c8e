"""Random draws of edges and weights for initial matrices.

Possible edges are numbered target after target and never listed. Time and memory are therefore
O(edges·log edges + targets), and no edge is drawn twice.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphops import _stored
from graphops.validation import check_generator, check_integer

Scale = Literal["he", "glorot"]


def draw_sources(
    n_candidates: NDArray[np.intp], density: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw edges into targets; target t has ``n_candidates[t]`` possible sources.

    Returns the in-degree of each target, and the drawn sources, target after target and ascending.
    """
    ends = np.cumsum(n_candidates)
    starts = ends - n_candidates
    n_places, n_targets = int(ends[-1]), len(ends)
    n_edges = max(round(density * n_places), n_targets)
    dealt = starts + rng.integers(n_candidates)
    others = draw_distinct(n_places - n_targets, n_edges - n_targets, rng=rng)
    # The m-th possible edge that was not dealt comes after all dealt edges t with dealt[t] - t <= m.
    behind = np.searchsorted(others, dealt - np.arange(n_targets))
    others += np.repeat(np.arange(n_targets + 1), np.diff(behind, prepend=0, append=len(others)))
    places = np.sort(np.concatenate([dealt, others]), kind="stable")  # merges two ascending runs
    fan_ins = np.diff(np.searchsorted(places, ends), prepend=0)
    places -= np.repeat(starts, fan_ins)
    return fan_ins, places


def draw_distinct(n: int, count: int, *, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw distinct numbers below n, in ascending order, with all sets equally likely.

    Parameters
    ----------
    n : int
        The numbers are 0, …, n − 1.
    count : int
        Number of draws, at most n.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (count,)

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    O(count·log count), for any n.

    Examples
    --------
    >>> draw_distinct(10**12, 3, rng=np.random.default_rng(0)).tolist()
    [40973523936, 269786713763, 636961687321]
    """
    n = check_integer("n", n, at_least=0)
    count = check_integer("count", count, at_least=0)
    if count > n:
        raise ValueError(f"count must be at most n ({n}); got {count}")
    return _distinct(n, count, check_generator("rng", rng))


def _distinct(n: int, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    if 2 * count > n:
        drawn = np.ones(n, dtype=np.bool_)
        drawn[_distinct(n, n - count, rng)] = False
        return np.flatnonzero(drawn)
    numbers = np.zeros(0, dtype=np.intp)
    while len(numbers) < count:
        more = rng.integers(n, size=count - len(numbers))
        more.sort()
        numbers = _stored.distinct(np.concatenate([numbers, more]))
    return numbers


def rewire(
    n_candidates: NDArray[np.intp],
    fan_ins: NDArray[np.intp],
    rewiring: float,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Connect each target with its last candidates, then rewire each edge with probability `rewiring`.

    Target t has ``n_candidates[t]`` possible sources and ``fan_ins[t]`` in-edges. The new sources of rewired edges are
    drawn from the candidates without an edge to the target, with all sets equally likely. Returns the sources, target
    after target and ascending.
    """
    ends = np.cumsum(n_candidates)
    lattice = _stored.ranges(ends - fan_ins, fan_ins)
    kept = lattice[rng.random(len(lattice)) >= rewiring]
    n_kept = np.bincount(np.searchsorted(ends, kept, side="right"), minlength=len(ends))
    others = _distinct_of_each(n_candidates - n_kept, fan_ins - n_kept, rng)
    others += np.searchsorted(kept - np.arange(len(kept)), others, side="right")
    return np.sort(np.concatenate([kept, others])) - np.repeat(ends - n_candidates, fan_ins)


def _distinct_of_each(
    sizes: NDArray[np.intp], counts: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Draw ``counts[t]`` distinct numbers of the t-th of consecutive ranges.

    If more than half of a range is drawn, the numbers left out are drawn instead.
    """
    ends = np.cumsum(sizes)
    inverted = 2 * counts > sizes
    wanted = np.where(inverted, sizes - counts, counts)
    numbers = np.zeros(0, dtype=np.intp)
    while True:
        drawn = np.bincount(np.searchsorted(ends, numbers, side="right"), minlength=len(ends))
        missing = np.repeat(np.arange(len(ends)), wanted - drawn)
        if not missing.size:
            break
        more = (ends - sizes)[missing] + rng.integers(sizes[missing])
        numbers = _stored.distinct(np.concatenate([numbers, more]))
    of_inverted = inverted[np.searchsorted(ends, numbers, side="right")]
    whole = _stored.ranges((ends - sizes)[inverted], sizes[inverted])
    rest = whole[np.isin(whole, numbers[of_inverted], assume_unique=True, invert=True)]
    return np.concatenate([numbers[~of_inverted], rest])


def weighted(
    lengths: NDArray[np.intp], rows: NDArray[np.intp], scale: Scale, rng: np.random.Generator
) -> sparse.csc_array:
    """Assemble the matrix from the edges of each column, and draw their weights."""
    gain = 2.0 if scale == "he" else 1.0
    deviations = np.sqrt(gain / np.maximum(lengths, 1)).astype(np.float32)
    weights: Any = rng.standard_normal(len(rows), dtype=np.float32)
    weights *= np.repeat(deviations, lengths)
    return _stored.assemble(_stored.pointers(lengths), rows, weights, (len(lengths),) * 2)
