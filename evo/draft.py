"""An edit session: the one place where a genome's matrix changes.

A modify phase opens a draft of the parent, applies operators in recorded order and freezes the result once, so that
a policy sees every intermediate state. The methods are the elementary operations of :mod:`graphops`, applied to the
whole genome: to the matrix, to the bias row where columns are concerned, and to the node table where nodes move.

Nothing is moved before the end: swaps and reordering exchange numbers (:mod:`evo.numbering`), and only columns whose
entries change are written anew (:mod:`evo.columns`). So an operation costs what it touches, and the whole matrix is
copied once, by :meth:`Draft.freeze`.

With every entry goes its *origin*: the parent's entry whose trained state it carries on. Swaps and reordering move
origins along; additions and assignments clear them on what they change, so that the optimiser's momentum follows an
edge exactly as long as it is the same edge.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from evo import column_gathering_kernels
from evo.column_kernels import NOWHERE
from evo.columns import Columns, Written
from evo.genome import FloatArray, Genome, Role, assemble_columns
from evo.numbering import Numbering, order_of_entries
from evo.ranking import quantile_score
from graphops.validation import check_indices, check_order, check_two_indices

Ints = NDArray[np.integer[Any]]


class Draft:
    """A genome under construction.

    Parameters
    ----------
    parent : Genome
        The genome to start from; it is not changed.
    origins : bool
        Whether :meth:`carry` shall work. Without, less memory is needed.

    Attributes
    ----------
    parent : Genome
    """

    def __init__(self, parent: Genome, *, origins: bool = True) -> None:
        n = parent.n_nodes
        self.parent = parent
        self.threshold_mode = parent.threshold_mode
        self.ticks = parent.ticks
        self._track = origins
        self._columns = Columns(parent.indptr, parent.indices, parent.values)
        self._numbers = Numbering(n)
        # By node.
        self._ids, self._roles, self._activations = parent.ids, parent.roles, parent.activations
        self._limit = parent.limit
        # By column.
        self._bias = parent.bias.copy()
        self._bias_origins = np.arange(n)
        self._n_live: int | None = None

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self._numbers.order)

    @property
    def n_stored(self) -> int:
        """Number of stored entries."""
        return self._columns.n_stored

    @property
    def n_live(self) -> int:
        """Number of edges: stored entries that the threshold lets through."""
        if self._limit is None:
            return self.n_stored
        if self._n_live is None:
            limits = self._limits()
            if len(limits) > 1:
                self._n_live = self._count_live(np.arange(self._columns.n))
            else:
                self._n_live = self._columns.count_all_live(limits, self._signed)
        return self._n_live

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of weights and biases."""
        return self._columns.dtype

    @property
    def ids(self) -> NDArray[np.int64]:
        """Names of the nodes, by position."""
        return self._ids[self._numbers.order]

    @property
    def roles(self) -> NDArray[np.uint8]:
        """Roles of the nodes, by position."""
        return self._roles[self._numbers.order]

    @property
    def activations(self) -> NDArray[np.uint8]:
        """Codes of the activations, by position."""
        return self._activations[self._numbers.order]

    @property
    def bias(self) -> FloatArray:
        """Biases, by position; a copy."""
        bias: FloatArray = self._bias[self._numbers.columns(slice(None))]
        return bias

    @property
    def limit(self) -> float | FloatArray | None:
        """The threshold A as it stands: one number, one per position, or None."""
        limit = self._limit
        return limit[self._numbers.order] if isinstance(limit, np.ndarray) else limit

    @property
    def weights(self) -> sparse.csc_array:
        """The matrix as it stands, shape (n, n), to be read only: written out, so as dear as :meth:`freeze`."""
        indptr, rows, values, _ = self._write(origins=False)
        return assemble_columns(indptr, rows, values)

    def quantile_limit(self, quantile: float, targets: Ints | None = None) -> float:
        """Return the threshold that leaves the lowest share `quantile` behind: :func:`graphops.quantile_limit`.

        Of all stored entries, or of those of some targets.
        """
        columns = None if targets is None else self._numbers.columns(targets)
        return quantile_score(self._columns, quantile, signed=self._signed, some=columns)

    def role(self, positions: Ints | int) -> NDArray[np.uint8]:
        """Return the roles of some nodes: O(1) each."""
        found: NDArray[np.uint8] = self._roles[self._numbers.order[positions]]
        return found

    def in_degree(self, positions: Ints | int | slice) -> Ints:
        """Return the stored entries of some columns: O(1) each."""
        sizes: Ints = self._columns.sizes[self._numbers.columns(positions)]
        return sizes

    def out_degree(self, positions: Ints | int) -> Ints:
        """Return the stored entries of some rows: O(1) each, once all have been counted."""
        sizes: Ints = self._columns.row_sizes[self._numbers.rows(positions)]
        return sizes

    def positions(self, *roles: Role) -> NDArray[np.intp]:
        """Return the positions of the nodes that have one of these roles, ascending."""
        return np.flatnonzero(np.isin(self.roles, roles))

    def column(self, position: int) -> tuple[Ints, FloatArray]:
        """Return what a node listens to: positions, ascending, and weights."""
        rows, values = self._columns.column(self._numbers.columns(position))
        return _ascending(self._numbers.places_of_rows(rows), values)

    def row(self, position: int) -> tuple[Ints, FloatArray]:
        """Return whom a node speaks to: positions, ascending, and weights.

        A pass over all stored rows: O(stored entries), though a quick one.
        """
        columns, values = self._columns.row(self._numbers.rows(position))
        return _ascending(self._numbers.places_of_columns(columns), values)

    def holds(self, sources: Ints, targets: Ints) -> NDArray[np.bool_]:
        """Tell for each place (source, target) whether it is stored."""
        return self._columns.holds(self._numbers.rows(sources), self._numbers.columns(targets))

    # -- changing --------------------------------------------------------------------------------------------------

    def swap_columns(self, a: int, b: int) -> None:
        """Exchange what nodes a and b listen to, biases included (operator B)."""
        positions = self._two_positions("a", "b", a, b)
        with self._recounting(self._numbers.columns(positions)):  # limits stay with the nodes
            self._numbers.swap_columns(positions)

    def swap_rows(self, a: int, b: int) -> None:
        """Exchange whom nodes a and b speak to (operator D)."""
        self._numbers.swap_rows(self._two_positions("a", "b", a, b))

    def reorder(self, order: ArrayLike) -> None:
        """Put the node at old position ``order[p]`` at position p, with its row, column and table entry (H)."""
        self._numbers.reorder(check_order("order", order, self.n_nodes))

    def move(self, node: int, destination: int) -> None:
        """Take a node out of the order and put it in again elsewhere; those between move up by one (H).

        O(distance).
        """
        self._numbers.move(*self._two_positions("node", "destination", node, destination))

    def add_column(self, source: int, target: int, factor: float, scale: float = 1.0) -> None:
        """Make `target` also listen to what `source` listens to (operator C).

        Column and bias of `target` become ``scale · (target + factor · source)``.
        """
        positions = self._two_positions("source", "target", source, target)
        from_column, to_column = self._numbers.columns(positions)
        k, rescale = self._rounded("factor", factor), self._rounded("scale", scale)
        with self._recounting(np.array([to_column])):
            self._columns.merge(from_column, to_column, k, rescale)
        self._bias[to_column] += k * self._bias[from_column]
        self._bias[to_column] *= rescale
        self._bias_origins[to_column] = NOWHERE

    def add_row(self, source: int, target: int, factor: float, scale: float = 1.0) -> None:
        """Make `target` also speak to those whom `source` speaks to (operator F); biases stay.

        Row `target` becomes ``scale · (target + factor · source)``.
        """
        positions = self._two_positions("source", "target", source, target)
        from_row, to_row = self._numbers.rows(positions)
        k, rescale = self._rounded("factor", factor), self._rounded("scale", scale)
        columns = self._columns.columns_holding(from_row, to_row)
        with self._recounting(columns):
            self._columns.add_row(columns, from_row, to_row, k, rescale)

    def assign(self, sources: ArrayLike, targets: ArrayLike, values: ArrayLike) -> None:
        """Give entries, each named once, a value, creating those that are not stored (operator N)."""
        at_sources = check_indices("sources", sources, self.n_nodes)
        at_targets = check_indices("targets", targets, self.n_nodes)
        weights = self._rounded("values", values)
        if not len(at_sources) == len(at_targets) == weights.size:
            given = f"{len(at_sources)}, {len(at_targets)} and {weights.size}"
            raise ValueError(f"sources, targets and values must have one length; received {given}")
        rows = self._numbers.rows(at_sources)
        columns = self._numbers.columns(at_targets)
        ascending, twice = order_of_entries(rows, columns)
        if twice is not None:
            raise ValueError(
                "sources and targets must name a place once; "
                f"received ({at_sources[twice]}, {at_targets[twice]}) repeatedly"
            )
        rows, columns = rows[ascending], columns[ascending]
        with self._recounting(np.unique(columns)):
            self._columns.assign(rows, columns, weights[ascending])

    def set_bias(self, positions: ArrayLike, values: ArrayLike) -> None:
        """Give nodes a bias: their entry in the row of the constant node (operator N)."""
        columns = self._numbers.columns(check_indices("positions", positions, self.n_nodes))
        self._bias[columns] = self._rounded("values", values)
        self._bias_origins[columns] = NOWHERE

    def insert(self, counts: Ints, sources: Ints, values: FloatArray) -> None:
        """Create many entries at once (operator N): ``counts[j]`` into the node at position j, target after target.

        None may be stored; sources ascend within a target. One pass, over a matrix in which nothing has moved yet.
        """
        if not (self._columns.unedited and self._numbers.unmoved):
            raise ValueError("many entries must be inserted before nodes move or entries change")
        self._columns.insert(counts, sources, values)
        self._n_live = None

    def forget(self, source: int, target: int) -> None:
        """Take one entry away, stored or not."""
        row = self._numbers.rows(source)
        columns = self._numbers.columns([target])
        with self._recounting(columns):
            self._columns.clear_row(row, columns)

    def set_limit(self, limit: float | FloatArray | None) -> None:
        """Set the threshold A, one number or one per position; what does not pass sleeps but stays stored (A)."""
        if isinstance(limit, np.ndarray):
            if limit.shape != (self.n_nodes,):
                raise ValueError(
                    f"limit must be one number or have shape ({self.n_nodes},); got {limit.shape}"
                )
            given, limit = limit, np.zeros(len(self._ids), limit.dtype)
            limit[self._numbers.order] = given
        self._limit = limit
        self._n_live = None

    def drop_dormant(self) -> None:
        """Forget the stored entries that the threshold does not let through."""
        if self._limit is not None:
            self._columns.keep_live(self._limits(), self._signed, origins=self._track)
            self._n_live = self.n_stored

    def add_node(
        self, position: int, *, activation: int, bias: float = 0.0, limit: float = 0.0
    ) -> None:
        """Put a new hidden node, without edges, at a position of the order; it gets an unused id.

        `limit` is its threshold, where every node has one of its own.
        """
        (place,) = check_indices("position", [position], self.n_nodes + 1)
        self._columns.append()
        self._ids = np.append(self._ids, self._ids.max() + 1)
        self._roles = np.append(self._roles, np.uint8(Role.HIDDEN))
        self._activations = np.append(self._activations, np.uint8(activation))
        if isinstance(self._limit, np.ndarray):
            self._limit = np.append(self._limit, self._limit.dtype.type(limit))
        self._bias = np.append(self._bias, self._rounded("bias", bias))
        self._bias_origins = np.append(self._bias_origins, NOWHERE)
        self._numbers.insert(int(place))

    def remove_node(self, position: int) -> None:
        """Take a hidden node away, with its row, its column and its bias."""
        (place,) = check_indices("position", [position], self.n_nodes)
        if self.role(place) != Role.HIDDEN:
            raise ValueError(f"position must be that of a hidden node; {position} is none")
        row, column = self._numbers.rows(place), self._numbers.columns(place)
        holding = self._columns.columns_holding(row)
        with self._recounting(np.union1d(holding, [column])):
            self._columns.clear_row(row, holding)
            self._columns.clear_column(column)
        self._numbers.remove(int(place))

    # -- closing ---------------------------------------------------------------------------------------------------

    def freeze(self) -> Genome:
        """Return the result as a genome; it shares no writable array with this draft."""
        indptr, rows, values, _ = self._write(origins=False)
        return Genome(
            indptr=indptr,
            indices=rows,
            values=values,
            bias=self.bias,
            ids=self.ids,
            roles=self.roles,
            activations=self.activations,
            limit=self.limit,
            threshold_mode=self.threshold_mode,
            ticks=self.ticks,
        )

    def carry(self, memory: FloatArray) -> FloatArray:
        """Move per-parameter state of the parent to the result's entries and biases.

        Parameters
        ----------
        memory : ndarray, shape (k, parent stored entries + parent nodes)

        Returns
        -------
        ndarray, shape (k, stored entries + nodes)
            Zero where an entry or bias is new or was changed by an operator.
        """
        if not self._track:
            raise ValueError("carry needs a draft with origins")
        carried = np.empty((len(memory), self.n_stored + self.n_nodes), memory.dtype)
        entries, biases = np.split(carried, [self.n_stored], axis=1)
        old_entries, old_biases = np.split(memory, [self.parent.n_stored], axis=1)
        of_biases = self._bias_origins[self._numbers.columns(slice(None))]
        column_gathering_kernels.carry(old_entries, self._write(origins=True)[3], entries)
        column_gathering_kernels.carry(old_biases, of_biases, biases)
        return carried

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _signed(self) -> bool:
        return self.threshold_mode == "signed"

    def _limits(self) -> FloatArray:
        """Return the threshold for the compiled loops: one number, or one per column."""
        with np.errstate(over="ignore"):
            if isinstance(self._limit, np.ndarray):
                return self._limit[self._numbers.node_of_column].astype(self.dtype)
            return np.array([self._limit]).astype(self.dtype)

    def _count_live(self, columns: Ints) -> int:
        return self._columns.count_live(columns, self._limits(), self._signed)

    @contextmanager
    def _recounting(self, columns: Ints) -> Iterator[None]:
        """Keep the number of edges right while some columns change."""
        counted = self._limit is not None and self._n_live is not None
        before = self._count_live(columns) if counted else 0
        yield
        if counted and self._n_live is not None:
            self._n_live += self._count_live(columns) - before

    def _two_positions(self, first: str, second: str, a: int, b: int) -> list[int]:
        return list(check_two_indices((first, second), a, b, self.n_nodes))

    def _rounded(self, name: str, value: ArrayLike) -> Any:
        """Round a number, or several, to the weights' dtype, in which they must be finite."""
        with np.errstate(over="ignore"):
            numbers = np.asarray(value).astype(self.dtype)
        if not np.isfinite(numbers).all():
            first = np.asarray(value)[~np.isfinite(numbers)].flat[0]
            raise ValueError(f"{name} must be finite in {self.dtype}; received {first}")
        return numbers[()]

    def _write(self, *, origins: bool) -> Written:
        """Write the matrix out in order of positions."""
        return self._columns.gather(
            self._numbers.columns(slice(None)), self._numbers.places_of_rows(), origins=origins
        )


def _ascending(places: Ints, values: FloatArray) -> tuple[Ints, FloatArray]:
    order = np.argsort(places)
    return places[order], values[order]
