"""What this package asks of what it is given, each rule in one place: called at its doors, not in its loops."""

from collections.abc import Sequence
from typing import Any, SupportsInt

import numpy as np
import numpy.typing as npt

from cnn.arrays import Shape


def brief(value: Any) -> str:
    """Write a value for a message, cut after 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def is_whole(value: Any) -> bool:
    """Say whether a value is an integer of Python or NumPy; a bool is none, nor is 2.0."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def whole_number(name: str, value: SupportsInt, least: int) -> int:
    """Check a count.

    Parameters
    ----------
    name
        For the message.
    value
        An integer of Python or NumPy.
    least
        The bound.

    Returns
    -------
    int
        The same number, as Python's.

    Raises
    ------
    TypeError
        Where it is no integer, such as 2.0 or True.
    ValueError
        Where it is below the bound.

    Examples
    --------
    >>> whole_number("n_nodes", np.int8(3), least=1)
    3
    """
    if not is_whole(value):
        raise TypeError(f"{name} must be an integer, not {brief(value)}")
    if int(value) < least:
        raise ValueError(f"{name} must be at least {least}, not {brief(int(value))}")
    return int(value)


def at_least(least: int, **counts: int) -> None:
    """Check counts against their lower bound.

    Parameters
    ----------
    least
        The bound.
    **counts
        Counts by parameter name.

    Raises
    ------
    TypeError
        For the first that is no integer, with its name.
    ValueError
        For the first below the bound, with its name.
    """
    for name, count in counts.items():
        whole_number(name, count, least)


def pair_of(name: str, value: int | tuple[int, int], least: int) -> tuple[int, int]:
    """Return (rows, columns) of a setting that may be one number for both.

    Parameters
    ----------
    name, least
        As for `whole_number`.
    value
        One integer, or two.

    Raises
    ------
    TypeError
        Where it is anything else.
    ValueError
        Where there are more or fewer than two, or one is below the bound.
    """
    pair = tuple(value) if isinstance(value, Sequence | np.ndarray) else (value, value)
    if not all(map(is_whole, pair)):
        raise TypeError(f"{name} must be one or two integers, not {brief(value)}")
    if len(pair) != 2 or min(pair) < least:
        raise ValueError(
            f"{name} must be one or two numbers of at least {least}, not {brief(value)}"
        )
    return int(pair[0]), int(pair[1])


def layer_sizes_of(name: str, value: Sequence[int]) -> Shape:
    """Check the shape of a sample.

    Parameters
    ----------
    name
        For the message.
    value
        Integers, at least 1 each.

    Returns
    -------
    tuple of int
        The same, as Python's integers.

    Raises
    ------
    TypeError
        Where it is no sequence of integers, such as 32 for (32,).
    ValueError
        Where it is empty, or one is below 1.
    """
    if not isinstance(value, Sequence | np.ndarray) or not all(map(is_whole, value)):
        raise TypeError(
            f"{name} must be a tuple of integers, such as (784,) or (28, 28), not {brief(value)}"
        )
    shape = tuple(map(int, value))
    if not shape or min(shape) < 1:
        raise ValueError(f"{name} must hold integers of at least 1, not {brief(shape)}")
    return shape


def float_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the dtype of parameters; raise ValueError unless it is float32 or float64."""
    checked = np.dtype(dtype)
    if checked not in {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ValueError(f"dtype must be float32 or float64, not {checked}")
    return checked


def check_generator(rng: np.random.Generator) -> None:
    """Raise TypeError unless `rng` is a generator: a bare seed would give every layer the same draws."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            "rng must be a numpy.random.Generator, such as numpy.random.default_rng(0), not "
            f"{brief(rng)}"
        )


def seed_sequence(name: str, seed: np.random.SeedSequence | int) -> np.random.SeedSequence:
    """Return the seed, made a sequence where it is an integer.

    Parameters
    ----------
    name
        For the message.
    seed
        A SeedSequence, or an integer of at least 0.

    Raises
    ------
    TypeError
        Where it is neither.
    ValueError
        Where the integer is below 0.
    """
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if not is_whole(seed):
        raise TypeError(
            f"{name} must be a numpy.random.SeedSequence or an integer, not {brief(seed)}"
        )
    return np.random.SeedSequence(whole_number(name, seed, 0))


def real_array(name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return an array of real numbers: floats, integers or bools, copied only where it was no array.

    Parameters
    ----------
    name
        For the message.
    value
        An array, or lists of numbers.

    Raises
    ------
    ValueError
        Where it holds anything else, or lists differ in length.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":  # at every step of training
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real numbers, not of dtype {array.dtype}")
    return array


def check_finite(name: str, array: npt.NDArray[Any]) -> None:
    """Raise ValueError unless every number is finite, with the index of the first that is not."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):  # one pass without an array; an overflow asks again
            return
    wrong = ~np.isfinite(array)
    if wrong.any():
        index = tuple(int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape))
        place = ", ".join(map(str, index))
        raise ValueError(f"{name} must be finite; {name}[{place}] is {array[index]}")


def check_classes(name: str, classes: npt.NDArray[Any], n_classes: int) -> None:
    """Raise ValueError unless classes lie in 0 … n_classes − 1, with the index of the first that does not."""
    if classes.min(initial=0) < 0 or classes.max(initial=0) >= n_classes:
        first = int(((classes < 0) | (classes >= n_classes)).argmax())
        raise ValueError(
            f"{name} must be classes 0 … {n_classes - 1}; {name}[{first}] is {classes[first]}"
        )


def check_targets(kind: str, targets: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return targets as an array; raise ValueError unless they are what a loss of some kind takes.

    Parameters
    ----------
    kind
        ``"classes"`` or ``"values"``: `cnn.training.losses.Loss.target_kind`.
    targets
        What to check.
    shape
        Of the network's outputs: (samples, outputs).
    """
    given = real_array("targets", targets)
    if kind == "values":
        if given.shape != shape:
            raise ValueError(f"targets must be values of shape {shape}, not {given.shape}")
        return given
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise ValueError(
            f"targets must be integer classes of shape (n,), not {given.dtype} of shape {given.shape}"
        )
    if len(given) != shape[0]:
        raise ValueError(
            f"targets must be as many as inputs; there are {shape[0]} inputs and {len(given)} targets"
        )
    return given
