"""The seed document's 5 × 5 matrix as a network, between inputs and outputs (S19)."""

import numpy as np
from scipy import sparse

import graphops
from graphops import Scale

FIRST, LAST = (0, 1), 3
"""The nodes of the example's cycle, where paths begin, and the node where all paths end."""


def draw_example(
    n_inputs: int, n_outputs: int, *, rng: np.random.Generator, scale: Scale
) -> sparse.csc_array:
    """Return the example's matrix between inputs and outputs.

    ::

        inputs ──► 0 ◄─► 1 ──► 2 ──► 3 ──► outputs
                   └──► 4 ───────────┘

    Every input leads to both nodes of the cycle 0 ↔ 1, and node 3 to every output; these weights are drawn. The
    example's own weights are 1. The edges 1 → 0 and 4 → 3 are delayed, so they act from the second tick on.

    Parameters
    ----------
    n_inputs, n_outputs : int
    rng : numpy.random.Generator
        Draws the weights from inputs and to outputs: normal, with variance 1/in-degree or 2/in-degree.
    scale : {"glorot", "he"}

    Returns
    -------
    csc_array of float32, shape (n_inputs + 5 + n_outputs,) * 2
        Inputs first, outputs last.

    Examples
    --------
    >>> draw_example(2, 1, rng=np.random.default_rng(0), scale="glorot").astype(bool).astype(int).toarray()
    array([[0, 0, 1, 1, 0, 0, 0, 0],
           [0, 0, 1, 1, 0, 0, 0, 0],
           [0, 0, 0, 1, 0, 0, 1, 0],
           [0, 0, 1, 0, 1, 0, 0, 0],
           [0, 0, 0, 0, 0, 1, 0, 0],
           [0, 0, 0, 0, 0, 0, 0, 1],
           [0, 0, 0, 0, 0, 1, 0, 0],
           [0, 0, 0, 0, 0, 0, 0, 0]])
    """
    core = np.arange(n_inputs, n_inputs + len(graphops.EXAMPLE_MATRIX))
    n = n_inputs + len(core) + n_outputs
    pattern = sparse.lil_array((n, n), dtype=np.float32)
    pattern[: core[0], core[list(FIRST)]] = 1
    pattern[core[LAST], core[-1] + 1 :] = 1
    pattern[np.ix_(core, core)] = graphops.EXAMPLE_MATRIX
    matrix = pattern.tocsc()
    in_degrees = np.diff(matrix.indptr)
    matrix.data[:] = graphops.random_weights(in_degrees, rng=rng, scale=scale)
    sources, targets = matrix.indices, np.repeat(np.arange(n), in_degrees)
    matrix.data[np.isin(sources, core) & np.isin(targets, core)] = 1
    return matrix
