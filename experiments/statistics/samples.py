"""Two networks on the same test samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class McNemar:
    """Two networks on the same test samples, by McNemar's test.

    Attributes
    ----------
    both, only_first, only_second, neither : int
        Number of samples that both networks classify correctly, only one of them, and neither.
    p : float
        Exact two-sided p that both are right equally often, from the samples on which they differ.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    p: float


def mcnemar(first: ArrayLike, second: ArrayLike) -> McNemar:
    """Test whether two networks are right equally often on the same samples, by statsmodels.

    The test is about these two networks and other samples. It says nothing of other seeds.

    Parameters
    ----------
    first, second : array of bool, shape (n_samples,)
        Whether each network is right.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> mcnemar([True, True, True, False], [True, False, False, False]).p
    0.5
    """
    from statsmodels.stats.contingency_tables import mcnemar as test  # noqa: PLC0415 - few need it

    one, two = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if one.shape != two.shape:
        raise ValueError(f"second must have the shape of first, {one.shape}; got {two.shape}")
    counts = [int(np.sum(a & b)) for a in (one, ~one) for b in (two, ~two)]
    both, only_first, only_second, neither = counts
    p = 1.0  # where the networks never differ, the binomial test has no sample
    if only_first + only_second:
        p = float(test([[both, only_first], [only_second, neither]], exact=True).pvalue)
    return McNemar(both, only_first, only_second, neither, p)
