"""Losses as functions of the *scores*: the net inputs of the output layer, before softmax.

The gradient of softmax and cross-entropy together, by the scores, is exactly o − t. Two separate gradients, multiplied,
lose digits by cancellation. Therefore a loss includes softmax: it computes the predictions too, and its gradient is
that by the scores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cnn.arrays import FloatArray, Targets
from cnn.training import loss_kernels


@dataclass(frozen=True)
class Loss:
    """One loss: predictions, loss value and gradient as functions of the scores.

    Attributes
    ----------
    name
        Key in `LOSSES`.
    predict
        ``predict(scores)`` returns the predictions, a new array of shape (n_outputs, batch): probabilities for a loss
        on classes, a copy of the scores for a loss on values.
    value_and_delta
        ``value_and_delta(scores, targets, delta_out)`` returns the mean loss over the batch and writes
        ∂(mean loss)/∂scores to ``delta_out``. A compiled kernel for float32 and float64, callable from other kernels.
    target_kind
        ``"classes"``: integer targets of shape (batch,). ``"values"``: float targets of shape (n_outputs, batch).
    """

    name: str
    predict: Callable[[FloatArray], FloatArray]
    value_and_delta: Callable[[FloatArray, Targets, FloatArray], float]
    target_kind: Literal["classes", "values"]


def _softmax(scores: FloatArray) -> FloatArray:
    """Return the softmax of each column of (n_outputs, batch)."""
    probabilities = np.empty_like(scores)
    loss_kernels.write_softmax(scores, probabilities)
    return probabilities


def _identity(scores: FloatArray) -> FloatArray:
    """Return a copy of the scores."""
    return scores.copy()


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("cross_entropy", _softmax, loss_kernels.cross_entropy, "classes"),
        Loss("squared_error", _identity, loss_kernels.squared_error, "values"),
        Loss("softmax_squared_error", _softmax, loss_kernels.softmax_squared_error, "classes"),
    )
}
"""All losses by name."""
