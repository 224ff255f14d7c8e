"""Samples: inputs, their targets, and how much each counts."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from cnn.arrays import FloatArray, FloatVector, IntArray, Targets
from cnn.checks import check_finite, check_weights, real_array
from cnn.readings import check_readings, chosen_readings, mean_weights


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs, their targets, and optionally their weights in the loss.

    Lists of numbers are converted to arrays. Arrays are not copied.

    Attributes
    ----------
    inputs
        Finite floats of shape (n, *shape), n >= 1.
    targets
        Integer classes of shape (n,), or finite float values of shape (n, k).
    weights
        Weight of each sample in the loss: shape (n,), finite, at least 0 and not all 0; kept as float32. None counts
        all samples alike. A training step minimises Σ w E / batch size, so weights of mean 1 over the training samples
        keep the learning rate's meaning. An evaluation computes Σ w E / Σ w. With `readings` there may be a weight of
        each reading instead, shape (n_targets,): w E of a sample is then the mean of w E over its readings, and w the
        mean of their weights.
    readings
        Where outputs of sequences are compared with targets: sample and tick, both from 0, of each target; integers of
        shape (2, n_targets), in ascending order, with at least one reading of each sample. Inputs then have shape
        (n, ticks, features), padded after the last reading of a sample with anything finite, and there is a target for
        each reading. The loss E of a sample is the mean over its readings. None: each sample has one target, compared
        with the outputs after the last tick.

    Raises
    ------
    ValueError
        If a shape, length, dtype or number breaks these rules. The message names the first number that is not finite.
    """

    inputs: FloatArray
    targets: Targets
    weights: FloatVector | None = None
    readings: IntArray | None = None

    def __post_init__(self) -> None:
        """Check shapes, dtypes and numbers."""
        for name in ("inputs", "targets"):
            if not isinstance(getattr(self, name), np.ndarray):
                object.__setattr__(self, name, real_array(name, getattr(self, name)))
        if self.inputs.ndim < 2 or not np.issubdtype(self.inputs.dtype, np.floating):
            raise ValueError(
                "inputs must be floats of shape (n, ...) with at least two axes; got "
                f"{self.inputs.dtype} of shape {self.inputs.shape}"
            )
        if not self.has_classes and not (
            self.targets.ndim == 2 and np.issubdtype(self.targets.dtype, np.floating)
        ):
            raise ValueError(
                "targets must be integers of shape (n,) or floats of shape (n, k); got "
                f"{self.targets.dtype} of shape {self.targets.shape}"
            )
        self._check_counts()
        check_finite("inputs", self.inputs)
        check_finite("targets", self.targets)
        if self.weights is not None:
            n = len(self.targets) if self.weighs_readings else len(self.inputs)
            weights = check_weights(self.weights, n).astype(np.float32, copy=False)
            if not weights.any():
                raise ValueError("weights must not all be 0; got 0 for every sample")
            object.__setattr__(self, "weights", weights)

    def _check_counts(self) -> None:
        """Raise ValueError unless there is a target for each sample, or for each reading."""
        if self.readings is not None:
            if self.inputs.ndim != 3:
                raise ValueError(
                    "inputs must have shape (n, ticks, features) where there are readings; got "
                    f"shape {self.inputs.shape}"
                )
            check_readings(self.readings, *self.inputs.shape[:2])
            if len(self.targets) != self.readings.shape[1]:
                raise ValueError(
                    f"targets must be one per reading ({self.readings.shape[1]}); got {len(self.targets)}"
                )
        elif len(self.inputs) != len(self.targets) or len(self.inputs) == 0:
            raise ValueError(
                "inputs and targets must be equally many, and at least one; "
                f"got {len(self.inputs)} inputs and {len(self.targets)} targets"
            )

    def subset(self, chosen: IntArray, inputs: FloatArray | None = None) -> Self:
        """Return some of the samples, which need no further check.

        Parameters
        ----------
        chosen
            Indices of the samples.
        inputs
            Inputs of these samples in place of their own.
        """
        subset = object.__new__(type(self))
        readings, of_targets = None, chosen
        if self.readings is not None:
            readings, of_targets = chosen_readings(self.readings, chosen)
        parts = {
            "inputs": self.inputs[chosen] if inputs is None else inputs,
            "targets": self.targets[of_targets],
            "weights": None
            if self.weights is None
            else self.weights[of_targets if self.weighs_readings else chosen],
            "readings": readings,
        }
        for name, part in parts.items():
            object.__setattr__(subset, name, part)
        return subset

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.inputs)

    @property
    def weighs_readings(self) -> bool:
        """Whether weights are those of readings, which are not as many as the samples."""
        return (
            self.readings is not None
            and self.weights is not None
            and len(self.weights) == len(self.targets) != len(self.inputs)
        )

    @property
    def total_weight(self) -> float:
        """The sum of the weights of the samples; their number if all count alike."""
        if self.weights is None:
            return len(self)
        weights = self.weights
        if self.weighs_readings and self.readings is not None:
            weights = mean_weights(self.readings, weights)
        return float(weights.sum(dtype=np.float64))

    @property
    def has_classes(self) -> bool:
        """Whether the targets are class indices rather than values."""
        return self.targets.ndim == 1 and np.issubdtype(self.targets.dtype, np.integer)
