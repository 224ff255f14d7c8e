"""The algebra of the operators B, C, D, F and H: any product of them as one value (S20).

Every product of these operations has the form

    W ↦ L·(P·W·Pᵀ)·R

P reorders nodes. L (for rows) and R (for columns) are each a permutation followed by additions of lines. P is separate
because it also moves the node table. Swapping columns a and b, then rows a and b, gives the same matrix as exchanging
the nodes a and b, but leaves the node table unchanged. L and R commute with P if their lines are renamed, so
composition and inversion only rename lines and do not round.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from graphops import _stored
from graphops.determinant import SignedLogDeterminant
from graphops.linemap import (
    LineMap,
    add_columns,
    add_rows,
    check_keys,
    order_from_record,
    order_to_record,
)
from graphops.validation import Matrix, check_integer, check_node_matrix, check_order

MAX_RECORDED_NODES = 2**24
"""Default limit on the nodes of a record in :meth:`Transform.from_record`: a few hundred megabytes."""


@dataclass(frozen=True, eq=False, repr=False)
class Transform:
    """A change of an n × n matrix by swaps, additions and reordering, as a value.

    Attributes
    ----------
    order : ndarray of int, shape (n,)
        P (operator H): position p of the result holds the node that was at ``order[p]``; read-only. Index the node
        table with it.
    left : LineMap
        L: the change of rows (operators D, F), by positions after the reordering.
    right : LineMap
        Rᵀ: the change of columns (operators B, C), by positions after the reordering.

    Raises
    ------
    ValueError
        If the three are not of one size.

    Notes
    -----
    Composition is exactly associative, and the inverse of the inverse equals the transform. Different additions may
    give the same matrices; such transforms are not equal. ``transform.then(transform.inverse())`` acts as the identity
    (exactly for swaps and orders, else up to rounding) but is in general not equal to it.

    Examples
    --------
    >>> transform = Transform.swap_columns(3, 0, 1).then(Transform.add_row(3, 0, 2, 10.0))
    >>> W = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    >>> transform.apply(W)
    array([[ 2.,  1.,  3.],
           [ 5.,  4.,  6.],
           [28., 17., 39.]])
    >>> transform.inverse().apply(transform.apply(W))
    array([[1., 2., 3.],
           [4., 5., 6.],
           [7., 8., 9.]])
    >>> transform.determinant_factor
    -1
    """

    order: NDArray[np.intp]
    left: LineMap
    right: LineMap

    def __post_init__(self) -> None:
        """Check that all parts have one size, and store a read-only copy of the order."""
        sizes = np.size(self.order), self.left.n, self.right.n
        if len(set(sizes)) > 1:
            raise ValueError(f"order, left and right must have one size; got {sizes}")
        order = check_order("order", self.order, sizes[0]).copy()
        order.flags.writeable = False
        object.__setattr__(self, "order", order)

    # -- one operation ---------------------------------------------------------------------------

    @classmethod
    def identity(cls, n: int) -> Self:
        """Return the transform of n nodes that changes nothing."""
        return cls(np.arange(n), LineMap.identity(n), LineMap.identity(n))

    @classmethod
    def swap_columns(cls, n: int, a: int, b: int) -> Self:
        """Return operator B for n nodes; see :func:`graphops.swap_columns`."""
        return cls(np.arange(n), LineMap.identity(n), LineMap.swap(n, a, b))

    @classmethod
    def add_column(cls, n: int, source: int, target: int, factor: float) -> Self:
        """Return operator C for n nodes; see :func:`graphops.add_column`."""
        return cls(np.arange(n), LineMap.identity(n), LineMap.add(n, source, target, factor))

    @classmethod
    def swap_rows(cls, n: int, a: int, b: int) -> Self:
        """Return operator D for n nodes; see :func:`graphops.swap_rows`."""
        return cls(np.arange(n), LineMap.swap(n, a, b), LineMap.identity(n))

    @classmethod
    def add_row(cls, n: int, source: int, target: int, factor: float) -> Self:
        """Return operator F for n nodes; see :func:`graphops.add_row`."""
        return cls(np.arange(n), LineMap.add(n, source, target, factor), LineMap.identity(n))

    @classmethod
    def reorder(cls, order: ArrayLike) -> Self:
        """Return operator H: position p of the result holds the node that was at ``order[p]``."""
        n = np.size(order)
        return cls(np.asarray(order), LineMap.identity(n), LineMap.identity(n))

    # -- algebra ---------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """Number of nodes n."""
        return len(self.order)

    def then(self, other: "Transform") -> "Transform":
        """Return this transform followed by another: O(n + number of additions).

        Raises
        ------
        ValueError
            If the other transform has another number of nodes.
        """
        if self.n_nodes != other.n_nodes:
            raise ValueError(
                f"both transforms must be of {self.n_nodes} nodes; got {other.n_nodes}"
            )
        return Transform(
            self.order[other.order],
            self.left.renamed(other.order).then(other.left),
            self.right.renamed(other.order).then(other.right),
        )

    def inverse(self) -> "Transform":
        """Return the inverse transform. It undoes swaps and orders exactly, and additions up to rounding."""
        back = np.argsort(self.order)
        return Transform(
            back, self.left.inverse().renamed(back), self.right.inverse().renamed(back)
        )

    def apply(self, W: Matrix) -> Matrix:
        """Return L·(P·W·Pᵀ)·R.

        Parameters
        ----------
        W : ndarray or sparse array, shape (n, n, …) or (n + 1, n, …)
            A further row holds the biases. A bias moves with its node and its column; operations on rows do not change
            it. An ndarray may have kernel axes.

        Returns
        -------
        ndarray or csc_array, of the shape and dtype of `W`
            A new matrix. A sparse result stores the moved entries of `W`, and for each addition the union of both
            lines.

        Raises
        ------
        ValueError
            If `W` is not a finite matrix of n nodes, or a resulting entry is not finite.

        Notes
        -----
        Lines are moved, then columns are added, then rows. Each sum is rounded to the dtype of `W`. Dense and sparse
        results agree to the last bit. A transform of one operation gives the bits of the function of this name;
        a transform of several operations gives the result of these functions up to rounding.

        Cost on a sparse matrix, for any number of composed operations: O(nnz + n); for each addition one merge of two
        lines; and for each column whose rows change their order, sorting its entries.
        """
        W = check_node_matrix(W)
        if W.shape[1] != self.n_nodes:
            raise ValueError(f"W must have {self.n_nodes} columns; got shape {W.shape}")
        moved = self._move(W)
        if self.right.factors.size:
            moved = add_columns(moved, self.right.additions())
        if self.left.factors.size:
            moved = add_rows(moved, self.left.additions())
        return moved.copy() if moved is W else moved

    def _move(self, W: Matrix) -> Matrix:
        """Return Π_L·P·W·Pᵀ·Π_Rᵀ as a new matrix, or `W` if nothing moves."""
        same = np.arange(W.shape[0])
        rows = np.append(self.order[self.left.order], same[self.n_nodes :])
        columns = self.order[self.right.order]
        rows_stay, columns_stay = (
            np.array_equal(order, same[: len(order)]) for order in (rows, columns)
        )
        if rows_stay and columns_stay:
            return W
        if not isinstance(W, sparse.csc_array):
            return W[np.ix_(rows, columns)]
        return _stored.take(
            W, None if columns_stay else columns, None if rows_stay else np.argsort(rows)
        )

    def matrices(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the dense matrices with ``apply(W) = left @ W @ right``.

        Returns
        -------
        left, right : ndarray of float64, shape (n, n)
            L·P and Pᵀ·R; O(n²).

        Examples
        --------
        >>> left, right = Transform.add_column(2, 0, 1, 0.5).matrices()
        >>> right
        array([[1. , 0.5],
               [0. , 1. ]])
        """
        n = self.n_nodes
        identity, one = LineMap.identity(n), np.eye(n)
        back = np.argsort(self.order)
        left: Any = Transform(self.order, self.left, identity).apply(one)  # L·P·Pᵀ
        right: Any = Transform(self.order, identity, self.right).apply(one)  # P·Pᵀ·R
        return left[:, back], right[back]

    # -- laws ------------------------------------------------------------------------------------

    @property
    def determinant_factor(self) -> int:
        """The exact factor of the determinant of W: 1 or −1 (S17).

        A swap changes the sign; additions and reordering do not change the determinant.
        """
        return self.left.determinant * self.right.determinant

    def predict(self, before: SignedLogDeterminant) -> SignedLogDeterminant:
        """Return the determinant of the transformed matrix from the determinant of the matrix.

        Examples
        --------
        >>> from graphops import slogdet
        >>> Transform.swap_rows(2, 0, 1).predict(slogdet(np.eye(2)))
        SignedLogDeterminant(sign=-1.0, log_abs=0.0)
        """
        sign = before.sign * self.determinant_factor if before.sign else 0.0
        return SignedLogDeterminant(sign, before.log_abs)

    # -- value -----------------------------------------------------------------------------------

    def _key(self) -> tuple[Any, ...]:
        return self.order.tobytes(), self.left, self.right

    def __eq__(self, other: object) -> bool:
        """Return whether order, left and right are equal."""
        return self._key() == other._key() if isinstance(other, Transform) else NotImplemented

    def __hash__(self) -> int:
        """Hash order, left and right."""
        return hash(self._key())

    def __repr__(self) -> str:
        """Show the number of moved nodes and lines and of additions."""
        n_moved = np.count_nonzero(self.order != np.arange(self.n_nodes))
        return (
            f"<Transform of {self.n_nodes}: {n_moved} nodes move, "
            f"{self.left.n_moved} rows move, {len(self.left.factors)} row additions, "
            f"{self.right.n_moved} columns move, {len(self.right.factors)} column additions>"
        )

    def to_record(self) -> dict[str, Any]:
        """Return a record for JSON; :meth:`from_record` returns an equal transform.

        Returns
        -------
        dict
            ``nodes``: n. ``order``: the order of nodes, None for the identity. ``left``, ``right``: each an ``order``
            of lines and ``additions`` [source, target, factor].

        Examples
        --------
        >>> Transform.add_column(4, 0, 1, 0.5).to_record()["right"]
        {'order': None, 'additions': [[0, 1, 0.5]]}
        """
        return {
            "nodes": self.n_nodes,
            "order": order_to_record(self.order),
            "left": self.left.to_record(),
            "right": self.right.to_record(),
        }

    @classmethod
    def from_record(cls, record: Any, *, max_nodes: int = MAX_RECORDED_NODES) -> Self:
        """Return the transform that a record describes; the record may be untrusted.

        Parameters
        ----------
        record : dict
            A record of :meth:`to_record`, also after a round trip through JSON.
        max_nodes : int
            Largest number of nodes accepted. A short record could otherwise request any amount of memory.

        Raises
        ------
        TypeError, IndexError, ValueError
            If a part is missing, of another type, out of range or too large.
        """
        check_keys("record", record, ("nodes", "order", "left", "right"))
        n = check_integer("nodes", record["nodes"], at_least=0)
        if n > max_nodes:
            raise ValueError(f"nodes must be at most {max_nodes}; got {n}")
        return cls(
            order_from_record("order", record["order"], n),
            LineMap.from_record(n, record["left"], "left"),
            LineMap.from_record(n, record["right"], "right"),
        )
