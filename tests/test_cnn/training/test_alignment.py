"""All buffers of training begin on a cache line, and stay so in copies and after other batch sizes."""

import copy
import pickle

import numpy as np
import pytest

import cnn
from cnn import DataParallel, Recipe, Samples, train
from cnn.arrays import CACHE_LINE, aligned_copy, aligned_empty, aligned_zeros, is_aligned


@pytest.mark.parametrize("shape", [0, 3, (), (5,), (3, 0, 2), (7, 13)])
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8", "i8"])
def test_aligned_arrays_are_ordinary_arrays_on_a_cache_line(shape, dtype):
    for array in (aligned_empty(shape, dtype), aligned_zeros(shape, dtype)):
        ordinary = np.empty(shape, dtype)
        assert (array.shape, array.dtype) == (ordinary.shape, ordinary.dtype)
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.size == 0 or array.ctypes.data % CACHE_LINE == 0
        assert is_aligned(array)
    assert not aligned_zeros(shape, dtype).any()


def test_an_aligned_copy_has_the_same_numbers_in_c_order():
    given = np.arange(12, dtype=np.float32).reshape(3, 4).T[1:]
    copied = aligned_copy(given)
    assert is_aligned(copied)
    assert copied.flags.c_contiguous
    np.testing.assert_array_equal(copied, given)
    assert not np.shares_memory(copied, given)


def test_an_array_inside_a_line_is_not_aligned():
    assert not is_aligned(aligned_empty(32, np.float32)[1:])


def buffers_of(network):
    """Yield the name of each buffer, and the buffer; small tables that are made once are none."""
    for name in ("parameters", "gradient", "_inputs", "_delta"):
        yield name, getattr(network, name)
    for number, layer in enumerate(network.layers):
        for name, buffer in layer._buffers.items():
            yield f"{number}.{name}", buffer
        for name in ("_packed", "_taps"):
            if hasattr(layer, name):
                yield f"{number}.{name}", getattr(layer, name)


def assert_all_aligned(network):
    found = dict(buffers_of(network))
    assert len(found) > 4  # buffers of layers too
    assert [name for name, buffer in found.items() if not is_aligned(buffer)] == []


class Watching(cnn.Network):
    """A network that notes whether the batches of training begin on a cache line."""

    def loss_and_gradients(self, inputs, targets, weights=None):
        self.aligned = is_aligned(inputs) and is_aligned(targets)
        return super().loss_and_gradients(inputs, targets, weights)


def samples(n, shape):
    rng = np.random.default_rng(1)
    return Samples(rng.normal(size=(n, *shape)).astype(np.float32), rng.integers(0, 2, n))


@pytest.mark.parametrize("method", ["max", "mean", "gaussian"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_buffers_of_a_cnn_begin_on_a_cache_line(method, optimizer):
    layers = (
        cnn.ConvolutionLayer(3, 3, padding=1),
        cnn.PoolingLayer(method),
        cnn.RasterizationLayer(),
        cnn.HiddenLayer(5),
        cnn.SoftmaxLayer(2),
    )
    network = Watching(layers, (8, 8), rng=np.random.default_rng(0))
    recipe, data, state = Recipe(optimizer=optimizer, batch_size=7), samples(40, (8, 8)), None
    for first_step in (0, 3):
        report = train(
            network,
            data,
            recipe,
            first_step=first_step,
            steps=3,
            total_steps=6,
            order_seed=0,
            state=state,
        )
        state = report.state
        assert network.aligned
        assert is_aligned(state.moments)
        assert_all_aligned(network)
    for twin in (network, network.twin(), copy.deepcopy(network), restored(network)):
        for n in (5, 16):
            twin.loss_and_gradients(data.inputs[:n], data.targets[:n])
            assert_all_aligned(twin)


def restored(network):
    return pickle.loads(pickle.dumps(network))


def test_buffers_of_parallel_training_begin_on_a_cache_line():
    network, data = cnn.small_cnn((8, 8), 2, rng=np.random.default_rng(0)), samples(9, (8, 8))
    with DataParallel(network, threads=2) as parallel:
        parallel.loss_and_gradients(data.inputs, data.targets)
        assert is_aligned(parallel.gradient)
        for twin in parallel._twins:
            assert_all_aligned(twin)
