"""The genome: a network as an adjacency matrix, a threshold and a node table.

This file says what a genome *is* and guards its validity; :mod:`evo.editing.editor` changes one, :mod:`evo.network`
runs one.

``W[i, j]`` is the weight of the edge from node i to node j: column j is what j listens to, row i is whom i speaks
to. The matrix is stored by target (compressed sparse columns). The bias of node j is the entry of column j in one
further row, that of a constant node; it is no edge, and the threshold does not apply to it.

Index order is evaluation order. At tick t = 0 … T−1 node j computes

    x_t[j] = φ_j( Σ_{i<j} W[i, j]·x_t[i] + Σ_{i≥j} W[i, j]·x_{t−1}[i] + b_j ),

inputs are clamped (also at t = −1) and every other node starts at 0; outputs are read after the last tick. So every
square matrix is a valid network: cycles and self-loops need no repair, and moving a node changes what it computes.

A node may be a *feature map*, a square of side² numbers; then x[j] above is a map and ``W[i, j]`` a kernel of a few
taps (:mod:`evo.genome.feature_maps`), all in one flat vector of values. As numbers the matrix then has K rows for every
node, one for each tap that a kernel may have: row ``i·K + tap`` of column j. Where all nodes are neurons K is 1.
"""

import hashlib
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from evo.genome.activations import activation_code, activation_codes
from evo.genome.feature_maps import Downsampling, largest_window, windows
from evo.genome.roles import Role
from evo.genome.validity import check_genome
from graphops import threshold_mask, useful_edges

FloatArray = NDArray[np.floating[Any]]
ThresholdMode = Literal["magnitude", "signed"]

__all__ = ["MAP_FIELDS", "FloatArray", "Genome", "Role", "ThresholdMode", "assemble_columns"]

MAP_FIELDS = frozenset({"map_sizes", "taps", "kernel", "downsampling"})
"""The parts of a genome that say something only where there are maps."""

STORED_AS = {"threshold": "limit", "map_sizes": "sides"}
"""What files and fingerprints call a part where the name differs: a file format outlives a renaming."""


@dataclass(frozen=True, eq=False)
class Genome:
    """A network as a value: frozen, with read-only arrays.

    Attributes
    ----------
    indptr : ndarray of int64, shape (n + 1,)
        Where each column's entries begin.
    indices : ndarray of int32, shape (nnz,)
        The source node of each stored entry, ascending within a column; between maps, of each stored tap.
    values : ndarray of float32 or float64, shape (nnz,)
        The weights. Stored zeros stay stored.
    bias : ndarray, shape (n,), dtype of `values`
        The bias of every node; that of an input is without effect.
    ids : ndarray of int64, shape (n,)
        Stable names of the nodes. They survive reordering: the input with the k-th smallest id reads feature k, or of
        maps the next side² features; the output with the k-th smallest id gives score k.
    roles : ndarray of uint8, shape (n,)
        A :class:`Role` each.
    activations : ndarray of uint8, shape (n,)
        Codes into :data:`evo.genome.activations.ACTIVATIONS`.
    threshold : float or ndarray of shape (n,) or None
        The threshold A (S20), one for all or one per target. An entry is an edge if it lies above; with ``None``
        every stored entry is one.
    threshold_mode : {"magnitude", "signed"}
        Compare |w| with A, or w itself (the document's literal reading).
    ticks : int
        T. One tick is feed-forward, more are recurrent.
    map_sizes : ndarray of int32, shape (n,)
        The side of each node's map; 1, a neuron, by default. Outputs are neurons.
    taps : ndarray of uint16, shape (nnz,), or None
        Which tap of its kernel each entry is, see :mod:`evo.genome.feature_maps`; ascending among those of one source
        and target. None where all nodes are neurons.
    kernel : int
        Side of the kernels, odd; of no effect between neurons.
    downsampling : {"max", "mean"}
        How maps are halved.

    Raises
    ------
    ValueError
        If the parts do not fit together; the message names the part and the rule.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: FloatArray
    bias: FloatArray
    ids: NDArray[np.int64]
    roles: NDArray[np.uint8]
    activations: NDArray[np.uint8]
    threshold: float | FloatArray | None = None
    threshold_mode: ThresholdMode = "magnitude"
    ticks: int = 1
    map_sizes: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    taps: NDArray[np.uint16] | None = None
    kernel: int = 5
    downsampling: Downsampling = "max"

    def __post_init__(self) -> None:
        """Check the parts against each other and make the arrays read-only."""
        if self.map_sizes.size == 0:
            object.__setattr__(self, "map_sizes", np.ones(len(self.ids), np.int32))
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, np.ndarray) and value.flags.writeable:
                value = value.view()
                value.flags.writeable = False
                object.__setattr__(self, part.name, value)
        check_genome(self)

    @classmethod
    def from_matrix(
        cls,
        matrix: ArrayLike | sparse.sparray,
        *,
        n_inputs: int,
        n_outputs: int,
        activation: str | list[str] | tuple[str, ...] = "tanh",
        output_activation: str = "identity",
        bias: ArrayLike | None = None,
        threshold: float | FloatArray | None = None,
        threshold_mode: ThresholdMode = "magnitude",
        ticks: int = 1,
    ) -> Self:
        """Make a genome from any square matrix, dense or sparse.

        The first `n_inputs` nodes are inputs and the last `n_outputs` outputs. Of a dense matrix the non-zero
        entries are stored; of a sparse one all stored entries, zeros too.

        Parameters
        ----------
        matrix : array_like or sparse array, shape (n, n)
            The weights; float32 and float64 are kept, anything else becomes float32.
        n_inputs, n_outputs : int
            How many nodes play these roles.
        activation : str or sequence of str
            For all hidden nodes, or one per node.
        output_activation : str
            For outputs, where `activation` is one name. ``identity`` leaves softmax or error to the loss.
        bias : array_like, shape (n,), optional
            Zero by default.
        limit, threshold_mode, ticks
            As the attributes.

        Examples
        --------
        >>> genome = Genome.from_matrix([[0, 0.5], [0, 0]], n_inputs=1, n_outputs=1)
        >>> genome.n_nodes, genome.n_stored
        (2, 1)
        """
        if sparse.issparse(matrix):
            columns = sparse.csc_array(matrix)
        else:
            dense = np.asarray(matrix)
            if dense.ndim != 2:
                raise ValueError(f"matrix must be 2-dimensional; got {dense.ndim} dimension(s)")
            columns = sparse.csc_array(dense)
        if not columns.has_canonical_format:
            columns = columns.copy()
            columns.sum_duplicates()
        n = columns.shape[1]
        if columns.shape[0] != n:
            raise ValueError(f"matrix must be square; got shape {columns.shape}")
        if columns.dtype.kind == "c":
            raise ValueError(f"matrix must be real; got {columns.dtype}")
        if n_inputs < 0 or n_outputs < 1 or n_inputs + n_outputs > n:
            raise ValueError(
                f"n_inputs ({n_inputs}) must be at least 0, n_outputs ({n_outputs}) at least 1, "
                f"and together at most the number of nodes ({n})"
            )
        dtype = columns.dtype if columns.dtype in (np.float32, np.float64) else np.dtype(np.float32)
        roles = np.full(n, Role.HIDDEN, dtype=np.uint8)
        roles[:n_inputs] = Role.INPUT
        roles[n - n_outputs :] = Role.OUTPUT
        codes = activation_codes(activation, n)
        if isinstance(activation, str):
            codes[n - n_outputs :] = activation_code(output_activation)
            codes[:n_inputs] = activation_code("identity")
        biases = np.zeros(n, dtype) if bias is None else np.array(bias, dtype=dtype)
        return cls(
            indptr=columns.indptr.astype(np.int64),
            indices=columns.indices.astype(np.int32),
            values=columns.data.astype(dtype),
            bias=biases,
            ids=np.arange(n, dtype=np.int64),
            roles=roles,
            activations=codes,
            threshold=threshold.copy() if isinstance(threshold, np.ndarray) else threshold,
            threshold_mode=threshold_mode,
            ticks=ticks,
        )

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """Number of nodes n."""
        return len(self.ids)

    @property
    def n_stored(self) -> int:
        """Number of stored entries, dormant ones included."""
        return len(self.values)

    @property
    def n_features(self) -> int:
        """Number of features a sample has: side² for each input."""
        return int((self.map_sizes[self.roles == Role.INPUT].astype(np.int64) ** 2).sum())

    @property
    def has_maps(self) -> bool:
        """Whether any node is more than a neuron."""
        return self.taps is not None

    @property
    def rows_per_node(self) -> int:
        """K, the rows of W that a node has: one for each tap that any kernel may have; 1 where there are no maps."""
        return largest_window(self.map_sizes, self.kernel) ** 2

    @property
    def rows(self) -> NDArray[np.int32]:
        """The row of W of each stored entry, shape (nnz,): K · source + tap."""
        if self.taps is None:
            return self.indices
        rows: NDArray[np.int32] = self.indices * np.int32(self.rows_per_node) + self.taps
        return rows

    @property
    def weights(self) -> sparse.csc_array:
        """The matrix W, shape (K·n, n) with K of :attr:`rows_per_node`, sharing this genome's values."""
        return assemble_columns(self.indptr, self.rows, self.values, self.rows_per_node)

    def weights_of(self, mask: NDArray[np.bool_]) -> sparse.csc_array:
        """Return the matrix of some of the stored entries, told by a mask of shape (nnz,)."""
        return assemble_columns(
            np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])[self.indptr],
            self.rows[mask],
            self.values[mask],
            self.rows_per_node,
        )

    def to_dense(self) -> FloatArray:
        """Return W as a new ndarray of shape (K·n, n)."""
        return self.weights.toarray()  # type: ignore[no-any-return]

    @property
    def targets(self) -> NDArray[np.intp]:
        """The target node of each stored entry, shape (nnz,)."""
        return np.repeat(np.arange(self.n_nodes), np.diff(self.indptr))

    @property
    def windows(self) -> NDArray[np.int64]:
        """The side of the window of each stored entry's kernel, shape (nnz,): see :mod:`evo.genome.feature_maps`."""
        return windows(self.map_sizes[self.indices], self.map_sizes[self.targets], self.kernel)

    def strengths(self, mask: NDArray[np.bool_] | None = None) -> sparse.csc_array:
        """Return an n × n matrix with one number per edge: the weight, or of a kernel the sum of its taps' magnitudes.

        Parameters
        ----------
        mask : ndarray of bool, shape (nnz,), optional
            Which stored entries to count; by default all.
        """
        chosen = slice(None) if mask is None else mask
        if self.taps is None:
            return self.weights if mask is None else self.weights_of(mask)
        values = np.where(self.windows == 1, self.values, np.abs(self.values))[chosen]
        sources, targets = self.indices[chosen], self.targets[chosen]
        first = np.ones(len(values), np.bool_)
        first[1:] = (sources[1:] != sources[:-1]) | (targets[1:] != targets[:-1])
        begins = np.flatnonzero(first)
        return assemble_columns(
            np.searchsorted(targets[begins], np.arange(self.n_nodes + 1)).astype(np.int64),
            sources[begins],
            np.add.reduceat(values, begins) if len(begins) else values,
        )

    @property
    def inputs(self) -> NDArray[np.intp]:
        """Positions of the input nodes, in the order of the features they read."""
        return self._positions(Role.INPUT)

    @property
    def outputs(self) -> NDArray[np.intp]:
        """Positions of the output nodes, in the order of the scores they give."""
        return self._positions(Role.OUTPUT)

    def _positions(self, role: Role) -> NDArray[np.intp]:
        positions = np.flatnonzero(self.roles == role)
        return positions[np.argsort(self.ids[positions], kind="stable")]

    def active_mask(self) -> NDArray[np.bool_]:
        """Tell for each stored entry whether the threshold lets it through; shape (nnz,)."""
        if self.threshold is None:
            return np.ones(self.n_stored, dtype=np.bool_)
        return threshold_mask(self.weights, self.threshold, self.threshold_mode)

    def effective_mask(self) -> NDArray[np.bool_]:
        """Tell for each stored entry whether it is live and acts on an output; shape (nnz,).

        Only these edges are computed, and charged as parameters and multiply-accumulates.
        """
        mask = self.active_mask()
        live = self.strengths(mask)
        useful = useful_edges(live, self.inputs, self.outputs, self.ticks)
        if self.taps is None:
            mask[mask] = useful
            return mask
        # One entry of `live` stands for all live taps of a kernel, which lie one after another.
        places = self.targets * self.n_nodes + self.indices
        ends = np.repeat(np.arange(self.n_nodes), np.diff(live.indptr)) * self.n_nodes
        mask[mask] = useful[np.searchsorted(ends + live.indices, places[mask])]
        return mask

    def with_values(self, values: FloatArray, bias: FloatArray) -> Self:
        """Return the same topology with other weights and biases."""
        return replace(self, values=values, bias=bias)

    def equals(self, other: "Genome") -> bool:
        """Tell whether two genomes are the same, bit for bit."""
        return self.fingerprint() == other.fingerprint()

    def fingerprint(self) -> str:
        """Return a hash of everything stored: 32 hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=16)
        for part in fields(self):
            if part.name in MAP_FIELDS and not self.has_maps:
                continue
            value = getattr(self, part.name)
            described = value.dtype.str if isinstance(value, np.ndarray) else repr(value)
            digest.update(f"{STORED_AS.get(part.name, part.name)}:{described};".encode())
            if isinstance(value, np.ndarray):
                digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()


def assemble_columns(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: FloatArray,
    rows_per_node: int = 1,
) -> sparse.csc_array:
    """Assemble a canonical K·n × n matrix around arrays, without copying values or, below 2³¹ entries, indices."""
    n = len(indptr) - 1
    matrix = sparse.csc_array((rows_per_node * n, n), dtype=values.dtype)
    if len(values) <= np.iinfo(indices.dtype).max:
        # SciPy wants one type for both: of the two, this is the small one.
        matrix.indptr, matrix.indices = indptr.astype(indices.dtype), indices
    else:
        matrix.indptr, matrix.indices = indptr, indices.astype(indptr.dtype)
    matrix.data = values
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix
