"""Random initial networks of inputs, hidden nodes and outputs, numbered in this order.

The number of edges for a density and the distribution of weights are defined in :mod:`graphops.initial`: at least one
edge into every target node, and weights scaled by the in-degree.
"""

from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphops._draws import Scale, draw_sources, rewire, weighted
from graphops.validation import (
    check_choice,
    check_fraction,
    check_generator,
    check_integer,
)


def feedforward(
    n_inputs: int,
    n_hidden: int,
    n_outputs: int,
    density: float,
    *,
    rng: np.random.Generator,
    scale: Scale = "he",
) -> sparse.csc_array:
    """Return a random acyclic network: inputs, then hidden nodes, then outputs, in index order.

    Every edge from i to j with i < j is possible unless j is an input. Edges from an output to a later output are
    possible too.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs : int
        At least 1, 0 and 1.
    density : float
        Fraction of the possible edges, from 0 to 1.
    rng : numpy.random.Generator
    scale : {"he", "glorot"}
        Variance of the weights, see :mod:`graphops.initial`.

    Returns
    -------
    csc_array of float32, shape (n, n), n = n_inputs + n_hidden + n_outputs
        ``max(round(density · possible edges), n_hidden + n_outputs)`` edges, at least one into each hidden node and
        output.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    O(edges·log edges + n).

    Examples
    --------
    >>> W = feedforward(3, 4, 2, 0.5, rng=np.random.default_rng(0))
    >>> W.shape, W.nnz
    ((9, 9), 16)
    """
    n_inputs, n = _check_sizes(n_inputs, n_hidden, n_outputs, rng, scale)
    density = check_fraction("density", density)
    targets = np.arange(n_inputs, n)
    fan_ins, sources = draw_sources(targets, density, rng)  # j possible sources of node j
    return weighted(_after_inputs(n_inputs, fan_ins), sources, scale, rng)


def dense(
    n_inputs: int,
    n_hidden: int,
    n_outputs: int,
    *,
    rng: np.random.Generator,
    scale: Scale = "he",
) -> sparse.csc_array:
    """Return the full acyclic network: every hidden node and output has in-edges from all earlier nodes.

    It is :func:`feedforward` with density 1. For edges between all nodes see :func:`recurrent`.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs, rng, scale
        As for :func:`feedforward`.

    Returns
    -------
    csc_array of float32, shape (n, n)

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> dense(2, 1, 1, rng=np.random.default_rng(0)).nnz
    5
    """
    return feedforward(n_inputs, n_hidden, n_outputs, 1.0, rng=rng, scale=scale)


def recurrent(
    n_inputs: int,
    n_hidden: int,
    n_outputs: int,
    density: float,
    *,
    rng: np.random.Generator,
    scale: Scale = "he",
) -> sparse.csc_array:
    """Return a random network with cycles and self-loops.

    Every edge is possible except edges into inputs. With density 1 all of them exist.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs, density, rng, scale
        As for :func:`feedforward`.

    Returns
    -------
    csc_array of float32, shape (n, n), n = n_inputs + n_hidden + n_outputs
        ``max(round(density · n · (n - n_inputs)), n_hidden + n_outputs)`` edges, at least one into
        each hidden node and output.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    An edge to an earlier node, or to the node itself, acts one tick later. With a single tick it has no effect, but it
    counts in the fan-in of its target.

    Examples
    --------
    >>> W = recurrent(1, 2, 1, 1.0, rng=np.random.default_rng(0))
    >>> (W.toarray() != 0).sum(axis=0).tolist()
    [0, 4, 4, 4]
    """
    n_inputs, n = _check_sizes(n_inputs, n_hidden, n_outputs, rng, scale)
    density = check_fraction("density", density)
    fan_ins, sources = draw_sources(np.full(n - n_inputs, n), density, rng)
    return weighted(_after_inputs(n_inputs, fan_ins), sources, scale, rng)


def small_world(
    n_inputs: int,
    n_hidden: int,
    n_outputs: int,
    degree: int,
    rewiring: float,
    *,
    rng: np.random.Generator,
    scale: Scale = "he",
) -> sparse.csc_array:
    """Return an acyclic small-world network: most edges are short, a few are long.

    It is a directed model of Watts and Strogatz on the order of nodes. First every hidden node and output gets in-edges
    from the `degree` nodes before it. Then each edge gets another source with probability `rewiring`, drawn uniformly
    from the earlier nodes that are not yet predecessors of its target.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs
        As for :func:`feedforward`.
    degree : int
        Number of in-edges of each node, at least 1; smaller for the first nodes, which have fewer earlier nodes.
    rewiring : float
        From 0 (a lattice) to 1 (a random graph of the same in-degrees). Inputs far from the first hidden node get
        out-edges only by rewiring.
    rng, scale
        As for :func:`feedforward`.

    Returns
    -------
    csc_array of float32, shape (n, n), n = n_inputs + n_hidden + n_outputs
        ``min(degree, j)`` edges into each hidden node and output j.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    D. J. Watts and S. H. Strogatz, *Collective dynamics of 'small-world' networks* (1998).

    Examples
    --------
    >>> W = small_world(2, 2, 1, 2, 0.0, rng=np.random.default_rng(0))
    >>> (W.toarray() != 0).astype(int).tolist()
    [[0, 0, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    """
    n_inputs, n = _check_sizes(n_inputs, n_hidden, n_outputs, rng, scale)
    degree = check_integer("degree", degree, at_least=1)
    rewiring = check_fraction("rewiring", rewiring)
    targets = np.arange(n_inputs, n)
    fan_ins = np.minimum(degree, targets)
    sources = rewire(targets, fan_ins, rewiring, rng)
    return weighted(_after_inputs(n_inputs, fan_ins), sources, scale, rng)


def direct(
    n_inputs: int,
    n_hidden: int,
    n_outputs: int,
    density: float,
    *,
    rng: np.random.Generator,
    scale: Scale = "he",
) -> sparse.csc_array:
    """Return a network with edges from inputs to outputs only. Hidden nodes have no edges.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs, rng, scale
        As for :func:`feedforward`.
    density : float
        Fraction of the possible edges from inputs to outputs, from 0 to 1.

    Returns
    -------
    csc_array of float32, shape (n, n), n = n_inputs + n_hidden + n_outputs
        ``max(round(density · n_inputs · n_outputs), n_outputs)`` edges, at least one into each output.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> W = direct(2, 1, 1, 1.0, rng=np.random.default_rng(0))
    >>> (W.toarray() != 0).sum(axis=0).tolist()
    [0, 0, 0, 2]
    """
    n_inputs, n = _check_sizes(n_inputs, n_hidden, n_outputs, rng, scale)
    density = check_fraction("density", density)
    fan_ins, sources = draw_sources(np.full(n_outputs, n_inputs), density, rng)
    return weighted(_after_inputs(n - n_outputs, fan_ins), sources, scale, rng)


def _check_sizes(
    n_inputs: int, n_hidden: int, n_outputs: int, rng: np.random.Generator, scale: Scale
) -> tuple[int, int]:
    """Check the arguments; return the number of inputs and the number of nodes."""
    n_inputs = check_integer("n_inputs", n_inputs, at_least=1)
    n_hidden = check_integer("n_hidden", n_hidden, at_least=0)
    n_outputs = check_integer("n_outputs", n_outputs, at_least=1)
    check_generator("rng", rng)
    check_choice("scale", scale, get_args(Scale))
    return n_inputs, n_inputs + n_hidden + n_outputs


def _after_inputs(n_sources: int, fan_ins: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the in-degrees of all nodes; the first `n_sources` nodes have no in-edges."""
    return np.concatenate([np.zeros(n_sources, dtype=np.intp), fan_ins])
