"""Statistics of paired differences, against published examples, the libraries called directly, and formulas."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from experiments.statistics.paired import (
    effect_size,
    equivalence_p,
    seeds_needed,
    sign_flip_p,
    smallest_p,
    superiority,
)

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Heights of crossed minus self-fertilised maize, in eighths of an inch: Fisher, The Design of Experiments, 1935."""


def p_of(differences):
    return sign_flip_p(differences, rng=np.random.default_rng(0))


def test_fishers_example_of_the_sign_flip_test_is_reproduced():
    assert p_of(DARWIN) == pytest.approx(1726 / 2**15)


@pytest.mark.parametrize("n", [2, 5, 8, 11])
def test_the_exact_p_is_that_of_all_signs(n):
    values = np.random.default_rng(n).normal(0.5, 1, n)
    means = [np.dot(signs, values) / n for signs in itertools.product((1, -1), repeat=n)]
    extreme = np.abs(means) >= abs(values.mean()) - 1e-12
    assert p_of(values) == pytest.approx(extreme.mean())


def test_eight_seeds_show_two_in_256_at_least():
    assert p_of(np.arange(1, 9)) == smallest_p(8) == 2 / 256
    for n in (2, 5, 12):
        assert p_of(-np.arange(1, n + 1)) == smallest_p(n)
    assert smallest_p(1) == 1
    assert p_of(np.arange(1, 31)) == smallest_p(30) > 0


def test_more_seeds_give_the_p_of_random_signs():
    values = np.random.default_rng(1).normal(0.4, 1, 24)
    expected = stats.ttest_1samp(values, 0).pvalue
    assert p_of(values) == pytest.approx(expected, abs=0.01)
    assert p_of(values) == p_of(values)


def test_a_p_without_differences_is_1_and_without_seeds_not_a_number():
    assert p_of([0.0, 0.0, 0.0]) == p_of([0.3]) == 1
    assert math.isnan(p_of([]))
    assert p_of([0.1, math.nan, 0.3, math.inf, 0.2]) == 0.25


@pytest.mark.parametrize(
    ("m", "correction"), [(2, 0.5642), (3, 0.7236), (4, 0.7979), (5, 0.8408), (10, 0.9228)]
)
def test_the_effect_size_has_the_correction_of_hedges_table(m, correction):
    values = np.random.default_rng(m).normal(1, 1, m + 1)
    found = effect_size(values)
    assert found == pytest.approx(correction * values.mean() / values.std(ddof=1), rel=1e-4)


@pytest.mark.parametrize("n", [4, 8])
def test_the_effect_size_is_unbiased(n):
    rng = np.random.default_rng(0)
    found = [effect_size(rng.normal(0.5, 1, n)) for _ in range(1500)]
    error = np.std(found) / math.sqrt(len(found))
    assert np.mean(found) == pytest.approx(0.5, abs=3 * error)
    assert all(math.isnan(effect_size(few)) for few in ([], [1.0], [1.0, 2.0], [1.0, 1.0, 1.0]))


def test_a_tie_counts_half_for_superiority():
    assert superiority(better=5, worse=2, equal=1) == 5.5 / 8
    assert math.isnan(superiority(better=0, worse=0, equal=0))


@pytest.mark.parametrize("margin", [0.2, 0.8, 2.0])
def test_equivalence_is_that_of_two_one_sided_tests(margin):
    one, two = np.random.default_rng(3).normal(size=(2, 9))
    d = one - two
    above = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(d, margin, alternative="less").pvalue
    assert equivalence_p(d, margin) == pytest.approx(max(above, below))
    assert equivalence_p(d, margin) == pytest.approx(ttost_paired(one, two, -margin, margin)[0])


def test_equal_differences_are_equivalent_within_the_margin():
    assert equivalence_p([0.1] * 3, 0.2) == 0
    assert equivalence_p([-0.2] * 3, 0.2) == 1
    assert math.isnan(equivalence_p([0.1], 0.2))


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_seeds_needed_are_those_of_published_tables(effect, n):
    """Cohen's small, medium and large effect, as G*Power has them for the paired t-test."""
    assert seeds_needed(1.0, effect) == n


@pytest.mark.parametrize("effect", [0.01, 0.37, 1.3, 5.0, 500.0])
def test_seeds_needed_are_the_first_with_enough_power(effect):
    def power(n):
        t, shift = stats.t.ppf(0.975, n - 1), effect * math.sqrt(n)
        return stats.nct.sf(t, n - 1, shift) + stats.nct.cdf(-t, n - 1, shift)

    n = seeds_needed(1.0, effect)
    assert power(n) >= 0.8
    assert n == 2 or power(n - 1) < 0.8
    assert seeds_needed(0.0, effect) == 2
    assert seeds_needed(math.nan, effect) is None
    assert seeds_needed(1.0, 1e-100) is None
