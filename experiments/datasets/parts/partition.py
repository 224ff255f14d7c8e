"""Partition of samples into parts, drawn at random.

An exact stratified partition gives every part its share of every class, up to one sample. The share of each class is
rounded down or up. The rounding error is carried to the next class, so that the sizes of parts keep to their shares
too, unless a class is so small that a part would get none of it. Then a permutation of each class decides on its
samples. The result depends on classes, shares and generator only.

Samples that belong together (groups) stay in one part, and then shares hold as nearly as the groups allow.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from evo.errors import DataError

PartName = TypeVar("PartName", bound=str)

RareClasses = Literal["refuse", "train"]
"""What happens to classes with too few samples for every part: an error, or all samples go into the training part."""


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


def draw_parts(
    name: str,
    strata: NDArray[np.int64],
    labels: Sequence[str],
    shares: Mapping[str, Fraction],
    groups: NDArray[np.int64] | None,
    rng: np.random.Generator,
    rare_classes: RareClasses = "refuse",
) -> dict[str, NDArray[np.int64]]:
    """Draw parts of samples, and check that every stratum reaches every part that it must reach.

    Parameters
    ----------
    name : str
        Name of the data set, for messages.
    strata : ndarray of int64, shape (n,)
        The stratum of each sample, 0 … k−1.
    labels : sequence of str
        Name of each stratum, for messages.
    shares : mapping of str to Fraction
        Share of each part; the sum is 1.
    groups : ndarray of int64, shape (n,), optional
        The group of each sample. Then a stratum must only reach the training part.
    rng : numpy.random.Generator
    rare_classes : {"refuse", "train"}, default "refuse"
        With ``"train"`` a stratum that would not reach every part is in the training part alone.

    Raises
    ------
    DataError
        If there are too few samples or groups.
    """
    fractions = list(shares.values())
    sizes = np.bincount(strata, minlength=len(labels))
    if groups is None:
        counts = apportion(sizes.tolist(), fractions)
        if rare_classes == "train":
            rare = (counts == 0).any(axis=1)
            counts[rare] = sizes[rare, np.newaxis] * (np.array([*shares]) == "train")
        parts = stratified_parts(strata, counts, rng)
    else:
        parts = grouped_parts(strata, groups, fractions, rng)
        counts = np.array([np.bincount(strata[part], minlength=len(labels)) for part in parts]).T
    for part, share, reached in zip(shares, fractions, counts.T, strict=True):
        some_suffice = groups is not None or rare_classes == "train"
        if some_suffice and part != "train" and reached.any():
            continue
        lacking = np.flatnonzero(reached == 0)
        if len(lacking):
            g = int(lacking[0])
            of = "samples" if groups is None else f"groups ({len(np.unique(groups))} in all)"
            raise DataError(
                f"{name}: {labels[g]} must have enough {of} for the {part} part, a "
                f"fraction of {float(share):.4g}; got {sizes[g]}{'' if groups is None else ' samples'}"
            )
    return dict(zip(shares, parts, strict=True))


def few_of_each_class(
    name: str,
    parts: Mapping[PartName, NDArray[np.int64]],
    classes: NDArray[np.int64],
    labels: Sequence[str],
    n_per_class: int,
    rng: np.random.Generator,
) -> dict[PartName, NDArray[np.int64]]:
    """Draw a few samples of each class from some parts, which keep their proportions.

    Parameters
    ----------
    name : str
        Name of the data set, for messages.
    parts : mapping of str to ndarray of int64
        Indices of the samples of each part.
    classes : ndarray of int64, shape (n,)
        The class of each sample of the data set, 0 … k−1.
    labels : sequence of str
        Name of each class, for messages.
    n_per_class : int
        Number of samples of each class in all parts together, at least the number of parts.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray of int64
        Indices of the drawn samples, ascending; every part has every class.

    Raises
    ------
    DataError
        If a part has too few samples of a class.
    """
    total = sum(len(rows) for rows in parts.values())
    shares = [Fraction(len(rows), total) for rows in parts.values()]
    wanted = apportion([n_per_class] * len(labels), shares)
    few = {}
    for (part, rows), counts in zip(parts.items(), wanted.T, strict=True):
        sizes = np.bincount(classes[rows], minlength=len(labels))
        if (lacking := np.flatnonzero(sizes < counts)).size:
            g = int(lacking[0])
            raise DataError(
                f"{name}: labels_per_class must leave {labels[g]} at most the {sizes[g]} samples of the {part} part; "
                f"got {counts[g]} of {n_per_class}"
            )
        drawn, _ = stratified_parts(classes[rows], np.stack([counts, sizes - counts], axis=1), rng)
        few[part] = rows[drawn]
    return few


def grouped_parts(
    classes: NDArray[np.int64],
    groups: NDArray[np.int64],
    shares: Sequence[Fraction],
    rng: np.random.Generator,
) -> list[NDArray[np.int64]]:
    """Draw the samples of each part, each group in one part.

    Groups come in random order, large ones first. Each goes to the part that brings the numbers of samples of each
    class nearest to their shares (least squares, each class in units of its size).

    Parameters
    ----------
    classes : ndarray of int64, shape (n,)
        The class of each sample, 0 … k−1.
    groups : ndarray of int64, shape (n,)
        The group of each sample.
    shares : sequence of Fraction
        Share of each part; the sum is 1.
    rng : numpy.random.Generator
        Generator of the order of groups.

    Returns
    -------
    list of ndarray of int64
        Sample indices of each part, ascending; parts are disjoint and together hold 0 … n−1.
    """
    _, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((group.max() + 1, classes.max() + 1))
    np.add.at(counts, (group, classes), 1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    sizes = np.maximum(counts.sum(axis=0), 1)
    behind = (
        np.array([float(share) for share in shares])[:, np.newaxis] * counts.sum(axis=0) / sizes
    )
    part_of = np.empty(len(counts), dtype=np.int64)
    for g in order:
        own = counts[g] / sizes
        # The sum of squares falls by 2·behind·own − own² in the chosen part, and stays in the others.
        part_of[g] = np.argmax((behind * own).sum(axis=1))
        behind[part_of[g]] -= own
    return [np.flatnonzero(part_of[group] == part) for part in range(len(shares))]


def exact_shares(shares: Mapping[str, float | Fraction]) -> dict[str, Fraction]:
    """Return exact fractions of all parts; training comes first and gets the rest.

    Raises
    ------
    ValueError
        If a share is not between 0 and 1, or none is left for training.
    """
    given = ", ".join(f"{part} {share}" for part, share in shares.items())
    if not all(0 < share < 1 for share in shares.values()):
        raise ValueError(f"shares must lie between 0 and 1; got {given}")
    exact = {
        part: share if isinstance(share, Fraction) else Fraction(str(float(share)))
        for part, share in shares.items()
    }
    rest = 1 - sum(exact.values(), start=Fraction(0))
    if rest <= 0:
        raise ValueError(f"shares must leave some for training; got {given}")
    return {"train": rest} | exact
