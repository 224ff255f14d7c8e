"""Own activations: the compiled form is the Python form, the slope is checked, and files know the function by name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo import ACTIVATIONS, Activation, Genome, Phenotype, ResultsError, from_json, to_json
from evo.exchange.blocks import blocks_of
from evo.files import write_arrays
from evo.genome.activations import NEEDS_NET_INPUT, activation_code, activation_name
from evo.genome.codec import genome_from_arrays, genome_to_arrays, load_genomes
from evo.phenotype.kernels.activation_kernels import activate, multiply_by_slope


def swish(n):
    return n / (1 + np.exp(-n))


def slope_of_swish(n):
    s = 1 / (1 + np.exp(-n))
    return s + n * s * (1 - s)


SWISH = Activation(swish, slope_of_swish)


@pytest.fixture(scope="module", autouse=True)
def registered():
    before = ACTIVATIONS.own
    ACTIVATIONS.register("swish", SWISH)
    yield
    ACTIVATIONS.install(before)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@given(st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=40))
def test_kernels_compute_what_the_python_functions_compute(dtype, tolerance, numbers):
    code, net = activation_code("swish"), np.array(numbers, dtype)
    exact = net.astype(np.float64)
    row, residual = net.copy(), np.full(len(net), 2, dtype)
    activate(code, row)
    multiply_by_slope(code, net, row, residual)
    np.testing.assert_allclose(row, swish(exact), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(residual, 2 * slope_of_swish(exact), rtol=tolerance, atol=tolerance)


def one_genome(activation="swish", dtype=np.float64):
    matrix = np.triu(np.random.default_rng(0).normal(size=(7, 7)), 1).astype(dtype)
    return Genome.from_matrix(matrix, n_inputs=3, n_outputs=2, activation=activation)


def test_a_network_with_an_own_activation_has_the_gradient_of_finite_differences():
    network = Phenotype(one_genome(), "squared_error")
    rng = np.random.default_rng(1)
    inputs, targets = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    _, gradient = network.loss_and_gradients(inputs, targets)
    gradient, step = gradient.copy(), 1e-6
    for k in range(len(gradient)):
        losses = []
        for sign in (1, -1):
            network.parameters[k] += sign * step
            losses.append(network.loss(inputs, targets))
            network.parameters[k] -= sign * step
        assert gradient[k] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-7)


def test_the_code_follows_from_the_name_alone():
    code = activation_code("swish")
    assert code >= 16
    assert NEEDS_NET_INPUT[code]
    assert activation_name(code) == "swish"
    own = ACTIVATIONS.own
    try:
        ACTIVATIONS.install({})
        ACTIVATIONS.register("other", SWISH)
        ACTIVATIONS.register("swish", SWISH)
        assert activation_code("swish") == code
    finally:
        ACTIVATIONS.install(own)


@pytest.mark.slow
def test_files_name_the_activation_and_refuse_another_function(tmp_path):
    genome = one_genome()
    arrays, description = genome_to_arrays(genome)
    assert list(description["own_activations"]) == ["swish"]
    assert genome_from_arrays(arrays, description).equals(genome)
    assert from_json(to_json(genome)).equals(genome)
    prefixed, of_one = genome_to_arrays(genome, "0/")
    write_arrays(tmp_path / "genomes.npz", prefixed, {"0": of_one})
    own = ACTIVATIONS.own
    try:
        ACTIVATIONS.install({})
        with pytest.raises(ResultsError, match="activation 'swish' must be registered first"):
            load_genomes(tmp_path / "genomes.npz")
        ACTIVATIONS.register("swish", Activation(np.sin, np.cos))
        with pytest.raises(ResultsError, match="got another function"):
            load_genomes(tmp_path / "genomes.npz")
    finally:
        ACTIVATIONS.install(own)
    assert load_genomes(tmp_path / "genomes.npz")[0].equals(genome)


def test_a_genome_without_own_activations_is_stored_as_before():
    assert "own_activations" not in genome_to_arrays(one_genome("tanh"))[1]


def test_a_code_that_nobody_registered_is_refused():
    with pytest.raises(
        ValueError, match=r"activations must be codes below 9, or of own .*; got 99"
    ):
        replace(one_genome("tanh"), activations=np.full(7, 99, np.uint8))


@pytest.mark.parametrize(
    ("value", "slope", "problem"),
    [
        (np.sin, np.sin, "must be the derivative of its value, or surrogate be true; at n = -5.93"),
        (np.log, lambda n: 1 / n, "value of activation 'f' must be finite"),
        (lambda n: str(n) * 2, np.cos, "must be defined for numbers"),
        (lambda n: complex(n).real, lambda n: float(str(1.0)), "cannot be compiled by Numba"),
        (np.sin, lambda: 1.0, "must be a function of"),
    ],
)
def test_a_wrong_function_is_refused_in_one_line(value, slope, problem):
    with pytest.raises((ValueError, TypeError), match=problem) as caught:
        ACTIVATIONS.register("f", Activation(value, slope))
    assert "\n" not in str(caught.value)
    assert "f" not in ACTIVATIONS


def test_a_surrogate_slope_is_allowed_where_it_is_declared():
    own = ACTIVATIONS.own
    try:
        ACTIVATIONS.register("step", Activation(np.sign, lambda n: 1.0, surrogate=True))
        row = np.array([-2.0, 3.0])
        activate(activation_code("step"), row)
        assert row.tolist() == [-1, 1]
    finally:
        ACTIVATIONS.install(own)


def test_other_programs_do_not_know_them():
    genome = Genome.from_matrix(
        np.eye(2, k=1), n_inputs=1, n_outputs=1, activation=["swish", "swish"]
    )
    rule = "activation of node 1 must be a built-in one; got 'swish'"
    with pytest.raises(ValueError, match=rule):
        blocks_of(genome)
