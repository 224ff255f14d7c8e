"""Exact stratified partition: every part gets its share of every class, up to one sample.

The share of each class is rounded down or up. The rounding error is carried to the next class, so that the sizes of
parts keep to their shares too, unless a class is so small that a part would get none of it. Then a permutation of each
class decides on its samples. The result depends on groups, shares and generator only.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import NDArray


def apportion(sizes: Sequence[int], shares: Sequence[Fraction]) -> NDArray[np.int64]:
    """Return how many samples of each group go to each part.

    Parameters
    ----------
    sizes : sequence of int
        Number of samples of each group.
    shares : sequence of Fraction
        Share of each part, above 0; the sum is 1.

    Returns
    -------
    ndarray of int64, shape (groups, parts)
        Each number is size × share, rounded down or up; rows add up to the sizes. A part that would get nothing of a
        small group is rounded up first, then the part that is furthest behind its share.

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
    """Draw the samples of each part.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,)
        The group of each sample, 0 … k−1.
    counts : ndarray of int64, shape (k, parts)
        Number of samples of each group in each part; rows add up to the sizes of groups.
    rng : numpy.random.Generator
        Generator of the permutations.

    Returns
    -------
    list of ndarray of int64
        Sample indices of each part, ascending; parts are disjoint and together hold 0 … n−1.
    """
    by_group = np.split(np.argsort(groups, kind="stable"), np.cumsum(counts.sum(axis=1))[:-1])
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(counts.shape[1])]
    for members, row in zip(by_group, counts, strict=True):
        pieces = np.split(rng.permutation(members), np.cumsum(row)[:-1])
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]
