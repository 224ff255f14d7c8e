"""Arms on several data sets: Demšar's example, rliable's definitions, slow programs."""

import math

import numpy as np
import pytest
from scipy import stats

from experiments.statistics.data_sets import interquartile_mean, ranks, stratified_interval

DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],  # the paper prints 0.975 twice, and ranks them 2 and 3
        [0.957, 0.978, 0.946, 0.970],
    ]
)
"""Areas under the curve of C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets: Demšar (2006), table 6."""


def test_demsars_example_is_reproduced():
    found = ranks(DEMSAR, larger_is_better=True)
    assert found.means.round(3).tolist() == [3.143, 2.0, 2.893, 1.964]
    chi_square = 12 * 14 / (4 * 5) * ((found.means**2).sum() - 4 * 5**2 / 4)
    assert round(chi_square, 2) == 9.28
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.p == stats.friedmanchisquare(*DEMSAR.T).pvalue < 0.05


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_has_demsars_table_of_nemenyi(k, q):
    scores = np.random.default_rng(k).normal(size=(7, k))
    expected = q * math.sqrt(k * (k + 1) / (6 * 7))
    assert ranks(scores, larger_is_better=True).critical_difference == pytest.approx(
        expected, rel=5e-4
    )


def test_smaller_may_be_better_and_ties_share_ranks():
    found = ranks([[1.0, 2.0, 2.0], [1.0, 3.0, 2.0]], larger_is_better=False)
    assert found.means.tolist() == [1.0, 2.75, 2.25]
    alike = ranks(np.ones((4, 3)), larger_is_better=True)
    assert (alike.means.tolist(), alike.p) == ([2.0, 2.0, 2.0], 1.0)
    assert math.isnan(ranks([[1.0, 2.0], [1.0, 2.0]], larger_is_better=True).p)


@pytest.mark.parametrize(
    "scores", [[[1.0, 2.0]], [[1.0], [2.0]], [1.0, 2.0], [[1.0, math.nan], [1.0, 2.0]]]
)
def test_ranks_need_a_whole_table(scores):
    with pytest.raises(ValueError, match="scores must be a table of two data sets and two arms or"):
        ranks(scores, larger_is_better=True)


def test_the_interquartile_mean_is_the_mean_of_the_middle_half():
    scores = np.random.default_rng(0).normal(size=40)
    assert interquartile_mean(scores) == pytest.approx(np.sort(scores)[10:30].mean())


def test_the_stratified_bootstrap_draws_seeds_within_data_sets():
    rng = np.random.default_rng(0)
    scores = [rng.normal(k, 1 + k, 4 + k) for k in range(5)]
    mean, low, high = stratified_interval(scores, rng=np.random.default_rng(1))
    pooled = np.concatenate(scores)
    cut = len(pooled) // 4
    assert mean == pytest.approx(np.sort(pooled)[cut : len(pooled) - cut].mean())
    means = []
    for _ in range(3000):
        anew = np.sort(np.concatenate([rng.choice(one, len(one)) for one in scores]))
        means.append(anew[cut : len(pooled) - cut].mean())
    assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.08)


def test_a_data_set_with_one_seed_has_no_interval():
    assert stratified_interval([[1.0, 2.0], [3.0]], rng=np.random.default_rng(0)) == (
        2.0,
        -math.inf,
        math.inf,
    )
    assert all(map(math.isnan, stratified_interval([[math.nan]], rng=np.random.default_rng(0))))
