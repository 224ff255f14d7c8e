"""Optimizers: update rules on flat vectors of parameters.

The state of an optimizer is an array `moments` of shape (n_moments, n_parameters), zero at the start, and the number
of updates made. Column k of `moments` belongs to parameter k.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from cnn.arrays import FloatArray, FloatVector
from cnn.training import optimizer_kernels

Update: TypeAlias = Callable[[FloatVector, FloatVector, FloatArray, float, int, float, float], None]


@dataclass(frozen=True)
class Optimizer:
    """One optimizer.

    Attributes
    ----------
    name
        Key in `OPTIMIZERS`.
    n_moments
        Number of moment vectors, each as long as the parameters.
    update
        ``update(parameters, gradient, moments, rate, step, momentum, weight_decay)`` changes `parameters` and
        `moments` in place. `step` is the number of updates made before with these moments. The arrays are contiguous
        and share one dtype. Weight decay is decoupled: every optimizer also subtracts ``rate * weight_decay *
        parameters``. The function is a compiled kernel and callable from other kernels.
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
"""All optimizers by name."""
