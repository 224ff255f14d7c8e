"""Conversion of arrays, lists and data frames to the two arrays of a data set.

Inputs become float32; targets become class indices with labels, or float32 values. A value that cannot be used raises
an error that names its place: in arrays an index from 0, in tables a column and a data row from 1.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evo.errors import DataError

Task = Literal["classification", "regression"]
Labels = tuple[str | int, ...]
Array = TypeVar("Array", bound=NDArray[Any])

FLOAT32_MAX = float(np.finfo(np.float32).max)


def check_task(task: str | None) -> None:
    """Check that a task is None or one of the two tasks.

    Raises
    ------
    ValueError
        If it is not.
    """
    if task is not None and task not in get_args(Task):
        raise ValueError(f"task must be one of {', '.join(get_args(Task))}; got {task!r}")


def first_place(mask: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Return the index of the first True in row-major order, or None."""
    if not mask.any():
        return None
    return tuple(int(i) for i in np.unravel_index(np.argmax(mask), mask.shape))


def read_only(array: Array) -> Array:
    """Make an array read-only and return it."""
    array.flags.writeable = False
    return array


def bracketed(field: str, place: tuple[int, ...]) -> str:
    """Return the Python expression of one element of an array.

    Examples
    --------
    >>> bracketed("inputs", (3, 1))
    'inputs[3, 1]'
    """
    return f"{field}[{', '.join(map(str, place))}]"


def to_float32(array: NDArray[np.generic], source: str, field: str) -> NDArray[np.float32]:
    """Copy an array of numbers as float32.

    Parameters
    ----------
    array : ndarray of bool, int, uint or float
        The values, of any shape.
    source, field : str
        Names of the data set and of the array, for messages.

    Raises
    ------
    DataError
        If a value is not finite, or too large for float32; the message names the first place.
    """
    if array.dtype.kind not in "buif":
        raise DataError(f"{source}: {field} must hold numbers; got {array.dtype}")
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float32, order="C")
    place = first_place(~np.isfinite(numbers))
    if place is not None:
        raise DataError(
            f"{source}: {bracketed(field, place)} must be a finite float32; got {array[place]}"
        )
    return numbers


def column_numbers(column: "pd.Series[Any]", source: str) -> NDArray[np.float64]:
    """Return a column of a table as numbers; text that spells a number is converted.

    Parameters
    ----------
    column : Series
        The column; messages contain its name.
    source : str
        Name of the table, for messages.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    DataError
        If a cell is empty, not a number, not finite or beyond float32; the message names source,
        column, data row and value.
    """
    kinds = pd.api.types
    if not (
        (kinds.is_numeric_dtype(column.dtype) and not kinds.is_complex_dtype(column.dtype))
        or kinds.is_object_dtype(column.dtype)
        or kinds.is_string_dtype(column.dtype)
    ):
        raise DataError(f"{source}: column {column.name!r} must hold numbers; got {column.dtype}")
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    place = first_place(~(np.abs(numbers) <= FLOAT32_MAX))  # NaN compares False
    if place is not None:
        cell = column.iloc[place[0]]
        found = repr(cell) if isinstance(cell, str) else cell
        raise DataError(
            f"{source}: column {column.name!r}, data row {place[0] + 1} must be a finite number; "
            f"got {'a missing value' if pd.isna(cell) else found}"
        )
    return numbers


def table_to_inputs(table: pd.DataFrame, source: str) -> NDArray[np.float32]:
    """Return the columns of a table as features.

    Returns
    -------
    ndarray of float32, shape (n, columns)

    Raises
    ------
    DataError
        As :func:`column_numbers`.
    """
    inputs = np.empty(table.shape, dtype=np.float32)
    for j in range(table.shape[1]):
        inputs[:, j] = column_numbers(table.iloc[:, j], source)
    return inputs


def to_inputs(X: object, source: str) -> NDArray[np.float32]:
    """Copy samples as float32.

    Parameters
    ----------
    X : array_like or DataFrame, shape (n, *shape)
        Numbers; a row is a sample.
    source : str
        Name of the data set, for messages.

    Returns
    -------
    ndarray of float32, shape (n, *shape)

    Raises
    ------
    DataError
        If the values are not numbers or not finite, or the shape is ragged, empty or
        one-dimensional.
    """
    if isinstance(X, pd.DataFrame):
        return table_to_inputs(X, source)
    array = _as_array(X, source, "inputs")
    if array.ndim < 2:
        raise DataError(
            f"{source}: inputs must have shape (samples, features) or more dimensions; "
            f"got shape {array.shape}"
        )
    return to_float32(array, source, "inputs")


def to_targets(
    y: object, source: str, task: Task | None
) -> tuple[NDArray[np.int64] | NDArray[np.float32], Labels | None]:
    """Read targets as class labels or as values to regress on.

    Without `task`, integers, booleans and text are labels, and floats are values.

    Parameters
    ----------
    y : array_like, Series or DataFrame, shape (n,) or (n, k)
        Targets; only in regression k > 1.
    source : str
        Name of the data set, for messages.
    task : {"classification", "regression"}, optional
        Task to take instead: whole floats can be labels, integers can be values.

    Returns
    -------
    targets : ndarray of int64, shape (n,), or of float32, shape (n, k)
        Class indices, or values.
    classes : tuple of str or int, or None
        Labels in ascending order (0 and 1 for booleans); None in regression.

    Raises
    ------
    DataError
        If a target is missing, is not finite, or does not fit the task, or if types are mixed.
    """
    array = _as_array(y, source, "targets")
    if array.dtype.kind == "U" and not isinstance(y, np.ndarray):
        array = np.asarray(y, dtype=object)  # else NumPy converts NaN to the label 'nan'
    values = _typed(array, source)
    if task is None:
        task = "regression" if values.dtype.kind == "f" else "classification"
    if task == "regression":
        targets = to_float32(values, source, "targets")
        if targets.ndim == 1:
            targets = targets[:, np.newaxis]  # (n,) -> (n, 1)
        return targets, None
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]  # (n, 1) -> (n,)
    if values.ndim != 1:
        raise DataError(
            f"{source}: targets must be one class label per sample (for values to regress on, pass "
            f"floats or task='regression'); got shape {values.shape}"
        )
    return encode_labels(values, lambda i: f"{source}: {bracketed('targets', (i,))}")


def encode_labels(
    values: NDArray[np.generic], where: Callable[[int], str]
) -> tuple[NDArray[np.int64], Labels]:
    """Return the index of each label among the distinct labels, in ascending order.

    Parameters
    ----------
    values : ndarray of bool, int, uint, str or whole floats, shape (n,)
        One label per sample.
    where : callable
        Function that names the place of a sample, for messages.

    Returns
    -------
    indices : ndarray of int64, shape (n,)
    labels : tuple of str or int

    Raises
    ------
    DataError
        If a float is not a whole number.

    Examples
    --------
    >>> encode_labels(np.array(["ja", "nej", "ja"]), str)
    (array([0, 1, 0]), ('ja', 'nej'))
    """
    if values.dtype.kind == "f":
        numbers = values.astype(np.float64)
        whole = np.isfinite(numbers) & (np.abs(numbers) < 2**53) & (numbers == np.rint(numbers))
        place = first_place(~whole)
        if place is not None:
            raise DataError(
                f"{where(place[0])} must be a class label, a whole number or text; got {values[place]}"
            )
        values = numbers.astype(np.int64)
    elif values.dtype.kind == "b":
        values = values.astype(np.int64)
    labels, indices = np.unique(values, return_inverse=True)
    return indices.astype(np.int64), tuple(labels.tolist())


def _as_array(values: object, source: str, field: str) -> NDArray[np.generic]:
    try:
        return np.asarray(values)
    except ValueError as error:  # ragged nested lists
        raise DataError(
            f"{source}: {field} must have one shape for all samples; got ragged lists"
        ) from error


def _typed(values: NDArray[np.generic], source: str) -> NDArray[np.generic]:
    """Convert targets to a plain type: bool, int, uint, float or str."""
    if values.ndim == 0:
        raise DataError(f"{source}: targets must be one per sample; got shape ()")
    if values.dtype.kind in "buifU":
        return values
    values = values.astype(object)
    place = first_place(np.asarray(pd.isna(values)))
    if place is not None:
        raise DataError(
            f"{source}: {bracketed('targets', place)} must be a label or a number; got a missing value"
        )
    plain = {
        "boolean": np.bool_,
        "floating": np.float64,
        "integer": np.int64,
        "mixed-integer-float": np.float64,
        "string": np.str_,
    }
    found = pd.api.types.infer_dtype(values.ravel(), skipna=False)
    if found not in plain:
        raise DataError(
            f"{source}: targets must be all text, all integers, all booleans or all floats; "
            f"got {found} values"
        )
    try:
        return values.astype(plain[found])
    except OverflowError as error:
        raise DataError(f"{source}: targets must fit into 64 bits; got larger integers") from error
