"""The spectral radius: against LAPACK on the whole matrix, and where it is known in closed form."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

import graphops
from graphops import spectrum


def whole(matrix):
    return np.abs(np.linalg.eigvals(matrix)).max(initial=0.0)


def random_sparse(n, degree, seed=0):
    rng = np.random.default_rng(seed)
    places = rng.choice(n * n, size=int(n * degree), replace=False)
    weights = rng.normal(size=len(places)) / np.sqrt(degree)
    return sparse.csc_array((weights, np.divmod(places, n)), shape=(n, n))


@given(n=st.integers(1, 12), density=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_dense_and_sparse_give_the_largest_eigenvalue_of_the_whole(n, density, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < density)
    found = graphops.spectral_radius(matrix)
    assert graphops.spectral_radius(sparse.csr_array(matrix)) == found
    if found:  # eigenvalues that should be 0 come out of LAPACK as roots of the rounding errors
        assert found == pytest.approx(whole(matrix), rel=1e-6)


@given(n=st.integers(0, 30), seed=st.integers(0, 2**32))
def test_without_a_cycle_it_is_zero_exactly_in_any_order_of_nodes(n, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    matrix = np.triu(rng.normal(size=(n, n)), k=1)[np.ix_(order, order)]
    assert graphops.spectral_radius(matrix) == 0.0


def test_a_stored_zero_closes_no_cycle():
    matrix = sparse.csc_array(([1.0, 0.0], ([0, 1], [1, 0])), shape=(2, 2))
    assert graphops.spectral_radius(matrix) == 0.0


def test_many_small_cycles_are_taken_together(monkeypatch):
    monkeypatch.setattr(spectrum, "_BATCH_PLACES", 100)
    blocks = [np.array([[0, w], [w, 0]]) for w in np.linspace(-2, 1, 500)]
    assert graphops.spectral_radius(sparse.block_diag(blocks)) == pytest.approx(2.0)


def test_a_large_component_goes_to_arpack_and_is_the_same_every_time():
    matrix = random_sparse(500, 8)
    found = graphops.spectral_radius(matrix)
    assert found == pytest.approx(whole(matrix.toarray()), rel=1e-8)
    assert graphops.spectral_radius(matrix) == found


def test_a_start_vector_that_spans_little_still_gives_the_same_number_every_time():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 500, 2))
    matrix = left @ right.T
    found = graphops.spectral_radius(matrix)
    assert found == pytest.approx(np.abs(np.linalg.eigvals(right.T @ left)).max(), rel=1e-8)
    assert graphops.spectral_radius(matrix) == found


def test_a_long_cycle_is_the_root_of_its_product():
    n = 5000
    weights = np.random.default_rng(0).uniform(0.5, 2, n)
    order = np.random.default_rng(1).permutation(n)
    matrix = sparse.csc_array((weights, (order, np.roll(order, 1))), shape=(n, n))
    assert graphops.spectral_radius(matrix) == pytest.approx(np.exp(np.log(weights).mean()))


def test_where_arpack_does_not_converge_the_power_iteration_answers_to_a_percent(monkeypatch):
    monkeypatch.setattr(spectrum, "_MAX_RESTARTS", 1)
    monkeypatch.setattr(spectrum, "_N_VECTORS", 8)
    matrix = random_sparse(500, 8, seed=3)
    asked = []
    growth = spectrum._growth
    monkeypatch.setattr(spectrum, "_growth", lambda *given: asked.append(1) or growth(*given))
    found = graphops.spectral_radius(matrix)
    assert asked
    assert found == pytest.approx(whole(matrix.toarray()), rel=0.01)


def test_only_finite_square_matrices_have_one():
    with pytest.raises(ValueError, match=r"^W must be square; got shape \(2, 3\)$"):
        graphops.spectral_radius(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"^W must be finite; got nan at \(0, 1\)$"):
        graphops.spectral_radius(np.array([[0, np.nan], [0, 0]]))
