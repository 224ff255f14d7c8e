"""Intervals of means, against SciPy, slow programs and simulations."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.statistics.intervals import LEVEL, bca_interval, interval, two_way_interval


def drawn(n, seed=None):
    return np.random.default_rng(n if seed is None else seed).normal(3, 2, n)


@pytest.mark.parametrize("n", [2, 3, 10, 50])
def test_an_interval_is_that_of_students_t(n):
    values = drawn(n)
    found = interval(values)
    low, high = stats.t.interval(LEVEL, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert (found.mean, found.n) == (pytest.approx(values.mean()), n)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.half_width == pytest.approx((high - low) / 2)


def test_one_seed_has_no_interval_and_none_has_no_mean():
    found = interval([0.9])
    assert (found.mean, found.low, found.high, found.n) == (0.9, -math.inf, math.inf, 1)
    assert bca_interval([0.9], rng=np.random.default_rng(0)) == (-math.inf, math.inf)
    assert math.isnan(interval([]).mean)


def test_what_is_not_finite_is_left_out():
    known = pd.Series([1.0, 3.0])
    for gone in (math.nan, math.inf, -math.inf):
        assert interval([1.0, gone, 3.0]) == interval(known)
    empty = pd.Series([1.0, None, 3.0], dtype="Float64").to_numpy(float, na_value=math.nan)
    assert interval(empty) == interval(known)


def slow_bca(values, n_resamples=8_000):
    """Return the BCa interval by the formulas of Efron (1987), written out."""
    rng = np.random.default_rng(1)
    means = np.array([rng.choice(values, len(values)).mean() for _ in range(n_resamples)])
    below = (means < values.mean()).mean() / 2 + (means <= values.mean()).mean() / 2
    z0 = stats.norm.ppf(below)
    left_out = np.array([np.delete(values, k).mean() for k in range(len(values))])
    d = left_out.mean() - left_out
    a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    ends = z0 + stats.norm.ppf([0.025, 0.975])
    return np.quantile(means, stats.norm.cdf(z0 + ends / (1 - a * ends)))


def test_a_bca_interval_is_that_of_the_formulas():
    values = np.random.default_rng(4).exponential(1, 12)
    found = bca_interval(values, rng=np.random.default_rng(0))
    assert found == pytest.approx(slow_bca(values), abs=0.02)
    half = interval(values).half_width
    assert found[1] - values.mean() > 1.2 * (values.mean() - found[0])  # skewed, unlike that of t
    assert found[1] - found[0] < 2 * half


def test_a_bca_interval_follows_from_its_generator():
    first, second = (bca_interval(drawn(8), rng=np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert bca_interval([0.5] * 4, rng=np.random.default_rng(0)) == (0.5, 0.5)


def coverage(make, n, n_tables):
    """Return how often intervals of n values of mean 0 cover it, and the error of simulating (three deviations)."""
    rng = np.random.default_rng(n)
    values = [rng.normal(size=n) for _ in range(n_tables)]
    found = [make(one) for one in values]
    return np.mean([low <= 0 <= high for low, high in found]), 3 * math.sqrt(0.05 * 0.95 / n_tables)


def t_ends(values):
    found = interval(values)
    return found.low, found.high


@pytest.mark.parametrize(
    ("n", "n_tables"),
    [(4, 1000), *(pytest.param(n, 20_000, marks=pytest.mark.slow) for n in (2, 5, 8))],
)
def test_an_interval_of_t_covers_the_mean_as_often_as_it_says(n, n_tables):
    covered, error = coverage(t_ends, n, n_tables)
    assert covered == pytest.approx(LEVEL, abs=error)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "expected"), [(5, 0.844), (8, 0.889), (20, 0.927), (60, 0.941)])
def test_a_bca_interval_is_too_narrow_with_few_seeds(n, expected):
    covered, error = coverage(lambda one: bca_interval(one, rng=np.random.default_rng(0)), n, 1500)
    assert covered == pytest.approx(expected, abs=error)


# -- seeds and test samples --------------------------------------------------------------------------------------------


def test_without_differences_of_samples_the_two_way_interval_is_that_over_seeds():
    seeds = drawn(8)
    table = np.repeat(seeds[:, None], 50, axis=1)
    found = two_way_interval(table, rng=np.random.default_rng(0))
    alone = stats.bootstrap(
        (seeds,), np.mean, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert found == pytest.approx(tuple(alone), abs=0.1)


def test_the_two_way_interval_has_the_variance_of_owen():
    rng = np.random.default_rng(0)
    n_seeds, n_samples = 12, 80
    table = rng.normal(size=(n_seeds, 1)) + 2 * rng.normal(size=(1, n_samples))
    table = table + rng.normal(size=(n_seeds, n_samples))
    low, high = two_way_interval(table, rng=np.random.default_rng(1))
    rows, columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = table - rows[:, None] - columns + mean
    variance = rows.var() / n_seeds + columns.var() / n_samples + (rest**2).mean() / table.size
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.08)
    assert low < mean < high


def test_samples_that_a_seed_did_not_test_are_left_out():
    table = np.full((3, 6), math.nan)
    for seed in range(3):
        table[seed, 2 * seed : 2 * seed + 2] = 0.7
    assert two_way_interval(table, rng=np.random.default_rng(0)) == pytest.approx((0.7, 0.7))
    assert two_way_interval(table[:1], rng=np.random.default_rng(0)) == (-math.inf, math.inf)
    with pytest.raises(ValueError, match=r"scores must have a finite number; got shape \(1, 2\)"):
        two_way_interval([[math.nan, math.inf]], rng=np.random.default_rng(0))


@pytest.mark.slow
def test_the_two_way_interval_covers_the_mean_where_predictions_are_noisy():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        table = 0.2 * rng.normal(size=(8, 1)) + 2 * rng.normal(size=(1, 200))
        table = table + 10 * rng.normal(size=(8, 200))
        low, high = two_way_interval(table, rng=rng)
        covered += low <= 0 <= high
    assert covered / 200 >= LEVEL
