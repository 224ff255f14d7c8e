"""Values to regress on, scaled for the networks, and the way back to their units.

Networks learn (y − offset) / scale, rounded to float32. Metrics, tables and predictions have the values in their own
units: the truth as it was given, in float64, and output · scale + offset (:meth:`Normalization.restore`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cnn.training.samples import Samples
from evo.errors import DataError
from evo.preparation.normalization import Normalization, check_told_apart
from evo.preparation.origin import Origin, first_place, read_only

TargetScaling = Literal["standard", "none"]


@dataclass(frozen=True, eq=False)
class ScaledSamples(Samples):
    """Samples of a regression, whose targets are scaled values.

    Attributes
    ----------
    truth : ndarray of float64, shape (n, k)
        The values in their units.
    scaling : Normalization
        How the targets were made from the values.
    """

    truth: NDArray[np.float64] = field(kw_only=True, repr=False)
    scaling: Normalization = field(kw_only=True, repr=False)

    def in_units(self, output: NDArray[Any]) -> NDArray[np.float64]:
        """Return what a network predicts, shape (n, k), in the units of `truth`."""
        return self.scaling.restore(output)


def fit_targets(
    values: NDArray[np.float64],
    method: TargetScaling,
    names: Sequence[str] | None,
    origin: Origin,
) -> Normalization:
    """Choose the scaling of values to regress on from those of a training part.

    Parameters
    ----------
    values : ndarray of float64, shape (n, k)
    method : {"standard", "none"}
        ``"standard"`` maps mean and standard deviation of each column to 0 and 1, ``"none"`` keeps the values.
    names : sequence of str, optional
        Name of each column.
    origin : Origin
        For messages.

    Raises
    ------
    DataError
        If a column has one value in all rows, or many different ones are one float32 after scaling.
    ValueError
        If the method is not one of the two.
    """
    if method not in get_args(TargetScaling):
        known = ", ".join(get_args(TargetScaling))
        raise ValueError(f"target_scaling must be one of {known}; got {method!r}")
    for k in np.flatnonzero(values.min(axis=0) == values.max(axis=0)).tolist():
        raise DataError(
            f"{_column(names, k, values, origin)} must vary in the training part; got {values[0, k]} in all "
            f"{len(values)} rows"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # of values near the ends of float64
        scaling = Normalization.fit(values, method)
        scaled = scaling.apply(values)
    for k in range(values.shape[1]):
        what = _column(names, k, values, origin)
        check_told_apart(values[:, k], scaled[:, k], what, f"target_scaling {method!r}")
    return scaling


def scale_targets(
    values: NDArray[np.float64],
    scaling: Normalization,
    names: Sequence[str] | None,
    origin: Origin,
) -> NDArray[np.float32]:
    """Return the targets of a part, read-only; DataError if a value lies too far from the training part for float32."""
    targets: NDArray[np.float32] = scaling.apply(values)
    place = first_place(~np.isfinite(targets))
    if place is not None:
        row, k = place
        where = origin.element(place) if names is None else origin.cell(names[k], row)
        raise DataError(
            f"{where} must fit into float32 after target_scaling {scaling.method!r}; got {values[place]}, too far "
            "from the training part"
        )
    return read_only(targets)


def _column(
    names: Sequence[str] | None, k: int, values: NDArray[np.float64], origin: Origin
) -> str:
    """Name a column of the values."""
    if names is not None:
        return origin.column(names[k])
    return origin.whole if values.shape[1] == 1 else f"{origin.whole}[:, {k}]"
