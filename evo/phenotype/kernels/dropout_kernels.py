"""Dropout of hidden neurons in the passes (:mod:`cnn.dropout`).

The *type* of ``dropout`` decides at compile time which of two variants is compiled, as that of maps does
(:mod:`evo.phenotype.kernels.map_kernels`). Without dropout it is the empty tuple, and the passes contain no code for
it.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from cnn.compile.compilation import OVERLOAD_OPTIONS, kernel
from cnn.dropout.dropout_kernels import Words, write_factors
from evo.phenotype.kernels.edge_kernels import Floats
from evo.phenotype.kernels.map_kernels import is_empty


class NodeDropout(NamedTuple):
    """The dropout of one batch, as the passes read it.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_computed,)
        Row of each computed node in `factors`, −1 where its outputs are never dropped.
    words : ndarray of uint32, shape (n_rows,)
        The word of the node of each row.
    keys : ndarray of uint32, shape (length,)
        The key of each sample, padded as rows are.
    threshold : uint32
        Mixed words below the threshold leave an output out.
    scale : float
        1 / (1 − probability).
    factors : ndarray, shape (n_rows · length,)
        Factors of the outputs: 0 or `scale`. The compiled training loop writes `keys` and `factors` at each step.
    """

    rows: NDArray[np.int64]
    words: Words
    keys: Words
    threshold: np.uint32
    scale: float
    factors: Floats


@kernel
def draw_masks(dropout: NodeDropout, mask_keys: Words) -> None:
    """Write the keys and the factors of a batch."""
    for b in range(mask_keys.shape[0]):
        dropout.keys[b] = mask_keys[b]
    write_factors(dropout.words, dropout.keys, dropout.threshold, dropout.scale, dropout.factors)


def drop_output(dropout: Any, p: int, output: Floats) -> None:
    """Drop outputs of a computed node, in place. All ticks have the same mask; without dropout, do nothing."""
    raise NotImplementedError


@overload(drop_output, jit_options=OVERLOAD_OPTIONS)
def _drop_output(dropout: Any, p: Any, output: Any) -> Any:
    def drop(dropout: Any, p: Any, output: Any) -> Any:
        at = dropout.rows[p] * output.shape[0]
        if at >= 0:
            for b in range(output.shape[0]):
                output[b] *= dropout.factors[at + b]

    def nothing(dropout: Any, p: Any, output: Any) -> Any:
        pass

    return nothing if is_empty(dropout) else drop


def drop_residual(dropout: Any, p: int, output: Floats, residual: Floats) -> None:
    """Turn ∂E/∂(dropped output) into ∂E/∂o, in place, and scale kept outputs back to o, which gives the slope.

    The residual is 0 where an output was dropped, so its slope does not matter.
    """
    raise NotImplementedError


@overload(drop_residual, jit_options=OVERLOAD_OPTIONS)
def _drop_residual(dropout: Any, p: Any, output: Any, residual: Any) -> Any:
    def drop(dropout: Any, p: Any, output: Any, residual: Any) -> Any:
        at, share = dropout.rows[p] * output.shape[0], output.dtype.type(1 / dropout.scale)
        if at >= 0:
            for b in range(output.shape[0]):
                residual[b] *= dropout.factors[at + b]
                output[b] *= share

    def nothing(dropout: Any, p: Any, output: Any, residual: Any) -> Any:
        pass

    return nothing if is_empty(dropout) else drop
