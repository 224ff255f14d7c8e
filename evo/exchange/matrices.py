"""Conversion of any square matrix to a genome, with roles by node index."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

from cnn.checks import brief, is_whole
from evo.genome.activations import activation_code
from evo.genome.genome import FloatArray, Genome, Role, ThresholdMode


def from_matrix(
    matrix: ArrayLike | sparse.sparray,
    *,
    inputs: int | Sequence[int],
    outputs: int | Sequence[int],
    activation: str = "tanh",
    output_activation: str = "identity",
    bias: ArrayLike | None = None,
    threshold: float | FloatArray | None = None,
    threshold_mode: ThresholdMode = "magnitude",
    ticks: int = 1,
    dtype: DTypeLike | None = None,
) -> Genome:
    """Return the genome of any square matrix, dense or sparse; ``matrix[i, j]`` is the weight from node i to node j.

    Parameters
    ----------
    matrix : array_like or sparse array, shape (n, n)
        The weights; also a data frame. The non-zero entries of a dense matrix are stored, and all stored entries of a
        sparse matrix.
    inputs, outputs : int or sequence of int
        Number of inputs, which are the first nodes, and of outputs, which are the last nodes. Or the indices of these
        nodes, in the order of the features and of the scores.
    activation, output_activation : str
        Of the hidden nodes, and of the outputs.
    bias, threshold, threshold_mode, ticks
        As for :class:`evo.genome.genome.Genome`.
    dtype : dtype, optional
        float32 or float64. By default that of the matrix, and float32 for integers and booleans.

    Raises
    ------
    TypeError, ValueError
        If the matrix is not square, holds something else than finite numbers, or another argument breaks a rule.

    Examples
    --------
    The second node is the input, the first node the output:

    >>> genome = from_matrix([[0, 0], [0.5, 0]], inputs=[1], outputs=[0], ticks=2)
    >>> genome.inputs.tolist(), genome.outputs.tolist()
    ([1], [0])
    """
    checked = _checked(matrix, dtype)
    n = checked.shape[0]
    first, last = _nodes("inputs", inputs, n), _nodes("outputs", outputs, n)
    if not len(last):
        raise ValueError("outputs must be at least one node; got none")
    if len(first) + len(last) > n or np.isin(first, last).any():
        raise ValueError(
            f"inputs and outputs must be different nodes of the {n}; got {brief(inputs)} and {brief(outputs)}"
        )
    genome = Genome.from_matrix(
        checked,
        n_inputs=0,
        n_outputs=1,
        bias=bias,
        threshold=threshold,
        threshold_mode=threshold_mode,
        ticks=ticks,
    )
    roles = np.full(n, Role.HIDDEN, np.uint8)
    roles[first], roles[last] = Role.INPUT, Role.OUTPUT
    ids = np.empty(n, np.int64)
    ids[np.concatenate([first, np.flatnonzero(roles == Role.HIDDEN), last])] = np.arange(n)
    codes = [activation_code(name) for name in ("identity", activation, output_activation)]
    return replace(genome, roles=roles, ids=ids, activations=np.array(codes, np.uint8)[roles])


def _checked(matrix: Any, dtype: DTypeLike | None) -> Any:
    """Return a matrix that is square and holds real numbers, which are finite in its dtype."""
    given: Any = matrix if sparse.issparse(matrix) else np.asarray(matrix)
    if np.ma.is_masked(matrix):
        raise ValueError("matrix must have a number at every place; got a masked array")
    if given.dtype.kind not in "buif":
        raise TypeError(f"matrix must hold real numbers; got {given.dtype}")
    if given.ndim != 2 or given.shape[0] != given.shape[1]:
        raise ValueError(f"matrix must be square; got shape {given.shape}")
    is_float = given.dtype in (np.float32, np.float64)
    kept = np.dtype(dtype or (given.dtype if is_float else np.float32))
    with np.errstate(over="ignore"):
        rounded = given.astype(kept)
    entries = rounded.tocoo() if sparse.issparse(rounded) else rounded
    finite = np.isfinite(entries.data if sparse.issparse(rounded) else entries)
    if not finite.all():
        at = np.argwhere(~finite)[0].tolist()
        place = (int(entries.row[at[0]]), int(entries.col[at[0]])) if len(at) == 1 else tuple(at)
        raise ValueError(f"matrix must be finite in {kept}; got another number at {place}")
    return rounded


def _nodes(name: str, given: int | Sequence[int], n: int) -> NDArray[np.intp]:
    """Return the indices of the inputs or outputs."""
    if is_whole(given):
        if not 0 <= given <= n:  # type: ignore[operator]
            raise ValueError(f"{name} must be from 0 to the {n} nodes of the matrix; got {given}")
        first = 0 if name == "inputs" else n - given  # type: ignore[operator]
        return np.arange(first, first + given)  # type: ignore[operator]
    nodes: list[Any] = list(given) if isinstance(given, Sequence | np.ndarray) else [None]
    if not all(is_whole(node) and 0 <= node < n for node in nodes) or len(set(nodes)) < len(nodes):
        raise ValueError(
            f"{name} must be a number of nodes, or different indices from 0 to {n - 1}; got {brief(given)}"
        )
    return np.array(nodes, np.intp)
