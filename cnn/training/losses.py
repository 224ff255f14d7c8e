"""Losses as functions of the *scores*: the net inputs of the output layer, before softmax.

The gradient of softmax and cross-entropy together, by the scores, is exactly o − t. Two separate gradients, multiplied,
lose digits by cancellation. Therefore a loss includes softmax: it computes the predictions too, and its gradient is
that by the scores.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Targets
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
    of_samples
        ``of_samples(scores, targets, losses)`` writes the loss of each sample to ``losses``, float64 of shape (batch,).
        A compiled kernel like `value_and_delta`.
    target_kind
        ``"classes"``: integer targets of shape (batch,). ``"values"``: float targets of shape (n_outputs, batch).
    """

    name: str
    predict: Callable[[FloatArray], FloatArray]
    value_and_delta: Callable[[FloatArray, Targets, FloatArray], float]
    of_samples: Callable[[FloatArray, Targets, npt.NDArray[np.float64]], None]
    target_kind: Literal["classes", "values"]

    def weighted_value_and_delta(
        self,
        scores: FloatArray,
        targets: Targets,
        weights: FloatVector | None,
        delta_out: FloatArray,
    ) -> float:
        """Return the weighted loss of a batch and write its gradient by the scores to `delta_out`.

        The weighted loss is Σ w_b E_b / batch. The sum is divided by the number of samples, as in scikit-learn's
        stochastic gradient descent, and not by the sum of the batch's weights. With weights of mean 1 over the training
        samples, the expected gradient of a batch is then the gradient of Σ w E / Σ w over all of them; divided by the
        batch's own weights, it would be biased, and undefined for a batch of weights 0.

        Parameters
        ----------
        scores, targets, delta_out
            As for `value_and_delta`.
        weights
            Weight of each sample, shape (batch,); None computes `value_and_delta`, with the same bits as without
            weights.
        """
        value = self.value_and_delta(scores, targets, delta_out)
        if weights is None:
            return value
        losses = np.empty(scores.shape[1])
        self.of_samples(scores, targets, losses)
        return loss_kernels.weigh(losses, weights, delta_out)

    def smoothed(self, smoothing: float) -> "Loss":
        """Return this loss with smoothed labels; see `cnn.training.loss_kernels.smoothed_cross_entropy`.

        Parameters
        ----------
        smoothing
            In [0, 1). With 0 it is the loss itself.

        Raises
        ------
        ValueError
            If `smoothing` is not 0 and the loss is not the cross-entropy.
        """
        if smoothing == 0:
            return self
        if self.name != "cross_entropy":
            raise ValueError(
                f"label_smoothing must be 0 for the loss {self.name!r}; got {smoothing}"
            )

        def value_and_delta(scores: FloatArray, targets: Targets, delta_out: FloatArray) -> float:
            return loss_kernels.smoothed_cross_entropy(scores, targets, smoothing, delta_out)

        def of_samples(
            scores: FloatArray, targets: Targets, losses: npt.NDArray[np.float64]
        ) -> None:
            loss_kernels.smoothed_cross_entropy_of_samples(scores, targets, smoothing, losses)

        return replace(self, value_and_delta=value_and_delta, of_samples=of_samples)


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
        Loss(
            "cross_entropy",
            _softmax,
            loss_kernels.cross_entropy,
            loss_kernels.cross_entropy_of_samples,
            "classes",
        ),
        Loss(
            "squared_error",
            _identity,
            loss_kernels.squared_error,
            loss_kernels.squared_error_of_samples,
            "values",
        ),
        Loss(
            "softmax_squared_error",
            _softmax,
            loss_kernels.softmax_squared_error,
            loss_kernels.softmax_squared_error_of_samples,
            "classes",
        ),
    )
}
"""All losses by name."""
