"""Targets in any container: class labels, or values to regress on; the same for training and for a score."""

from collections.abc import Callable
from numbers import Number
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cnn.checks import brief
from evo.errors import DataError
from evo.preparation.containers import as_array, of_other_libraries
from evo.preparation.origin import Origin, first_place

Task = Literal["classification", "regression"]
Labels = tuple[str | int, ...]
Targets = NDArray[np.int64] | NDArray[np.float64]


def check_task(task: str | None) -> None:
    """Raise ValueError unless a task is None or one of the two tasks."""
    if task is not None and task not in get_args(Task):
        raise ValueError(f"task must be one of {', '.join(get_args(Task))}; got {task!r}")


def to_targets(y: object, origin: Origin, task: Task | None) -> tuple[Targets, Labels | None]:
    """Read targets as class labels or as values to regress on.

    Without `task`, integers, booleans and text are labels, and floats are values.

    Parameters
    ----------
    y : array_like, Series or DataFrame, shape (n,) or (n, k)
        Targets; only in regression k > 1.
    origin : Origin
        For messages.
    task : {"classification", "regression"}, optional
        Task to take instead: whole floats can be labels, integers can be values.

    Returns
    -------
    targets : ndarray of int64, shape (n,), or of float64, shape (n, k)
        Class indices, or values.
    classes : tuple of str or int, or None
        Labels in ascending order (0 and 1 for booleans); None in regression.

    Raises
    ------
    DataError
        If a target is missing, is not finite, or does not fit the task, or if types are mixed.
    """
    values = _plain(y, origin)
    if task is None:
        task = "regression" if values.dtype.kind == "f" else "classification"
    if task == "regression":
        return to_values(values, origin), None
    values = _one_each(values, origin)
    return encode_labels(values, lambda i: origin.element((i,)))


def to_values(y: object, origin: Origin) -> NDArray[np.float64]:
    """Read values to regress on, shape (n, k).

    Raises
    ------
    DataError
        If a value is missing, is no number, or is not finite.
    """
    values = _plain(y, origin)
    if values.dtype.kind not in "buif":
        place = first_place(np.vectorize(_is_no_number, otypes=[bool])(values))
        if place is None:
            raise DataError(
                f"{origin.whole} must hold numbers to regress on; got text such as {brief(values.flat[0].item())}"
            )
        text = values[place].item()
        raise DataError(
            f"{origin.element(place)} must be a number to regress on; got {brief(text)}"
        )
    with np.errstate(over="ignore"):  # of floats with more bits
        exact = values.astype(np.float64, order="C")
    place = first_place(~np.isfinite(exact))
    if place is not None:
        raise DataError(f"{origin.element(place)} must be finite; got {values[place]}")
    if exact.ndim > 2:
        raise DataError(f"{origin.whole} must have shape (n,) or (n, k); got {exact.shape}")
    return exact if exact.ndim == 2 else exact[:, np.newaxis]  # (n,) -> (n, 1)


def _is_no_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return True
    return False


def match_labels(y: object, classes: Labels, origin: Origin) -> NDArray[np.int64]:
    """Return the class index of each label; −1 for a label that is none of the classes.

    Parameters
    ----------
    y : array_like, Series or one-column DataFrame, shape (n,) or (n, 1)
        Labels; whole floats are integers, and booleans are 0 and 1.
    classes : tuple of str or int
    origin : Origin
        For messages.

    Raises
    ------
    DataError
        If a label is missing, or labels are numbers where classes are text, or the other way round.
    """
    values = _one_each(_plain(y, origin), origin)
    are_text = values.dtype.kind == "U"
    if len(values) and are_text != isinstance(classes[0], str):
        known = ", ".join(map(repr, classes[:5])) + (", …" if len(classes) > 5 else "")
        raise DataError(
            f"{origin.whole} must hold {'numbers' if are_text else 'text'} like the classes {known}; "
            f"got {brief(values[0].item())}"
        )
    numbers = {label: index for index, label in enumerate(classes)}
    found = [numbers.get(value, -1) for value in values.tolist()]  # 1.0 and True are the key 1
    return np.array(found, dtype=np.int64)


def encode_labels(
    values: NDArray[Any], where: Callable[[int], str]
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


def _one_each(values: NDArray[Any], origin: Origin) -> NDArray[Any]:
    """Return labels of shape (n,) from (n,) or (n, 1)."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]  # (n, 1) -> (n,)
    if values.ndim != 1:
        raise DataError(
            f"{origin.whole} must be one class label per sample (for values to regress on, pass "
            f"floats or task='regression'); got shape {values.shape}"
        )
    return values


def _mixture(values: NDArray[Any], origin: Origin) -> str:
    """Return the first value and the first one of another kind, in words; nothing if all are of one kind."""
    kinds = np.vectorize(_kind, otypes=[object])(values)
    first = values.flat[0]
    place = first_place(kinds != _kind(first))
    if place is None:
        return ""
    return f"{brief(first)}, and {brief(values[place])} in {origin.element(place)}"


def _kind(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "boolean"
    return "number" if isinstance(value, Number) else type(value).__name__


def _plain(y: object, origin: Origin) -> NDArray[Any]:
    """Return targets as an array of a plain type: bool, int, uint, float or str."""
    values = as_array(of_other_libraries(y), origin)
    if values.ndim == 0:
        raise DataError(f"{origin.whole} must be one per sample; got shape ()")
    if values.dtype.kind in "buifU":
        return values
    values = values.astype(object)
    place = first_place(np.asarray(pd.isna(values)))
    if place is not None:
        raise DataError(f"{origin.element(place)} must be a label or a number; got a missing value")
    plain = {
        "boolean": np.bool_,
        "decimal": np.float64,
        "floating": np.float64,
        "integer": np.int64,
        "mixed-integer-float": np.float64,
        "string": np.str_,
        "empty": np.float64,
    }
    found = pd.api.types.infer_dtype(values.ravel(), skipna=False)
    if found not in plain:
        raise DataError(
            f"{origin.whole} must be all text, all integers, all booleans or all floats; "
            f"got {_mixture(values, origin) or f'{found} values'}"
        )
    try:
        return values.astype(plain[found])
    except OverflowError:
        raise DataError(f"{origin.whole} must fit into 64 bits; got larger integers") from None
