"""Names in graphs: which input reads which feature, and which output is which class or value."""

from collections.abc import Hashable, Sequence

import networkx as nx

from cnn.checks import brief, is_whole
from evo.exchange.networkx_graphs import ends_in_order


def ends_by_name(
    graph: nx.DiGraph, inputs: Sequence[str] | None, outputs: Sequence[str] | None
) -> tuple[list[Hashable], list[Hashable]] | None:
    """Return the input and the output nodes of a graph in the order of the names that data have.

    A node has the name of its attribute ``label``, or the one that the graph knows it by. Integers in a graph with the
    attribute ``position``, as :func:`to_networkx` makes it, are ids and no names. If no node is named after the data,
    the order of the graph counts.

    Parameters
    ----------
    graph : networkx.DiGraph
        A graph that :func:`from_networkx` takes.
    inputs, outputs : sequence of str, optional
        Names of the features, and of the classes or values.

    Returns
    -------
    tuple of two lists, or None
        None if this is the order that the graph has anyway.

    Raises
    ------
    ValueError
        If some inputs or outputs are named after the data and others are not, or two alike.
    """
    found = ends_in_order(graph)
    are_ids = all(map(is_whole, graph)) and all("position" in graph.nodes[node] for node in graph)
    named = (
        _ordered(graph, found[0], inputs, are_ids, "inputs", "features"),
        _ordered(graph, found[1], outputs, are_ids, "outputs", "classes or values"),
    )
    return None if named == found else named


def _ordered(
    graph: nx.DiGraph,
    nodes: list[Hashable],
    names: Sequence[str] | None,
    are_ids: bool,
    ends: str,
    what: str,
) -> list[Hashable]:
    """Return nodes in the order of the names, or as they are if none has such a name."""
    places = {name: place for place, name in enumerate(names or ())}
    spelled = {name.strip().casefold() for name in places}
    found: dict[int, Hashable] = {}
    others: list[str] = []
    near = False
    for node in nodes:
        own = [] if are_ids else [str(node)]
        if isinstance(label := graph.nodes[node].get("label"), str | int):
            own.insert(0, str(label))
        near |= any(name.strip().casefold() in spelled for name in own)
        name = next((name for name in own if name in places), None)
        if name is None:
            others.append((own or [str(node)])[0])
        elif found.setdefault(places[name], node) != node:
            raise ValueError(f"names of {ends} must differ; got {brief(name)} twice")
    if not near:
        return nodes
    if others:
        raise ValueError(
            f"names of {ends} must all be those of the {what}, {brief(tuple(places))}, or none of them; "
            f"got {brief(others[0])}"
        )
    return [found[place] for place in sorted(found)]
