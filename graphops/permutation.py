"""Permutations of very many things of which few move.

A swap among a million nodes is two numbers, and is composed, inverted and recorded as such.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphops import _stored
from graphops.determinant import permutation_sign
from graphops.validation import (
    check_indices,
    check_integer,
    check_order,
    check_two_indices,
)

_DENSE_SHARE = 8
"""If more than one in so many moves, arrays of length n are faster than searching what moves."""


@dataclass(frozen=True, eq=False, repr=False)
class Permutation:
    """An order of 0 … n − 1, as a value: position p of the result holds what was at ``order[p]``.

    Attributes
    ----------
    n : int
        How many things there are.
    places : ndarray of int, shape (m,)
        The positions whose content changes, ascending; read-only.
    taken : ndarray of int, shape (m,)
        From which position each is filled; read-only.

    Raises
    ------
    TypeError, IndexError
        If a position is no integer from 0 to n − 1.
    ValueError
        If n is negative, or `taken` is not `places` in another order.

    Notes
    -----
    O(m) memory. Places that are filled from themselves are left out, so that equal permutations
    have equal attributes.

    Examples
    --------
    >>> order = Permutation.swap(1_000_000, 3, 8)
    >>> order.places, order.taken, order.sign
    (array([3, 8]), array([8, 3]), -1)
    """

    n: int
    places: NDArray[np.intp]
    taken: NDArray[np.intp]

    def __post_init__(self) -> None:
        """Check, sort and leave out what does not move."""
        object.__setattr__(self, "n", check_integer("n", self.n, at_least=0))
        places = _distinct_positions("places", self.places, self.n)
        taken = _distinct_positions("taken", self.taken, self.n)
        if len(places) != len(taken):
            raise ValueError(
                f"places and taken must have one length; received {len(places)} and {len(taken)}"
            )
        order = np.argsort(places)
        places, taken = places[order], taken[order]
        if not np.array_equal(places, np.sort(taken)):
            raise ValueError("taken must name the same positions as places, in any order")
        self._keep(places, taken)

    def _keep(self, places: NDArray[np.intp], taken: NDArray[np.intp]) -> None:
        """Take the attributes from positions that ascend and are known to be right."""
        moved = places != taken
        for name, positions in (("places", places[moved]), ("taken", taken[moved])):
            positions.flags.writeable = False
            object.__setattr__(self, name, positions)

    def _with(self, places: NDArray[np.intp], taken: NDArray[np.intp]) -> "Permutation":
        """Return a permutation of as many things without checking it, for checks cost sorting."""
        made = object.__new__(Permutation)
        object.__setattr__(made, "n", self.n)
        made._keep(places, taken)
        return made

    @classmethod
    def identity(cls, n: int) -> Self:
        """Return the permutation of n things that moves none."""
        return cls(n, np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp))

    @classmethod
    def swap(cls, n: int, a: int, b: int) -> Self:
        """Return the transposition of a ≠ b, as a permutation of n things."""
        n = check_integer("n", n, at_least=0)
        a, b = check_two_indices(("a", "b"), a, b, n)
        return cls(n, np.array([a, b], dtype=np.intp), np.array([b, a], dtype=np.intp))

    @classmethod
    def from_order(cls, order: ArrayLike) -> Self:
        """Return the permutation that fills position p from ``order[p]``; order has shape (n,)."""
        taken = check_order("order", order, np.size(order))
        made = cls.identity(len(taken))
        made._keep(np.arange(made.n), taken)
        return made

    def to_array(self) -> NDArray[np.intp]:
        """Return the order as an array of shape (n,): ``values[order]`` permutes values."""
        order = np.arange(self.n)
        order[self.places] = self.taken
        return order

    def take(self, positions: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return ``order[positions]``: from where these positions are filled; O(k·log m)."""
        if not self.places.size:
            return positions.copy()
        if self._is_dense:
            return self.to_array()[positions]
        at = np.minimum(np.searchsorted(self.places, positions), len(self.places) - 1)
        return np.where(self.places[at] == positions, self.taken[at], positions)

    def then(self, other: "Permutation") -> "Permutation":
        """Return this permutation followed by another of as many things: O(m), or O(m·log m)."""
        if self.n != other.n:
            raise ValueError(f"both must permute {self.n} things; received {other.n}")
        if other.is_identity:
            return self
        if self.is_identity:
            return other
        if self._is_dense or other._is_dense:
            return self._with(np.arange(self.n), self.to_array()[other.to_array()])
        places = _stored.distinct(np.concatenate([self.places, other.places]))
        return self._with(places, self.take(other.take(places)))

    def inverse(self) -> "Permutation":
        """Return the permutation that undoes this one."""
        if self._is_dense:
            back = np.empty(self.n, dtype=np.intp)
            back[self.to_array()] = np.arange(self.n)
            return self._with(np.arange(self.n), back)
        order = np.argsort(self.taken)
        return self._with(self.taken[order], self.places[order])

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        return not self.places.size

    @property
    def _is_dense(self) -> bool:
        return _DENSE_SHARE * self.places.size > self.n

    @property
    def sign(self) -> int:
        """1 if an even number of swaps makes it up, −1 if an odd one."""
        return permutation_sign(np.searchsorted(self.places, self.taken))

    def __eq__(self, other: object) -> bool:
        """Tell whether both permute as many things in the same way."""
        if not isinstance(other, Permutation):
            return NotImplemented
        return (
            self.n == other.n
            and np.array_equal(self.places, other.places)
            and np.array_equal(self.taken, other.taken)
        )

    def __hash__(self) -> int:
        """Hash the order."""
        return hash((self.n, self.places.tobytes(), self.taken.tobytes()))

    def __repr__(self) -> str:
        """Name the size, and what moves if it is little."""
        if len(self.places) > 8:
            return f"<Permutation of {self.n}: {len(self.places)} move>"
        moves = ", ".join(f"{p} from {t}" for p, t in zip(self.places, self.taken, strict=True))
        return f"<Permutation of {self.n}: {moves or 'identity'}>"

    def to_runs(self) -> list[list[int]]:
        """Return the order as runs [first, length] of successive numbers, JSON-able.

        A swap is at most five runs and moving one thing at most four, whatever n is; O(m).
        """
        near = np.concatenate([np.zeros(1, dtype=np.intp), self.places, self.places + 1])
        starts = _stored.distinct(near[near < self.n])
        numbers = self.take(starts)
        breaks = np.ones(len(starts), dtype=np.bool_)
        breaks[1:] = numbers[1:] != self.take(starts[1:] - 1) + 1
        lengths = np.diff(starts[breaks], append=self.n)
        runs: list[list[int]] = np.column_stack([numbers[breaks], lengths]).tolist()
        return runs

    @classmethod
    def from_runs(cls, n: int, runs: Any, name: str = "runs") -> Self:
        """Return the permutation of n things that :meth:`to_runs` gave these runs for.

        Raises
        ------
        TypeError
            If runs are no list of pairs of integers.
        ValueError
            If they do not name every number from 0 to n − 1 once. Their lengths are checked before
            anything of that length is made.
        """
        n = check_integer("n", n, at_least=0)
        pairs = _pairs(name, runs, n)
        starts, lengths = pairs[:, 0], pairs[:, 1]
        wrong = (lengths < 1) | (starts > n - lengths)
        if wrong.any():
            run = pairs[np.argmax(wrong)].tolist()
            raise ValueError(f"{name} must lie within 0 to {n - 1}; received {run}")
        total = int(lengths.sum())
        if total != n:
            raise ValueError(f"{name} must have {n} numbers in all; received {total}")
        begins = np.cumsum(lengths) - lengths
        moved = begins != starts
        places = _stored.ranges(begins[moved], lengths[moved])
        taken = _stored.ranges(starts[moved], lengths[moved])
        if not np.array_equal(places, np.sort(taken)):
            missing = np.setdiff1d(places, taken)[0]
            raise ValueError(
                f"{name} must name every number from 0 to {n - 1} once; received no {missing}"
            )
        return cls(n, places, taken)


def _distinct_positions(name: str, values: Any, n: int) -> NDArray[np.intp]:
    """Check as :func:`check_nodes` does, but in O(m log m): m may be few of very many."""
    positions = check_indices(name, values, n)
    ascending = np.sort(positions)
    twice = ascending[1:] == ascending[:-1]
    if twice.any():
        raise ValueError(
            f"{name} must name a node once; received {ascending[np.argmax(twice)]} repeatedly"
        )
    return positions


def _pairs(name: str, runs: Any, n: int) -> NDArray[np.int64]:
    if not isinstance(runs, list):
        raise TypeError(f"{name} must be a list of pairs; received {runs!r}")
    if len(runs) > n:
        raise ValueError(f"{name} must be at most {n} pairs; received {len(runs)}")
    for run in runs:
        is_pair = isinstance(run, list) and len(run) == 2
        if not is_pair or any(type(number) is not int for number in run):
            raise TypeError(f"{name} must hold pairs [first, length] of integers; received {run!r}")
        if not 0 <= min(run) <= max(run) <= n:
            raise ValueError(f"{name} must lie within 0 to {n - 1}; received {run}")
    return np.array(runs, dtype=np.int64).reshape(-1, 2)
