"""What scikit-learn asks of rows and labels, in its words, before they go the way of all data."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d, validate_data

from evo.errors import DataError
from evo.preparation import Origin, RawRows
from evo.preparation.cells import DATES, NUMBERS
from evo.preparation.containers import as_array


def check_rows(estimator: Any, X: object, *, fitted: bool) -> RawRows:
    """Check rows, and set or compare the number and the names of their features.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets `n_features_in_` and `feature_names_in_`, or has them if it is `fitted`.
    X : array_like, sparse matrix or DataFrame, shape (n, ...)
        With two rows or more if the estimator is not fitted.
    fitted : bool

    Returns
    -------
    ndarray or DataFrame
        Values that are not numbers are checked later, with all data.

    Raises
    ------
    ValueError
        If there are too few rows or features, they have one dimension, are complex, or do not have the features of the
        fitted estimator.
    TypeError
        If a cell is neither text, number nor date.
    """
    if hasattr(X, "to_pandas"):
        X = X.to_pandas()
    if isinstance(X, pd.DataFrame):
        twice = X.columns[X.columns.duplicated()]
        if len(twice):
            raise DataError(f"X: names of columns must differ; got {twice[0]!r} twice")
        validate_data(estimator, X, reset=not fitted, skip_check_array=True)
        return X
    if hasattr(X, "toarray"):
        X = X.toarray()
    rows: NDArray[Any] = check_array(
        as_array(X, Origin("X")),
        dtype=None,
        ensure_all_finite=False,
        allow_nd=True,
        ensure_min_samples=1 if fitted else 2,
        estimator=estimator,
        input_name="X",
    )
    _check_cells(rows)
    flat = rows.reshape(len(rows), -1)  # (n, *shape) -> (n, features)
    validate_data(estimator, flat, reset=not fitted, skip_check_array=True)
    return rows


def check_labels(y: object) -> NDArray[Any]:
    """Return labels as an array, shape (n,); a column of shape (n, 1) gives a warning.

    Raises
    ------
    ValueError
        If they have another shape, or are numbers to regress on.
    """
    if hasattr(y, "to_pandas"):
        y = y.to_pandas()
    labels: NDArray[Any] = column_or_1d(as_array(y, Origin("y")), warn=True)
    if labels.dtype.kind == "f" and np.isfinite(labels).all():
        check_classification_targets(labels)
    return labels


def _check_cells(rows: NDArray[Any]) -> None:
    """Raise TypeError for a cell that is neither text, number, date nor missing."""
    if rows.dtype != object:
        return
    for place, cell in np.ndenumerate(rows):
        if not isinstance(cell, (str, *NUMBERS, *DATES)) and cell is not None and cell is not pd.NA:
            raise TypeError(
                f"X[{', '.join(map(str, place))}]: argument must be a string, a date or a number; "
                f"got {type(cell).__name__}"
            )
