"""Permutations of lines and additions of lines to lines (operators B, C, D, F). A line is a row or a column.

A sum of two lines stores the union of their entries. `LineMap` holds any product of swaps and
additions in the form M = A_m ⋯ A_1·Π: first a permutation of the lines, then additions A = I + k·e_target·e_sourceᵀ.
Composition renames lines and does not round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from graphops import _stored
from graphops.determinant import permutation_sign
from graphops.validation import (
    FloatArray,
    IntArray,
    Matrix,
    check_indices,
    check_number,
    check_order,
    check_two_indices,
)

Line: TypeAlias = tuple[IntArray, FloatArray]
"""Positions of the stored entries of a line, ascending, and their values."""

Addition: TypeAlias = tuple[int, int, float]
"""Source, target and factor: target becomes target + factor · source."""


@dataclass(frozen=True, eq=False, repr=False)
class LineMap:
    """A permutation of n lines followed by additions of lines to lines, as an immutable value.

    Attributes
    ----------
    order : ndarray of int, shape (n,)
        Position p of the result holds the line that was at ``order[p]``; read-only.
    sources, targets : ndarray of int, shape (m,)
        The additions in their order, by positions after the permutation; read-only.
    factors : ndarray of float64, shape (m,)
        Line ``targets[i]`` gains ``factors[i]`` × line ``sources[i]``; read-only.

    Raises
    ------
    TypeError, IndexError, ValueError
        If `order` is not a permutation, the lengths of the other arrays differ, a line is out of range or added to
        itself, or a factor is not finite.

    Examples
    --------
    >>> swap, add = LineMap.swap(3, 0, 2), LineMap.add(3, 0, 1, 0.5)
    >>> add.then(swap)
    <LineMap of 3: 2 move, 1 addition>
    >>> add.then(swap).additions()
    [(2, 1, 0.5)]
    """

    order: NDArray[np.intp]
    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    factors: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check all arrays and store read-only copies."""
        n = np.size(self.order)
        arrays = {
            "order": check_order("order", self.order, n),
            "sources": check_indices("sources", self.sources, n),
            "targets": check_indices("targets", self.targets, n),
            "factors": _finite(self.factors),
        }
        lengths = [len(arrays[name]) for name in ("sources", "targets", "factors")]
        if len(set(lengths)) > 1:
            raise ValueError(
                "sources, targets and factors must have one length; "
                f"got {lengths[0]}, {lengths[1]} and {lengths[2]}"
            )
        same = arrays["sources"] == arrays["targets"]
        if same.any():
            line = arrays["sources"][np.argmax(same)]
            raise ValueError(f"source and target must differ; got {line} for both")
        for name, values in arrays.items():
            own = values.copy()
            own.flags.writeable = False
            object.__setattr__(self, name, own)

    @classmethod
    def permuted(cls, order: ArrayLike) -> Self:
        """Return the map that permutes lines and adds none."""
        none = np.zeros(0, dtype=np.intp)
        return cls(np.asarray(order), none, none, none.astype(np.float64))

    @classmethod
    def identity(cls, n: int) -> Self:
        """Return the map of n lines that changes nothing."""
        return cls.permuted(np.arange(n))

    @classmethod
    def swap(cls, n: int, a: int, b: int) -> Self:
        """Return the map of n lines that exchanges a and b."""
        return cls.permuted(transposition(n, a, b))

    @classmethod
    def add(cls, n: int, source: int, target: int, factor: float) -> Self:
        """Return the map of n lines that adds factor × source to target."""
        source, target = check_two_indices(("source", "target"), source, target, n)
        factors = np.array([check_number("factor", factor)])
        return cls(np.arange(n), np.array([source]), np.array([target]), factors)

    def additions(self) -> list[Addition]:
        """Return the additions as (source, target, factor), in their order."""
        columns = self.sources.tolist(), self.targets.tolist(), self.factors.tolist()
        return list(zip(*columns, strict=True))

    def then(self, other: "LineMap") -> "LineMap":
        """Return this map followed by another of the same number of lines."""
        self._check_size(other.n)
        place = np.argsort(other.order)
        return LineMap(
            self.order[other.order],
            np.concatenate([place[self.sources], other.sources]),
            np.concatenate([place[self.targets], other.targets]),
            np.concatenate([self.factors, other.factors]),
        )

    def inverse(self) -> "LineMap":
        """Return the map that undoes this map."""
        return LineMap(
            np.argsort(self.order),
            self.order[self.sources[::-1]],
            self.order[self.targets[::-1]],
            -self.factors[::-1],
        )

    def renamed(self, order: NDArray[np.intp]) -> "LineMap":
        """Return this map for lines in another order: P·M·Pᵀ."""
        self._check_size(len(order))
        place = np.argsort(order)
        return LineMap(
            place[self.order[order]], place[self.sources], place[self.targets], self.factors
        )

    def _check_size(self, n: int) -> None:
        if n != self.n:
            raise ValueError(f"both must be of {self.n} lines; got {n}")

    @property
    def n(self) -> int:
        """Number of lines."""
        return len(self.order)

    @property
    def n_moved(self) -> int:
        """Number of lines that change their position."""
        return int(np.count_nonzero(self.order != np.arange(self.n)))

    @property
    def determinant(self) -> int:
        """The determinant of M, exactly: the sign of the permutation. Additions have determinant 1."""
        return permutation_sign(self.order)

    def _key(self) -> tuple[bytes, ...]:
        return tuple(
            array.tobytes() for array in (self.order, self.sources, self.targets, self.factors)
        )

    def __eq__(self, other: object) -> bool:
        """Return whether permutations and additions are equal, in the same order."""
        return self._key() == other._key() if isinstance(other, LineMap) else NotImplemented

    def __hash__(self) -> int:
        """Hash permutation and additions."""
        return hash(self._key())

    def __repr__(self) -> str:
        """Show the number of moved lines and of additions."""
        added = len(self.factors)
        return f"<LineMap of {self.n}: {self.n_moved} move, {added} addition{'s' * (added != 1)}>"

    def to_record(self) -> dict[str, Any]:
        """Return a record for JSON; :meth:`from_record` returns an equal map."""
        return {
            "order": order_to_record(self.order),
            "additions": [list(addition) for addition in self.additions()],
        }

    @classmethod
    def from_record(cls, n: int, record: Any, name: str) -> Self:
        """Return the map of n lines that an untrusted record describes."""
        check_keys(name, record, ("order", "additions"))
        additions = record["additions"]
        if not isinstance(additions, list):
            raise TypeError(f"{name}.additions must be a list; got {additions!r}")
        for addition in additions:
            if not isinstance(addition, list) or len(addition) != 3:
                raise TypeError(
                    f"{name}.additions must hold [source, target, factor]; got {addition!r}"
                )
            source, target, factor = addition
            check_two_indices((f"{name} source", f"{name} target"), source, target, n)
            check_number(f"{name} factor", factor)
        sources, targets, factors = zip(*additions, strict=True) if additions else ([], [], [])
        order = order_from_record(f"{name}.order", record["order"], n)
        return cls(order, np.array(sources), np.array(targets), np.array(factors, np.float64))


def transposition(n: int, a: int, b: int) -> NDArray[np.intp]:
    """Return the order of n things with a ≠ b exchanged."""
    a, b = check_two_indices(("a", "b"), a, b, n)
    order = np.arange(n)
    order[[a, b]] = b, a
    return order


def order_to_record(order: NDArray[np.intp]) -> list[int] | None:
    """Return an order as a list for JSON; None for the identity."""
    return None if np.array_equal(order, np.arange(len(order))) else order.tolist()


def order_from_record(name: str, record: Any, n: int) -> NDArray[np.intp]:
    """Return the order of n things that an untrusted record describes."""
    if record is None:
        return np.arange(n)
    if not isinstance(record, list) or any(type(number) is not int for number in record):
        raise TypeError(f"{name} must be None or a list of integers; got {record!r}")
    return check_order(name, record, n)


def check_keys(name: str, record: Any, keys: tuple[str, ...]) -> None:
    """Raise TypeError or ValueError unless a record is a dictionary with exactly these keys."""
    if not isinstance(record, dict):
        raise TypeError(f"{name} must be a dictionary; got {record!r}")
    if record.keys() != set(keys):
        given = ", ".join(sorted(map(str, record))) or "none"
        raise ValueError(f"{name} must have the keys {', '.join(keys)}; got {given}")


def add_columns(W: Matrix, additions: Sequence[Addition]) -> Matrix:
    """Return `W` after additions of columns, one after the other: O(nnz + n + touched)."""
    factors = [_factor(factor, W.dtype) for _, _, factor in additions]
    if not isinstance(W, sparse.csc_array):
        summed = W.copy()
        for (source, target, _), factor in zip(additions, factors, strict=True):
            summed[:, target] = _combine(summed[:, target], summed[:, source], factor)
        return summed
    changed: dict[int, Line] = {}
    for (source, target, _), factor in zip(additions, factors, strict=True):
        changed[target] = _merge(_line(W, target, changed), _line(W, source, changed), factor)
    return _stored.splice_columns(W, changed)


def add_rows(W: Matrix, additions: Sequence[Addition]) -> Matrix:
    """Return `W` after additions of rows, one after the other: O(nnz + n + touched)."""
    if not isinstance(W, sparse.csc_array):
        return np.ascontiguousarray(add_columns(W.swapaxes(0, 1), additions).swapaxes(0, 1))
    return _stored.transpose(add_columns(_stored.transpose(W), additions))


def _factor(value: Any, dtype: np.dtype[Any]) -> np.floating[Any]:
    with np.errstate(over="ignore"):
        factor: np.floating[Any] = dtype.type(check_number("factor", value))
    if not np.isfinite(factor):
        raise ValueError(f"factor must be finite in {dtype}; got {value}")
    return factor


def _line(W: sparse.csc_array, column: int, changed: Mapping[int, Line]) -> Line:
    entries = slice(*W.indptr[column : column + 2])
    return changed.get(column, (W.indices[entries], W.data[entries]))


def _merge(target: Line, source: Line, factor: np.floating[Any]) -> Line:
    """Return the sum of two stored lines; it stores the union of their positions."""
    positions = _stored.distinct(np.concatenate([target[0], source[0]]))
    old, added = np.zeros((2, len(positions)), dtype=target[1].dtype)
    old[np.searchsorted(positions, target[0])] = target[1]
    added[np.searchsorted(positions, source[0])] = source[1]
    return positions, _combine(old, added, factor)


def _combine(target: FloatArray, source: FloatArray, factor: np.floating[Any]) -> FloatArray:
    """Return target + factor · source in the arrays' dtype, rounded after each of the two steps."""
    with np.errstate(over="ignore"):
        combined = target + factor * source
    if not np.isfinite(combined).all():
        raise ValueError(f"factor must keep entries finite in {target.dtype}; got {factor}")
    return combined


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(values)
    if given.dtype.kind not in "iuf" or given.ndim != 1:
        raise TypeError(
            f"factors must be one-dimensional real numbers; got {given.ndim} dimensions of {given.dtype}"
        )
    finite = np.isfinite(given)
    if not finite.all():
        raise ValueError(f"factors must be finite; got {given[np.argmin(finite)]}")
    return given.astype(np.float64) + 0.0  # −0 becomes 0, so that equal maps hash alike
