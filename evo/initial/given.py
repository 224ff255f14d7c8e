"""Given founders: genomes, CNNs, matrices and graphs, as genomes that fit the data."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from cnn import Network
from cnn.checks import brief
from evo.genome.activations import activation_code, activation_name
from evo.genome.genome import Genome, Role
from evo.initial.settings import FounderSettings

OF_GRAPHS = ("activation", "ticks")
"""Settings that a graph takes from the experiment where it has no attribute; other founders have these themselves."""

OF_MATRICES = (*OF_GRAPHS, "sequence", "threshold", "threshold_mode")
"""Settings that a matrix takes from the experiment."""


def is_matrix(source: Any) -> bool:
    """Return whether a founder is a matrix."""
    return (
        isinstance(source, list | tuple) or sparse.issparse(source) or hasattr(source, "__array__")
    )


def is_graph(source: Any) -> bool:
    """Return whether a founder is a networkx graph; networkx need not be imported for this."""
    return hasattr(source, "nodes") and hasattr(source, "edges")


def to_genome(
    source: Any,
    settings: FounderSettings,
    shape: Sequence[int],
    n_outputs: int,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Genome:
    """Return a founder as a genome.

    Parameters
    ----------
    source : Genome, cnn.Network, networkx graph, ndarray, sparse array or list of lists
        The inputs of a matrix are its first nodes, and its outputs the last nodes. Its weights become float32.
    settings : FounderSettings
        Give a matrix its activation, ticks and threshold, and a graph its activation and, where it names none, ticks.
    shape : sequence of int
        Shape of a sample.
    n_outputs : int
        Number of outputs.
    inputs, outputs : sequence of str, optional
        Names of the features of a sample, and of the classes or values; see :func:`evo.exchange.names.ends_by_name`.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or does not fit the data.
    """
    from evo.exchange import from_cnn, from_matrix  # noqa: PLC0415 - networkx

    if isinstance(source, Genome):
        genome = source
    elif isinstance(source, Network):
        genome = from_cnn(source)
    elif is_matrix(source):
        genome = from_matrix(
            source,
            inputs=_n_inputs(source, settings, shape, n_outputs),
            outputs=n_outputs,
            activation=settings.activation,
            threshold=settings.threshold,
            threshold_mode=settings.threshold_mode,
            ticks=settings.ticks,
            dtype=np.float32,
        )
    elif is_graph(source):
        genome = _of_graph(source, settings, inputs, outputs)
    else:
        kinds = "a genome, cnn.Network, networkx graph, square matrix, predictor or path of a file"
        raise TypeError(f"must be {kinds}; got {brief(source)}")
    check_fit(genome, shape, n_outputs)
    return genome


def _of_graph(
    graph: Any,
    settings: FounderSettings,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
) -> Genome:
    """Return the genome of a graph; nodes that are named after features, classes or values belong to these."""
    from evo.exchange import from_networkx  # noqa: PLC0415 - networkx
    from evo.exchange.names import ends_by_name  # noqa: PLC0415

    options: dict[str, Any] = {"activation": settings.activation, "ticks": settings.ticks}
    genome = from_networkx(graph, **options)
    named = ends_by_name(graph, inputs, outputs)
    if named is None:
        return genome
    return from_networkx(graph, inputs=named[0], outputs=named[1], **options)


def _n_inputs(source: Any, settings: FounderSettings, shape: Sequence[int], n_outputs: int) -> int:
    """Return the number of inputs of a matrix; raise ValueError if it has too few nodes."""
    n_inputs = settings.input_layer(shape).n_nodes
    found = source.shape if sparse.issparse(source) else np.shape(source)
    if len(found) == 2 and found[0] == found[1] < n_inputs + n_outputs:
        raise ValueError(
            f"must have at least {n_inputs + n_outputs} nodes, {n_inputs} inputs first and {n_outputs} outputs last; "
            f"got {found[0]}"
        )
    return n_inputs


def check_fit(genome: Genome, shape: Sequence[int], n_outputs: int) -> None:
    """Raise ValueError unless a genome reads samples of this shape and has this number of outputs."""
    n_features, found = int(np.prod(shape)), genome.n_features
    if n_features not in {found, found * genome.ticks}:
        steps = f" or {found * genome.ticks}" if genome.ticks > 1 else ""
        raise ValueError(
            f"must read {n_features} features, as samples of shape {tuple(shape)} have; got {found}{steps}"
        )
    sides = genome.map_sizes[genome.roles == Role.INPUT]
    if len(shape) > 1 and sides.max(initial=1) > 1:
        images = (len(sides), int(sides[0]), int(sides[0]))
        if (*(1,) * (3 - len(shape)), *shape) != images or (sides != sides[0]).any():
            raise ValueError(
                f"must read images of shape {tuple(shape)}; got input maps of size {brief(sides.tolist())}"
            )
    if len(genome.outputs) != n_outputs:
        raise ValueError(f"must have {n_outputs} outputs; got {len(genome.outputs)}")


def with_scaled_outputs(genome: Genome, factor: ArrayLike, offset: ArrayLike) -> Genome:
    """Return a network whose outputs are factor · o + offset, where o are the outputs of a given network.

    The weights of in-edges and the biases of output nodes take up both, so the result is exact up to rounding. A
    threshold becomes one per node, so the same entries are dormant. With factor 1 and offset 0 the result is the given
    genome.

    Parameters
    ----------
    genome : Genome
    factor, offset : array_like of float, shape (n_outputs,)
        Finite; factors are above 0.

    Raises
    ------
    ValueError
        If weights and biases cannot say it: an output has another activation than ``identity``, or an effective
        out-edge; rounding takes a weight across the threshold; or a number does not fit into the dtype of the genome.

    Examples
    --------
    >>> genome = Genome.from_matrix([[0, 0.5], [0, 0]], n_inputs=1, n_outputs=1)
    >>> scaled = with_scaled_outputs(genome, [4.0], [1.0])
    >>> scaled.values.tolist(), scaled.bias.tolist()
    ([2.0], [0.0, 1.0])
    """
    factor, offset = (np.asarray(one, dtype=np.float64) for one in (factor, offset))
    if (factor == 1).all() and (offset == 0).all():
        return genome
    outputs = genome.outputs
    others = genome.activations[outputs] != activation_code("identity")
    if others.any():
        got = activation_name(int(genome.activations[outputs][others][0]))
        raise ValueError(
            f"outputs must have the activation identity to take up another scaling; got {got}"
        )
    n_edges = np.count_nonzero(np.isin(genome.indices[genome.effective_mask()], outputs))
    if n_edges:
        raise ValueError(
            f"outputs must have no out-edges to take up another scaling; got {n_edges}"
        )
    dtype, of_node = genome.values.dtype, np.ones(genome.n_nodes)
    of_node[outputs] = factor
    bias = genome.bias.astype(np.float64)
    bias[outputs] = factor * bias[outputs] + offset
    threshold = genome.threshold
    with np.errstate(over="ignore"):
        if threshold is not None:
            threshold = (np.broadcast_to(threshold, genome.n_nodes) * of_node).astype(dtype)
        scaled = replace(
            genome,
            values=(genome.values * of_node[genome.targets]).astype(dtype),
            bias=bias.astype(dtype),
            threshold=threshold,
        )
    n_crossing = np.count_nonzero(scaled.active_mask() != genome.active_mask())
    if n_crossing:
        raise ValueError(
            "in-edges of outputs must stay on their side of the threshold to take up another scaling; got "
            f"{n_crossing} that rounding takes across"
        )
    return scaled


def common_layers(genomes: Sequence[Genome]) -> tuple[int, ...]:
    """Return the number of nodes in each layer, inputs first, if all genomes have the same layers; otherwise none.

    Layers are those of :func:`evo.exchange.layered_networks.layers_of_nodes`, and the ids must be 0, 1, … in their
    order, because policies know the layers of a node by its id.
    """
    from evo.exchange.layered_networks import layers_of_nodes  # noqa: PLC0415 - networkx

    found = set()
    for genome in genomes:
        if not np.array_equal(genome.ids, np.arange(genome.n_nodes)):
            return ()
        try:
            layers = layers_of_nodes(genome, np.ones(genome.n_stored, np.bool_))
        except ValueError:
            return ()
        found.add(tuple(map(len, layers)))
    return found.pop() if len(found) == 1 else ()
