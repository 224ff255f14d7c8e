"""Arms on several data sets: the interquartile mean with a stratified bootstrap, and ranks with critical difference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from experiments.statistics.intervals import LEVEL, RESAMPLES, finite
from experiments.statistics.paired import ALPHA


def interquartile_mean(scores: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Return the mean of the middle half of the scores along an axis: a quarter is left out at either end.

    Examples
    --------
    >>> float(interquartile_mean(np.array([0.0, 1.0, 2.0, 90.0])))
    1.5
    """
    trimmed: NDArray[np.float64] = stats.trim_mean(scores, 0.25, axis=axis)
    return trimmed


def stratified_interval(
    scores: Sequence[ArrayLike], *, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the interquartile mean over all seeds and data sets, with its stratified bootstrap interval, by SciPy.

    Seeds are drawn anew within each data set, and the interval has the percentiles, as in rliable (Agarwal et al.
    2021). It covers other seeds on the same data sets, not other data sets.

    Parameters
    ----------
    scores : sequence of arrays
        For each data set one score per seed, on scales that can be averaged.

    Returns
    -------
    mean, low, high : float
        `low` and `high` are −∞ and ∞ if a data set has one seed; all are not a number without scores.
    """
    samples = [numbers for numbers in map(finite, scores) if len(numbers)]
    if not samples:
        return math.nan, math.nan, math.nan
    mean = float(interquartile_mean(np.concatenate(samples)))
    if min(map(len, samples)) < 2:
        return mean, -math.inf, math.inf

    def statistic(*drawn: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return interquartile_mean(np.concatenate(drawn, axis=axis), axis)

    found = stats.bootstrap(
        samples,
        statistic,
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=rng,
    ).confidence_interval
    return mean, float(found.low), float(found.high)


@dataclass(frozen=True, eq=False)
class Ranks:
    """Mean ranks of arms over data sets (Demšar 2006).

    Attributes
    ----------
    means : ndarray, shape (n_arms,)
        Mean rank of each arm; 1 is the best, ties share their ranks.
    p : float
        Friedman's test that all arms are alike, corrected for ties. Not a number with fewer than three arms.
    critical_difference : float
        Two arms whose mean ranks differ by at least this much differ by Nemenyi's test at the 5 % level.
    """

    means: NDArray[np.float64]
    p: float
    critical_difference: float


def ranks(scores: ArrayLike, *, larger_is_better: bool) -> Ranks:
    """Rank arms on each data set, and test whether their mean ranks differ.

    Parameters
    ----------
    scores : array, shape (n_data_sets, n_arms)
        Such as the mean over seeds. An infinite score, such as of an arm that diverged, has a rank too.
    larger_is_better : bool

    Raises
    ------
    ValueError
        If there are fewer than two data sets or arms, or a cell is empty.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or np.isnan(table).any():
        raise ValueError(
            "scores must be a table of two data sets and two arms or more, without an empty cell; "
            f"got shape {table.shape} with {int(np.isnan(table).sum())} empty cells"
        )
    n_sets, n_arms = table.shape
    of_sets = stats.rankdata(-table if larger_is_better else table, axis=1)
    p = math.nan
    if n_arms > 2:
        alike = bool((np.ptp(of_sets, axis=1) == 0).all())
        p = 1.0 if alike else float(stats.friedmanchisquare(*table.T).pvalue)
    quantile = float(stats.studentized_range.ppf(1 - ALPHA, n_arms, np.inf)) / math.sqrt(2)
    difference = quantile * math.sqrt(n_arms * (n_arms + 1) / (6 * n_sets))
    return Ranks(of_sets.mean(axis=0), p, difference)
