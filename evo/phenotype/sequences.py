"""Sequences of unequal length in one batch: where outputs are read, and where their gradients enter.

The readings are those of :class:`cnn.training.samples.Samples`. The passes are in
:mod:`evo.phenotype.sequence_kernels`; those of networks with feature maps take a call from Python at each tick.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.arrays import aligned_empty
from cnn.readings import check_readings
from evo.genome.genome import FloatArray, Genome, read_only
from evo.phenotype import sequence_kernels as kernels
from evo.phenotype.kernels.forward_kernels import write_block_weights
from evo.phenotype.passes import Runtime, backward_tick, forward_tick
from evo.phenotype.plan import Plan

Readings = NDArray[np.integer[Any]]
"""Samples and ticks at which outputs are read, shape (2, n_readings)."""


def check_sequences(genome: Genome, n_samples: int, n_numbers: int, readings: Readings) -> None:
    """Raise ValueError unless a network can read sequences with these readings.

    Parameters
    ----------
    genome : Genome
    n_samples, n_numbers : int
        Number of samples, and of numbers in a sample.
    readings : ndarray of int, shape (2, n_readings)
    """
    wanted = genome.n_features * genome.ticks
    if n_numbers != wanted:
        raise ValueError(
            f"inputs must have {genome.ticks} ticks of {genome.n_features} features, {wanted} numbers a sequence; got "
            f"{n_numbers}"
        )
    check_readings(readings, n_samples, genome.ticks)


def forward(
    plan: Plan,
    runtime: Runtime,
    weights: FloatArray,
    bias: FloatArray,
    readings: Readings,
) -> FloatArray:
    """Run the network, whose inputs are in the buffers; return the scores, shape (n_outputs, n_readings)."""
    layout, buffers, width = runtime
    last_ticks = np.full(buffers.length, readings[1, -1])  # the padding repeats the last sample
    last_ticks[readings[0]] = readings[1]  # ascending, so the last reading of a sample stays
    if layout.maps == ():
        kernels.forward_sequences(layout, weights, bias, buffers, last_ticks, width)
    else:
        _forward_maps(plan, runtime, weights, bias, last_ticks)
    scores = aligned_empty((len(plan.output_rows), readings.shape[1]), weights.dtype)
    kernels.read_scores_at(
        layout, read_only(plan.output_rows), _contiguous(readings), buffers, scores
    )
    return scores


def backward(
    plan: Plan,
    runtime: Runtime,
    weights: FloatArray,
    readings: Readings,
    deltas: FloatArray,
    gradients: tuple[FloatArray, FloatArray],
) -> None:
    """Write the gradients of weights and biases, given ∂E/∂scores at the readings, shape (n_outputs, n_readings)."""
    layout, buffers, width = runtime
    kernels.write_residuals_at(
        layout, read_only(plan.output_rows), _contiguous(readings), deltas, buffers
    )
    n_ticks = int(readings[1].max()) + 1
    if layout.maps == ():
        kernels.backward_sequences(layout, weights, buffers, *gradients, n_ticks, width)
        return
    for gradient in gradients:  # ticks before the last one of the network add to them
        gradient[:] = 0
    for tick in range(n_ticks - 1, -1, -1):
        backward_tick(plan, runtime, weights, gradients, tick)


def _forward_maps(
    plan: Plan,
    runtime: Runtime,
    weights: FloatArray,
    bias: FloatArray,
    last_ticks: NDArray[np.int64],
) -> None:
    """Run a network with feature maps as :func:`kernels.forward_sequences` runs one without."""
    layout, buffers, _ = runtime
    write_block_weights(layout, weights, buffers.block_weights)
    for tick in range(last_ticks.max() + 1):
        forward_tick(plan, runtime, weights, bias, tick)
        kernels.silence(layout, buffers, last_ticks, tick)


def _contiguous(readings: Readings) -> NDArray[np.int64]:
    """Return readings in the one form that kernels are compiled for."""
    return read_only(np.ascontiguousarray(readings, np.int64))
