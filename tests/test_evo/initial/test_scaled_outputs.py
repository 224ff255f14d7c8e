"""Networks whose outputs are scaled by their weights and biases."""

import numpy as np
import pytest

from cnn import small_cnn
from evo import Genome, Phenotype, from_cnn
from evo.initial.given import with_scaled_outputs

FACTOR, OFFSET = np.array([3.0, 1e-4]), np.array([-0.5, 20.0])


def random_genome(threshold=None, *, ticks=1, dtype=np.float32, seed=0, **given):
    """Return a network of 3 inputs and 2 outputs, whose outputs have no out-edges."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(9, 9)).astype(dtype)
    matrix[7:] = 0
    bias = rng.normal(size=9)
    return Genome.from_matrix(
        matrix, n_inputs=3, n_outputs=2, bias=bias, threshold=threshold, ticks=ticks, **given
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [None, 0.8, np.linspace(0, 1, 9)])
@pytest.mark.parametrize("mode", ["magnitude", "signed"])
@pytest.mark.parametrize("ticks", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_are_scaled_and_the_same_entries_are_active(seed, threshold, mode, ticks, dtype):
    genome = random_genome(threshold, ticks=ticks, dtype=dtype, seed=seed, threshold_mode=mode)
    scaled = with_scaled_outputs(genome, FACTOR, OFFSET)
    X = np.random.default_rng(1).normal(size=(7, 3)).astype(dtype)
    before, after = (Phenotype(one, "squared_error").output(X) for one in (genome, scaled))
    np.testing.assert_allclose(after, FACTOR * before + OFFSET, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(scaled.active_mask(), genome.active_mask())
    inner = ~np.isin(genome.targets, genome.outputs)
    np.testing.assert_array_equal(scaled.values[inner], genome.values[inner])
    np.testing.assert_array_equal(scaled.bias[:7], genome.bias[:7])
    assert scaled.values.dtype == dtype


def test_kernels_into_outputs_are_scaled_too():
    genome = from_cnn(small_cnn((8, 8), 2, rng=np.random.default_rng(0), loss="squared_error"))
    X = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
    before = Phenotype(genome, "squared_error").output(X)
    after = Phenotype(with_scaled_outputs(genome, FACTOR, OFFSET), "squared_error").output(X)
    np.testing.assert_allclose(after, FACTOR * before + OFFSET, rtol=1e-4, atol=1e-5)


def test_nothing_to_do_returns_the_network_itself():
    genome = random_genome(output_activation="tanh")
    assert with_scaled_outputs(genome, 1.0, 0.0) is genome


def test_a_weight_that_rounding_takes_across_the_threshold_is_refused():
    threshold, weight = np.float32(0.7), np.nextafter(np.float32(0.7), np.float32(1))
    matrix = np.array([[0, weight], [0, 0]], np.float32)
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1, threshold=float(threshold))
    factors = np.linspace(0.5, 1, 1000)
    merged = np.float32(factors * threshold) == np.float32(factors * weight)
    with pytest.raises(
        ValueError, match="threshold to take up another scaling; got 1 that rounding"
    ):
        with_scaled_outputs(genome, factors[merged][0], 0.0)
    assert with_scaled_outputs(genome, factors[~merged][0], 0.0).active_mask().all()


def test_numbers_beyond_the_dtype_are_refused():
    with pytest.raises(ValueError, match="finite"):
        with_scaled_outputs(random_genome(), 1e60, 0.0)
