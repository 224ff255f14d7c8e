"""An edit session: the one place where a genome's matrix changes.

A modify phase opens a draft of the parent, applies operators in recorded order and freezes the result once, so that
a policy sees every intermediate state. The methods are the elementary operations of :mod:`graphops`, applied to the
whole genome: to the matrix, to the bias row where columns are concerned, and to the node table where nodes move.

Beside the weights goes a matrix of *origins*: for each stored entry the number of the parent's entry whose trained
state it carries on. Swaps and reordering move origins along; additions and assignments clear them on what they
change, so that the optimiser's momentum follows an edge exactly as long as it is the same edge.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import graphops
from evo.genome import FloatArray, Genome, Role

NO_ORIGIN = -1.0


class Draft:
    """A genome under construction.

    Parameters
    ----------
    parent : Genome
        The genome to start from; it is not changed.

    Attributes
    ----------
    weights : scipy.sparse.csc_array, shape (n, n)
        The matrix as it stands.
    bias : ndarray, shape (n,)
    limit : float, ndarray of shape (n,) or None
        The threshold A as it stands.
    """

    def __init__(self, parent: Genome) -> None:
        self.parent = parent
        self.weights = parent.weights
        self.bias = parent.bias
        self.limit = parent.limit
        self.threshold_mode = parent.threshold_mode
        self.ticks = parent.ticks
        self.ids, self.roles, self.activations = parent.ids, parent.roles, parent.activations
        self._origins = self._like_weights(np.arange(parent.n_stored, dtype=np.float64))
        self._bias_origins = np.arange(parent.n_nodes, dtype=np.float64)

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.ids)

    @property
    def n_stored(self) -> int:
        """Number of stored entries."""
        return len(self.weights.data)

    @property
    def n_live(self) -> int:
        """Number of edges: stored entries that the threshold lets through."""
        if self.limit is None:
            return self.n_stored
        return int(graphops.threshold_mask(self.weights, self.limit, self.threshold_mode).sum())

    def column_sizes(self) -> NDArray[np.integer[Any]]:
        """Return the number of stored entries of each column (in-degree), shape (n,)."""
        sizes: NDArray[np.integer[Any]] = np.diff(self.weights.indptr)
        return sizes

    def row_sizes(self) -> NDArray[np.integer[Any]]:
        """Return the number of stored entries of each row (out-degree), shape (n,)."""
        return np.bincount(self.weights.indices, minlength=self.n_nodes)

    def positions(self, *roles: Role) -> NDArray[np.intp]:
        """Return the positions of the nodes that have one of these roles, ascending."""
        return np.flatnonzero(np.isin(self.roles, roles))

    # -- changing --------------------------------------------------------------------------------------------------

    def swap_columns(self, a: int, b: int) -> None:
        """Exchange what nodes a and b listen to, biases included (operator B)."""
        self._permute(lambda matrix: graphops.swap_columns(matrix, a, b))
        order = _swapped(self.n_nodes, a, b)
        self.bias, self._bias_origins = self.bias[order], self._bias_origins[order]

    def swap_rows(self, a: int, b: int) -> None:
        """Exchange whom nodes a and b speak to (operator D)."""
        self._permute(lambda matrix: graphops.swap_rows(matrix, a, b))

    def reorder(self, order: NDArray[np.intp]) -> None:
        """Put the node at old position ``order[p]`` at position p, with its row, column and table entry (H)."""
        self._permute(lambda matrix: graphops.reorder(matrix, order))
        self.bias, self._bias_origins = self.bias[order], self._bias_origins[order]
        self.ids, self.roles = self.ids[order], self.roles[order]
        self.activations = self.activations[order]
        if isinstance(self.limit, np.ndarray):
            self.limit = self.limit[order]

    def add_column(self, source: int, target: int, factor: float, scale: float = 1.0) -> None:
        """Make `target` also listen to what `source` listens to (operator C).

        Column and bias of `target` become ``scale · (target + factor · source)``.
        """
        self.weights = graphops.add_column(self.weights, source, target, factor)
        bias = self.bias.copy()
        bias[target] += bias.dtype.type(factor) * bias[source]
        bias[target] *= bias.dtype.type(scale)
        self.bias = bias
        start, end = self.weights.indptr[target : target + 2]
        self.weights.data[start:end] *= self.weights.dtype.type(scale)
        self._origins = graphops.add_column(self._origins, source, target, 0.0)
        self._origins.data[start:end] = NO_ORIGIN
        self._bias_origins = self._bias_origins.copy()
        self._bias_origins[target] = NO_ORIGIN

    def add_row(self, source: int, target: int, factor: float, scale: float = 1.0) -> None:
        """Make `target` also speak to those whom `source` speaks to (operator F); biases stay.

        Row `target` becomes ``scale · (target + factor · source)``.
        """
        self.weights = graphops.add_row(self.weights, source, target, factor)
        touched = self.weights.indices == target
        self.weights.data[touched] *= self.weights.dtype.type(scale)
        self._origins = graphops.add_row(self._origins, source, target, 0.0)
        self._origins.data[touched] = NO_ORIGIN

    def assign(
        self, sources: NDArray[np.intp], targets: NDArray[np.intp], values: FloatArray
    ) -> None:
        """Give entries a value, creating those that are not stored (operator N)."""
        self.weights = graphops.assign(self.weights, sources, targets, values)
        self._origins = graphops.assign(
            self._origins, sources, targets, np.full(len(values), NO_ORIGIN)
        )

    def set_limit(self, limit: float | FloatArray | None) -> None:
        """Set the threshold A; what does not pass it sleeps but stays stored (operator A)."""
        self.limit = limit

    def drop_dormant(self) -> None:
        """Forget the stored entries that the threshold does not let through."""
        if self.limit is None:
            return
        mask = graphops.threshold_mask(self.weights, self.limit, self.threshold_mode)
        indptr = np.concatenate([[0], np.cumsum(mask)])[self.weights.indptr]
        indices = self.weights.indices[mask]
        shape = self.weights.shape
        origins = self._origins.data[mask]
        self.weights = sparse.csc_array((self.weights.data[mask], indices, indptr), shape=shape)
        self._origins = sparse.csc_array((origins, indices, indptr), shape=shape)

    # -- closing ---------------------------------------------------------------------------------------------------

    def freeze(self) -> Genome:
        """Return the result as a genome; it shares no writable array with this draft."""
        return Genome(
            indptr=self.weights.indptr.astype(np.int64),
            indices=self.weights.indices.astype(np.int32),
            values=self.weights.data.copy(),
            bias=self.bias.copy(),
            ids=self.ids.copy(),
            roles=self.roles.copy(),
            activations=self.activations.copy(),
            limit=self.limit.copy() if isinstance(self.limit, np.ndarray) else self.limit,
            threshold_mode=self.threshold_mode,
            ticks=self.ticks,
        )

    def carry(self, memory: FloatArray) -> FloatArray:
        """Move per-parameter state of the parent to the result's entries and biases.

        Parameters
        ----------
        memory : ndarray, shape (k, parent stored entries + parent nodes)
            State of the optimiser, k numbers per entry and bias.

        Returns
        -------
        ndarray, shape (k, stored entries + nodes)
            Zero where an entry or bias is new or was changed by an operator.
        """
        n_parent = self.parent.n_stored
        bias = np.where(self._bias_origins >= 0, self._bias_origins + n_parent, NO_ORIGIN)
        origins = np.concatenate([self._origins.data, bias]).astype(np.intp)
        return np.where(origins >= 0, memory[:, origins], memory.dtype.type(0))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _like_weights(self, data: NDArray[np.float64]) -> sparse.csc_array:
        return sparse.csc_array(
            (data, self.weights.indices, self.weights.indptr), shape=self.weights.shape
        )

    def _permute(self, operation: Any) -> None:
        self.weights = operation(self.weights)
        self._origins = operation(self._origins)


def _swapped(n: int, a: int, b: int) -> NDArray[np.intp]:
    order = np.arange(n)
    order[[a, b]] = b, a
    return order
