"""The algebra of the operators B, C, D, F and H by itself: any number of them as one value (S20).

Every product of these operations is brought to the form

    W ↦ L·(P·W·Pᵀ)·R

where P reorders nodes, and L (for rows) and R (for columns) are each a permutation followed by
additions of lines. P stands apart because it alone moves nodes: swapping columns a and b and then
rows a and b gives the same matrix as exchanging the nodes a and b, but there the node table stays
and here it moves along. L and R may be swapped past P by renaming their lines, so composition and
inversion only rename, and round nothing.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from graphops import _lines, _stored
from graphops.determinant import SignedLogDeterminant
from graphops.linemap import LineMap, check_keys
from graphops.permutation import Permutation
from graphops.validation import Matrix, check_integer, check_node_matrix

MAX_RECORDED_NODES = 2**24
"""What :meth:`Transform.from_record` believes without being told: a few hundred megabytes."""


@dataclass(frozen=True, eq=False, repr=False)
class Transform:
    """A change of an n × n matrix by swaps, additions and reordering, as a value.

    Attributes
    ----------
    order : Permutation
        P: how nodes move (operator H). The node table is to be indexed by ``order.to_array()``.
    left : LineMap
        L: what happens to rows (operators D, F), in places after the reordering.
    right : LineMap
        Rᵀ: what happens to columns (operators B, C), in places after the reordering.

    Raises
    ------
    ValueError
        If the three are not of one size.

    Notes
    -----
    Equal transforms do the same; but the same matrices can be had from different additions, and
    those are not equal. Composition is associative exactly, and the inverse of the inverse is equal
    to the transform. ``transform.then(transform.inverse())`` is in general not equal to the
    identity, though it does what that does: exactly if there are swaps and orders only, else to
    rounding.

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

    order: Permutation
    left: LineMap
    right: LineMap

    def __post_init__(self) -> None:
        """Check that all three are about as many nodes."""
        sizes = self.order.n, self.left.n, self.right.n
        if len(set(sizes)) > 1:
            raise ValueError(f"order, left and right must have one size; received {sizes}")

    # -- one operation ---------------------------------------------------------------------------

    @classmethod
    def identity(cls, n: int) -> Self:
        """Return the transform of n nodes that changes nothing."""
        return cls(Permutation.identity(n), LineMap.identity(n), LineMap.identity(n))

    @classmethod
    def swap_columns(cls, n: int, a: int, b: int) -> Self:
        """Return operator B for n nodes; see :func:`graphops.swap_columns`."""
        return cls(Permutation.identity(n), LineMap.identity(n), LineMap.swap(n, a, b))

    @classmethod
    def add_column(cls, n: int, source: int, target: int, factor: float) -> Self:
        """Return operator C for n nodes; see :func:`graphops.add_column`."""
        right = LineMap.add(n, source, target, factor)
        return cls(Permutation.identity(n), LineMap.identity(n), right)

    @classmethod
    def swap_rows(cls, n: int, a: int, b: int) -> Self:
        """Return operator D for n nodes; see :func:`graphops.swap_rows`."""
        return cls(Permutation.identity(n), LineMap.swap(n, a, b), LineMap.identity(n))

    @classmethod
    def add_row(cls, n: int, source: int, target: int, factor: float) -> Self:
        """Return operator F for n nodes; see :func:`graphops.add_row`."""
        left = LineMap.add(n, source, target, factor)
        return cls(Permutation.identity(n), left, LineMap.identity(n))

    @classmethod
    def reorder(cls, order: ArrayLike) -> Self:
        """Return operator H: position p shall hold the node that was at ``order[p]``."""
        permutation = Permutation.from_order(order)
        n = permutation.n
        return cls(permutation, LineMap.identity(n), LineMap.identity(n))

    # -- algebra ---------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """Number of nodes n."""
        return self.order.n

    def then(self, other: "Transform") -> "Transform":
        """Return this transform followed by another of as many nodes.

        Raises
        ------
        ValueError
            If the other has another number of nodes.

        Notes
        -----
        O(what both change), and O(n) at most, beside the additions.
        """
        if self.n_nodes != other.n_nodes:
            raise ValueError(
                f"both transforms must be of {self.n_nodes} nodes; received {other.n_nodes}"
            )
        return Transform(
            self.order.then(other.order),
            self.left.renamed(other.order).then(other.left),
            self.right.renamed(other.order).then(other.right),
        )

    def __matmul__(self, first: object) -> "Transform":
        """Compose as functions do: ``(second @ first).apply(W)`` is ``second`` after ``first``."""
        return first.then(self) if isinstance(first, Transform) else NotImplemented

    def inverse(self) -> "Transform":
        """Return the transform that undoes this one: exactly, or to rounding if it adds lines."""
        back = self.order.inverse()
        return Transform(
            back, self.left.inverse().renamed(back), self.right.inverse().renamed(back)
        )

    def apply(self, W: Matrix) -> Matrix:
        """Return L·(P·W·Pᵀ)·R.

        Parameters
        ----------
        W : ndarray or sparse array, shape (n, n, …) or (n + 1, n, …)
            A further row holds biases: nodes and columns take theirs along, and no operation on
            rows touches them. An ndarray may have kernel axes.

        Returns
        -------
        ndarray or csc_array, of the shape and dtype of `W`
            A new matrix. A sparse one stores where `W` did, moved along, and for each addition the
            union of both lines.

        Raises
        ------
        ValueError
            If `W` is no finite matrix of n nodes, or an entry would not be finite.

        Notes
        -----
        Lines are moved, then columns added, then rows, each sum rounded to the dtype of `W` as it
        is made; dense and sparse agree to the last bit. So a transform of one operation gives the
        very matrix which the function of that name gives, and one of many the same to rounding.

        O(nnz + n) and a merge of two lines per addition on a sparse matrix, however many operations
        are composed; plus O(log(column)) for each entry of a column whose rows do not keep their
        order.
        """
        W = check_node_matrix(W)
        if W.shape[1] != self.n_nodes:
            raise ValueError(f"W must have {self.n_nodes} columns; received shape {W.shape}")
        moved = self._move(W)
        if self.right.factors.size:
            moved = _lines.add_columns(moved, self.right.additions())
        if self.left.factors.size:
            moved = _lines.add_rows(moved, self.left.additions())
        return moved.copy() if moved is W else moved

    def _move(self, W: Matrix) -> Matrix:
        """Return Π_L·P·W·Pᵀ·Π_Rᵀ as a new matrix, or `W` if nothing moves."""
        rows = self.order.then(self.left.permutation)
        columns = self.order.then(self.right.permutation)
        if rows.is_identity and columns.is_identity:
            return W
        if not isinstance(W, sparse.csc_array):
            from_rows = np.append(rows.to_array(), np.arange(self.n_nodes, len(W)))
            return W[np.ix_(from_rows, columns.to_array())]
        place = np.append(rows.inverse().to_array(), np.arange(self.n_nodes, W.shape[0]))
        return _stored.take(
            W,
            None if columns.is_identity else columns.to_array(),
            None if rows.is_identity else place,
        )

    def matrices(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the dense matrices with ``apply(W) = left @ W @ right``, for reading and teaching.

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
        back = self.order.inverse().to_array()
        left: Any = Transform(self.order, self.left, identity).apply(one)  # L·P·Pᵀ
        right: Any = Transform(self.order, identity, self.right).apply(one)  # P·Pᵀ·R
        return left[:, back], right[back]

    # -- laws ------------------------------------------------------------------------------------

    @property
    def determinant_factor(self) -> int:
        """What the determinant of W is multiplied by, exactly: 1 or −1 (S17).

        A swap changes the sign, additions and reordering change nothing.
        """
        return self.left.determinant * self.right.determinant

    def predict(self, before: SignedLogDeterminant) -> SignedLogDeterminant:
        """Return the determinant of the transformed matrix, given that of the matrix.

        Examples
        --------
        >>> from graphops import slogdet
        >>> Transform.swap_rows(2, 0, 1).predict(slogdet(np.eye(2)))
        SignedLogDeterminant(sign=-1.0, log_abs=0.0)
        """
        sign = before.sign * self.determinant_factor if before.sign else 0.0
        return SignedLogDeterminant(sign, before.log_abs)

    @property
    def keeps_spectrum(self) -> bool:
        """Whether this is seen to be a change of basis, R = L⁻¹.

        Then the eigenvalues stay, and with them det(I − W), trace and every closed walk's sum. True
        where only nodes are reordered (H), where columns and rows are swapped alike (B then D), and
        where the additions of rows undo those of columns (C by k from a to b, then F by −k from b
        to a). Known from the form alone: L and R that are inverse by accident are not noticed, and
        without R = L⁻¹ there is no law for det(I − W).
        """
        return self.left == self.right.contragredient()

    # -- value -----------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        """Tell whether order, left and right are the same."""
        if not isinstance(other, Transform):
            return NotImplemented
        return (self.order, self.left, self.right) == (other.order, other.left, other.right)

    def __hash__(self) -> int:
        """Hash order, left and right."""
        return hash((self.order, self.left, self.right))

    def __repr__(self) -> str:
        """Say how much moves and how much is added."""
        moved = [len(p.places) for p in (self.order, self.left.permutation, self.right.permutation)]
        return (
            f"<Transform of {self.n_nodes}: {moved[0]} nodes move, "
            f"{moved[1]} rows move, {len(self.left.factors)} row additions, "
            f"{moved[2]} columns move, {len(self.right.factors)} column additions>"
        )

    def to_record(self) -> dict[str, Any]:
        """Return a record for JSON; :meth:`from_record` gives an equal transform back.

        Returns
        -------
        dict
            ``nodes``: n. ``order``: runs [first, length] of node positions. ``left``, ``right``:
            each an ``order`` of lines and ``additions`` [source, target, factor].

        Examples
        --------
        >>> Transform.add_column(4, 0, 1, 0.5).to_record()["right"]
        {'order': [[0, 4]], 'additions': [[0, 1, 0.5]]}
        """
        return {
            "nodes": self.n_nodes,
            "order": self.order.to_runs(),
            "left": self.left.to_record(),
            "right": self.right.to_record(),
        }

    @classmethod
    def from_record(cls, record: Any, *, max_nodes: int = MAX_RECORDED_NODES) -> Self:
        """Return the transform that a record describes; the record may come from anywhere.

        Parameters
        ----------
        record : dict
            As :meth:`to_record` returns it, or JSON gives it back.
        max_nodes : int
            A record of more nodes is refused: a short one can ask for any amount of memory.

        Raises
        ------
        TypeError, IndexError, ValueError
            At the first part that is missing, of another type, out of range or too large.
        """
        check_keys("record", record, ("nodes", "order", "left", "right"))
        n = check_integer("nodes", record["nodes"], at_least=0)
        if n > max_nodes:
            raise ValueError(f"nodes must be at most {max_nodes}; received {n}")
        return cls(
            Permutation.from_runs(n, record["order"], "order"),
            LineMap.from_record(n, record["left"], "left"),
            LineMap.from_record(n, record["right"], "right"),
        )
