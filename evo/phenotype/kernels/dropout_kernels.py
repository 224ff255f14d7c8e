"""Dropout of hidden neurons in the passes (:mod:`cnn.dropout`).

The *type* of ``dropout`` decides at compile time which of two variants is compiled, as that of maps does
(:mod:`evo.phenotype.kernels.map_kernels`). Without dropout it is the empty tuple, and the passes contain no code for
it.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from cnn.compile.compilation import OVERLOAD_OPTIONS
from cnn.dropout.dropout_kernels import Words, drop_row
from evo.phenotype.kernels.edge_kernels import Floats
from evo.phenotype.kernels.map_kernels import is_empty


class NodeDropout(NamedTuple):
    """The dropout of one batch, as the passes read it.

    Attributes
    ----------
    drops : ndarray of bool, shape (n_computed,)
        Whether outputs of a computed node are dropped.
    words : ndarray of uint32, shape (n_computed,)
        The word of each computed node.
    keys : ndarray of uint32, shape (length,)
        The key of each sample, padded as rows are. The compiled training loop writes those of each step.
    threshold : uint32
        Mixed words below the threshold leave an output out.
    scale : float
        1 / (1 − probability).
    """

    drops: NDArray[np.bool_]
    words: Words
    keys: Words
    threshold: np.uint32
    scale: float


def drop_output(dropout: Any, p: int, output: Floats) -> None:
    """Drop outputs of a computed node, in place. All ticks have the same mask."""
    raise NotImplementedError


@overload(drop_output, jit_options=OVERLOAD_OPTIONS)
def _drop_output(dropout: Any, p: Any, output: Any) -> Any:
    def drop(dropout: Any, p: Any, output: Any) -> Any:
        if dropout.drops[p]:
            drop_row(output, dropout.words[p], dropout.keys, dropout.threshold, dropout.scale)

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
        if dropout.drops[p]:
            drop_row(residual, dropout.words[p], dropout.keys, dropout.threshold, dropout.scale)
            scale = output.dtype.type(dropout.scale)
            for b in range(output.shape[0]):
                output[b] /= scale

    def nothing(dropout: Any, p: Any, output: Any, residual: Any) -> Any:
        pass

    return nothing if is_empty(dropout) else drop
