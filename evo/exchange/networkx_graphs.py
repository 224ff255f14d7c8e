"""Conversion of genomes to and from networkx graphs; a genome comes back bit for bit.

Nodes of the graph are named by the ids of the genome's nodes. The other parts of a genome are attributes:

========= ============================================================================================================
of nodes  ``position`` (index in the order of evaluation), ``role`` (input, hidden, output), ``activation`` (name),
          ``bias``; ``threshold`` if there is one per node; ``map_size`` if there are feature maps
of edges  ``weight``. Every stored entry is an edge of the graph, dormant entries and zeros too. A kernel is one edge
          with the lists ``taps`` (tap numbers) and ``weights``; its ``weight`` is the sum of their magnitudes
of graphs ``dtype`` (float32, float64), ``ticks``, ``threshold_mode``; ``threshold`` if there is one for all nodes, or
          ``threshold_dtype`` if there is one per node; ``kernel`` and ``downsampling`` if there are feature maps. If
          kernels have several sides, ``kernel`` is a text such as ``"1:13 26:3"``: map sizes, and the sides of kernels
          into such maps
========= ============================================================================================================

Numbers become Python floats, which represent both dtypes exactly. Every attribute has a default in the other direction,
so any directed graph gives a genome. A ``ValueError`` names attribute, rule and value if a rule is broken.
``graphops.to_edge_list(genome.strengths())`` gives a table of a genome's edges.
"""

from collections.abc import Hashable, Sequence
from typing import Any, cast

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import graphops
from cnn.checks import brief, is_whole
from evo.exchange.edges import add_edges, check_weights_given, kernel_attribute, read_edges
from evo.exchange.values import choice, integer, is_finite, numbers
from evo.genome.activations import activation_code, activation_names
from evo.genome.genome import FloatArray, Genome, Role, ThresholdMode

ROLES = {role.name.lower(): role for role in Role}
_DTYPES = ("float32", "float64")
_INT64 = np.iinfo(np.int64)


def to_networkx(genome: Genome) -> nx.DiGraph:
    """Return a genome as a directed graph with the attributes listed at the top of this module.

    Examples
    --------
    >>> genome = Genome.from_matrix([[0, 0.5], [0, 0]], n_inputs=1, n_outputs=1)
    >>> graph = to_networkx(genome)
    >>> graph.nodes[1]
    {'position': 1, 'role': 'output', 'activation': 'identity', 'bias': 0.0}
    >>> graph.edges[0, 1]
    {'weight': 0.5}
    """
    dtype, ticks = genome.values.dtype.name, int(genome.ticks)
    graph = nx.DiGraph(dtype=dtype, ticks=ticks, threshold_mode=genome.threshold_mode)
    columns: dict[str, list[Any]] = {
        "position": list(range(genome.n_nodes)),
        "role": [Role(role).name.lower() for role in genome.roles],
        "activation": activation_names(genome.activations),
        "bias": genome.bias.tolist(),
    }
    if isinstance(genome.threshold, np.ndarray):
        graph.graph["threshold_dtype"] = genome.threshold.dtype.name
        columns["threshold"] = genome.threshold.tolist()
    elif genome.threshold is not None:
        one = genome.threshold
        graph.graph["threshold"] = one.item() if isinstance(one, np.generic) else one
    if genome.has_maps:
        graph.graph |= {
            "kernel": kernel_attribute(genome.kernel),
            "downsampling": genome.downsampling,
        }
        columns["map_size"] = genome.map_sizes.tolist()
    for node, *values in zip(genome.ids.tolist(), *columns.values(), strict=True):
        graph.add_node(node, **dict(zip(columns, values, strict=True)))
    add_edges(graph, genome)
    return graph


def from_networkx(
    graph: nx.DiGraph,
    *,
    inputs: Sequence[Hashable] | None = None,
    outputs: Sequence[Hashable] | None = None,
    activation: str = "tanh",
    output_activation: str = "identity",
    ticks: int = 1,
) -> Genome:
    """Return the genome of a directed graph, made by :func:`to_networkx` or by anyone.

    Parameters
    ----------
    graph : networkx.DiGraph
        The attributes are listed at the top of this module. Defaults: ``position`` in topological order, so that only
        edges on cycles are delayed; ``bias`` 0, ``weight`` 1 of an edge without attributes (an edge that has others but
        no weight is refused), ``map_size`` 1, ``dtype`` float32, no ``threshold``, ``kernel`` 5, ``downsampling`` max.
        A node attribute is given for all nodes or for none, ``taps`` and ``weights`` for every edge whose kernel may
        have several taps.
    inputs, outputs : sequence of nodes, optional
        The input and output nodes, in the order of features and scores. By default the attribute ``role`` gives them.
        Without roles, or if only one of the two is given, inputs are the nodes with out-edges only and outputs the
        nodes with in-edges only.
    activation, output_activation : str
        For hidden and output nodes without the attribute.
    ticks : int
        For a graph without the attribute.

    Returns
    -------
    Genome
        Its ids are the nodes' names if these are integers and neither `inputs` nor `outputs` is given. Otherwise nodes
        are numbered: inputs, outputs, then the others in the order of the graph.

    Raises
    ------
    TypeError
        If `graph` is not a networkx graph.
    ValueError
        If an attribute breaks a rule. The message names the attribute, the rule and the value.

    Examples
    --------
    >>> graph = nx.DiGraph([("left", "sum"), ("right", "sum"), ("sum", "score")])
    >>> genome = from_networkx(graph)
    >>> genome.inputs.tolist(), genome.outputs.tolist(), genome.n_stored
    ([0, 1], [3], 3)
    """
    try:
        matrix = graphops.from_networkx(graph)
    except TypeError as error:
        if not isinstance(graph, nx.Graph):
            raise
        raise ValueError(str(error)) from error
    check_weights_given(graph)
    nodes = list(graph)
    roles = _roles(graph, nodes, inputs, outputs)
    order = _order(graph, nodes, matrix)
    dtype = np.dtype(choice(graph.graph, "dtype", _DTYPES, "float32"))
    ids = _ids(nodes, roles, inputs, outputs)
    default = {Role.INPUT: "identity", Role.HIDDEN: activation, Role.OUTPUT: output_activation}
    names = _column(graph, "activation") or [default[role] for role in roles]
    biases = numbers("bias", _column(graph, "bias") or [0.0] * len(nodes), nodes, dtype)
    matrix = cast(sparse.csc_array, graphops.reorder(matrix, order))
    map_sizes = _map_sizes(graph, nodes)[order]
    mode = choice(graph.graph, "threshold_mode", ("magnitude", "signed"), "magnitude")
    return Genome(
        **read_edges(graph, [nodes[k] for k in order], matrix, map_sizes, dtype),
        map_sizes=map_sizes,
        bias=biases[order],
        ids=ids[order],
        roles=np.array([roles[k] for k in order], dtype=np.uint8),
        activations=np.array([_activation(names[k], nodes[k]) for k in order], dtype=np.uint8),
        threshold=_threshold(graph, nodes, order),
        threshold_mode=cast(ThresholdMode, mode),
        ticks=integer("ticks", graph.graph.get("ticks", ticks)),
    )


def ends_in_order(graph: nx.DiGraph) -> tuple[list[Hashable], list[Hashable]]:
    """Return the input and the output nodes in the order in which :func:`from_networkx` takes them by default."""
    nodes = list(graph)
    roles = _roles(graph, nodes, None, None)
    order = np.argsort(_ids(nodes, roles, None, None), kind="stable")
    inputs, outputs = (
        [nodes[k] for k in order if roles[k] == role] for role in (Role.INPUT, Role.OUTPUT)
    )
    return inputs, outputs


def _column(graph: nx.DiGraph, name: str) -> list[Any] | None:
    """Return an attribute of all nodes, in the graph's order, or None if no node has it."""
    found = dict(graph.nodes(data=name))
    missing = [node for node, value in found.items() if value is None]
    if len(missing) == len(found):
        return None
    if missing:
        raise ValueError(
            f"{name} must be given for all nodes or for none; got none for node {brief(missing[0])}"
        )
    return list(found.values())


def _roles(
    graph: nx.DiGraph,
    nodes: list[Hashable],
    inputs: Sequence[Hashable] | None,
    outputs: Sequence[Hashable] | None,
) -> list[Role]:
    given = _column(graph, "role") if inputs is None and outputs is None else None
    if given is not None:
        for node, name in zip(nodes, given, strict=True):
            if not isinstance(name, str) or name not in ROLES:
                raise ValueError(
                    f"role of node {brief(node)} must be one of {', '.join(ROLES)}; got {brief(name)}"
                )
        return [ROLES[name] for name in given]
    if inputs is None:
        named = set(outputs or ())
        inputs = [k for k in nodes if not graph.in_degree(k) and graph.out_degree(k)]
        inputs = [node for node in inputs if node not in named]
    if outputs is None:
        named = set(inputs)
        outputs = [k for k in nodes if graph.in_degree(k) and not graph.out_degree(k)]
        outputs = [node for node in outputs if node not in named]
    roles = dict.fromkeys(nodes, Role.HIDDEN)
    for field, chosen, role in (("inputs", inputs, Role.INPUT), ("outputs", outputs, Role.OUTPUT)):
        for node in chosen:
            if node not in roles:
                raise ValueError(f"{field} must name nodes of the graph; got {brief(node)}")
            if roles[node] != Role.HIDDEN:
                raise ValueError(f"inputs and outputs must be distinct; got {brief(node)} twice")
            roles[node] = role
    if not outputs:
        raise ValueError("outputs must be given if no node has in-edges only; got none")
    return list(roles.values())


def _ids(
    nodes: list[Hashable],
    roles: list[Role],
    inputs: Sequence[Hashable] | None,
    outputs: Sequence[Hashable] | None,
) -> NDArray[np.int64]:
    """Return the nodes' ids, in the graph's order."""
    if inputs is None and outputs is None and all(map(is_whole, nodes)):
        for node in nodes:
            check_id(cast(int, node))
        return np.array(nodes, dtype=np.int64)
    first = [node for node, role in zip(nodes, roles, strict=True) if role == Role.INPUT]
    then = [node for node, role in zip(nodes, roles, strict=True) if role == Role.OUTPUT]
    number = {node: k for k, node in enumerate([*(inputs or first), *(outputs or then)])}
    for node in nodes:
        number.setdefault(node, len(number))
    return np.array([number[node] for node in nodes], dtype=np.int64)


def check_id(number: int) -> None:
    """Raise ValueError unless an integer that names a node fits into 64 bits.

    Few integers of 64 bits have the same hash, so sets of them take linear time.
    """
    if not _INT64.min <= number <= _INT64.max:
        raise ValueError(f"node must be an integer of at most 64 bits; got {brief(number)}")


def _order(graph: nx.DiGraph, nodes: list[Hashable], matrix: Any) -> NDArray[np.intp]:
    """Return the order of evaluation as indices of nodes in the graph's order."""
    given = _column(graph, "position")
    if given is not None:
        positions = np.array(
            [integer(f"position of node {brief(n)}", p) for n, p in zip(nodes, given, strict=True)],
            dtype=object,
        )
        order = np.argsort(positions, kind="stable")
        wrong = [k for k, node in enumerate(order) if positions[node] != k]
        if wrong:
            raise ValueError(
                f"position must be each number from 0 to {len(nodes) - 1} once; "
                f"got {positions[order[wrong[0]]]} instead of {wrong[0]}"
            )
        return order
    # Components in topological order; nodes of a component, and unrelated components, in the graph's order.
    component = graphops.strongly_connected(matrix)
    edges = graphops.to_edge_list(matrix)
    between = nx.DiGraph()
    between.add_nodes_from(range(int(component.max(initial=-1)) + 1))
    between.add_edges_from(
        (source, target)
        for source, target in zip(
            component[edges["source"]].tolist(), component[edges["target"]].tolist(), strict=True
        )
        if source != target
    )
    rank = np.empty(len(between), dtype=np.intp)
    rank[list(nx.lexicographical_topological_sort(between))] = np.arange(len(between))
    return np.argsort(rank[component], kind="stable")


def _map_sizes(graph: nx.DiGraph, nodes: list[Hashable]) -> NDArray[np.int32]:
    """Return the map sizes of the nodes, in the graph's order."""
    map_sizes = _column(graph, "map_size") or [1] * len(nodes)
    most = np.iinfo(np.int32).max
    for node, map_size in zip(nodes, map_sizes, strict=True):
        if not 1 <= integer(f"map_size of node {brief(node)}", map_size) <= most:
            raise ValueError(
                f"map_size of node {brief(node)} must be from 1 to {most}; got {map_size}"
            )
    return np.array(map_sizes, np.int32)


def _threshold(
    graph: nx.DiGraph, nodes: list[Hashable], order: NDArray[np.intp]
) -> float | FloatArray | None:
    thresholds = _column(graph, "threshold")
    one: float | None = graph.graph.get("threshold")
    if thresholds is None:
        if one is not None and not is_finite(one):
            raise ValueError(f"threshold must be a finite number; got {brief(one)}")
        return one
    if one is not None:
        raise ValueError(
            f"threshold must be given for the graph or for its nodes; got both, {brief(one)} for the graph"
        )
    dtype = np.dtype(choice(graph.graph, "threshold_dtype", _DTYPES, "float64"))
    return numbers("threshold", thresholds, nodes, dtype)[order]


def _activation(name: Any, node: Hashable) -> int:
    try:
        return activation_code(name)
    except ValueError as error:
        raise ValueError(f"node {brief(node)}: {error}") from None
