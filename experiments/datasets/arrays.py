"""From what a user holds - arrays, lists, data frames - to the two arrays of a data set.

Inputs become float32, targets either class indices with their labels or float32 values. Every value
that cannot be used is refused here, with the place where it stands: in arrays as an index that
counts from 0, in tables as a column and a data row that counts from 1.
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
    """Refuse a task that is neither None nor one of the two there are.

    Raises
    ------
    ValueError
        Naming the two.
    """
    if task is not None and task not in get_args(Task):
        raise ValueError(f"task must be one of {', '.join(get_args(Task))}; got {task!r}")


def first_place(mask: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Return the index of the first True in row-major order, None where there is none."""
    if not mask.any():
        return None
    return tuple(int(i) for i in np.unravel_index(np.argmax(mask), mask.shape))


def read_only(array: Array) -> Array:
    """Make an array that nobody else writes to read-only, and return it."""
    array.flags.writeable = False
    return array


def bracketed(field: str, place: tuple[int, ...]) -> str:
    """Write a place in an array as Python does.

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
        Which data set and which of its arrays this is, for the message.

    Raises
    ------
    DataError
        If a value is not finite, or too large for float32; the message names the first place.
    """
    if array.dtype.kind not in "buif":
        raise DataError(f"{source}: {field} hold {array.dtype}; they must hold numbers")
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float32, order="C")
    place = first_place(~np.isfinite(numbers))
    if place is not None:
        raise DataError(
            f"{source}: {bracketed(field, place)} is {array[place]}; "
            "every value must be a finite float32"
        )
    return numbers


def column_numbers(column: "pd.Series[Any]", source: str) -> NDArray[np.float64]:
    """Read one column of a table as numbers; text that spells a number counts.

    Parameters
    ----------
    column : Series
        The column; its name goes into the message.
    source : str
        Which table this is.

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
        raise DataError(
            f"{source}: column {column.name!r} holds {column.dtype}; every value must be a number"
        )
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    place = first_place(~(np.abs(numbers) <= FLOAT32_MAX))  # NaN compares False
    if place is not None:
        cell = column.iloc[place[0]]
        found = "is missing"
        if not pd.isna(cell):
            found = f"is {cell!r}" if isinstance(cell, str) else f"is {cell}"
        raise DataError(
            f"{source}: column {column.name!r}, data row {place[0] + 1} {found}; "
            "every value must be a finite number"
        )
    return numbers


def table_to_inputs(table: pd.DataFrame, source: str) -> NDArray[np.float32]:
    """Turn the columns of a table into features.

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
        Numbers, one sample a row.
    source : str
        Which data set this is.

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
            f"{source}: inputs have shape {array.shape}; "
            "they need one sample a row, (samples, features) or more dimensions"
        )
    return to_float32(array, source, "inputs")


def to_targets(
    y: object, source: str, task: Task | None
) -> tuple[NDArray[np.int64] | NDArray[np.float32], Labels | None]:
    """Read targets as class labels or as values to regress on.

    Without `task` the type decides: integers, booleans and text are labels, floats are values.

    Parameters
    ----------
    y : array_like, Series or DataFrame, shape (n,) or (n, k)
        The targets. k > 1 is for regression only.
    source : str
        Which data set this is.
    task : {"classification", "regression"}, optional
        Overrides the type: whole floats as labels, integers as values.

    Returns
    -------
    targets : ndarray of int64, shape (n,), or of float32, shape (n, k)
        Class indices, or values.
    classes : tuple of str or int, or None
        The labels in ascending order (booleans as 0 and 1), None for regression.

    Raises
    ------
    DataError
        If a target is missing, not finite, of a mixed type, or at odds with the task.
    """
    array = _as_array(y, source, "targets")
    if array.dtype.kind == "U" and not isinstance(y, np.ndarray):
        array = np.asarray(y, dtype=object)  # NumPy would spell a NaN among the labels as 'nan'
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
            f"{source}: targets have shape {values.shape}; class labels are one per sample "
            "(for values to regress on, pass floats or task='regression')"
        )
    return encode_labels(values, lambda i: f"{source}: {bracketed('targets', (i,))}")


def encode_labels(
    values: NDArray[np.generic], where: Callable[[int], str]
) -> tuple[NDArray[np.int64], Labels]:
    """Index the distinct labels in ascending order.

    Parameters
    ----------
    values : ndarray of bool, int, uint, str or whole floats, shape (n,)
        A label per sample.
    where : callable
        Names the place of a sample, for the message.

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
                f"{where(place[0])} is {values[place]}; class labels are whole numbers or text"
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
            f"{source}: {field} are ragged; every sample must have the same shape"
        ) from error


def _typed(values: NDArray[np.generic], source: str) -> NDArray[np.generic]:
    """Give targets a plain type: bool, int, uint, float or str."""
    if values.ndim == 0:
        raise DataError(f"{source}: targets have shape (); they need one target a sample")
    if values.dtype.kind in "buifU":
        return values
    values = values.astype(object)
    place = first_place(np.asarray(pd.isna(values)))
    if place is not None:
        raise DataError(f"{source}: {bracketed('targets', place)} is missing")
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
            f"{source}: targets hold {found} values; they must be all text, all integers, "
            "all booleans or all floats"
        )
    try:
        return values.astype(plain[found])
    except OverflowError as error:
        raise DataError(f"{source}: targets hold integers beyond 64 bits") from error
