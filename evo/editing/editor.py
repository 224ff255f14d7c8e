"""The editor: the one place where a genome's matrix changes.

A modify phase opens an editor of the parent, applies operators in recorded order, and freezes the result once. So a
policy sees every intermediate state. The methods are the elementary operations of :mod:`graphops`, applied to the whole
genome: to the matrix, to the biases where columns change, and to the node table where nodes move.

A *row* is a row of the matrix W: K · source + tap, with K of :attr:`evo.genome.genome.Genome.rows_per_node`. Where all
nodes are neurons K is 1, and the row is the source. Between maps an operation on the row of a node acts on its K rows.

Swaps and reordering exchange numbers (:mod:`evo.editing.node_order`); only columns whose entries change are written
again (:mod:`evo.editing.columns`). So an operation costs what it touches, and :meth:`GenomeEditor.freeze` copies the
matrix once.

Each entry has an *origin*: the parent's entry whose optimizer state it inherits. Swaps and reordering keep origins;
additions and assignments clear the origins of the entries they change, whose optimizer state then starts at 0.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from evo.editing import column_gathering_kernels
from evo.editing.column_kernels import NOWHERE
from evo.editing.columns import Columns, Written
from evo.editing.node_order import Ints, NodeOrder, sort_entries
from evo.editing.ranking import keeping_score, quantile_score
from evo.genome.feature_maps import windows
from evo.genome.genome import FloatArray, Genome, Role, assemble_columns, read_only
from evo.genome.possible_taps import PossibleTaps
from evo.genome.validity import check_activations, check_finite, check_threshold
from graphops.validation import check_indices, check_order, check_two_indices

Change = TypeVar("Change", bound=Callable[..., None])

Apply = Callable[..., None]
"""The function of an operator that changes an editor as parameters say."""


def _changing(method: Change) -> Change:
    """Return a method that changes the editor: what was frozen or tried before is no longer its state."""

    @wraps(method)
    def change(self: "GenomeEditor", *args: Any, **kwargs: Any) -> None:
        self._frozen = self._tried = None
        method(self, *args, **kwargs)

    return cast(Change, change)


class GenomeEditor:
    """A genome under construction: it can be read at any time, changed, and frozen.

    Parameters
    ----------
    parent : Genome
        The genome to start from; it is not changed.
    origins : bool
        Whether :meth:`carry` is needed. Without origins less memory is used.
    mates : mapping, optional
        Genomes that operators may recombine the parent with, by the number of their individual.

    Attributes
    ----------
    parent : Genome
    mates : mapping
    threshold_mode, ticks, kernel
        As of the parent.
    rows_per_node : int
        K. It stays that of the parent, so that rows keep their meaning.

    Notes
    -----
    A node is given by its index in the order of evaluation.
    """

    def __init__(
        self, parent: Genome, *, origins: bool = True, mates: Mapping[int, Genome] | None = None
    ) -> None:
        n = parent.n_nodes
        self.parent = parent
        self.mates: Mapping[int, Genome] = mates or {}
        self.threshold_mode = parent.threshold_mode
        self.ticks = parent.ticks
        self.kernel = parent.kernel
        self.rows_per_node = parent.rows_per_node
        self._track = origins
        self._parent_rows = parent.rows
        self._columns = Columns(parent.indptr, self._parent_rows, parent.values, self.rows_per_node)
        self._node_order = NodeOrder(n)
        # By number of the node.
        self._ids, self._roles, self._activations = parent.ids, parent.roles, parent.activations
        self._map_sizes = parent.map_sizes
        self._threshold = parent.threshold
        # By number of the column.
        self._bias = parent.bias.copy()
        self._bias_origins = np.arange(n)
        self._n_active: int | None = None
        self._frozen: Genome | None = parent
        self._tried: tuple[Apply, dict[str, Any], dict[str, Any], GenomeEditor] | None = None

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self._node_order.order)

    @property
    def n_stored(self) -> int:
        """Number of stored entries; between maps, of stored taps."""
        return self._columns.n_stored

    @property
    def n_places(self) -> int:
        """Number of possible entries: n × n, between maps all taps of all kernels."""
        if self.rows_per_node == 1:
            return self.n_nodes**2
        return PossibleTaps(self.map_sizes, self.kernel).count

    @property
    def n_active(self) -> int:
        """Number of active entries."""
        if self._threshold is None:
            return self.n_stored
        if self._n_active is None:
            thresholds = self._thresholds()
            if len(thresholds) > 1:
                self._n_active = self._count_active(np.arange(self._columns.n))
            else:
                self._n_active = self._columns.count_all_active(thresholds, self._signed)
        return self._n_active

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of weights and biases."""
        return self._columns.dtype

    @property
    def ids(self) -> NDArray[np.int64]:
        """Ids of the nodes."""
        return self._ids[self._node_order.order]

    @property
    def roles(self) -> NDArray[np.uint8]:
        """Roles of the nodes."""
        return self._roles[self._node_order.order]

    @property
    def activations(self) -> NDArray[np.uint8]:
        """Activation codes of the nodes."""
        return self._activations[self._node_order.order]

    @property
    def map_sizes(self) -> NDArray[np.int32]:
        """Map sizes of the nodes."""
        return self._map_sizes[self._node_order.order]

    @property
    def bias(self) -> FloatArray:
        """Biases of the nodes; a copy."""
        bias: FloatArray = self._bias[self._node_order.columns(slice(None))]
        return bias

    @property
    def threshold(self) -> float | FloatArray | None:
        """The threshold A: one number, one per node, or None."""
        threshold = self._threshold
        return threshold[self._node_order.order] if isinstance(threshold, np.ndarray) else threshold

    @property
    def weights(self) -> sparse.csc_array:
        """The matrix, shape (K·n, n), for reading only; it is written out, which costs as much as :meth:`freeze`."""
        indptr, rows, values, _ = self._write(origins=False)
        return assemble_columns(indptr, rows, values, self.rows_per_node)

    def quantile_threshold(self, quantile: float, targets: Ints | None = None) -> float:
        """Return the threshold that makes the lowest fraction of the entries dormant.

        As :func:`graphops.quantile_threshold`. All stored entries count, or those of some targets.
        """
        columns = None if targets is None else self._node_order.columns(targets)
        return quantile_score(self._columns, quantile, signed=self._signed, some=columns)

    def keeping_threshold(self, count: int, targets: Ints | None = None) -> float:
        """Return the threshold that keeps the highest `count` entries active; fewer if several equal the next one.

        All stored entries count, or those of some targets.
        """
        columns = None if targets is None else self._node_order.columns(targets)
        return keeping_score(self._columns, count, signed=self._signed, some=columns)

    def role(self, nodes: Ints | int) -> NDArray[np.uint8]:
        """Return the roles of some nodes: O(1) each."""
        order = self._node_order
        found: NDArray[np.uint8] = self._roles[order.order[nodes] if order.moved else nodes]
        return found

    def activation(self, nodes: Ints | int) -> NDArray[np.uint8]:
        """Return the activation codes of some nodes: O(1) each."""
        found: NDArray[np.uint8] = self._activations[self._node_order.order[nodes]]
        return found

    def map_size(self, nodes: Ints | int) -> NDArray[np.int32]:
        """Return the map sizes of some nodes: O(1) each."""
        found: NDArray[np.int32] = self._map_sizes[self._node_order.order[nodes]]
        return found

    def in_degree(self, nodes: Ints | int | slice) -> Ints:
        """Return the number of stored in-edges of some nodes: O(1) each."""
        sizes: Ints = self._columns.sizes[self._node_order.columns(nodes)]
        return sizes

    def active_degree(self) -> Ints:
        """Return the number of active in-edges of each node."""
        if self._threshold is None:
            return self.in_degree(slice(None))
        sizes = self._columns.active_sizes(self._thresholds(), self._signed)
        degrees: Ints = sizes[self._node_order.columns(slice(None))]
        return degrees

    def out_degree(self, nodes: Ints | int) -> Ints:
        """Return the number of stored out-edges of some nodes: O(1) each, once all have been counted."""
        sizes = self._columns.row_sizes
        if self.rows_per_node > 1:
            sizes = sizes.reshape(-1, self.rows_per_node).sum(axis=1)
        out_degree: Ints = sizes[self._node_order.rows(nodes)]
        return out_degree

    def positions(self, *roles: Role) -> NDArray[np.intp]:
        """Return the indices of the nodes that have one of these roles, ascending."""
        return np.flatnonzero(np.isin(self.roles, roles))

    def column(self, node: int) -> tuple[Ints, FloatArray]:
        """Return the in-edges of a node: rows of W, ascending, and weights."""
        rows, values = self._columns.column(self._node_order.columns(node))
        sources, taps = self.split(rows)
        return _ascending(self.join(self._node_order.indices_of_rows(sources), taps), values)

    def row(self, node: int) -> tuple[Ints, FloatArray]:
        """Return the out-edges of a node: K · target + tap of each, ascending, and weights.

        One quick pass over all stored rows: O(stored entries).
        """
        columns, rows, values = self._columns.row(self._node_order.rows(node))
        taps = self.split(rows)[1]
        return _ascending(self.join(self._node_order.indices_of_columns(columns), taps), values)

    def holds(self, rows: Ints, targets: Ints) -> NDArray[np.bool_]:
        """Tell for each place (row of W, target) whether it is stored."""
        return self._columns.holds(self._row_numbers(rows), self._node_order.columns(targets))

    def split(self, rows: Any) -> tuple[Any, Any]:
        """Return nodes and taps of rows of W; the taps are the number 0 if K is 1."""
        return (rows, 0) if self.rows_per_node == 1 else divmod(rows, self.rows_per_node)

    def join(self, nodes: Any, taps: Any) -> Any:
        """Return the rows of W of some nodes and taps."""
        return nodes if self.rows_per_node == 1 else nodes * self.rows_per_node + taps

    # -- changing --------------------------------------------------------------------------------------------------

    @_changing
    def swap_columns(self, a: int, b: int) -> None:
        """Exchange the in-edges and biases of nodes a and b, which have one map size (operator B).

        ::

            p ──► a        p ──► b
            q ──► b        q ──► a
        """
        nodes = self._two_of_one_size("a", "b", a, b)
        with self._recounting(self._node_order.columns(nodes)):  # thresholds stay with the nodes
            self._node_order.swap_columns(nodes)

    @_changing
    def swap_rows(self, a: int, b: int) -> None:
        """Exchange the out-edges of nodes a and b, which have one map size (operator D).

        ::

            a ──► p        b ──► p
            b ──► q        a ──► q
        """
        self._node_order.swap_rows(self._two_of_one_size("a", "b", a, b))

    @_changing
    def reorder(self, order: ArrayLike) -> None:
        """Put node ``order[k]`` at index k, with its row, column and table entry (operator H)."""
        self._node_order.reorder(check_order("order", order, self.n_nodes))

    @_changing
    def move(self, node: int, destination: int) -> None:
        """Take a node out of the order and insert it at another index (operator H): O(distance)."""
        self._node_order.move(*self._two_nodes("node", "destination", node, destination))

    @_changing
    def add_column(self, source: int, target: int, factor: float, scale: float = 1.0) -> None:
        """Add the in-edges of `source`, times `factor`, to those of `target`, of the same map size (operator C).

        Column and bias of `target` become ``scale · (target + factor · source)``.

        ::

            p ──w──► source        p ──w──► source
                                   p ──factor·w──► target
        """
        nodes = self._two_of_one_size("source", "target", source, target)
        from_column, to_column = self._node_order.columns(nodes)
        k, rescale = self._rounded("factor", factor), self._rounded("scale", scale)
        with self._recounting(np.array([to_column])):
            self._columns.merge(from_column, to_column, k, rescale)
        self._bias[to_column] += k * self._bias[from_column]
        self._bias[to_column] *= rescale
        self._bias_origins[to_column] = NOWHERE

    @_changing
    def add_row(self, source: int, target: int, factor: float, scale: float = 1.0) -> None:
        """Add the out-edges of `source`, times `factor`, to those of `target`, of the same map size (operator F).

        Row `target`, between maps each of its rows, becomes ``scale · (target + factor · source)``. Biases stay.
        """
        nodes = self._two_of_one_size("source", "target", source, target)
        from_row, to_row = self._node_order.rows(nodes)
        k, rescale = self._rounded("factor", factor), self._rounded("scale", scale)
        columns = self._columns.columns_holding(from_row, to_row)
        with self._recounting(columns):
            self._columns.add_row(columns, from_row, to_row, k, rescale)

    @_changing
    def assign(self, rows: ArrayLike, targets: ArrayLike, values: ArrayLike) -> None:
        """Give entries a value, and create those that are not stored (operator N).

        Parameters
        ----------
        rows, targets : array_like of int
            Places, each named once: rows of W and targets.
        values : array_like
        """
        name = "sources" if self.rows_per_node == 1 else "rows"
        at_rows = check_indices(name, rows, self.n_nodes * self.rows_per_node)
        at_targets = check_indices("targets", targets, self.n_nodes)
        weights = self._rounded("values", values)
        if not len(at_rows) == len(at_targets) == weights.size:
            given = f"{len(at_rows)}, {len(at_targets)} and {weights.size}"
            raise ValueError(f"{name}, targets and values must have one length; got {given}")
        self._check_windows(at_rows, at_targets)
        numbers, columns = self._row_numbers(at_rows), self._node_order.columns(at_targets)
        ascending, twice = sort_entries(numbers, columns)
        if twice is not None:
            place = f"({at_rows[twice]}, {at_targets[twice]})"
            raise ValueError(f"{name} and targets must name a place once; got {place} repeatedly")
        numbers, columns = numbers[ascending], columns[ascending]
        with self._recounting(columns if self._threshold is None else np.unique(columns)):
            self._columns.assign(numbers, columns, weights[ascending])

    @_changing
    def set_bias(self, nodes: ArrayLike, values: ArrayLike) -> None:
        """Give nodes a bias, which is their entry in the row of the constant node (operator N)."""
        columns = self._node_order.columns(check_indices("nodes", nodes, self.n_nodes))
        self._bias[columns] = self._rounded("values", values)
        self._bias_origins[columns] = NOWHERE

    @_changing
    def insert(self, counts: Ints, rows: Ints, values: FloatArray) -> None:
        """Create many entries in one pass (operator N): ``counts[j]`` in column j, one column after another.

        None may be stored, and rows of W ascend within a column. The editor must not have changed any entry or order.

        Raises
        ------
        ValueError
            If an entry is stored, rows do not ascend, a value is not finite, or the editor has changed before.
        """
        if not (self._columns.unedited and self._node_order.unchanged):
            raise ValueError(
                "insert must come before nodes move or entries change; got a later call"
            )
        if self.rows_per_node > 1:
            self._check_windows(rows, np.repeat(np.arange(self.n_nodes), counts))
        check_finite("values", read_only(values))
        self._columns.insert(counts, rows, values)
        self._n_active = None

    @_changing
    def remove_entries(self, rows: ArrayLike, targets: ArrayLike) -> None:
        """Remove entries, stored or not, at places as for :meth:`assign`."""
        numbers = self._row_numbers(np.atleast_1d(rows))
        columns = self._node_order.columns(np.atleast_1d(targets))
        ascending, _ = sort_entries(numbers, columns)
        numbers, columns = numbers[ascending], columns[ascending]
        with self._recounting(np.unique(columns)):
            self._columns.remove(numbers, columns)

    @_changing
    def set_threshold(self, threshold: float | FloatArray | None) -> None:
        """Set the threshold A: one number, one per node, or None. Entries not above it stay stored, dormant (A)."""
        if isinstance(threshold, np.ndarray):
            if threshold.shape != (self.n_nodes,):
                raise ValueError(
                    f"threshold must be one number or have shape ({self.n_nodes},); got {threshold.shape}"
                )
            given, threshold = threshold, np.zeros(len(self._ids), threshold.dtype)
            threshold[self._node_order.order] = given
        self._threshold = threshold
        self._n_active = None

    @_changing
    def drop_dormant(self) -> None:
        """Remove the dormant entries."""
        if self._threshold is not None:
            self._columns.keep_active(self._thresholds(), self._signed, origins=self._track)
            self._n_active = self.n_stored

    @_changing
    def add_node(
        self,
        position: int,
        *,
        activation: int,
        bias: float = 0.0,
        threshold: float = 0.0,
        map_size: int = 1,
        node_id: int | None = None,
    ) -> None:
        """Insert a new hidden node without edges at an index of the order; it gets an unused id, by default a new one.

        `threshold` is used where every node has its own. `map_size` may not exceed the parent's largest.
        """
        (index,) = check_indices("position", [position], self.n_nodes + 1)
        self._check_map_size(map_size)
        if node_id is None:
            node_id = int(self._ids.max()) + 1
        elif node_id in self.ids:
            raise ValueError(f"node_id must be that of no node; got {node_id}")
        self._columns.append()
        self._ids = np.append(self._ids, node_id)
        self._roles = np.append(self._roles, np.uint8(Role.HIDDEN))
        self._activations = np.append(self._activations, np.uint8(activation))
        self._map_sizes = np.append(self._map_sizes, np.int32(map_size))
        if isinstance(self._threshold, np.ndarray):
            self._threshold = np.append(self._threshold, self._threshold.dtype.type(threshold))
        self._bias = np.append(self._bias, self._rounded("bias", bias))
        self._bias_origins = np.append(self._bias_origins, NOWHERE)
        self._node_order.insert(int(index))

    @_changing
    def remove_node(self, node: int) -> None:
        """Remove a hidden node with its row, its column and its bias."""
        node = self._hidden(node)
        column = self._node_order.columns(node)
        holding, rows, _ = self._columns.row(self._node_order.rows(node))
        with self._recounting(np.union1d(holding, [column])):
            self._columns.remove(rows, holding)
            self._columns.clear_column(column)
        self._node_order.remove(node)

    @_changing
    def change_activation(self, nodes: ArrayLike, activation: int) -> None:
        """Give hidden nodes another activation, by its code; their edges stay as they are."""
        hidden = [self._hidden(node) for node in np.atleast_1d(nodes).tolist()]
        check_activations(np.array([activation], np.uint8))
        self._activations = self._activations.copy()
        self._activations[self._node_order.order[hidden]] = activation

    @_changing
    def change_map_size(self, node: int, map_size: int) -> None:
        """Make the map of a hidden node larger or smaller.

        A kernel whose window changes stays about its centre: tap (i, j) becomes (i + d, j + d), where d is the distance
        by which the middle of the window moves. Taps outside the new window are removed. The others lose their origin,
        for they read other pixels than before. A kernel whose window stays is not touched.
        """
        node = self._hidden(node)
        self._check_map_size(map_size)
        if map_size == self.map_size(node):
            return
        in_rows, in_values = self.column(node)
        out_places, out_values = self.row(node)
        successors, taps = self.split(out_places)
        others = successors != node  # a self-loop is in the column
        rows = np.concatenate([in_rows, self.join(node, taps[others])])
        targets = np.concatenate([np.full(len(in_rows), node), successors[others]])
        values = np.concatenate([in_values, out_values[others]])
        old = self._windows(rows, targets)
        self._map_sizes = self._map_sizes.copy()
        self._map_sizes[self._node_order.order[node]] = map_size
        new = self._windows(rows, targets)
        changed = old != new
        rows, targets, values, old, new = (
            part[changed] for part in (rows, targets, values, old, new)
        )
        self.remove_entries(rows, targets)
        sources, taps = self.split(rows)
        moved = [at + new // 2 - old // 2 for at in divmod(taps, old)]
        inside = np.all([(at >= 0) & (at < new) for at in moved], axis=0)
        new_rows = self.join(sources, moved[0] * new + moved[1])
        self.assign(new_rows[inside], targets[inside], values[inside])

    # -- trying ----------------------------------------------------------------------------------------------------

    def copy(self) -> Self:
        """Return an editor in the same state, which changes by itself: O(nodes), and O(entries) of changed columns."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        twin._columns, twin._node_order = self._columns.copy(), self._node_order.copy()
        twin._bias, twin._bias_origins = self._bias.copy(), self._bias_origins.copy()
        twin._tried = None
        return twin

    def remember_trial(
        self, apply: Apply, parameters: dict[str, Any], trial: "GenomeEditor"
    ) -> None:
        """Remember the copy of this editor to which an operator's function was applied, for :meth:`take_trial`."""
        as_proposed = {
            name: value if isinstance(value, int | float | str) else copy.deepcopy(value)
            for name, value in parameters.items()
        }
        self._tried = apply, parameters, as_proposed, trial

    def take_trial(self, apply: Apply, parameters: dict[str, Any]) -> bool:
        """Take over the state of the remembered copy, if it is the result of this function with these parameters.

        So an operator whose proposal was tried is not applied again. Returns whether it was so. It is not if this
        editor or the parameters have changed since, or if another function is to be applied.
        """
        if self._tried is None:
            return False
        tried, proposed, as_proposed, trial = self._tried
        if tried is not apply or proposed is not parameters or as_proposed != parameters:
            return False
        vars(self).update(vars(trial))
        return True

    # -- closing ---------------------------------------------------------------------------------------------------

    def freeze(self) -> Genome:
        """Return the present state as a genome: the parent if nothing has changed.

        The genome shares no writable array with this editor. The editor keeps the rules of a valid genome, so only what
        it takes as given is checked here: biases that an addition made too large, thresholds and activations.

        Raises
        ------
        ValueError
            If a bias or the threshold is not finite, or there is no such activation.
        """
        if self._frozen is None:
            self._frozen = self._genome()
        return self._frozen

    def _genome(self) -> Genome:
        """Return the present state as a new genome."""
        parent, moved = self.parent, self._node_order.moved
        indptr, rows, values, _ = self._write(origins=False)
        indices, taps = rows, None
        if self.rows_per_node > 1 and rows is self._parent_rows:
            indices, taps = parent.indices, parent.taps
        elif self.rows_per_node > 1:
            indices, found = divmod(rows, np.int32(self.rows_per_node))
            taps = found.astype(np.uint16) if self.map_sizes.max() > 1 else None
        bias, activations = read_only(self.bias), self._activations
        check_finite("bias", bias)
        if activations is not parent.activations:
            check_activations(activations)
        if self._threshold is not parent.threshold:
            check_threshold(self._threshold, len(self._ids))
        genome = Genome.of_valid_parts(
            indptr=indptr,
            indices=indices,
            values=values,
            bias=bias,
            ids=self.ids if moved else self._ids,
            roles=self.roles if moved else self._roles,
            activations=self.activations if moved else activations,
            threshold=self.threshold,
            threshold_mode=self.threshold_mode,
            ticks=self.ticks,
            map_sizes=self.map_sizes if moved else self._map_sizes,
            taps=taps,
            kernel=self.kernel,
            downsampling=parent.downsampling,
        )
        if not moved:
            genome.remember_nodes_of(parent)
        return genome

    def carry(self, moments: FloatArray) -> FloatArray:
        """Move optimizer state of the parent to the result's entries and biases.

        Parameters
        ----------
        moments : ndarray, shape (k, parent stored entries + parent nodes)
            k numbers for each parameter.

        Returns
        -------
        ndarray, shape (k, stored entries + nodes)
            0 where an entry or bias is new or was changed by an operator.
        """
        if not self._track:
            raise ValueError("origins must be True for carry; got False")
        carried = np.empty((len(moments), self.n_stored + self.n_nodes), moments.dtype)
        entries, biases = np.split(carried, [self.n_stored], axis=1)
        old_entries, old_biases = np.split(moments, [self.parent.n_stored], axis=1)
        of_biases = self._bias_origins[self._node_order.columns(slice(None))]
        column_gathering_kernels.carry(old_entries, self._write(origins=True)[3], entries)
        column_gathering_kernels.carry(old_biases, of_biases, biases)
        return carried

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _signed(self) -> bool:
        return self.threshold_mode == "signed"

    def _thresholds(self) -> FloatArray:
        """Return the threshold for the compiled loops: one number, or one per column."""
        with np.errstate(over="ignore"):
            if isinstance(self._threshold, np.ndarray):
                return self._threshold[self._node_order.node_of_column].astype(self.dtype)
            return np.array([self._threshold]).astype(self.dtype)

    def _count_active(self, columns: Ints) -> int:
        return self._columns.count_active(columns, self._thresholds(), self._signed)

    def _row_numbers(self, rows: Any) -> Any:
        """Return the numbers that rows of W have in :class:`evo.editing.columns.Columns`."""
        nodes, taps = self.split(rows)
        return self.join(self._node_order.rows(nodes), taps)

    def _write(self, *, origins: bool) -> Written:
        """Write the matrix out in the order of nodes."""
        if self._node_order.untouched:
            return self._columns.gather(None, None, origins=origins)
        indices = self._node_order.indices_of_rows()
        if self.rows_per_node > 1:
            indices = self.join(indices[:, np.newaxis], np.arange(self.rows_per_node)).ravel()
        return self._columns.gather(self._node_order.columns(slice(None)), indices, origins=origins)

    @contextmanager
    def _recounting(self, columns: Ints) -> Iterator[None]:
        """Keep the number of active entries right while some columns change."""
        counted = self._threshold is not None and self._n_active is not None
        before = self._count_active(columns) if counted else 0
        yield
        if counted and self._n_active is not None:
            self._n_active += self._count_active(columns) - before

    def _two_nodes(self, first: str, second: str, a: int, b: int) -> list[int]:
        return list(check_two_indices((first, second), a, b, self.n_nodes))

    def _two_of_one_size(self, first: str, second: str, a: int, b: int) -> list[int]:
        """Check that two nodes differ and have one map size, so that their kernels fit each other."""
        nodes = self._two_nodes(first, second, a, b)
        map_sizes = self.map_size(np.array(nodes))
        if map_sizes[0] != map_sizes[1]:
            raise ValueError(
                f"{first} and {second} must be nodes of one map size; got {map_sizes[0]} and {map_sizes[1]}"
            )
        return nodes

    def _hidden(self, node: int) -> int:
        """Check that there is a node and that it is hidden."""
        (index,) = check_indices("node", [node], self.n_nodes)
        role = Role(int(self.role(index))).name.lower()
        if role != "hidden":
            raise ValueError(f"node must be hidden; got node {node}, which is {role}")
        return int(index)

    def _check_map_size(self, map_size: int) -> None:
        """Check that a map size leaves K as it is, and that rows can be numbered."""
        largest = int(self.parent.map_sizes.max())
        if not 1 <= map_size <= largest:
            raise ValueError(f"map_size must be from 1 to {largest}, the largest; got {map_size}")
        n_rows = (self._columns.n + 1) * self.rows_per_node
        if n_rows > np.iinfo(np.int32).max:
            raise ValueError(f"rows of all nodes must be fewer than 2³¹; got {n_rows}")

    def _windows(self, rows: Ints, targets: Ints) -> NDArray[np.int64]:
        """Return the window of the kernel at each of some places."""
        map_sizes = self.map_sizes
        return windows(map_sizes[self.split(rows)[0]], map_sizes[targets], self.kernel)

    def _check_windows(self, rows: Ints, targets: Ints) -> None:
        """Check that the taps at some places lie in the windows of their kernels."""
        if self.rows_per_node == 1:
            return
        most, (sources, taps) = self._windows(rows, targets) ** 2, self.split(rows)
        outside = taps >= most
        if outside.any():
            first = int(outside.argmax())
            raise ValueError(
                f"taps must be below {most[first]} from node {sources[first]} to node {targets[first]}; "
                f"got {taps[first]}"
            )

    def _rounded(self, name: str, value: ArrayLike) -> Any:
        """Round a number, or several, to the weights' dtype, in which they must be finite."""
        with np.errstate(over="ignore"):
            numbers = np.asarray(value).astype(self.dtype)
        if not np.isfinite(numbers).all():
            first = np.asarray(value)[~np.isfinite(numbers)].flat[0]
            raise ValueError(f"{name} must be finite in {self.dtype}; got {first}")
        return numbers[()]


def _ascending(places: Ints, values: FloatArray) -> tuple[Ints, FloatArray]:
    order = np.argsort(places)
    return places[order], values[order]
