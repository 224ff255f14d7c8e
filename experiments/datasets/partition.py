"""Exact stratified partition: every class in every part, at its share, up to one sample.

Each class is apportioned by itself (its shares rounded down or up, never further), and what
rounding gave or took is carried to the next class, so that the parts' totals keep to their shares
as well, unless classes are so small that reaching every part takes more. Then a permutation of each
class decides who goes where. The result depends on groups, shares and generator and nothing else.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import NDArray


def apportion(sizes: Sequence[int], shares: Sequence[Fraction]) -> NDArray[np.int64]:
    """Divide groups among parts in whole samples.

    Parameters
    ----------
    sizes : sequence of int
        Samples in each group.
    shares : sequence of Fraction
        Positive and adding up to 1, one per part.

    Returns
    -------
    ndarray of int64, shape (groups, parts)
        Each entry is size × share rounded down or up; rows add up to the sizes. Rounding favours a
        part that a small group would miss, then the part that is furthest behind its share.

    Examples
    --------
    >>> apportion([10, 10], [Fraction(13, 20), Fraction(3, 20), Fraction(1, 5)]).tolist()
    [[7, 1, 2], [6, 2, 2]]
    """
    counts = np.empty((len(sizes), len(shares)), dtype=np.int64)
    behind = [Fraction(0)] * len(shares)
    for g, size in enumerate(sizes):
        exact = [size * share for share in shares]
        whole = [floor(x) for x in exact]
        behind = [b + x - w for b, x, w in zip(behind, exact, whole, strict=True)]
        could_round_up = [p for p, x in enumerate(exact) if x != whole[p]]
        could_round_up.sort(key=lambda p: (whole[p] > 0, -behind[p], p))
        for p in could_round_up[: size - sum(whole)]:
            whole[p] += 1
            behind[p] -= 1
        counts[g] = whole
    return counts


def stratified_parts(
    groups: NDArray[np.int64], counts: NDArray[np.int64], rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Draw the members of each part.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,)
        The group of each sample, 0 … k−1.
    counts : ndarray of int64, shape (k, parts)
        How many of each group go to each part; rows add up to the groups' sizes.
    rng : numpy.random.Generator
        Where the permutations come from.

    Returns
    -------
    list of ndarray of int64
        Sample indices of each part, ascending; disjoint, together 0 … n−1.
    """
    by_group = np.split(np.argsort(groups, kind="stable"), np.cumsum(counts.sum(axis=1))[:-1])
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(counts.shape[1])]
    for members, row in zip(by_group, counts, strict=True):
        pieces = np.split(rng.permutation(members), np.cumsum(row)[:-1])
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]
