"""Pareto fronts: which points no other point beats in every objective, and the volume that a front dominates."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def pareto_front(
    table: pd.DataFrame, *, larger: Sequence[str] = (), smaller: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the rows that no other row beats: at least as good in every objective, and better in one; by moocore.

    Parameters
    ----------
    table : DataFrame
    larger, smaller : sequence of str
        Columns of which larger values are better, and smaller values.

    Returns
    -------
    DataFrame
        Rows in the order of the table. Equal rows are all in it; rows with an empty or infinite objective are not.

    Raises
    ------
    ValueError
        If fewer than two columns are named, a column twice, or one that is not in the table.

    Examples
    --------
    >>> table = pd.DataFrame({"accuracy": [0.9, 0.8, 0.7], "macs": [30, 10, 20]})
    >>> pareto_front(table, larger=["accuracy"], smaller=["macs"]).index.tolist()
    [0, 1]
    """
    import moocore  # noqa: PLC0415 - few need it

    points, _ = _points(table, larger, smaller)
    known = np.flatnonzero(np.isfinite(points).all(axis=1))
    if not len(known):
        return table.iloc[:0]
    on_front: NDArray[np.bool_] = moocore.is_nondominated(points[known], keep_weakly=True)
    return table.iloc[known[on_front]]


def hypervolume(
    table: pd.DataFrame,
    reference: Mapping[str, float],
    *,
    larger: Sequence[str] = (),
    smaller: Sequence[str] = (),
) -> float:
    """Return the volume between a front and a reference point, in the product of the objectives' units; by moocore.

    It is the volume of all points that some row beats and that beat the reference. Hypervolumes can be compared only
    with the same reference.

    Parameters
    ----------
    table : DataFrame
        Rows with an empty or infinite objective, or beyond the reference, add nothing.
    reference : mapping
        A value of each objective that is worse than those of interest.
    larger, smaller : sequence of str
        As for :func:`pareto_front`.

    Raises
    ------
    ValueError
        As :func:`pareto_front`, or if the reference has other objectives or is not finite.

    Examples
    --------
    >>> table = pd.DataFrame({"accuracy": [0.9, 0.8], "macs": [30, 10]})
    >>> reference = {"accuracy": 0.5, "macs": 40}
    >>> round(hypervolume(table, reference, larger=["accuracy"], smaller=["macs"]), 12)
    10.0
    """
    import moocore  # noqa: PLC0415 - few need it

    points, signs = _points(table, larger, smaller)
    columns = [*larger, *smaller]
    at = np.array([reference.get(name, np.nan) for name in columns], dtype=np.float64)
    if set(reference) != set(columns) or not np.isfinite(at).all():
        raise ValueError(
            f"reference must have a finite number for each of {', '.join(columns)}; got {dict(reference)}"
        )
    points = points[np.isfinite(points).all(axis=1)]
    return float(moocore.hypervolume(points, ref=signs * at)) if len(points) else 0.0


def _points(
    table: pd.DataFrame, larger: Sequence[str], smaller: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the objectives with signs after which smaller is better, shape (rows, objectives), and the signs."""
    columns = [*larger, *smaller]
    unknown = [name for name in columns if name not in table]
    if len(columns) < 2 or len(set(columns)) < len(columns) or unknown:
        raise ValueError(
            "larger and smaller must name two columns of the table or more, each once; "
            f"got {list(larger)} and {list(smaller)}"
        )
    signs = np.array([-1.0] * len(larger) + [1.0] * len(smaller))
    values = table[columns].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    return values * signs, signs
