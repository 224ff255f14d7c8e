"""Speed of each layer of a network, forward and backward."""

import time
from typing import Any

import numpy as np

from cnn import Network
from cnn.compile.compilation import single_threaded_blas


def layer_rates(network: Network, inputs: Any, targets: Any, passes: int) -> list[dict[str, Any]]:
    """Time every layer by itself, called as the network calls it.

    Parameters
    ----------
    network
        A network; only its gradient is changed.
    inputs, targets
        One batch; the first axis is that of samples.
    passes
        Number of timed passes, at least 1; two untimed passes come first. Times are medians.

    Returns
    -------
    list of dict
        A row for each layer and one named ``network`` for a whole ``loss_and_gradients``: position, name and MACs of
        the batch, microseconds and GFLOP/s forward and backward (None without MACs or without a backward pass). A MAC
        is two operations. The backward pass takes two MACs for each forward MAC, but one in the first trained layer,
        whose input needs no gradient.
    """
    layers, n = network.layers, len(inputs)
    trained = [i for i, layer in enumerate(layers) if layer.parameter_count]
    first = trained[0] if trained else len(layers) - 1
    flat = np.ascontiguousarray(inputs.reshape(n, -1).T, dtype=network.dtype)
    x0 = flat.reshape(*layers[0].input_shape, n)
    delta = np.empty((network.output_shape[0], n), network.dtype)
    forward = np.zeros((passes + 2, len(layers)))
    backward = np.zeros((passes + 2, len(layers)))
    whole = np.zeros(passes + 2)
    clock = time.perf_counter
    with single_threaded_blas():
        for k in range(passes + 2):
            x = x0
            for i, layer in enumerate(layers):
                began = clock()
                x = layer.output(x) if i < len(layers) - 1 else layer.scores(x)
                forward[k, i] = clock() - began
            network.loss_function.value_and_delta(x, targets, delta)
            gradient = delta
            for i in range(len(layers) - 1, first - 1, -1):
                began = clock()
                gradient = layers[i].residual(gradient)
                if i > first:
                    gradient = layers[i].input_gradient(gradient)
                backward[k, i] = clock() - began
            began = clock()
            network.loss_and_gradients(inputs, targets)
            whole[k] = clock() - began
    ahead, back = np.median(forward[2:], axis=0), np.median(backward[2:], axis=0)
    rows = [
        {
            "position": i,
            "layer": type(layer).__name__.removesuffix("Layer"),
            "macs": layer.macs * n,
            "forward_us": 1e6 * ahead[i],
            "forward_gflops": _rate(layer.macs * n, ahead[i]),
            "backward_us": 1e6 * back[i] if i >= first else None,
            "backward_gflops": _rate(layer.macs * n * (1 if i == first else 2), back[i])
            if i >= first
            else None,
        }
        for i, layer in enumerate(layers)
    ]
    step, macs = float(np.median(whole[2:])), network.macs * n
    work = 3 * macs - layers[first].macs * n
    return [
        *rows,
        {
            "position": len(layers),
            "layer": "network",
            "macs": macs,
            "forward_us": 1e6 * float(ahead.sum()),
            "forward_gflops": _rate(macs, float(ahead.sum())),
            "backward_us": 1e6 * float(back.sum()),
            "backward_gflops": _rate(work - macs, float(back.sum())),
            "step_us": 1e6 * step,
            "step_gflops": _rate(work, step),
        },
    ]


def _rate(macs: int, seconds: float) -> float | None:
    """Return GFLOP/s; a MAC is two operations."""
    return 2e-9 * macs / seconds if macs else None
