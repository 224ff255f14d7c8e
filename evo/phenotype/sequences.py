"""Sequences of unequal length in one batch: where outputs are read, and where their gradients enter.

The readings are those of :class:`cnn.training.samples.Samples`. The passes are in
:mod:`evo.phenotype.sequence_kernels`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.arrays import aligned_empty
from cnn.readings import check_readings
from evo.genome.genome import FloatArray, Genome, read_only
from evo.phenotype import sequence_kernels as kernels
from evo.phenotype.passes import Runtime
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
    if genome.has_maps:
        raise ValueError("readings must be None for a network with feature maps; got readings")
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
    kernels.forward_sequences(layout, weights, bias, buffers, last_ticks, width)
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
    kernels.backward_sequences(layout, weights, buffers, *gradients, n_ticks, width)


def _contiguous(readings: Readings) -> NDArray[np.int64]:
    """Return readings in the one form that kernels are compiled for."""
    return read_only(np.ascontiguousarray(readings, np.int64))
