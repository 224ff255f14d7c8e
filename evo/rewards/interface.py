"""How the observations of an environment become inputs of a network, and how its outputs become actions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn.checks import brief, is_whole

ObservationKind = Literal["numbers", "one_hot"]
ActionKind = Literal["numbers", "discrete", "multi_discrete", "multi_binary"]

LARGEST_BOUND = 1e6
"""Largest magnitude of a bound that scales; beyond it a number counts as unbounded."""

LARGEST_CHOICE = 2**61
"""Largest count and first alternative that a file may have; their sum is an integer of 64 bits."""


@dataclass(frozen=True)
class Observations:
    """Observations of one kind.

    Attributes
    ----------
    kind : {"numbers", "one_hot"}
        Numbers are inputs as they are, or scaled; of a choice every alternative is an input, 1 for the present one.
    offset, scale : tuple of float
        Inputs are (number − offset) / scale: bounded numbers lie between −1 and 1, others stay as they are.
    counts : tuple of int
        Number of alternatives of each choice.
    start : int or tuple of int
        The first alternative, or that of each choice.
    """

    kind: ObservationKind
    offset: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    start: int | tuple[int, ...] = 0

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return len(self.offset) if self.kind == "numbers" else sum(self.counts)

    def encode(self, observation: ArrayLike) -> NDArray[np.float64]:
        """Return an observation as inputs, shape (n_inputs,).

        Raises
        ------
        ValueError
            If it has another number of numbers or choices, or a choice is none of the alternatives.
        """
        on_numbers = self.kind == "numbers"
        n = self.n_inputs if on_numbers else len(self.counts)
        try:
            given = np.asarray(observation)
        except ValueError:  # lists of unequal lengths
            given = np.empty(0, np.object_)
        if given.dtype.kind not in ("biuf" if on_numbers else "biu") or given.size != n:
            shape = f" of shape {given.shape}" if given.dtype.kind in "biuf" else ""
            raise ValueError(
                f"observation must have shape ({n},), or another of as many {'' if on_numbers else 'whole '}numbers; "
                f"got {type(observation).__name__}{shape}"
            )
        given = given.ravel()
        if on_numbers:
            inputs: NDArray[np.float64] = (given - self._offset) / self._scale
            return inputs
        chosen = given.astype(np.int64) - self.start
        if ((chosen < 0) | (chosen >= self._counts)).any():
            raise ValueError(
                f"observation must have choices among {brief(self.counts)} alternatives from {brief(self.start)} on; "
                f"got {brief(given.tolist())}"
            )
        inputs = np.zeros(self.n_inputs)
        inputs[self._first + chosen] = 1.0
        return inputs

    _offset: Any = field(init=False, repr=False, compare=False)
    _scale: Any = field(init=False, repr=False, compare=False)
    _counts: Any = field(init=False, repr=False, compare=False)
    _first: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the numbers as arrays too, for `encode` is called in every step."""
        object.__setattr__(self, "_offset", np.array(self.offset, np.float64))
        object.__setattr__(self, "_scale", np.array(self.scale, np.float64))
        counts = np.array(self.counts, np.int64)
        object.__setattr__(self, "_counts", counts)
        object.__setattr__(self, "_first", np.cumsum(counts) - counts)  # input of each choice


@dataclass(frozen=True)
class Actions:
    """Actions of one kind.

    Attributes
    ----------
    kind : {"numbers", "discrete", "multi_discrete", "multi_binary"}
        Numbers are outputs, scaled from the range between −1 and 1 to their bounds; with one bound alone, outputs are
        cut there. A choice is the alternative of the largest output, or is drawn. Yes or no is whether an output is
        above 0.
    low, high : tuple of float
        Bounds of numbers; infinite where there is none.
    shape : tuple of int
        Shape of an action of several numbers or choices.
    counts : tuple of int
        Number of alternatives of each choice.
    start : int or tuple of int
        The first alternative, or that of each choice.
    dtype : str
        The dtype of numbers: ``"float32"``, or one of whole numbers, to which numbers are rounded.
    is_bounded : ndarray of bool, shape (numbers,)
        Whether a number has both bounds.
    first, half_range : ndarray of float64, shape (numbers,)
        The lower bound of such a number, and half the distance to its upper bound; 0 for other numbers.
    """

    kind: ActionKind
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    shape: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    start: int | tuple[int, ...] = 0
    dtype: str = "float32"

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return sum(self.counts) if self.counts else math.prod(self.shape)

    def decode(self, outputs: NDArray[Any], rng: np.random.Generator | None = None) -> Any:
        """Return outputs as an action; choices are drawn by the softmax of their outputs if there is a generator."""
        if self.kind == "discrete":
            return self._start + _choice(outputs, rng)
        if self.kind == "multi_discrete":
            parts = np.split(outputs, np.cumsum(self.counts)[:-1])
            chosen = np.array([_choice(part, rng) for part in parts]) + self._start
            return chosen.reshape(self.shape)
        if self.kind == "multi_binary":
            return (outputs > 0).astype(np.int8).reshape(self.shape)
        scaled = self.first + (np.clip(outputs, -1.0, 1.0) + 1.0) * self.half_range
        numbers = np.where(self.is_bounded, scaled, np.clip(outputs, *self._limits))
        if self.dtype in WHOLE:
            numbers = np.rint(np.nan_to_num(numbers)).clip(*WHOLE[self.dtype])
        return numbers.astype(self.dtype).reshape(self.shape)

    is_bounded: NDArray[np.bool_] = field(init=False, repr=False, compare=False)
    first: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    half_range: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    _start: Any = field(init=False, repr=False, compare=False)
    _limits: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the bounds as arrays too, for `decode` is called in every step."""
        low, high = np.array(self.low, np.float64), np.array(self.high, np.float64)
        bounded = np.isfinite(low) & np.isfinite(high)
        object.__setattr__(self, "_start", self.start)
        object.__setattr__(self, "_limits", (low, high))
        object.__setattr__(self, "is_bounded", bounded)
        object.__setattr__(self, "first", np.where(bounded, low, 0.0))
        half = np.where(bounded, high, 0.0) / 2.0 - np.where(bounded, low, 0.0) / 2.0
        object.__setattr__(self, "half_range", half)


def _limits_of(name: str) -> tuple[float, float]:
    """Return the least and the largest float that a dtype of whole numbers can hold."""
    limits = np.iinfo(name)
    largest = float(limits.max)
    return float(limits.min), largest if int(largest) <= limits.max else math.nextafter(largest, 0)


WHOLE = {
    f"{sign}int{bits}": _limits_of(f"{sign}int{bits}")
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
"""The dtypes of whole numbers, with their limits."""


def _choice(outputs: NDArray[Any], rng: np.random.Generator | None) -> int:
    if rng is None:
        return int(outputs.argmax())
    odds = np.exp(outputs.astype(np.float64) - outputs.max())
    return int(rng.choice(len(outputs), p=odds / odds.sum()))


@dataclass(frozen=True)
class Interface:
    """Observations and actions of an environment.

    Attributes
    ----------
    observations : Observations
    actions : Actions
    """

    observations: Observations
    actions: Actions

    def to_values(self) -> dict[str, Any]:
        """Return values that JSON can write, for the file of a network."""
        return {
            "observations": {
                name: getattr(self.observations, name) for name in _FIELDS[Observations]
            },
            "actions": {
                name: [None if np.isinf(one) else one for one in value]
                if name in ("low", "high")
                else value
                for name, value in ((one, getattr(self.actions, one)) for one in _FIELDS[Actions])
                if (name, value) != ("dtype", "float32")  # as in files of older versions
            },
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Interface":
        """Return what :meth:`to_values` has written.

        Raises
        ------
        ValueError
            If the values are not of this form.
        """
        try:
            observations = Observations(**_tuples(values["observations"]))
            actions = dict(values["actions"])
            actions["low"] = [-math.inf if one is None else float(one) for one in actions["low"]]
            actions["high"] = [math.inf if one is None else float(one) for one in actions["high"]]
            found = cls(observations, Actions(**_tuples(actions)))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(
                f"interface must have observations and actions; got {brief(values)}"
            ) from error
        kinds = (
            observations.kind in get_args(ObservationKind),
            found.actions.kind in get_args(ActionKind),
        )
        if not all(kinds):
            raise ValueError(f"interface must be of known kinds; got {brief(values)}")
        _check_observations(found.observations)
        _check_actions(found.actions)
        return found


_FIELDS: Mapping[type, tuple[str, ...]] = {
    Observations: ("kind", "offset", "scale", "counts", "start"),
    Actions: ("kind", "low", "high", "shape", "counts", "start", "dtype"),
}
"""The attributes that a file has."""


def _check_observations(given: Observations) -> None:
    """Raise ValueError unless the numbers of observations, which come from a file, can be those of an environment."""
    where = "interface must have observations with"
    for name in ("offset", "scale"):
        value = getattr(given, name)
        if not _are_numbers(value) or not np.isfinite(np.array(value, np.float64)).all():
            raise ValueError(f"{where} finite numbers as {name}; got {brief(value)}")
    if 0 in given.scale:
        raise ValueError(f"{where} a scale other than 0; got {brief(given.scale)}")
    if len(given.offset) != len(given.scale):
        raise ValueError(
            f"{where} as many offsets as scales; got {len(given.offset)} and {len(given.scale)}"
        )
    _check_choices(where, given.counts, given.start, given.kind == "one_hot")


def _check_actions(given: Actions) -> None:
    """Raise ValueError unless the numbers of actions, which come from a file, can be those of an environment."""
    where = "interface must have actions with"
    if not _are_counts(given.shape):
        raise ValueError(f"{where} whole numbers of at least 1 as shape; got {brief(given.shape)}")
    _check_choices(where, given.counts, given.start, given.kind in ("discrete", "multi_discrete"))
    sized = {"discrete": 1, "multi_discrete": math.prod(given.shape)}.get(given.kind, 0)
    if len(given.counts) != sized:
        raise ValueError(f"{where} {sized} counts; got {brief(given.counts)}")
    if given.kind == "discrete" and isinstance(given.start, tuple):
        raise ValueError(f"{where} one whole number as start; got {brief(given.start)}")
    for name in ("low", "high"):
        value = getattr(given, name)
        wanted = given.n_outputs if given.kind == "numbers" else 0
        if not _are_numbers(value) or np.isnan(value).any() or len(value) != wanted:
            raise ValueError(f"{where} {wanted} numbers as {name}; got {brief(value)}")
    if given.dtype not in ("float32", *WHOLE):
        raise ValueError(
            f"{where} a dtype that is float32 or of whole numbers; got {brief(given.dtype)}"
        )


def _check_choices(where: str, counts: Any, start: Any, are_choices: bool) -> None:
    """Raise ValueError unless counts of alternatives, and the first ones, are whole numbers."""
    if not _are_counts(counts) or bool(counts) != are_choices:
        told = "whole numbers of at least 1" if are_choices else "no numbers"
        raise ValueError(f"{where} {told} as counts; got {brief(counts)}")
    starts = start if isinstance(start, tuple) else (start,)
    whole = all(is_whole(one) and abs(one) <= LARGEST_CHOICE for one in starts)
    if not whole or (isinstance(start, tuple) and len(start) != len(counts)):
        raise ValueError(
            f"{where} a whole number as start, or one of each choice; got {brief(start)}"
        )


def _are_numbers(values: Any) -> bool:
    return isinstance(values, tuple) and all(
        isinstance(one, float) or is_whole(one) for one in values
    )


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and all(
        is_whole(one) and 1 <= one <= LARGEST_CHOICE for one in values
    )


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}
