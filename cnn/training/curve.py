"""The learning curve: loss, learning rate and gradient norms over the training steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class CurveRecord(NamedTuple):
    """One recorded step.

    Attributes
    ----------
    step
        Index of the step in its phase.
    learning_rate, gradient_norm
        Learning rate and gradient norm of the step.
    layer_gradient_norms
        Norm of each layer's part of the gradient; empty unless recorded.
    gradient
        The gradient; None unless recorded.
    """

    step: int
    learning_rate: float
    gradient_norm: float
    layer_gradient_norms: list[float]
    gradient: npt.NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Arrays with one entry per record, in order of steps.

    Attributes
    ----------
    step
        Steps made in the whole run, earlier phases included; int64.
    loss
        Mean minibatch loss since the previous record of this phase; float64.
    learning_rate
        Learning rate of the recorded step; float64.
    gradient_norm
        Euclidean norm of the gradient before clipping; float64.
    layers
        Names of the recorded layers, such as ``"1 ConvolutionLayer"``; empty if none are recorded.
    layer_gradient_norms
        Euclidean norm of each layer's part of the gradient before clipping; float64, shape (records, layers). Norms
        that shrink from the last layer to the first show a vanishing gradient (S5).
    gradients
        Gradients before clipping, shape (records, parameters); (records, 0) unless recorded.
    """

    step: npt.NDArray[np.int64]
    loss: npt.NDArray[np.float64]
    learning_rate: npt.NDArray[np.float64]
    gradient_norm: npt.NDArray[np.float64]
    layers: tuple[str, ...]
    layer_gradient_norms: npt.NDArray[np.float64]
    gradients: npt.NDArray[np.floating[Any]]

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.step)


def make_curve(
    first_step: int,
    losses: Sequence[float],
    records: Sequence[CurveRecord],
    layers: tuple[str, ...],
) -> LearningCurve:
    """Make the curve of one phase, with the mean loss between consecutive records.

    Parameters
    ----------
    first_step
        Index of the phase's first step in the whole run.
    losses
        Loss of every step.
    records
        The recorded steps, in order.
    layers
        Names of the recorded layers.
    """
    ends = [record.step + 1 for record in records]
    kept = [record.gradient for record in records if record.gradient is not None]
    means = [
        float(np.mean(losses[start:end])) for start, end in zip([0, *ends], ends, strict=False)
    ]
    return LearningCurve(
        step=np.array([first_step + end for end in ends], np.int64),
        loss=np.array(means, np.float64),
        learning_rate=np.array([record.learning_rate for record in records], np.float64),
        gradient_norm=np.array([record.gradient_norm for record in records], np.float64),
        layers=layers,
        layer_gradient_norms=np.array(
            [record.layer_gradient_norms for record in records], np.float64
        ).reshape(len(records), len(layers)),
        gradients=np.array(kept) if kept else np.empty((len(records), 0)),
    )


def join_curves(curves: Sequence[LearningCurve]) -> LearningCurve:
    """Concatenate the curves of consecutive phases; at least one, all with the same layers."""
    return LearningCurve(
        step=np.concatenate([curve.step for curve in curves]),
        loss=np.concatenate([curve.loss for curve in curves]),
        learning_rate=np.concatenate([curve.learning_rate for curve in curves]),
        gradient_norm=np.concatenate([curve.gradient_norm for curve in curves]),
        layers=curves[0].layers,
        layer_gradient_norms=np.concatenate([curve.layer_gradient_norms for curve in curves]),
        gradients=np.concatenate(
            [curve.gradients for curve in curves if len(curve)] or [curves[0].gradients]
        ),
    )
