"""Holm's correction against statsmodels."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from experiments.statistics.corrections import holm


@pytest.mark.parametrize("n", [1, 2, 9])
def test_holms_correction_is_that_of_statsmodels(n):
    rng = np.random.default_rng(n)
    p = rng.uniform(size=n) ** 3
    p[-1] = p[0]  # a tie
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    assert len(holm([])) == 0
