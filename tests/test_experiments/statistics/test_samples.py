"""Two networks on the same test samples."""

import numpy as np
import pytest
from scipy import stats

from experiments.statistics.samples import mcnemar


def test_mcnemar_counts_and_tests_the_samples_on_which_two_networks_differ():
    """Counts of Agresti's ratings of a prime minister (Categorical Data Analysis, table 10.1)."""
    first = np.repeat([True, True, False, False], [794, 150, 86, 570])
    second = np.repeat([True, False, True, False], [794, 150, 86, 570])
    found = mcnemar(first, second)
    assert (found.both, found.only_first, found.only_second, found.neither) == (794, 150, 86, 570)
    assert found.p == pytest.approx(stats.binomtest(86, 236).pvalue)
    chi_square = (150 - 86) ** 2 / (150 + 86)
    assert found.p == pytest.approx(stats.chi2.sf(chi_square - 0.55, 1), rel=0.2)


def test_networks_that_never_differ_are_alike():
    assert mcnemar([True, False], [True, False]).p == 1
    with pytest.raises(
        ValueError, match=r"second must have the shape of first, \(2,\); got \(1,\)"
    ):
        mcnemar([True, False], [True])
