"""The order of the rows of a column, against NumPy."""

import numpy as np
import pytest

from evo.editing.column_gathering_kernels import _sort, _sorted_order

SIZES = (0, 1, 2, 15, 16, 17, 33, 100, 1000)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_values", [3, 2**31 - 1])
def test_the_order_is_that_of_a_stable_sort(size, n_values):
    rows = np.random.default_rng(size).integers(0, n_values, size, dtype=np.int32)
    assert np.array_equal(_sorted_order(rows), np.argsort(rows, kind="stable"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("nearly_sorted", [True, False])
def test_values_and_origins_move_with_their_rows(size, track, nearly_sorted):
    rng = np.random.default_rng(size)
    rows = np.arange(size, dtype=np.int32)
    if not nearly_sorted:
        rng.shuffle(rows)
    elif size > 1:
        rows[[0, -1]] = rows[[-1, 0]]
    values = rng.normal(size=size).astype(np.float32)
    origins = np.arange(size if track else 0, dtype=np.int32)[::-1].copy()
    order = np.argsort(rows)
    expected = rows[order], values[order], origins[order] if track else origins.copy()
    _sort(rows, values, origins, np.empty_like(rows), np.empty_like(values), origins.copy())
    for found, wanted in zip((rows, values, origins), expected, strict=True):
        assert np.array_equal(found, wanted)
