"""In steady state a training step allocates nothing the size of an array."""

import gc
import tracemalloc

import numpy as np
import pytest
from effort import first_now, trials
from numba.core.runtime import _nrt_python, rtsys

from cnn import (
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
    small_cnn,
)

BATCH = 32
PEAK = 4096
"""Bytes that a step may have in hand at a time: Python's own numbers and array headers."""

GROWTH = 1024
"""Bytes that may be left after many steps: lists and caches of the interpreter."""


def lenet_5(method, rng):
    layers = [
        ConvolutionLayer(6, 5, padding=2),
        PoolingLayer(method),
        ConvolutionLayer(16, 5, connections=[[k % 6, (k + 1) % 6, (k + 2) % 6] for k in range(16)]),
        PoolingLayer(method),
        ConvolutionLayer(20, 3, kernels="shared", stride=2),
        RasterizationLayer(),
        HiddenLayer(84),
        SoftmaxLayer(10),
    ]
    return Network(layers, (28, 28), rng=rng)


def small(method, rng):
    return small_cnn((14, 14), 10, rng=rng, pooling=method)


@pytest.fixture(params=first_now(["max", "mean", "gaussian", "trainable"]))
def method(request):
    return request.param


@pytest.fixture(params=[lenet_5, small])
def step(request, method, rng):
    """Return one step of a network that has taken some: its buffers are there."""
    network = request.param(method, rng)
    inputs = rng.random((BATCH, *network.input_shape), np.float32)
    targets = rng.integers(10, size=BATCH)

    def step():
        network.loss_and_gradients(inputs, targets)

    for _ in range(3):
        step()
    return step


def test_a_step_has_no_array_sized_allocation_and_leaves_nothing(step):
    gc.collect()
    tracemalloc.start()
    try:
        step()
        before = tracemalloc.get_traced_memory()[0]
        peaks = []
        for _ in range(trials(3, 10)):
            tracemalloc.reset_peak()
            start = tracemalloc.get_traced_memory()[0]
            step()
            peaks.append(tracemalloc.get_traced_memory()[1] - start)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert max(peaks) < PEAK
    assert after - before < GROWTH


def test_compiled_loops_give_back_what_they_take(step):
    """Numba's own allocations are unknown to tracemalloc."""
    _nrt_python.memsys_enable_stats()
    try:
        step()
        before = rtsys.get_allocation_stats()
        for _ in range(10):
            step()
        after = rtsys.get_allocation_stats()
    finally:
        _nrt_python.memsys_disable_stats()
    assert after.alloc - before.alloc == after.free - before.free
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free


def test_an_array_that_a_step_made_would_be_seen(rng):
    """The yardstick itself: NumPy reports its arrays to tracemalloc."""
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        np.ones(BATCH * 84, np.float32)
        assert tracemalloc.get_traced_memory()[1] - start > 2 * PEAK
    finally:
        tracemalloc.stop()
