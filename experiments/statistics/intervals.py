"""Confidence intervals of a mean: Student's t, the BCa bootstrap, and the bootstrap over seeds and test samples."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
"""Confidence level of every interval."""

RESAMPLES = 9_999
"""Resamples of a bootstrap over seeds."""

RESAMPLES_OF_SAMPLES = 2_000
"""Resamples of a bootstrap over seeds and test samples, which takes longer."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its confidence interval.

    Attributes
    ----------
    mean, low, high : float
        `low` and `high` are −∞ and ∞ with one seed; all are not a number without one.
    n : int
        Number of seeds.
    deviation : float
        Standard deviation over the seeds (dividing by n − 1); not a number with one seed.
    """

    mean: float
    low: float
    high: float
    n: int
    deviation: float

    @property
    def half_width(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def finite(values: ArrayLike) -> NDArray[np.float64]:
    """Return the finite numbers among values, as one dimension; empty cells and infinite values are left out."""
    numbers = np.asarray(values, dtype=np.float64).ravel()
    return numbers[np.isfinite(numbers)]


def interval(values: ArrayLike) -> Interval:
    """Return mean and interval (Student's t) of independent values, one per seed.

    Examples
    --------
    >>> interval([1.0, 2.0, 3.0]).mean
    2.0
    """
    numbers = finite(values)
    n = len(numbers)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0, math.nan)
    mean = float(numbers.mean())
    if n == 1:
        return Interval(mean, -math.inf, math.inf, n, math.nan)
    deviation = float(numbers.std(ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * deviation / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n, deviation)


def bca_interval(values: ArrayLike, *, rng: np.random.Generator) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of the mean (Efron 1987), by SciPy.

    It assumes no normal distribution, but with few seeds it is too narrow: see ``docs/statistics.md``.

    Returns
    -------
    low, high : float
        As in :class:`Interval` with one seed or none; the value itself if all values are equal.
    """
    numbers = finite(values)
    if len(numbers) < 2:
        of_few = interval(numbers)
        return of_few.low, of_few.high
    if np.ptp(numbers) == 0:
        return float(numbers[0]), float(numbers[0])
    found = stats.bootstrap(
        (numbers,), np.mean, confidence_level=LEVEL, n_resamples=RESAMPLES, method="BCa", rng=rng
    ).confidence_interval
    return float(found.low), float(found.high)


def two_way_interval(scores: ArrayLike, *, rng: np.random.Generator) -> tuple[float, float]:
    """Return the bootstrap interval of a mean over seeds and test samples, both drawn anew (Owen 2007).

    A score counts as often as its seed was drawn, times as often as its test sample was drawn. So the interval covers
    other seeds and other test samples. It is too wide where single scores vary much more than the means of seeds do.

    Parameters
    ----------
    scores : array, shape (n_seeds, n_samples)
        Not a number where a seed did not test a sample.

    Returns
    -------
    low, high : float
        Percentiles; −∞ and ∞ with one seed.

    Raises
    ------
    ValueError
        If there is no score.
    """
    table = np.asarray(scores, dtype=np.float64)
    known = np.isfinite(table)
    if not known.any():
        raise ValueError(f"scores must have a finite number; got shape {table.shape} without one")
    n_seeds, n_samples = table.shape
    if n_seeds < 2:
        return -math.inf, math.inf
    values, present = np.where(known, table, 0.0), known.astype(np.float64)
    seeds, samples = np.full(n_seeds, 1 / n_seeds), np.full(n_samples, 1 / n_samples)
    means = []
    for _ in range(RESAMPLES_OF_SAMPLES):  # one at a time: all draws at once would take much memory
        of_seed, drawn = rng.multinomial(n_seeds, seeds), rng.multinomial(n_samples, samples)
        weight = of_seed @ (present @ drawn)
        if weight:  # 0 if the seeds that were drawn tested none of the samples that were drawn
            means.append(of_seed @ (values @ drawn) / weight)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
