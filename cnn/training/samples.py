"""Samples: inputs and their targets."""

from dataclasses import dataclass

import numpy as np

from cnn.arrays import FloatArray, Targets
from cnn.checks import check_finite, real_array


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and their targets.

    Lists of numbers are converted to arrays. Arrays are not copied.

    Attributes
    ----------
    inputs
        Finite floats of shape (n, *shape), n >= 1.
    targets
        Integer classes of shape (n,), or finite float values of shape (n, k).

    Raises
    ------
    ValueError
        If a shape, length, dtype or number breaks these rules. The message names the first number that is not finite.
    """

    inputs: FloatArray
    targets: Targets

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
        if len(self.inputs) != len(self.targets) or len(self.inputs) == 0:
            raise ValueError(
                "inputs and targets must be equally many, and at least one; "
                f"got {len(self.inputs)} inputs and {len(self.targets)} targets"
            )
        check_finite("inputs", self.inputs)
        check_finite("targets", self.targets)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.inputs)

    @property
    def has_classes(self) -> bool:
        """Whether the targets are class indices rather than values."""
        return self.targets.ndim == 1 and np.issubdtype(self.targets.dtype, np.integer)
