"""Optimisers: pure functions on flat vectors, so that one trainer drives any network.

The state of an optimiser is an array `moments` of shape (n_moments, n_parameters), zero at the start,
and the count of updates made so far. It lies beside the parameters, entry for entry, and may be
moved along with them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from cnn.arrays import FloatArray, FloatVector
from cnn.training import optimizer_kernels

Update: TypeAlias = Callable[[FloatVector, FloatVector, FloatArray, float, int, float, float], None]


@dataclass(frozen=True)
class Optimizer:
    """One optimiser.

    Attributes
    ----------
    name
        Its key in `OPTIMIZERS`.
    n_moments
        How many vectors of the parameters' length it keeps.
    update
        ``update(parameters, gradient, slots, rate, step, momentum, weight_decay)`` changes
        `parameters` and `moments` in place. `step` counts the updates made with these slots before
        this one, from 0. `parameters`, `gradient` and `moments` (n_moments, n_parameters) are
        contiguous and of one dtype. Weight decay is decoupled: the parameters shrink by ``rate *
        weight_decay * parameters`` beside the step, in every optimiser. A compiled kernel, callable
        from other kernels.
    """

    name: str
    n_moments: int
    update: Update


OPTIMIZERS: dict[str, Optimizer] = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", 0, optimizer_kernels.sgd_step),
        Optimizer("momentum", 1, optimizer_kernels.momentum_step),
        Optimizer("nesterov", 1, optimizer_kernels.nesterov_step),
        Optimizer("adam", 2, optimizer_kernels.adam_step),
    )
}
"""Every optimiser, by name."""
