"""Every activation: compiled values and slopes against NumPy, slopes against differences, precision in float32."""

import numpy as np
import pytest

from evo.genome.activations import (
    ACTIVATIONS,
    NEEDS_NET_INPUT,
    activation_code,
    activation_codes,
    activation_name,
)
from evo.phenotype.kernels.activation_kernels import activate, multiply_by_slope

DIFFERENTIABLE = [name for name in ACTIVATIONS if name != "sign"]


def grid(dtype):
    return np.concatenate([np.linspace(-30, 30, 20_011), [0.0, -0.0, 1.0, -1.0]]).astype(dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(("dtype", "within"), [(np.float64, 1e-14), (np.float32, 1e-6)])
def test_compiled_values_are_those_of_numpy(name, dtype, within, reference):
    net, row = grid(np.float64).astype(dtype), grid(dtype)
    activate(activation_code(name), row)
    expected = reference.FUNCTIONS[name](net.astype(np.float64))
    scale = np.maximum(1, np.abs(expected))
    assert row.dtype == dtype
    assert (np.abs(row - expected) / scale).max() < within


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(("dtype", "within"), [(np.float64, 1e-13), (np.float32, 4e-6)])
def test_compiled_slopes_are_those_of_numpy(name, dtype, within, reference):
    net = grid(dtype)
    output = net.copy()
    activate(activation_code(name), output)
    residual = np.full_like(net, 2)
    unread = np.full_like(net, np.nan)
    needs_net_input = NEEDS_NET_INPUT[activation_code(name)]
    multiply_by_slope(activation_code(name), net if needs_net_input else unread, output, residual)
    expected = 2 * reference.SLOPES[name](net.astype(np.float64), output.astype(np.float64))
    assert np.abs(residual - expected).max() < within * max(1, np.abs(expected).max())


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_slopes_are_the_derivatives_of_values(name, reference):
    net, h = np.linspace(-4, 4, 400), 1e-6  # 0, where relu has a corner, is not among them
    function, slope = reference.FUNCTIONS[name], reference.SLOPES[name]
    expected = (function(net + h) - function(net - h)) / (2 * h)
    np.testing.assert_allclose(slope(net, function(net)), expected, rtol=1e-6, atol=1e-8)


def test_the_sign_learns_as_the_identity_clipped_at_one():
    net = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    output, residual = net.copy(), np.ones_like(net)
    activate(activation_code("sign"), output)
    multiply_by_slope(activation_code("sign"), net, output, residual)
    assert output.tolist() == [-1, -1, -1, 1, 1, 1, 1]
    assert residual.tolist() == [0, 1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_divergence_is_seen(name):
    row = np.array([np.nan, 1.0])
    activate(activation_code(name), row)
    assert np.isnan(row[0])
    assert np.isfinite(row[1])


def test_names_and_codes():
    assert [activation_name(activation_code(name)) for name in ACTIVATIONS] == list(ACTIVATIONS)
    assert [activation_code(name) for name in ACTIVATIONS] == list(range(9))
    assert activation_codes(["tanh", "relu"], 2).tolist() == [2, 3]
    with pytest.raises(ValueError, match=r"activation must be one of identity, .*; got 'swish'"):
        activation_code("swish")
    with pytest.raises(
        ValueError, match=r"activation must be one name or 3 names, one per node; got 1"
    ):
        activation_codes(["tanh"], 3)
