"""Sums over the taps whose weight is not 0 equal, to the bit, the sums over all taps of a convolution."""

from dataclasses import replace

import numpy as np
import pytest

from evo import Phenotype
from evo.initial.map_founders import LayerShape, connections_between, draw_map_network
from evo.phenotype import convolutions, few_taps
from evo.phenotype.few_taps import FewTaps

LAYERS = [LayerShape(18, 2), LayerShape(18, 5), LayerShape(7, 4), LayerShape(1, 3)]
"""Images, maps of the same size in a margin, maps of downsampled ones without a margin, classes."""


def learning_network(dtype, activation="tanh"):
    """Return a network that stores every tap; a fifth of them is active."""
    places = [each.n_possible_taps for each in connections_between(LAYERS, 3)]
    genome = draw_map_network(
        LAYERS,
        [count // 5 for count in places],
        kernel=3,
        downsampling="max",
        activation=activation,
        stored_per_edge=5,
        rng=np.random.default_rng(0),
    )
    return replace(
        genome,
        values=genome.values.astype(dtype),
        bias=genome.bias.astype(dtype),
        threshold=np.asarray(genome.threshold, dtype),
    )


def results(genome, n_samples, monkeypatch, share, spoilt=()):
    """Return the loss, gradient and output, and for each sum over few taps of a step whether it was added."""
    monkeypatch.setattr(convolutions, "FEW_TAPS", share)
    calls, write = [], FewTaps.write

    def watched(self, *arguments, **options):
        calls.append(options["accumulate"])
        write(self, *arguments, **options)

    monkeypatch.setattr(FewTaps, "write", watched)
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(n_samples, genome.n_features)).astype(genome.values.dtype)
    for sample, number in spoilt:
        inputs[sample, 100] = number
    network = Phenotype(genome, dormant="straight_through")
    assert len(network.plan.convolutions) == 2
    value, gradient = network.loss_and_gradients(inputs, rng.integers(0, 3, n_samples))
    of_step = calls.copy()
    output = network.output(inputs)
    monkeypatch.setattr(FewTaps, "write", write)
    return (np.array(value), gradient, output), of_step


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("block_bytes", [few_taps.BLOCK_BYTES, 1200])
@pytest.mark.parametrize("n_samples", [3, 32, 65])
def test_taps_without_weight_are_left_out_of_sums(
    n_samples, block_bytes, dtype, activation, monkeypatch
):
    """With the lesser number, five source maps are cut into blocks of 2, 2, 1 and 0 maps."""
    genome = learning_network(dtype, activation)
    with monkeypatch.context() as patch:
        patch.setattr(few_taps, "BLOCK_BYTES", block_bytes)
        few, calls = results(genome, n_samples, patch, 0.4)
    whole, none = results(genome, n_samples, monkeypatch, 0.0)
    assert calls == [False, False, True]
    assert none == []
    assert [part.tobytes() for part in few] == [part.tobytes() for part in whole]


@pytest.mark.parametrize("spoilt", [[(40, np.inf)], [(3, np.nan), (20, -np.inf)]])
def test_a_number_that_is_not_finite_spreads_as_through_all_taps(spoilt, monkeypatch):
    genome = learning_network(np.float32, "relu")
    with np.errstate(invalid="ignore", over="ignore"):
        few, calls = results(genome, 65, monkeypatch, 0.4, spoilt)
        whole, _ = results(genome, 65, monkeypatch, 0.0, spoilt)
    assert calls == [False, False, True]
    for part, expected in zip(few, whole, strict=True):
        np.testing.assert_array_equal(part, expected)
    assert np.isnan(few[2]).any()


def test_all_taps_are_added_up_where_few_would_not_give_the_same_bits():
    network = Phenotype(learning_network(np.float32), dormant="straight_through")
    convolution = network.plan.convolutions[1]
    weights = np.where(np.abs(network.parameters) > np.median(np.abs(network.parameters)), 1, 0)
    weights = weights[: network.n_edges].astype(np.float32)
    weights[::2] = 0
    assert convolution._has_few_taps(weights, 16)
    assert not convolution._has_few_taps(weights, 2)  # rows of two lanes
    weights[convolution._edges[0]] = np.inf
    assert not convolution._has_few_taps(weights, 16)
