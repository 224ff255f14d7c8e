"""Normalisation of inputs and of values to regress on, fitted on the training part and applied to every part.

The seed document asks for inputs in [0, 1] before a sigmoid and in [−1, 1] before a tanh (S6). Each flat feature gets
an offset and a scale of its own. An image data set gets one offset and one scale for all pixels.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from evo.errors import DataError
from evo.preparation.origin import read_only, row_blocks

NormalizationMethod = Literal["standard", "unit", "symmetric", "none"]


def normalization_for(activation: str) -> NormalizationMethod:
    """Return the normalisation that suits the activation of the first layer (S6).

    Examples
    --------
    >>> normalization_for("sigmoid"), normalization_for("tanh"), normalization_for("relu")
    ('unit', 'symmetric', 'standard')
    """
    suits: dict[str, NormalizationMethod] = {"sigmoid": "unit", "tanh": "symmetric"}
    return suits.get(activation, "standard")


@dataclass(frozen=True, eq=False)
class Normalization:
    """The map x ↦ (x − offset) / scale.

    Attributes
    ----------
    method : {"standard", "unit", "symmetric", "none"}
        What the numbers were fitted for.
    offset, scale : ndarray of float64, shape (features,) or ()
        One pair per feature of flat inputs; one pair for images. Units of the inputs.
    """

    method: NormalizationMethod
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[Any], method: NormalizationMethod) -> Self:
        """Choose offset and scale from the samples of a training part.

        Parameters
        ----------
        X : ndarray of real numbers, shape (n, features) or (n, *shape)
            Flat features in two dimensions, images in three and more.
        method : {"standard", "unit", "symmetric", "none"}
            ``"unit"`` maps minimum and maximum to 0 and 1, ``"symmetric"`` to −1 and 1,
            ``"standard"`` mean and standard deviation (dividing by n) to 0 and 1. What is constant
            gets scale 1, and so becomes 0.

        Raises
        ------
        ValueError
            If the method is not one of these.
        """
        if method not in get_args(NormalizationMethod):
            known = ", ".join(get_args(NormalizationMethod))
            raise ValueError(f"normalization must be one of {known}; got {method!r}")
        axes = 0 if X.ndim == 2 else None
        low = np.asarray(X.min(axis=axes), dtype=np.float64)
        high = np.asarray(X.max(axis=axes), dtype=np.float64)
        if method == "none":
            offset, scale = np.zeros_like(low), np.ones_like(low)
        elif method == "unit":
            offset, scale = low, high - low
        elif method == "symmetric":
            offset, scale = (low + high) / 2, (high - low) / 2
        else:
            offset, scale = _mean_and_deviation(X)
        constant = low == high
        return cls(
            method,
            read_only(np.where(constant & (method != "none"), low, offset)),
            read_only(np.where(constant | (scale == 0), 1.0, scale)),
        )

    def restore(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return x · scale + offset in float64: normalised numbers in their units again."""
        restored: NDArray[np.float64] = X.astype(np.float64) * self.scale + self.offset
        return restored

    def apply(self, X: NDArray[Any], dtype: npt.DTypeLike = np.float32) -> NDArray[Any]:
        """Return normalised samples: float64 arithmetic, then rounding to `dtype`.

        Parameters
        ----------
        X : ndarray of real numbers, shape (n, features) or (n, *shape)
            Raw samples.
        dtype : dtype, default float32

        Returns
        -------
        ndarray, shape of `X`
            Not finite where a value lies too far from the training part for `dtype`.
        """
        result = np.empty(X.shape, dtype=dtype)
        for rows in row_blocks(len(X)):
            with np.errstate(over="ignore"):
                result[rows] = (X[rows].astype(np.float64) - self.offset) / self.scale
        return result


def check_told_apart(before: NDArray[Any], after: NDArray[Any], what: str, step: str) -> None:
    """Raise DataError if many different numbers, named `what`, have become one float32 after a step."""
    n_before, n_after = (len(np.unique(numbers)) for numbers in (before, after))
    if n_before - n_after > n_before // 16:
        raise DataError(
            f"{what} must have values that float32 tells apart after {step}; got {n_before} different ones that "
            f"become {n_after}"
        )


def _mean_and_deviation(
    X: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation, per feature (2-D) or of all values, in two passes."""
    axes = 0 if X.ndim == 2 else None
    mean = np.asarray(X.mean(axis=axes, dtype=np.float64))
    squares = np.zeros_like(mean)
    for rows in row_blocks(len(X)):
        squares = squares + np.square(X[rows].astype(np.float64) - mean).sum(axis=axes)
    n = len(X) if X.ndim == 2 else X.size
    return mean, np.sqrt(squares / n)
