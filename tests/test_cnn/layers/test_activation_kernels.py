"""The activation functions of layers equal their readable NumPy twins."""

import numpy as np
import pytest

from cnn import functional
from cnn.layers.activations import ACTIVATIONS, find_activation

NUMPY_TWINS = {
    "identity": (lambda n: n, np.ones_like),
    "sigmoid": (functional.sigmoid, functional.dsigmoid),
    "tanh": (functional.tanh, functional.dtanh),
    "relu": (functional.relu, functional.drelu),
}


def test_every_activation_has_a_twin():
    assert set(NUMPY_TWINS) == set(ACTIVATIONS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_and_their_chain_rule_equal_the_functional_ones(name, dtype, rng):
    function, derivative = NUMPY_TWINS[name]
    n, gradient = rng.normal(0, 3, (2, 101)).astype(dtype)
    tolerance = 10 * np.finfo(dtype).eps
    o = n.copy()
    ACTIVATIONS[name].apply(o)
    np.testing.assert_allclose(o, function(n), rtol=tolerance, atol=tolerance)
    out = np.empty_like(o)
    ACTIVATIONS[name].chain(gradient, o, out)
    np.testing.assert_allclose(out, gradient * derivative(o), rtol=tolerance, atol=tolerance)
    assert out.dtype == dtype
    ACTIVATIONS[name].chain(gradient, o, gradient)
    np.testing.assert_array_equal(gradient, out)


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match=r"one of identity, .*; got 'step'"):
        find_activation("step")
