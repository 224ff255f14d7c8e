"""What swaps and additions do to the rows of a matrix, or to its columns, taken by themselves.

Any product of elementary matrices is brought to one form, M = A_m ⋯ A_1·Π: a permutation of the
lines, and then additions, A = I + k·e_target·e_sourceᵀ, one after the other. Nothing is rounded on
the way: an addition goes past a permutation by renaming its lines.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphops._lines import Addition
from graphops.permutation import Permutation
from graphops.validation import check_indices, check_number, check_two_indices


@dataclass(frozen=True, eq=False, repr=False)
class LineMap:
    """A permutation of n lines followed by additions of lines to lines, as a value.

    Attributes
    ----------
    permutation : Permutation
        Where each line comes from.
    sources, targets : ndarray of int, shape (m,)
        The additions, in this order, in places after the permutation; read-only.
    factors : ndarray of float64, shape (m,)
        Line ``targets[i]`` gains ``factors[i]`` × line ``sources[i]``; read-only.

    Raises
    ------
    TypeError, IndexError, ValueError
        If the lengths differ, a line is none of 0 … n − 1 or is added to itself, or a factor is not
        finite.

    Examples
    --------
    >>> swap, add = LineMap.swap(3, 0, 2), LineMap.add(3, 0, 1, 0.5)
    >>> add.then(swap)
    <LineMap of 3: 2 move, 1 addition>
    >>> add.then(swap).additions()
    [(2, 1, 0.5)]
    """

    permutation: Permutation
    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    factors: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check the additions and make the arrays read-only."""
        n = self.permutation.n
        sources = check_indices("sources", self.sources, n)
        targets = check_indices("targets", self.targets, n)
        factors = _finite(self.factors)
        if not len(sources) == len(targets) == len(factors):
            raise ValueError(
                "sources, targets and factors must have one length; "
                f"received {len(sources)}, {len(targets)} and {len(factors)}"
            )
        same = sources == targets
        if same.any():
            raise ValueError(
                f"source and target must differ; received {sources[np.argmax(same)]} for both"
            )
        for name, values in (("sources", sources), ("targets", targets), ("factors", factors)):
            own = values.copy()
            own.flags.writeable = False
            object.__setattr__(self, name, own)

    @classmethod
    def identity(cls, n: int) -> Self:
        """Return the map of n lines that changes nothing."""
        return cls.permuted(Permutation.identity(n))

    @classmethod
    def permuted(cls, permutation: Permutation) -> Self:
        """Return the map that permutes lines and adds none."""
        none = np.zeros(0, dtype=np.intp)
        return cls(permutation, none, none, none.astype(np.float64))

    @classmethod
    def swap(cls, n: int, a: int, b: int) -> Self:
        """Return the map of n lines that exchanges a and b."""
        return cls.permuted(Permutation.swap(n, a, b))

    @classmethod
    def add(cls, n: int, source: int, target: int, factor: float) -> Self:
        """Return the map of n lines that adds factor × source to target."""
        source, target = check_two_indices(("source", "target"), source, target, n)
        lines = np.array([source]), np.array([target])
        return cls(Permutation.identity(n), *lines, np.array([check_number("factor", factor)]))

    def additions(self) -> list[Addition]:
        """Return the additions as (source, target, factor), in their order."""
        columns = self.sources.tolist(), self.targets.tolist(), self.factors.tolist()
        return list(zip(*columns, strict=True))

    def then(self, other: "LineMap") -> "LineMap":
        """Return this map followed by another of as many lines: O(what both change)."""
        self._check_size(other.n)
        if self.is_identity:
            return other
        place = other.permutation.inverse()
        return LineMap(
            self.permutation.then(other.permutation),
            np.concatenate([place.take(self.sources), other.sources]),
            np.concatenate([place.take(self.targets), other.targets]),
            np.concatenate([self.factors, other.factors]),
        )

    def inverse(self) -> "LineMap":
        """Return the map that undoes this one."""
        return LineMap(
            self.permutation.inverse(),
            self.permutation.take(self.sources[::-1]),
            self.permutation.take(self.targets[::-1]),
            -self.factors[::-1],
        )

    def renamed(self, order: Permutation) -> "LineMap":
        """Return what this map is once the lines themselves stand in another order: P·M·Pᵀ."""
        self._check_size(order.n)
        if self.is_identity or order.is_identity:
            return self
        place = order.inverse()
        return LineMap(
            place.then(self.permutation).then(order),
            place.take(self.sources),
            place.take(self.targets),
            self.factors,
        )

    def contragredient(self) -> "LineMap":
        """Return the inverse of the transpose, (Mᵀ)⁻¹: what keeps M's effect on a basis in step."""
        return LineMap(self.permutation, self.targets, self.sources, -self.factors)

    def _check_size(self, n: int) -> None:
        if n != self.n:
            raise ValueError(f"both must be of {self.n} lines; received {n}")

    @property
    def n(self) -> int:
        """Number of lines."""
        return self.permutation.n

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves and nothing is added."""
        return self.permutation.is_identity and not self.factors.size

    @property
    def determinant(self) -> int:
        """The determinant of M, exactly: the permutation's sign, for additions have determinant 1."""
        return self.permutation.sign

    def __eq__(self, other: object) -> bool:
        """Tell whether permutations and additions are the same, in the same order."""
        if not isinstance(other, LineMap):
            return NotImplemented
        return self.permutation == other.permutation and self.additions() == other.additions()

    def __hash__(self) -> int:
        """Hash permutation and additions."""
        return hash((self.permutation, tuple(self.additions())))

    def __repr__(self) -> str:
        """Say how much moves and how much is added."""
        moved, added = len(self.permutation.places), len(self.factors)
        return f"<LineMap of {self.n}: {moved} move, {added} addition{'s' * (added != 1)}>"

    def to_record(self) -> dict[str, Any]:
        """Return a JSON-able record; :meth:`from_record` gives the same map back."""
        return {
            "order": self.permutation.to_runs(),
            "additions": [list(addition) for addition in self.additions()],
        }

    @classmethod
    def from_record(cls, n: int, record: Any, name: str) -> Self:
        """Return the map of n lines that a record from outside describes, or say what is wrong."""
        check_keys(name, record, ("order", "additions"))
        permutation = Permutation.from_runs(n, record["order"], f"{name}.order")
        additions = record["additions"]
        if not isinstance(additions, list):
            raise TypeError(f"{name}.additions must be a list; received {additions!r}")
        for addition in additions:
            if not isinstance(addition, list) or len(addition) != 3:
                raise TypeError(
                    f"{name}.additions must hold [source, target, factor]; received {addition!r}"
                )
            source, target, factor = addition
            check_two_indices((f"{name} source", f"{name} target"), source, target, n)
            check_number(f"{name} factor", factor)
        sources, targets, factors = zip(*additions, strict=True) if additions else ([], [], [])
        return cls(
            permutation,
            np.array(sources, dtype=np.intp),
            np.array(targets, dtype=np.intp),
            np.array(factors, dtype=np.float64),
        )


def check_keys(name: str, record: Any, keys: tuple[str, ...]) -> None:
    """Refuse what is no dictionary with exactly these keys: TypeError or ValueError."""
    if not isinstance(record, dict):
        raise TypeError(f"{name} must be a dictionary; received {record!r}")
    if record.keys() != set(keys):
        received = ", ".join(sorted(map(str, record))) or "none"
        raise ValueError(f"{name} must have the keys {', '.join(keys)}; received {received}")


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(values)
    if given.dtype.kind not in "iuf" or given.ndim != 1:
        raise TypeError(
            f"factors must be one-dimensional real numbers; received {given.ndim} dimensions "
            f"of {given.dtype}"
        )
    finite = np.isfinite(given)
    if not finite.all():
        raise ValueError(f"factors must be finite; received {given[np.argmin(finite)]}")
    return given.astype(np.float64) + 0.0  # so that −0 is 0, and equal maps hash alike
