"""What an edit session holds, to look at: the part of :class:`evo.editing.editor.GenomeEditor` that changes nothing.

Rows are those of W: K · position + tap, with K of :attr:`evo.genome.genome.Genome.rows_per_node`. Where all nodes are
neurons K is 1, and a row is the position of its node.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from evo.editing.columns import Columns, Written
from evo.editing.node_order import NodeOrder
from evo.editing.ranking import keeping_score, quantile_score
from evo.genome.genome import FloatArray, Genome, Role, assemble_columns
from evo.genome.possible_taps import PossibleTaps

Ints = NDArray[np.integer[Any]]


class EditorState:
    """The state of an edit session.

    Parameters
    ----------
    parent : Genome
        The genome to start from.
    origins : bool
        Whether entries shall know the parent's entry that they carry on.

    Attributes
    ----------
    parent : Genome
    threshold_mode, ticks, kernel
        As of the parent.
    rows_per_node : int
        K, the rows of W that a node has; that of the parent throughout, so that rows keep their meaning.
    """

    def __init__(self, parent: Genome, *, origins: bool = True) -> None:
        n = parent.n_nodes
        self.parent = parent
        self.threshold_mode = parent.threshold_mode
        self.ticks = parent.ticks
        self.kernel = parent.kernel
        self.rows_per_node = parent.rows_per_node
        self._track = origins
        self._parent_rows = parent.rows
        self._columns = Columns(parent.indptr, self._parent_rows, parent.values, self.rows_per_node)
        self._node_order = NodeOrder(n)
        # By node.
        self._ids, self._roles, self._activations = parent.ids, parent.roles, parent.activations
        self._map_sizes = parent.map_sizes
        self._threshold = parent.threshold
        # By column.
        self._bias = parent.bias.copy()
        self._bias_origins = np.arange(n)
        self._n_live: int | None = None

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
        """Number of entries that there may be: n × n, between maps all taps of all kernels."""
        if self.rows_per_node == 1:
            return self.n_nodes**2
        return PossibleTaps(self.map_sizes, self.kernel).count

    @property
    def n_active(self) -> int:
        """Number of edges: stored entries that the threshold lets through."""
        if self._threshold is None:
            return self.n_stored
        if self._n_live is None:
            thresholds = self._thresholds()
            if len(thresholds) > 1:
                self._n_live = self._count_active(np.arange(self._columns.n))
            else:
                self._n_live = self._columns.count_all_active(thresholds, self._signed)
        return self._n_live

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of weights and biases."""
        return self._columns.dtype

    @property
    def ids(self) -> NDArray[np.int64]:
        """Names of the nodes, by position."""
        return self._ids[self._node_order.order]

    @property
    def roles(self) -> NDArray[np.uint8]:
        """Roles of the nodes, by position."""
        return self._roles[self._node_order.order]

    @property
    def activations(self) -> NDArray[np.uint8]:
        """Codes of the activations, by position."""
        return self._activations[self._node_order.order]

    @property
    def map_sizes(self) -> NDArray[np.int32]:
        """Sides of the maps, by position."""
        return self._map_sizes[self._node_order.order]

    @property
    def bias(self) -> FloatArray:
        """Biases, by position; a copy."""
        bias: FloatArray = self._bias[self._node_order.columns(slice(None))]
        return bias

    @property
    def threshold(self) -> float | FloatArray | None:
        """The threshold A as it stands: one number, one per position, or None."""
        threshold = self._threshold
        return threshold[self._node_order.order] if isinstance(threshold, np.ndarray) else threshold

    @property
    def weights(self) -> sparse.csc_array:
        """The matrix as it stands, shape (K·n, n), to be read only: written out, as dear as :meth:`freeze`."""
        indptr, rows, values, _ = self._write(origins=False)
        return assemble_columns(indptr, rows, values, self.rows_per_node)

    def quantile_threshold(self, quantile: float, targets: Ints | None = None) -> float:
        """Return the threshold that leaves the lowest share `quantile` behind: :func:`graphops.quantile_threshold`.

        Of all stored entries, or of those of some targets.
        """
        columns = None if targets is None else self._node_order.columns(targets)
        return quantile_score(self._columns, quantile, signed=self._signed, some=columns)

    def keeping_threshold(self, count: int, targets: Ints | None = None) -> float:
        """Return the threshold that lets the highest `count` entries through; fewer where several equal the next one.

        Of all stored entries, or of those of some targets.
        """
        columns = None if targets is None else self._node_order.columns(targets)
        return keeping_score(self._columns, count, signed=self._signed, some=columns)

    def role(self, positions: Ints | int) -> NDArray[np.uint8]:
        """Return the roles of some nodes: O(1) each."""
        found: NDArray[np.uint8] = self._roles[self._node_order.order[positions]]
        return found

    def map_size(self, positions: Ints | int) -> NDArray[np.int32]:
        """Return the sides of some nodes: O(1) each."""
        found: NDArray[np.int32] = self._map_sizes[self._node_order.order[positions]]
        return found

    def in_degree(self, positions: Ints | int | slice) -> Ints:
        """Return the stored entries of some columns: O(1) each."""
        sizes: Ints = self._columns.sizes[self._node_order.columns(positions)]
        return sizes

    def active_degree(self) -> Ints:
        """Return how many entries of each column, by position, the threshold lets through."""
        if self._threshold is None:
            return self.in_degree(slice(None))
        sizes = self._columns.active_sizes(self._thresholds(), self._signed)
        by_position: Ints = sizes[self._node_order.columns(slice(None))]
        return by_position

    def out_degree(self, positions: Ints | int) -> Ints:
        """Return the stored entries of some rows: O(1) each, once all have been counted."""
        sizes = self._columns.row_sizes
        if self.rows_per_node > 1:
            sizes = sizes.reshape(-1, self.rows_per_node).sum(axis=1)
        out_degree: Ints = sizes[self._node_order.rows(positions)]
        return out_degree

    def positions(self, *roles: Role) -> NDArray[np.intp]:
        """Return the positions of the nodes that have one of these roles, ascending."""
        return np.flatnonzero(np.isin(self.roles, roles))

    def column(self, position: int) -> tuple[Ints, FloatArray]:
        """Return what a node listens to: rows of W, ascending, and weights."""
        rows, values = self._columns.column(self._node_order.columns(position))
        nodes, taps = self.split(rows)
        return _ascending(self.join(self._node_order.places_of_rows(nodes), taps), values)

    def row(self, position: int) -> tuple[Ints, FloatArray]:
        """Return whom a node speaks to: K · position + tap of each, ascending, and weights.

        A pass over all stored rows: O(stored entries), though a quick one.
        """
        columns, rows, values = self._columns.row(self._node_order.rows(position))
        taps = self.split(rows)[1]
        return _ascending(self.join(self._node_order.places_of_columns(columns), taps), values)

    def holds(self, rows: Ints, targets: Ints) -> NDArray[np.bool_]:
        """Tell for each place (row of W, target) whether it is stored."""
        return self._columns.holds(self._numbered(rows), self._node_order.columns(targets))

    def split(self, rows: Any) -> tuple[Any, Any]:
        """Return nodes and taps of rows of W; the taps are the number 0 where there are none but these."""
        return (rows, 0) if self.rows_per_node == 1 else divmod(rows, self.rows_per_node)

    def join(self, nodes: Any, taps: Any) -> Any:
        """Return the rows of W that some nodes and taps have."""
        return nodes if self.rows_per_node == 1 else nodes * self.rows_per_node + taps

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

    def _numbered(self, rows: Any) -> Any:
        """Return the numbers of rows of W as it stands: what :class:`evo.editing.columns.Columns` calls them."""
        nodes, taps = self.split(rows)
        return self.join(self._node_order.rows(nodes), taps)

    def _write(self, *, origins: bool) -> Written:
        """Write the matrix out in order of positions."""
        places = self._node_order.places_of_rows()
        if self.rows_per_node > 1:
            places = self.join(places[:, np.newaxis], np.arange(self.rows_per_node)).ravel()
        return self._columns.gather(self._node_order.columns(slice(None)), places, origins=origins)


def _ascending(places: Ints, values: FloatArray) -> tuple[Ints, FloatArray]:
    order = np.argsort(places)
    return places[order], values[order]
