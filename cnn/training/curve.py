"""The learning curve: how training went, record by record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Record(NamedTuple):
    """What one recorded step leaves behind.

    Attributes
    ----------
    done
        Index of the step in its phase.
    learning_rate, gradient_norm
        Of the step.
    layer_gradient_norms
        Of each layer's part of the gradient; empty where not asked for.
    gradient
        The gradient itself; None where not asked for.
    """

    done: int
    learning_rate: float
    gradient_norm: float
    layer_gradient_norms: list[float]
    gradient: npt.NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """How training went: one entry per record, in order of steps.

    Attributes
    ----------
    step
        Steps of the whole run done at the record, earlier phases included; int64.
    loss
        Mean minibatch loss since the previous record of this phase; float64.
    learning_rate
        Learning rate of the recorded step; float64.
    gradient_norm
        Euclidean norm of the recorded step's gradient, before clipping; float64.
    layers
        Names of the layers whose norms were recorded, such as ``"1 ConvolutionLayer"``; empty where
        none were.
    layer_gradient_norms
        Euclidean norm of each layer's part of the gradient, before clipping; float64, shape
        (records, layers). Norms that shrink from the last layer to the first are the vanishing
        gradient (S5).
    gradients
        The recorded steps' gradients before clipping, shape (records, parameters); (records, 0) where not asked for.
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


def draw_curve(
    first_step: int, losses: Sequence[float], records: Sequence[Record], layers: tuple[str, ...]
) -> LearningCurve:
    """Make the curve of one phase: the losses averaged between its records.

    Parameters
    ----------
    first_step
        Index of the phase's first step in the whole run.
    losses
        Of every step made.
    records
        Of the recorded ones, in order.
    layers
        Names of the layers whose norms are recorded.

    Returns
    -------
    LearningCurve
        As long as `records`.
    """
    ends = [record.done + 1 for record in records]
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
    """Put the curves of a run's phases one after another.

    Parameters
    ----------
    curves
        At least one, in order, all with the same layers.

    Returns
    -------
    LearningCurve
        All their records.
    """
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
