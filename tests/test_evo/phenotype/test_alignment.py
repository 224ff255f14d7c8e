"""All buffers of training begin on a cache line, and stay so in copies and after other batch sizes."""

import copy
import pickle

import numpy as np
import pytest
from effort import first_now

from cnn import Recipe, Samples, lenet5, train
from cnn.arrays import is_aligned
from cnn.layers.kernels import convolution_kernels
from evo.exchange.layered_networks import from_cnn
from evo.phenotype.phenotype import Phenotype


def samples(genome, n=40):
    rng, n_outputs = np.random.default_rng(1), len(genome.outputs)
    inputs = rng.normal(size=(n, genome.n_features)).astype(np.float32)
    return Samples(inputs, rng.integers(0, n_outputs, n))


def buffers_of(network):
    yield from {
        "parameters": network.parameters,
        "gradient": network._gradient,
        "masked weights": network._masked_weights,
    }.items()
    if network._runtime is not None:
        buffers = network._runtime[1][1]
        for name, value in buffers._asdict().items():
            # For one or two samples the residual of a node is beside its state, in the same line.
            if isinstance(value, np.ndarray) and (name, buffers.stride > buffers.length) != (
                "residual",
                True,
            ):
                yield name, value


def assert_all_aligned(network):
    assert [name for name, buffer in buffers_of(network) if not is_aligned(buffer)] == []


@pytest.mark.parametrize("dormant", ["frozen", "straight_through"])
@pytest.mark.parametrize("ticks", [1, 3])
@pytest.mark.parametrize("kind", first_now(["neurons", "maps"]))
def test_buffers_of_a_graph_begin_on_a_cache_line(
    kind, ticks, dormant, random_genome, any_map_genome
):
    make = random_genome if kind == "neurons" else any_map_genome
    genome = make(np.random.default_rng(4), ticks=ticks)
    genome = genome.with_values(genome.values.astype(np.float32), genome.bias.astype(np.float32))
    network, data, state = Phenotype(genome, dormant=dormant), samples(genome), None
    for first_step, batch_size in ((0, 7), (3, 16), (6, 2)):
        recipe = Recipe(optimizer="adam", learning_rate=1e-4, batch_size=batch_size)
        report = train(
            network,
            data,
            recipe,
            first_step=first_step,
            steps=3,
            total_steps=9,
            order_seed=0,
            state=state,
        )
        state = report.state
        assert is_aligned(state.moments)
        assert_all_aligned(network)
        assert len(dict(buffers_of(network))) > 4
    for twin in (network, copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        for n in (1, 5, 16):
            twin.loss_and_gradients(data.inputs[:n], data.targets[:n])
            assert_all_aligned(twin)


def test_buffers_of_a_convolution_begin_on_a_cache_line(monkeypatch):
    given, gather, correlate = [], convolution_kernels.gather, convolution_kernels.correlate

    def watched_gather(*arguments):
        given.append(arguments[5])  # the weights of each tap
        gather(*arguments)

    def watched_correlate(*arguments):
        given.append(arguments[8])  # the gradient of each tap
        correlate(*arguments)

    monkeypatch.setattr(convolution_kernels, "gather", watched_gather)
    monkeypatch.setattr(convolution_kernels, "correlate", watched_correlate)
    genome = from_cnn(lenet5(rng=np.random.default_rng(0)))
    network, data = Phenotype(genome), samples(genome, 5)
    network.loss_and_gradients(data.inputs, data.targets)
    assert len(given) >= 4
    assert all(is_aligned(array) for array in given)
