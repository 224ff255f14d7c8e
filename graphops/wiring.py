"""Random networks of inputs, hidden nodes and outputs, in this order: who listens to whom at first.

How many edges there are for a density, and how weights are drawn, is as :mod:`graphops.initial` says:
at least one edge into every node that hears any, weights scaled by the in-degree.
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

    Every place (i, j) with i < j and j no input can hold an edge - from an output to a later
    output, too.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs : int
        At least 1, 0 and 1.
    density : float
        The share of these places that hold an edge, from 0 to 1.
    rng : numpy.random.Generator
    scale : {"he", "glorot"}
        Variance of the weights, see the module's head.

    Returns
    -------
    csc_array of float32, shape (n, n), n = n_inputs + n_hidden + n_outputs
        ``max(round(density · places), n_hidden + n_outputs)`` edges, at least one into each hidden
        node and output.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    O(edges·log edges + n), though there are O(n²) places.

    Examples
    --------
    >>> W = feedforward(3, 4, 2, 0.5, rng=np.random.default_rng(0))
    >>> W.shape, W.nnz
    ((9, 9), 16)
    """
    n_inputs, n = _check_sizes(n_inputs, n_hidden, n_outputs, rng, scale)
    density = check_fraction("density", density)
    targets = np.arange(n_inputs, n)
    fan_ins, sources = draw_sources(targets, density, rng)  # node j can hear the j nodes before it
    return weighted(_after_inputs(n_inputs, fan_ins), sources, scale, rng)


def dense(
    n_inputs: int,
    n_hidden: int,
    n_outputs: int,
    *,
    rng: np.random.Generator,
    scale: Scale = "he",
) -> sparse.csc_array:
    """Return the full acyclic network: every node but the inputs hears all nodes before it.

    It is :func:`feedforward` with density 1. For all-to-all see :func:`recurrent`.

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
    """Return a random network with cycles: any node may speak to any other and to itself.

    Every place (i, j) with j no input can hold an edge. With density 1 the network is all-to-all.

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
    An edge to an earlier node, or to the node itself, acts one tick later: with a single tick it is
    without effect, though its target counts it in its fan-in.

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
    """Return an acyclic small world: nodes hear those just before them, and a few from far away.

    The model of Watts and Strogatz on the order of nodes, directed. Every node but the inputs first
    hears the `degree` nodes before it. Then each edge, with probability `rewiring`, gets another
    source: one drawn uniformly from all nodes before its target that this does not hear already.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs
        As for :func:`feedforward`.
    degree : int
        Edges into each node, at least 1; the first nodes hear all before them where these are fewer.
    rewiring : float
        From 0, a lattice, to 1, a random graph of these in-degrees. Inputs far from the first hidden
        nodes are heard through rewired edges alone.
    rng, scale
        As for :func:`feedforward`.

    Returns
    -------
    csc_array of float32, shape (n, n), n = n_inputs + n_hidden + n_outputs
        ``min(degree, j)`` edges into each node j that is no input.

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
    """Return a network whose outputs hear inputs alone; hidden nodes are there, without an edge.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs, rng, scale
        As for :func:`feedforward`.
    density : float
        The share of the places from inputs to outputs that hold an edge, from 0 to 1.

    Returns
    -------
    csc_array of float32, shape (n, n), n = n_inputs + n_hidden + n_outputs
        ``max(round(density · n_inputs · n_outputs), n_outputs)`` edges, at least one into each
        output.

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
    """Return the number of inputs and that of all nodes, and check how weights are drawn."""
    n_inputs = check_integer("n_inputs", n_inputs, at_least=1)
    n_hidden = check_integer("n_hidden", n_hidden, at_least=0)
    n_outputs = check_integer("n_outputs", n_outputs, at_least=1)
    check_generator("rng", rng)
    check_choice("scale", scale, get_args(Scale))
    return n_inputs, n_inputs + n_hidden + n_outputs


def _after_inputs(n_silent: int, fan_ins: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the in-degree of every node, where the first `n_silent` hear none."""
    return np.concatenate([np.zeros(n_silent, dtype=np.intp), fan_ins])
