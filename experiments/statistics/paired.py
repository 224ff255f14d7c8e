"""Statistics of paired differences: one number per seed, the difference of two arms with that seed.

All functions leave out seeds whose difference is not finite.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from experiments.statistics.intervals import finite

MOST_SIGNS = 2**15
"""Largest number of signs that are tried: all 2ⁿ of up to 15 seeds; of more seeds as many random ones."""

ALPHA = 0.05
"""Probability of an error of the first kind, of every test."""

POWER = 0.8
"""Probability with which :func:`seeds_needed` shows the difference asked for."""


def sign_flip_p(differences: ArrayLike, *, rng: np.random.Generator) -> float:
    """Return the two-sided p of the permutation test that flips the sign of each difference, by SciPy.

    If two arms are alike, each difference is as likely as its negative. The p is the share of all signs for which the
    mean is as far from 0 as it is. No distribution is assumed.

    Parameters
    ----------
    differences : array
        One per seed. Up to 15 seeds the p is exact; with more, `rng` draws all signs 32,768 times.

    Returns
    -------
    float
        1 if all differences are 0; not a number without seeds.

    Examples
    --------
    >>> sign_flip_p([0.1, 0.3, 0.2], rng=np.random.default_rng(0))
    0.25
    """
    numbers = finite(differences)
    if len(numbers) == 0:
        return math.nan
    if len(numbers) == 1 or not numbers.any():  # SciPy wants two numbers
        return 1.0
    found = stats.permutation_test(
        (numbers,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=MOST_SIGNS,
        batch=4096,
        rng=rng,
    )
    return float(found.pvalue)


def smallest_p(n: int) -> float:
    """Return the smallest two-sided p that :func:`sign_flip_p` can have with n seeds: all differences have one sign.

    Examples
    --------
    >>> smallest_p(8) == 2 / 256
    True
    """
    return min(1.0, 2 / min(2.0**n, MOST_SIGNS + 1))


def effect_size(differences: ArrayLike) -> float:
    """Return the paired effect size: mean over standard deviation (d_z) with Hedges' correction for few seeds.

    The correction is the exact one, Γ(m/2) / (√(m/2)·Γ((m − 1)/2)) with m = n − 1 (Hedges 1981).

    Returns
    -------
    float
        Not a number with fewer than three seeds, or if all differences are equal.
    """
    numbers = finite(differences)
    m = len(numbers) - 1
    if m < 2 or np.ptp(numbers) == 0:
        return math.nan
    correction = math.exp(special.gammaln(m / 2) - special.gammaln((m - 1) / 2)) / math.sqrt(m / 2)
    return correction * float(numbers.mean() / numbers.std(ddof=1))


def superiority(better: int, worse: int, equal: int) -> float:
    """Return the share of seeds with which an arm is better; a tie counts half. Not a number without seeds.

    Examples
    --------
    >>> superiority(better=5, worse=2, equal=1)
    0.6875
    """
    n = better + worse + equal
    return (better + equal / 2) / n if n else math.nan


def equivalence_p(differences: ArrayLike, margin: float) -> float:
    """Return the p of two one-sided t-tests (TOST) for a mean between −margin and margin, by statsmodels.

    At most 0.05 means: the arms differ by less than the margin (Schuirmann 1987).

    Returns
    -------
    float
        Not a number with fewer than two seeds. If all differences are equal, 0 within the margin and 1 outside.
    """
    from statsmodels.stats.weightstats import DescrStatsW  # noqa: PLC0415 - few need it

    numbers = finite(differences)
    if len(numbers) < 2:
        return math.nan
    if np.ptp(numbers) == 0:
        return float(abs(numbers[0]) >= margin)
    return float(DescrStatsW(numbers).ttost_mean(-margin, margin)[0])


def seeds_needed(deviation: float, difference: float) -> int | None:
    """Return how many seeds a paired t-test needs to show a difference, with probability 0.8 at the 5 % level.

    Parameters
    ----------
    deviation : float
        Standard deviation of the differences over seeds. It is an estimate from few seeds, so the answer is one too.
    difference : float
        Mean difference that the test shall show, above 0.

    Returns
    -------
    int or None
        None if the deviation is not known, or if it would take more than a billion seeds.

    Examples
    --------
    >>> seeds_needed(deviation=2.0, difference=1.0)
    34
    """
    from statsmodels.stats.power import TTestPower  # noqa: PLC0415 - few need it

    if not math.isfinite(deviation):
        return None
    if deviation == 0:
        return 2
    power, effect = TTestPower().power, difference / deviation
    enough = 2
    while power(effect, enough, ALPHA) < POWER:
        enough *= 2
        if enough > 2**30:
            return None
    too_few = max(enough // 2, 1)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if power(effect, middle, ALPHA) < POWER:
            too_few = middle
        else:
            enough = middle
    return enough
