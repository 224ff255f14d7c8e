"""The genome: a network as an adjacency matrix, a threshold and a node table.

This file says what a genome *is* and guards its validity; :mod:`evo.draft` changes one, :mod:`evo.network` runs one.

``W[i, j]`` is the weight of the edge from node i to node j: column j is what j listens to, row i is whom i speaks
to. The matrix is stored by target (compressed sparse columns). The bias of node j is the entry of column j in one
further row, that of a constant node; it is no edge, and the threshold does not apply to it.

Index order is evaluation order. At tick t = 0 … T−1 node j computes

    x_t[j] = φ_j( Σ_{i<j} W[i, j]·x_t[i] + Σ_{i≥j} W[i, j]·x_{t−1}[i] + b_j ),

inputs are clamped (also at t = −1) and every other node starts at 0; outputs are read after the last tick. So every
square matrix is a valid network: cycles and self-loops need no repair, and moving a node changes what it computes.
"""

import hashlib
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from evo import genome_kernels
from evo.activations import ACTIVATIONS, activation_code, activation_codes
from graphops import threshold_mask, useful_edges

FloatArray = NDArray[np.floating[Any]]
ThresholdMode = Literal["magnitude", "signed"]


class Role(IntEnum):
    """What a node is for; the values stand in node tables and files."""

    INPUT = 0
    HIDDEN = 1
    OUTPUT = 2


@dataclass(frozen=True, eq=False)
class Genome:
    """A network as a value: frozen, with read-only arrays.

    Attributes
    ----------
    indptr : ndarray of int64, shape (n + 1,)
        Where each column's entries begin.
    indices : ndarray of int32, shape (nnz,)
        The source node of each stored entry, ascending within a column.
    values : ndarray of float32 or float64, shape (nnz,)
        The weights. Stored zeros stay stored.
    bias : ndarray, shape (n,), dtype of `values`
        The bias of every node; that of an input is without effect.
    ids : ndarray of int64, shape (n,)
        Stable names of the nodes. They survive reordering: the input with the k-th smallest id reads feature k, the
        output with the k-th smallest id gives score k.
    roles : ndarray of uint8, shape (n,)
        A :class:`Role` each.
    activations : ndarray of uint8, shape (n,)
        Codes into :data:`evo.activations.ACTIVATIONS`.
    limit : float or ndarray of shape (n,) or None
        The threshold A (S20), one for all or one per target. An entry is an edge if it lies above; with ``None``
        every stored entry is one.
    threshold_mode : {"magnitude", "signed"}
        Compare |w| with A, or w itself (the document's literal reading).
    ticks : int
        T. One tick is feed-forward, more are recurrent.

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
    limit: float | FloatArray | None = None
    threshold_mode: ThresholdMode = "magnitude"
    ticks: int = 1

    def __post_init__(self) -> None:
        """Check the parts against each other and make the arrays read-only."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray) and value.flags.writeable:
                value = value.view()
                value.flags.writeable = False
                object.__setattr__(self, field.name, value)
        _check(self)

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
        limit: float | FloatArray | None = None,
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
            limit=limit.copy() if isinstance(limit, np.ndarray) else limit,
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
    def weights(self) -> sparse.csc_array:
        """The matrix W, shape (n, n), sharing this genome's arrays."""
        return assemble_columns(self.indptr, self.indices, self.values)

    def weights_of(self, mask: NDArray[np.bool_]) -> sparse.csc_array:
        """Return the matrix of some of the stored entries, told by a mask of shape (nnz,)."""
        return assemble_columns(
            np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])[self.indptr],
            self.indices[mask],
            self.values[mask],
        )

    def to_dense(self) -> FloatArray:
        """Return W as a new ndarray of shape (n, n)."""
        return self.weights.toarray()  # type: ignore[no-any-return]

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

    def live_mask(self) -> NDArray[np.bool_]:
        """Tell for each stored entry whether the threshold lets it through; shape (nnz,)."""
        if self.limit is None:
            return np.ones(self.n_stored, dtype=np.bool_)
        return threshold_mask(self.weights, self.limit, self.threshold_mode)

    def effective_mask(self) -> NDArray[np.bool_]:
        """Tell for each stored entry whether it is live and acts on an output; shape (nnz,).

        Only these edges are computed, and charged as parameters and multiply-accumulates.
        """
        mask = self.live_mask()
        live = self.weights_of(mask)
        mask[mask] = useful_edges(live, self.inputs, self.outputs, self.ticks)
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
        for field in fields(self):
            value = getattr(self, field.name)
            described = value.dtype.str if isinstance(value, np.ndarray) else repr(value)
            digest.update(f"{field.name}:{described};".encode())
            if isinstance(value, np.ndarray):
                digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()


def assemble_columns(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], values: FloatArray
) -> sparse.csc_array:
    """Assemble a canonical n × n matrix around arrays, without copying values or, below 2³¹ entries, indices."""
    n = len(indptr) - 1
    matrix = sparse.csc_array((n, n), dtype=values.dtype)
    if len(values) <= np.iinfo(indices.dtype).max:
        # SciPy wants one type for both: of the two, this is the small one.
        matrix.indptr, matrix.indices = indptr.astype(indices.dtype), indices
    else:
        matrix.indptr, matrix.indices = indptr, indices.astype(indptr.dtype)
    matrix.data = values
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


_DTYPES = {
    "indptr": np.int64,
    "indices": np.int32,
    "ids": np.int64,
    "roles": np.uint8,
    "activations": np.uint8,
}


def _check(genome: Genome) -> None:
    """Raise ValueError at the first part that does not fit."""
    n, nnz = len(genome.ids), len(genome.values)
    if genome.values.dtype not in (np.float32, np.float64):
        raise ValueError(f"values must be float32 or float64; got {genome.values.dtype}")
    for name, dtype in _DTYPES.items():
        if getattr(genome, name).dtype != dtype:
            raise ValueError(f"{name} must be {dtype.__name__}; got {getattr(genome, name).dtype}")
    for name in ("indptr", "indices"):
        if getattr(genome, name).ndim != 1:
            raise ValueError(f"{name} must be a vector; got shape {getattr(genome, name).shape}")
    for name, length in (("values", nnz), ("ids", n)):
        if getattr(genome, name).shape != (length,):
            raise ValueError(f"{name} must be a vector; got shape {getattr(genome, name).shape}")
    for name in ("bias", "roles", "activations"):
        if getattr(genome, name).shape != (n,):
            raise ValueError(f"{name} must have shape ({n},); got {getattr(genome, name).shape}")
    if genome.bias.dtype != genome.values.dtype:
        raise ValueError(
            f"bias must have the dtype of values ({genome.values.dtype}); got {genome.bias.dtype}"
        )
    fault = genome_kernels.first_fault(genome.indptr, genome.indices, genome.values, genome.bias, n)
    if fault == genome_kernels.POINTERS:
        raise ValueError(f"indptr must rise from 0 to {nnz} in {n + 1} steps")
    if fault == genome_kernels.RANGE:
        raise ValueError(f"indices must be {nnz} node positions in [0, {n})")
    if fault == genome_kernels.ORDER:
        raise ValueError("indices must rise within each column")
    for name, part in (("values", genome_kernels.VALUES), ("bias", genome_kernels.BIAS)):
        if fault == part:
            raise ValueError(f"{name} must be finite")
    if not _distinct(genome.ids):
        raise ValueError("ids must be distinct")
    if n and genome.roles.max() > max(Role):
        raise ValueError(f"roles must be among {[int(role) for role in Role]}")
    if not (genome.roles == Role.OUTPUT).any():
        raise ValueError("roles must hold at least one output")
    if n and genome.activations.max() >= len(ACTIVATIONS):
        raise ValueError(f"activations must be codes below {len(ACTIVATIONS)}")
    if genome.threshold_mode not in ("magnitude", "signed"):
        raise ValueError(
            f"threshold_mode must be magnitude or signed; got {genome.threshold_mode!r}"
        )
    if isinstance(genome.limit, np.ndarray) and genome.limit.shape != (n,):
        raise ValueError(f"limit must be one number or have shape ({n},); got {genome.limit.shape}")
    if genome.limit is not None and not np.isfinite(genome.limit).all():
        raise ValueError("limit must be finite, or None to let every stored entry through")
    if genome.ticks < 1:
        raise ValueError(f"ticks must be at least 1; got {genome.ticks}")


def _distinct(numbers: NDArray[np.int64]) -> bool:
    """Tell whether all numbers differ; by counting where they lie close together."""
    n = len(numbers)
    if n and numbers.min() >= 0 and numbers.max() < 8 * n:
        return bool(np.bincount(numbers).max() == 1)
    return len(np.unique(numbers)) == n
