"""The genome: a network as an adjacency matrix, a threshold and a node table.

``W[i, j]`` is the weight of the edge from node i to node j: column j has the in-edges of node j, row i the out-edges of
node i. The matrix is stored by target (compressed sparse columns). The bias of node j is the entry of column j in an
additional row, the row of a constant node. A bias is not an edge, and the threshold does not apply to it.

Index order is evaluation order. At tick t = 0 … T−1 node j computes

    x_t[j] = φ_j( Σ_{i<j} W[i, j]·x_t[i] + Σ_{i≥j} W[i, j]·x_{t−1}[i] + b_j ),

inputs are clamped (also at t = −1) and every other node starts at 0. Outputs are read after the last tick. So every
square matrix is a valid network: cycles and self-loops need no repair, and the order of nodes matters.

A node may be a *feature map* of side² numbers. Then x[j] above is a map and ``W[i, j]`` a kernel of taps
(:mod:`evo.genome.feature_maps`); all taps are in one flat vector of values. W then has K rows per node, one for each
tap that a kernel may have: row ``i·K + tap`` of column j. If all nodes are neurons, K is 1.
"""

import hashlib
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from evo.display import line_of, table_of
from evo.genome import graph_kernels
from evo.genome.activations import activation_code, activation_codes
from evo.genome.feature_maps import Downsampling, Kernel, first_taps, largest_window, windows
from evo.genome.roles import Role
from evo.genome.validity import check_genome, check_weights

FloatArray = NDArray[np.floating[Any]]
ThresholdMode = Literal["magnitude", "signed"]

__all__ = ["MAP_FIELDS", "FloatArray", "Genome", "Role", "ThresholdMode", "assemble_columns"]

MAP_FIELDS = frozenset({"map_sizes", "taps", "kernel", "downsampling"})
"""The parts of a genome that have a meaning only if there are feature maps."""

STORED_AS = {"threshold": "limit", "map_sizes": "sides"}
"""Names in files and fingerprints that differ from the names here; the file format stays."""


@dataclass(frozen=True, eq=False)
class Genome:
    """A network as a value: frozen, always valid, with read-only arrays.

    Attributes
    ----------
    indptr : ndarray of int64, shape (n + 1,)
        The index of each column's first entry.
    indices : ndarray of int32, shape (nnz,)
        The source node of each stored entry, ascending within a column. Between maps every tap is an entry.
    values : ndarray of float32 or float64, shape (nnz,)
        The weights. Stored zeros stay stored.
    bias : ndarray, shape (n,), dtype of `values`
        The bias of each node. The bias of an input has no effect.
    ids : ndarray of int64, shape (n,)
        Names of the nodes, which stay when nodes are reordered. The input with the smallest id reads the first
        features: one if it is a neuron, side² if it is a map. The output with the smallest id gives the first score.
    roles : ndarray of uint8, shape (n,)
        The :class:`Role` of each node.
    activations : ndarray of uint8, shape (n,)
        Codes into :data:`evo.genome.activations.ACTIVATIONS`.
    threshold : float or ndarray of shape (n,) or None
        The threshold A (S20), one number for all nodes or one per target. An entry above A is an edge; other entries
        are dormant. With ``None`` every stored entry is an edge.
    threshold_mode : {"magnitude", "signed"}
        Whether |w| or w is compared with A. The seed document, taken literally, compares w.
    ticks : int
        T. With one tick the network is feed-forward, with more it is recurrent.
    map_sizes : ndarray of int32, shape (n,)
        The side of each node's map; 1, the default, is a neuron. Outputs must be neurons.
    taps : ndarray of uint16, shape (nnz,), or None
        The tap number of each entry (:mod:`evo.genome.feature_maps`), ascending among the entries of one source and
        target. None if all nodes are neurons.
    kernel : int or tuple of pairs of int
        Side of the kernels, odd: one number, or pairs (map size, side of kernels into maps of this size), in ascending
        order. It has no effect if all nodes are neurons.
    downsampling : {"max", "mean"}
        The pooling that halves a map.

    Raises
    ------
    ValueError
        If the parts do not fit together. The message names the part and the rule.
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
    kernel: Kernel = 5
    downsampling: Downsampling = "max"

    def __post_init__(self) -> None:
        """Check the parts against each other and make the arrays read-only."""
        if self.map_sizes.size == 0:
            object.__setattr__(self, "map_sizes", np.ones(len(self.ids), np.int32))
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, part.name, read_only(value))
        check_genome(self)

    @classmethod
    def of_valid_parts(cls, **parts: Any) -> Self:
        """Make a genome of all its parts without :func:`evo.genome.validity.check_genome`.

        The caller answers for the parts: they must be those that :class:`Genome` would accept.
        """
        genome = object.__new__(cls)
        genome.__setstate__(parts)
        return genome

    def _facts(self) -> dict[str, object]:
        several = isinstance(self.threshold, np.ndarray)
        return {
            "nodes": self.n_nodes,
            "inputs": len(self.inputs),
            "outputs": len(self.outputs),
            **({"maps": int((self.map_sizes > 1).sum())} if self.has_maps else {}),
            "stored": self.n_stored,
            "active": int(self.active_mask().sum()),
            "threshold": "one per node" if several else self.threshold,
            "ticks": self.ticks,
        }

    def __repr__(self) -> str:
        """Return one line, without arrays."""
        return line_of(self, self._facts())

    def _repr_html_(self) -> str:
        """Return a small table for notebooks."""
        return table_of(self, self._facts())

    def remember_nodes_of(self, other: "Genome") -> None:
        """Take over :attr:`inputs` and :attr:`outputs`, if remembered, of a genome with the same ids and roles."""
        found = vars(other)
        vars(self).update({name: found[name] for name in ("inputs", "outputs") if name in found})

    def __getstate__(self) -> dict[str, Any]:
        """Return the parts for a copy. What :attr:`inputs` and :attr:`outputs` remember is found again there."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a deep or pickled copy, whose arrays are read-only again."""
        for name, value in state.items():
            kept = read_only(value) if isinstance(value, np.ndarray) else value
            object.__setattr__(self, name, kept)

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

        The first `n_inputs` nodes are inputs and the last `n_outputs` nodes outputs. The non-zero entries of a dense
        matrix are stored, and all stored entries of a sparse matrix, zeros too.

        Parameters
        ----------
        matrix : array_like or sparse array, shape (n, n)
            The weights. The dtypes float32 and float64 are kept, any other becomes float32.
        n_inputs, n_outputs : int
            Number of input and output nodes.
        activation : str or sequence of str
            One name for all hidden nodes, or one name per node.
        output_activation : str
            Activation of the outputs if `activation` is one name. With ``identity`` the loss applies softmax if needed.
        bias : array_like, shape (n,), optional
            Zero by default.
        threshold, threshold_mode, ticks
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

    # -- properties ------------------------------------------------------------------------------------------------

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
        """Number of features of a sample: side² for each input."""
        return int((self.map_sizes[self.roles == Role.INPUT].astype(np.int64) ** 2).sum())

    @property
    def has_maps(self) -> bool:
        """Whether any node is a feature map."""
        return self.taps is not None

    @property
    def rows_per_node(self) -> int:
        """K, the number of rows of W per node: one for each tap that a kernel may have, 1 without feature maps."""
        return 1 if self.taps is None else largest_window(self.map_sizes, self.kernel) ** 2

    @property
    def rows(self) -> NDArray[np.int32]:
        """The row of W of each stored entry, shape (nnz,): K · source + tap."""
        if self.taps is None:
            return self.indices
        rows: NDArray[np.int32] = self.indices * np.int32(self.rows_per_node) + self.taps
        return rows

    @property
    def weights(self) -> sparse.csc_array:
        """The matrix W, shape (K·n, n) with K = :attr:`rows_per_node`; it shares the values of this genome."""
        return assemble_columns(self.indptr, self.rows, self.values, self.rows_per_node)

    def weights_of(self, mask: NDArray[np.bool_]) -> sparse.csc_array:
        """Return the matrix of the stored entries that a mask of shape (nnz,) selects."""
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
        """The window of each stored entry's kernel, shape (nnz,); see :mod:`evo.genome.feature_maps`."""
        return windows(self.map_sizes[self.indices], self.map_sizes[self.targets], self.kernel)

    def strengths(self, mask: NDArray[np.bool_] | None = None) -> sparse.csc_array:
        """Return an n × n matrix with one number per edge: its weight or, for a kernel, the sum of its magnitudes.

        Parameters
        ----------
        mask : ndarray of bool, shape (nnz,), optional
            The stored entries to use; by default all.
        """
        chosen = slice(None) if mask is None else mask
        if self.taps is None:
            return self.weights if mask is None else self.weights_of(mask)
        values = np.where(self.windows == 1, self.values, np.abs(self.values))[chosen]
        sources, targets = self.indices[chosen], self.targets[chosen]
        begins = first_taps(sources, targets)
        return assemble_columns(
            np.searchsorted(targets[begins], np.arange(self.n_nodes + 1)).astype(np.int64),
            sources[begins],
            np.add.reduceat(values, begins) if len(begins) else values,
        )

    @cached_property
    def inputs(self) -> NDArray[np.intp]:
        """Indices of the input nodes, in the order of the features that they read; found once."""
        return self._nodes(Role.INPUT)

    @cached_property
    def outputs(self) -> NDArray[np.intp]:
        """Indices of the output nodes, in the order of the scores that they give; found once."""
        return self._nodes(Role.OUTPUT)

    def _nodes(self, role: Role) -> NDArray[np.intp]:
        nodes = np.flatnonzero(self.roles == role)
        nodes = nodes[np.argsort(self.ids[nodes], kind="stable")]
        nodes.flags.writeable = False
        return nodes

    def is_delayed(
        self, sources: NDArray[np.integer[Any]], targets: NDArray[np.integer[Any]]
    ) -> NDArray[np.bool_]:
        """Return whether edges between some nodes would act one tick later.

        An edge to an earlier node, or to the node itself, is delayed. With one tick, edges from inputs are not delayed,
        because inputs have their values before the first tick too. With several ticks they are like other edges: the
        input may be a sequence.

        Parameters
        ----------
        sources, targets : ndarray of int
            Indices of nodes.
        """
        delayed: NDArray[np.bool_] = sources >= targets
        return delayed if self.ticks > 1 else delayed & (self.roles[sources] != Role.INPUT)

    def active_mask(self) -> NDArray[np.bool_]:
        """Return for each stored entry whether it is active, that is, above the threshold; shape (nnz,).

        As :func:`graphops.threshold_mask`: the threshold is rounded to the dtype of the weights.
        """
        if self.threshold is None:
            return np.ones(self.n_stored, dtype=np.bool_)
        with np.errstate(over="ignore"):
            threshold = np.asarray(self.threshold).astype(self.values.dtype)
        if threshold.ndim:
            threshold = np.repeat(threshold, np.diff(self.indptr))
        scores = np.abs(self.values) if self.threshold_mode == "magnitude" else self.values
        active: NDArray[np.bool_] = scores > threshold
        return active

    def delays_to_output(self, active: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the least number of delayed edges on a path from each node to an output, shape (n,).

        A node without a path has the number of ticks. The network needs the nodes whose number is below the ticks
        (:func:`graphops.needed_nodes`).

        Parameters
        ----------
        active : ndarray of bool, shape (nnz,)
            The stored entries that are edges; all if it is empty.
        """
        delays, is_input = np.empty(self.n_nodes, np.int64), self.roles == Role.INPUT
        graph_kernels.delays_to_output(
            self.indptr, self.indices, active, is_input, self.outputs, self.ticks, delays
        )
        return delays

    def effective_mask(self) -> NDArray[np.bool_]:
        """Return for each stored entry whether it is effective: active and on a path to an output; shape (nnz,).

        Only effective entries are computed and counted as parameters and multiply-accumulates. As
        :func:`graphops.useful_edges` of the active entries; O(ticks · (nodes + stored entries)) at most.
        """
        mask, is_input = self.active_mask(), self.roles == Role.INPUT
        delays = self.delays_to_output(mask)
        graph_kernels.keep_effective(self.indptr, self.indices, is_input, delays, self.ticks, mask)
        return mask

    def with_values(self, values: FloatArray, bias: FloatArray) -> Self:
        """Return the same topology with other weights and biases, or raise ValueError if these do not fit."""
        values, bias = read_only(values), read_only(bias)
        check_weights(values, bias, self.n_stored, self.n_nodes)
        # Only these two arrays need a check: the other parts, and the remembered indices of inputs and outputs, are
        # those of this valid genome.
        return self._with(values=values, bias=bias)

    def without_threshold(self) -> Self:
        """Return the same genome without a threshold: every stored entry is an edge."""
        return self._with(threshold=None)

    def _with(self, **parts: Any) -> Self:
        """Return the same genome with other parts, which are known to fit."""
        genome = object.__new__(type(self))
        vars(genome).update(vars(self), **parts)
        return genome

    def equals(self, other: "Genome") -> bool:
        """Return whether two genomes are equal, bit for bit."""
        return self.fingerprint() == other.fingerprint()

    def fingerprint(self) -> str:
        """Return a hash of all parts: 32 hexadecimal digits."""
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


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view of an array, or the array itself if it is read-only.

    Numba compiles a kernel separately for writable and for read-only arrays, and the two need not round alike. Arrays
    from shared memory, as on a Ray worker, are read-only, so every array that kernels only read is made read-only.
    """
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def assemble_columns(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: FloatArray,
    rows_per_node: int = 1,
) -> sparse.csc_array:
    """Return a canonical K·n × n matrix of these arrays. Values and, below 2³¹ entries, indices are not copied."""
    n = len(indptr) - 1
    matrix = sparse.csc_array((rows_per_node * n, n), dtype=values.dtype)
    if len(values) <= np.iinfo(indices.dtype).max:
        # SciPy needs one dtype for both arrays; the indices stay as they are.
        matrix.indptr, matrix.indices = indptr.astype(indices.dtype), indices
    else:
        matrix.indptr, matrix.indices = indptr, indices.astype(indptr.dtype)
    matrix.data = values
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix
