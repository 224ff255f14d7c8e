"""Rows in any container, as an array of numbers or as a data frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evo.errors import DataError
from evo.preparation.csv_rows import CsvFormat, read_table
from evo.preparation.origin import Origin

NULLABLE_INTEGERS: tuple[Any, ...] = (
    *(pd.Int8Dtype(), pd.Int16Dtype(), pd.Int32Dtype(), pd.Int64Dtype()),
    *(pd.UInt8Dtype(), pd.UInt16Dtype(), pd.UInt32Dtype(), pd.UInt64Dtype()),
)

NUMBERS = "buif"
"""Kinds of dtypes that are real numbers."""


def as_rows(
    X: object, origin: Origin, form: CsvFormat | None = None
) -> NDArray[Any] | pd.DataFrame:
    """Return rows as an array of real numbers with at least two axes, or as a data frame.

    Parameters
    ----------
    X : array_like, DataFrame, Series, sparse matrix or path of a CSV file
        A row is a sample. Objects with a method ``to_pandas`` (Polars, PyArrow) are frames. A series is one column. A
        list of series or dicts is a frame. Other lists and arrays with anything but numbers become a frame whose
        labels are 0, 1, ….
    origin : Origin
        For messages.
    form : CsvFormat, optional
        How a CSV file spells rows.

    Raises
    ------
    DataError
        If these are no rows of one length.
    """
    if isinstance(X, str | Path):
        return read_table(X, form)
    X = of_other_libraries(X)
    if isinstance(X, pd.Series):
        return X.to_frame()
    if isinstance(X, list | tuple) and X and isinstance(X[0], pd.Series | Mapping):
        return pd.DataFrame(list(X))
    if isinstance(X, pd.DataFrame):
        return X
    if hasattr(X, "toarray"):  # SciPy's sparse arrays
        X = X.toarray()
    if isinstance(X, Mapping) or hasattr(X, "__next__"):
        raise DataError(
            f"{origin.whole} must be rows in an array, list or frame; got {type(X).__name__}"
        )
    array = as_array(X, origin)
    if array.dtype.names:  # records
        return pd.DataFrame({name: array[name] for name in array.dtype.names})
    if array.ndim < 2:
        hint = "; one sample is [x]" if array.ndim == 1 and len(array) else ""
        if array.ndim == 1 and all(isinstance(one, str | Path) for one in array):
            hint = "; images are read by read_images" if len(array) else ""
        raise DataError(
            f"{origin.whole} must have shape (samples, features) or more dimensions; "
            f"got shape {array.shape}{hint}"
        )
    if array.dtype.kind in NUMBERS:
        return array
    if array.ndim > 2 or array.dtype.kind in "cSV":
        raise DataError(f"{origin.whole} must hold numbers; got {array.dtype}")
    return pd.DataFrame(array)


def of_other_libraries(table: object) -> object:
    """Return a table or column of Polars or PyArrow as one of pandas, and anything else as it is.

    PyArrow's integers with gaps stay integers; by themselves they would become floats, which round long ones.
    """
    if not hasattr(table, "to_pandas"):
        return table
    if type(table).__module__.partition(".")[0] != "pyarrow":
        return table.to_pandas()
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    integers = {pa.from_numpy_dtype(one.numpy_dtype): one for one in NULLABLE_INTEGERS}
    return table.to_pandas(types_mapper=integers.get)


def column_labels(frame: pd.DataFrame) -> list[str] | None:
    """Return the names of columns as text; None for 0, 1, 2, …, which pandas gives where there is no name."""
    labels: list[Any] = list(frame.columns)
    return None if labels == list(range(len(labels))) else [str(label) for label in labels]


def as_array(values: object, origin: Origin) -> NDArray[Any]:
    """Return values as an array; a list that mixes numbers with text or None keeps its objects, and a mask gives None.

    Raises
    ------
    DataError
        If nested lists differ in length; the message names the first that does.
    """
    if isinstance(values, np.ma.MaskedArray):
        return _without_mask(values)
    if isinstance(values, np.ndarray):
        return values
    try:
        array = np.asarray(values)
        if array.dtype.kind in "USOfc" and not hasattr(values, "dtype"):
            objects = np.asarray(values, dtype=object)
            if array.dtype.kind != "f" or _has_large_integer(objects):
                return objects  # else NumPy turns NaN into text, and large integers into floats
    except ValueError:
        raise DataError(_ragged(values, origin)) from None
    except (RuntimeError, TypeError) as error:  # such as tensors that NumPy cannot read
        what = f"{type(values).__name__} ({error})"
        raise DataError(f"{origin.whole} must be an array, list or frame; got {what}") from None
    return array


def _has_large_integer(objects: NDArray[np.object_]) -> bool:
    return any(isinstance(one, int) and abs(one) >= 2**63 for one in objects.flat)


def _without_mask(values: np.ma.MaskedArray[Any, Any]) -> NDArray[Any]:
    """Return an array in which masked numbers are NaN, and other masked values None."""
    plain, mask = np.asarray(values.data), np.ma.getmaskarray(values)
    if mask.any():
        of_numbers = plain.dtype.kind in NUMBERS
        plain = plain.astype(np.float64 if of_numbers else object)
        plain[mask] = np.nan if of_numbers else None
    return plain


def _ragged(values: Any, origin: Origin) -> str:
    """Say which of nested lists differs in length from the first."""
    text = f"{origin.whole} must have one shape for all samples"
    try:
        shapes = [np.shape(one) for one in values]
    except ValueError:
        return f"{text}; got ragged lists"
    row = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if row is None:
        return f"{text}; got ragged lists"
    return f"{text}; got {shapes[0]}, and {shapes[row]} for {origin.element((row,))}"
