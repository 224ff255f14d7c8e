"""Argument checks of the public functions, with one form of message: "name must be …; got …"."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, SupportsInt

import numpy as np
import numpy.typing as npt

from cnn.arrays import Shape


def brief(value: Any) -> str:
    """Return the repr of a value for an error message, at most 80 characters and an ellipsis."""
    try:
        text = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} nested too deeply"
    except ValueError:  # Python writes integers of at most 4,300 digits
        return f"a {type(value).__name__} with a number of too many digits"
    return text if len(text) <= 80 else f"{text[:80]}…"


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """Return the known name that is nearest to the given one, as a question in brackets; empty if none is near.

    If none is near, the first known name is taken that begins with the given one and a hyphen.

    Examples
    --------
    >>> did_you_mean("digts", ["digits", "xor"]), did_you_mean("mnist", ["digits", "xor"])
    (" (did you mean 'digits'?)", '')
    """
    if not isinstance(given, str):
        return ""
    names = list(known)
    near = difflib.get_close_matches(given, names, n=1)
    near = near or [one for one in names if one.startswith(f"{given}-")][:1]
    return f" (did you mean {near[0]!r}?)" if near else ""


def is_whole(value: Any) -> bool:
    """Return whether a value is a Python or NumPy integer; False for a bool and for 2.0."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def whole_number(name: str, value: SupportsInt, least: int) -> int:
    """Return a count as a Python integer.

    Parameters
    ----------
    name
        Name of the argument in error messages.
    value
        A Python or NumPy integer.
    least
        Smallest valid value.

    Raises
    ------
    TypeError
        If the value is not an integer, such as 2.0 or True.
    ValueError
        If the value is below `least`.

    Examples
    --------
    >>> whole_number("n_nodes", np.int8(3), least=1)
    3
    """
    if not is_whole(value):
        raise TypeError(f"{name} must be an integer; got {brief(value)}")
    if int(value) < least:
        raise ValueError(f"{name} must be at least {least}; got {brief(int(value))}")
    return int(value)


def at_least(least: int, **counts: int) -> None:
    """Check several counts, given by name, as `whole_number` does."""
    for name, count in counts.items():
        whole_number(name, count, least)


def pair_of(name: str, value: int | tuple[int, int], least: int) -> tuple[int, int]:
    """Return (rows, columns) of a setting that may be one number for both.

    Parameters
    ----------
    name, least
        As for `whole_number`.
    value
        One or two integers.

    Raises
    ------
    TypeError
        If a number is not an integer.
    ValueError
        If there are not one or two numbers, or a number is below `least`.
    """
    pair = tuple(value) if isinstance(value, Sequence | np.ndarray) else (value, value)
    if not all(map(is_whole, pair)):
        raise TypeError(f"{name} must be one or two integers; got {brief(value)}")
    if len(pair) != 2 or min(pair) < least:
        raise ValueError(
            f"{name} must be one or two numbers of at least {least}; got {brief(value)}"
        )
    return int(pair[0]), int(pair[1])


def sample_shape(name: str, value: Sequence[int]) -> Shape:
    """Return the shape of a sample as a tuple of Python integers.

    Parameters
    ----------
    name
        Name of the argument in error messages.
    value
        Integers of at least 1.

    Raises
    ------
    TypeError
        If the value is not a sequence of integers, such as 32 for (32,).
    ValueError
        If the value is empty, or a number is below 1.
    """
    if not isinstance(value, Sequence | np.ndarray) or not all(map(is_whole, value)):
        raise TypeError(
            f"{name} must be a tuple of integers, such as (784,) or (28, 28); got {brief(value)}"
        )
    shape = tuple(map(int, value))
    if not shape or min(shape) < 1:
        raise ValueError(f"{name} must hold integers of at least 1; got {brief(shape)}")
    return shape


def float_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the dtype of parameters; raise ValueError unless it is float32 or float64."""
    checked = np.dtype(dtype)
    if checked not in {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ValueError(f"dtype must be float32 or float64; got {checked}")
    return checked


def check_generator(rng: np.random.Generator) -> None:
    """Raise TypeError unless `rng` is a generator: with a seed, all layers would get the same draws."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            "rng must be a numpy.random.Generator, such as numpy.random.default_rng(0); got "
            f"{brief(rng)}"
        )


def seed_sequence(name: str, seed: np.random.SeedSequence | int) -> np.random.SeedSequence:
    """Return a SeedSequence from a SeedSequence or an integer of at least 0.

    Raises
    ------
    TypeError
        If the seed is neither a SeedSequence nor an integer.
    ValueError
        If the integer is below 0.
    """
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if not is_whole(seed):
        raise TypeError(
            f"{name} must be a numpy.random.SeedSequence or an integer; got {brief(seed)}"
        )
    return np.random.SeedSequence(whole_number(name, seed, 0))


def real_array(name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return an array of real numbers (floats, integers or bools). Arrays are not copied.

    Parameters
    ----------
    name
        Name of the argument in error messages.
    value
        An array, or nested lists of numbers.

    Raises
    ------
    ValueError
        If an entry is not a real number, or nested lists differ in length.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":  # at every step of training
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real numbers; got dtype {array.dtype}")
    return array


def check_finite(name: str, array: npt.NDArray[Any]) -> None:
    """Raise ValueError unless all numbers are finite; the message names the first bad index."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):  # one pass without an array; an overflow asks again
            return
    wrong = ~np.isfinite(array)
    if wrong.any():
        index = tuple(int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape))
        place = ", ".join(map(str, index))
        raise ValueError(f"{name} must be finite; got {name}[{place}] = {array[index]}")


def check_classes(name: str, classes: npt.NDArray[Any], n_classes: int) -> None:
    """Raise ValueError unless all classes are in 0 … n_classes − 1; the message names the first bad index."""
    if classes.min(initial=0) < 0 or classes.max(initial=0) >= n_classes:
        first = int(((classes < 0) | (classes >= n_classes)).argmax())
        raise ValueError(
            f"{name} must be classes 0 … {n_classes - 1}; got {name}[{first}] = {classes[first]}"
        )


def check_targets(kind: str, targets: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return targets as an array; raise ValueError unless they fit the kind of loss and the outputs.

    Parameters
    ----------
    kind
        ``"classes"`` or ``"values"``: the `target_kind` of a `cnn.training.losses.Loss`.
    targets
        Targets of a batch.
    shape
        Shape of the network's outputs: (samples, outputs).
    """
    given = real_array("targets", targets)
    if kind == "values":
        if given.shape != shape:
            raise ValueError(f"targets must be values of shape {shape}; got {given.shape}")
        return given
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise ValueError(
            f"targets must be integer classes of shape (n,); got {given.dtype} of shape {given.shape}"
        )
    if len(given) != shape[0]:
        raise ValueError(
            f"targets must be as many as the {shape[0]} inputs; got {len(given)} targets"
        )
    return given


def check_weights(weights: npt.ArrayLike, n: int) -> npt.NDArray[Any]:
    """Return the weights of n samples as an array.

    Raises
    ------
    ValueError
        If the weights are not n real numbers, or one is negative or not finite.

    Examples
    --------
    >>> check_weights([1, 0.5], n=2).tolist()
    [1.0, 0.5]
    """
    checked = real_array("weights", weights)
    if checked.shape != (n,):
        raise ValueError(f"weights must be one per sample, shape ({n},); got shape {checked.shape}")
    check_finite("weights", checked)
    negative = np.flatnonzero(checked < 0)
    if len(negative):
        place = int(negative[0])
        raise ValueError(f"weights must be at least 0; got weights[{place}] = {checked[place]}")
    return checked
