"""Losses on *scores*: the net inputs of the output layer, before softmax.

Softmax and cross-entropy together have the gradient o − t, exact and free of cancellation; taken
apart they have not. So a loss here owns the way from scores to predictions, and gives the gradient
with respect to the scores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cnn.arrays import FloatArray, Targets
from cnn.training import loss_kernels


@dataclass(frozen=True)
class Loss:
    """One loss: how scores become predictions, what they cost, and the gradient of that cost.

    Attributes
    ----------
    name
        Its key in `LOSSES`.
    predict
        ``predict(scores)`` gives the predictions, of the same shape (n_outputs, batch):
        probabilities for a loss on classes, the scores themselves for a loss on values. The
        argument is left as it is.
    value_and_delta
        ``value_and_delta(scores, targets, delta_out)`` returns the mean loss over the batch and
        writes ∂(mean loss)/∂scores to ``delta_out``. A compiled kernel, callable from other
        kernels. float32 and float64.
    target_kind
        ``"classes"``: integer targets of shape (batch,). ``"values"``: float targets of shape
        (n_outputs, batch).
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
"""Every loss, by name."""
