"""What several of these tests share."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[np.float64]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_260)


@pytest.fixture(scope="session")
def assert_close() -> Callable[..., None]:
    """Return an assertion that one array is another, up to a share of the other's largest entry."""

    def assert_close(actual: Array, expected: Array, share: float, least: float = 0.0) -> None:
        """Compare in the maximum norm: max |actual − expected| ≤ share · max(max |expected|, least).

        A sum of hundreds of numbers around 1 may happen to be almost 0; `least` = 1 then says what
        its error is a share of.
        """
        assert actual.shape == expected.shape
        scale = np.abs(expected).max(initial=least)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=share * scale)

    return assert_close


@pytest.fixture(scope="session")
def central_difference() -> Callable[[Callable[[], float], Array], Array]:
    """Return the gradient of a function by an array, which is changed in place and restored."""

    def gradient(function: Callable[[], float], array: Array, step: float = 1e-6) -> Array:
        result = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + step
            above = function()
            array[index] = kept - step
            below = function()
            array[index] = kept
            result[index] = (above - below) / (2 * step)
        return result

    return gradient
