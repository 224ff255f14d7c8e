"""An edit session: the one place where a genome's matrix changes.

A modify phase opens an editor of the parent, applies operators in recorded order and freezes the result once, so that
a policy sees every intermediate state. The methods are the elementary operations of :mod:`graphops`, applied to the
whole genome: to the matrix, to the bias row where columns are concerned, and to the node table where nodes move.
Between maps they are applied to blocks: a node has K rows, one for each tap of a kernel, which go together.

Nothing is moved before the end: swaps and reordering exchange numbers (:mod:`evo.editing.node_order`), and only columns
whose entries change are written anew (:mod:`evo.editing.columns`). So an operation costs what it touches, and the whole
matrix is copied once, by :meth:`GenomeEditor.freeze`.

With every entry goes its *origin*: the parent's entry whose trained state it carries on. Swaps and reordering move
origins along; additions and assignments clear them on what they change, so that the optimiser's momentum follows an
edge exactly as long as it is the same edge.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evo.editing import column_gathering_kernels
from evo.editing.column_kernels import NOWHERE
from evo.editing.editor_state import EditorState, Ints
from evo.editing.node_order import sort_entries
from evo.genome.feature_maps import windows
from evo.genome.genome import FloatArray, Genome, Role
from graphops.validation import check_indices, check_order, check_two_indices


class GenomeEditor(EditorState):
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

    # -- changing --------------------------------------------------------------------------------------------------

    def swap_columns(self, a: int, b: int) -> None:
        """Exchange what nodes a and b, of one side, listen to, biases included (operator B)."""
        positions = self._two_alike("a", "b", a, b)
        with self._recounting(self._node_order.columns(positions)):  # limits stay with the nodes
            self._node_order.swap_columns(positions)

    def swap_rows(self, a: int, b: int) -> None:
        """Exchange whom nodes a and b, of one side, speak to (operator D)."""
        self._node_order.swap_rows(self._two_alike("a", "b", a, b))

    def reorder(self, order: ArrayLike) -> None:
        """Put the node at old position ``order[p]`` at position p, with its row, column and table entry (H)."""
        self._node_order.reorder(check_order("order", order, self.n_nodes))

    def move(self, node: int, destination: int) -> None:
        """Take a node out of the order and put it in again elsewhere; those between move up by one (H).

        O(distance).
        """
        self._node_order.move(*self._two_positions("node", "destination", node, destination))

    def add_column(self, source: int, target: int, factor: float, scale: float = 1.0) -> None:
        """Make `target` also listen to what `source`, of its side, listens to (operator C).

        Column and bias of `target` become ``scale · (target + factor · source)``.
        """
        positions = self._two_alike("source", "target", source, target)
        from_column, to_column = self._node_order.columns(positions)
        k, rescale = self._rounded("factor", factor), self._rounded("scale", scale)
        with self._recounting(np.array([to_column])):
            self._columns.merge(from_column, to_column, k, rescale)
        self._bias[to_column] += k * self._bias[from_column]
        self._bias[to_column] *= rescale
        self._bias_origins[to_column] = NOWHERE

    def add_row(self, source: int, target: int, factor: float, scale: float = 1.0) -> None:
        """Make `target` also speak to those whom `source`, of its side, speaks to (operator F); biases stay.

        Row `target`, between maps each row of it, becomes ``scale · (target + factor · source)``.
        """
        positions = self._two_alike("source", "target", source, target)
        from_row, to_row = self._node_order.rows(positions)
        k, rescale = self._rounded("factor", factor), self._rounded("scale", scale)
        columns = self._columns.columns_holding(from_row, to_row)
        with self._recounting(columns):
            self._columns.add_row(columns, from_row, to_row, k, rescale)

    def assign(self, rows: ArrayLike, targets: ArrayLike, values: ArrayLike) -> None:
        """Give entries, each named once, a value, creating those that are not stored (operator N).

        Parameters
        ----------
        rows, targets : array_like of int
            Places: rows of W, which are the positions of sources unless there are maps, and positions of targets.
        values : array_like
        """
        name = "sources" if self.rows_per_node == 1 else "rows"
        at_rows = check_indices(name, rows, self.n_nodes * self.rows_per_node)
        at_targets = check_indices("targets", targets, self.n_nodes)
        weights = self._rounded("values", values)
        if not len(at_rows) == len(at_targets) == weights.size:
            given = f"{len(at_rows)}, {len(at_targets)} and {weights.size}"
            raise ValueError(f"{name}, targets and values must have one length; received {given}")
        self._check_windows(at_rows, at_targets)
        numbers, columns = self._numbered(at_rows), self._node_order.columns(at_targets)
        ascending, twice = sort_entries(numbers, columns)
        if twice is not None:
            raise ValueError(
                f"{name} and targets must name a place once; "
                f"received ({at_rows[twice]}, {at_targets[twice]}) repeatedly"
            )
        numbers, columns = numbers[ascending], columns[ascending]
        with self._recounting(np.unique(columns)):
            self._columns.assign(numbers, columns, weights[ascending])

    def set_bias(self, positions: ArrayLike, values: ArrayLike) -> None:
        """Give nodes a bias: their entry in the row of the constant node (operator N)."""
        columns = self._node_order.columns(check_indices("positions", positions, self.n_nodes))
        self._bias[columns] = self._rounded("values", values)
        self._bias_origins[columns] = NOWHERE

    def insert(self, counts: Ints, rows: Ints, values: FloatArray) -> None:
        """Create many entries at once (operator N): ``counts[j]`` into the node at position j, target after target.

        None may be stored; rows of W ascend within a target. One pass, over a matrix in which nothing has moved yet.
        """
        if not (self._columns.unedited and self._node_order.unmoved):
            raise ValueError("many entries must be inserted before nodes move or entries change")
        if self.rows_per_node > 1:
            self._check_windows(rows, np.repeat(np.arange(self.n_nodes), counts))
        self._columns.insert(counts, rows, values)
        self._n_live = None

    def forget(self, rows: ArrayLike, targets: ArrayLike) -> None:
        """Take entries away, stored or not, by the places that :meth:`assign` gives them; each named once."""
        numbers = self._numbered(np.atleast_1d(rows))
        columns = self._node_order.columns(np.atleast_1d(targets))
        ascending, _ = sort_entries(numbers, columns)
        numbers, columns = numbers[ascending], columns[ascending]
        with self._recounting(np.unique(columns)):
            self._columns.remove(numbers, columns)

    def set_threshold(self, threshold: float | FloatArray | None) -> None:
        """Set the threshold A, one number or one per position; what does not pass sleeps but stays stored (A)."""
        if isinstance(threshold, np.ndarray):
            if threshold.shape != (self.n_nodes,):
                raise ValueError(
                    f"threshold must be one number or have shape ({self.n_nodes},); got {threshold.shape}"
                )
            given, threshold = threshold, np.zeros(len(self._ids), threshold.dtype)
            threshold[self._node_order.order] = given
        self._threshold = threshold
        self._n_live = None

    def drop_dormant(self) -> None:
        """Forget the stored entries that the threshold does not let through."""
        if self._threshold is not None:
            self._columns.keep_active(self._thresholds(), self._signed, origins=self._track)
            self._n_live = self.n_stored

    def add_node(
        self,
        position: int,
        *,
        activation: int,
        bias: float = 0.0,
        threshold: float = 0.0,
        map_size: int = 1,
    ) -> None:
        """Put a new hidden node, without edges, at a position of the order; it gets an unused id.

        `threshold` is its threshold, where every node has one of its own. Its `map_size` may not exceed the parent's
        largest.
        """
        (place,) = check_indices("position", [position], self.n_nodes + 1)
        self._check_map_size(map_size)
        self._columns.append()
        self._ids = np.append(self._ids, self._ids.max() + 1)
        self._roles = np.append(self._roles, np.uint8(Role.HIDDEN))
        self._activations = np.append(self._activations, np.uint8(activation))
        self._map_sizes = np.append(self._map_sizes, np.int32(map_size))
        if isinstance(self._threshold, np.ndarray):
            self._threshold = np.append(self._threshold, self._threshold.dtype.type(threshold))
        self._bias = np.append(self._bias, self._rounded("bias", bias))
        self._bias_origins = np.append(self._bias_origins, NOWHERE)
        self._node_order.insert(int(place))

    def remove_node(self, position: int) -> None:
        """Take a hidden node away, with its row, its column and its bias."""
        place = self._hidden("position", position)
        column = self._node_order.columns(place)
        holding, rows, _ = self._columns.row(self._node_order.rows(place))
        with self._recounting(np.union1d(holding, [column])):
            self._columns.remove(rows, holding)
            self._columns.clear_column(column)
        self._node_order.remove(place)

    def change_map_size(self, position: int, map_size: int) -> None:
        """Make the map of a hidden node larger or smaller.

        A kernel whose window changes with it stays about its centre: tap (i, j) becomes (i + d, j + d), where d is by
        how much the middle of the window moves. Taps that are then outside are forgotten, and the others begin a new
        life, without origin, for they read other pixels than before. A kernel whose window stays is not touched.
        """
        place = self._hidden("position", position)
        self._check_map_size(map_size)
        if map_size == self.map_size(place):
            return
        heard, of_heard = self.column(place)
        spoken, of_spoken = self.row(place)
        listeners, taps = self.split(spoken)
        own = listeners != place  # what it says to itself is in its column
        rows = np.concatenate([heard, self.join(place, taps[own])])
        targets = np.concatenate([np.full(len(heard), place), listeners[own]])
        values = np.concatenate([of_heard, of_spoken[own]])
        old = self._windows(rows, targets)
        self._map_sizes = self._map_sizes.copy()
        self._map_sizes[self._node_order.order[place]] = map_size
        new = self._windows(rows, targets)
        changed = old != new
        rows, targets, values, old, new = (
            part[changed] for part in (rows, targets, values, old, new)
        )
        self.forget(rows, targets)
        nodes, taps = self.split(rows)
        ways = [way + new // 2 - old // 2 for way in divmod(taps, old)]
        inside = np.all([(way >= 0) & (way < new) for way in ways], axis=0)
        moved = self.join(nodes, ways[0] * new + ways[1])
        self.assign(moved[inside], targets[inside], values[inside])

    # -- closing ---------------------------------------------------------------------------------------------------

    def freeze(self) -> Genome:
        """Return the result as a genome; it shares no writable array with this editor."""
        indptr, rows, values, _ = self._write(origins=False)
        map_sizes = self.map_sizes
        indices, taps = rows, None
        if self.rows_per_node > 1 and rows is self._parent_rows:
            indices, taps = self.parent.indices, self.parent.taps
        elif self.rows_per_node > 1:
            indices, found = divmod(rows, np.int32(self.rows_per_node))
            taps = found.astype(np.uint16) if map_sizes.max() > 1 else None
        return Genome(
            indptr=indptr,
            indices=indices,
            values=values,
            bias=self.bias,
            ids=self.ids,
            roles=self.roles,
            activations=self.activations,
            threshold=self.threshold,
            threshold_mode=self.threshold_mode,
            ticks=self.ticks,
            map_sizes=map_sizes,
            taps=taps,
            kernel=self.kernel,
            downsampling=self.parent.downsampling,
        )

    def carry(self, moments: FloatArray) -> FloatArray:
        """Move per-parameter state of the parent to the result's entries and biases.

        Parameters
        ----------
        moments : ndarray, shape (k, parent stored entries + parent nodes)

        Returns
        -------
        ndarray, shape (k, stored entries + nodes)
            Zero where an entry or bias is new or was changed by an operator.
        """
        if not self._track:
            raise ValueError("carry needs an editor with origins")
        carried = np.empty((len(moments), self.n_stored + self.n_nodes), moments.dtype)
        entries, biases = np.split(carried, [self.n_stored], axis=1)
        old_entries, old_biases = np.split(moments, [self.parent.n_stored], axis=1)
        of_biases = self._bias_origins[self._node_order.columns(slice(None))]
        column_gathering_kernels.carry(old_entries, self._write(origins=True)[3], entries)
        column_gathering_kernels.carry(old_biases, of_biases, biases)
        return carried

    # -- inside ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _recounting(self, columns: Ints) -> Iterator[None]:
        """Keep the number of edges right while some columns change."""
        counted = self._threshold is not None and self._n_live is not None
        before = self._count_active(columns) if counted else 0
        yield
        if counted and self._n_live is not None:
            self._n_live += self._count_active(columns) - before

    def _two_positions(self, first: str, second: str, a: int, b: int) -> list[int]:
        return list(check_two_indices((first, second), a, b, self.n_nodes))

    def _two_alike(self, first: str, second: str, a: int, b: int) -> list[int]:
        """Check that two positions differ and their nodes have one side, so that their kernels fit each other."""
        positions = self._two_positions(first, second, a, b)
        map_sizes = self.map_size(np.array(positions))
        if map_sizes[0] != map_sizes[1]:
            raise ValueError(
                f"{first} and {second} must be nodes of one side; received sides {map_sizes[0]} and {map_sizes[1]}"
            )
        return positions

    def _hidden(self, name: str, position: int) -> int:
        (place,) = check_indices(name, [position], self.n_nodes)
        if self.role(place) != Role.HIDDEN:
            raise ValueError(f"{name} must be that of a hidden node; {position} is none")
        return int(place)

    def _check_map_size(self, map_size: int) -> None:
        """Check that a side leaves K as it is, and that rows can be numbered."""
        largest = int(self.parent.map_sizes.max())
        if not 1 <= map_size <= largest:
            raise ValueError(
                f"map_size must be from 1 to {largest}, the largest; received {map_size}"
            )
        if (self._columns.n + 1) * self.rows_per_node > np.iinfo(np.int32).max:
            raise ValueError(f"nodes must leave less than 2³¹ rows, {self.rows_per_node} for each")

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
                f"received {taps[first]}"
            )

    def _rounded(self, name: str, value: ArrayLike) -> Any:
        """Round a number, or several, to the weights' dtype, in which they must be finite."""
        with np.errstate(over="ignore"):
            numbers = np.asarray(value).astype(self.dtype)
        if not np.isfinite(numbers).all():
            first = np.asarray(value)[~np.isfinite(numbers)].flat[0]
            raise ValueError(f"{name} must be finite in {self.dtype}; received {first}")
        return numbers[()]
