"""Conversion of genomes to and from GraphML and JSON, as text and as files; a genome comes back bit for bit. To DOT.

The attributes are those of :mod:`evo.exchange.networkx_graphs`. GraphML has no lists, so the taps and weights of a
kernel are a text of numbers separated by spaces. Each number is the shortest decimal that reads back as the same float.
Nothing in a text is executed. A broken rule raises ``ValueError`` with field, rule and value, and for a file a
:class:`ResultsError` that also names the file.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import networkx as nx
import numpy as np

from cnn.checks import brief
from cnn.files import one_line
from evo.errors import ResultsError
from evo.exchange.edges import LIST_ATTRIBUTES
from evo.exchange.networkx_graphs import check_id, from_networkx, to_networkx
from evo.files import write_text
from evo.genome.activations import activation_names
from evo.genome.feature_maps import first_taps
from evo.genome.genome import Genome, Role

LARGEST_FILE = 1 << 28
"""The largest file in bytes that :func:`load_graph` reads; ``.npz`` files suit larger networks."""


def to_graphml(genome: Genome) -> str:
    """Return a genome as GraphML, a format that yEd, Gephi, Cytoscape and igraph read."""
    graph = to_networkx(genome)
    for _, _, attributes in graph.edges(data=True):
        for name in LIST_ATTRIBUTES.keys() & attributes.keys():
            attributes[name] = " ".join(map(repr, attributes[name]))
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def from_graphml(text: str, *, activation: str = "tanh", ticks: int = 1) -> Genome:
    """Return the genome of a GraphML text; :func:`from_networkx` lists the defaults.

    Raises
    ------
    ValueError
        If the text is not GraphML, breaks a rule or declares a document type, whose entities could grow without bounds.
    """
    return from_networkx(_graph_of_graphml(text), activation=activation, ticks=ticks)


def _graph_of_graphml(text: str) -> nx.DiGraph:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("text must be GraphML without a document type; got a declaration")
    try:
        graph = nx.parse_graphml(text)
    except _GRAPHML_ERRORS as error:
        raise ValueError(f"text must be GraphML with one graph ({one_line(error)})") from error
    try:
        numbers = {node: int(node) for node in graph}
    except ValueError:  # names stay texts unless all are integers
        return graph
    for number in numbers.values():
        check_id(number)
    if len(set(numbers.values())) == len(numbers):
        graph = nx.relabel_nodes(graph, numbers)
    return graph


_GRAPHML_ERRORS = (
    AttributeError,
    IndexError,
    KeyError,
    SyntaxError,  # the root of what XML parsers raise
    TypeError,
    ValueError,
    nx.NetworkXException,
)
"""Errors that networkx raises for a text that is not GraphML."""


def to_json(genome: Genome) -> str:
    """Return a genome as JSON in networkx' node-link form, a format that D3 and others read."""
    data = nx.node_link_data(to_networkx(genome), edges="edges")
    return json.dumps(data, allow_nan=False) + "\n"


def from_json(text: str, *, activation: str = "tanh", ticks: int = 1) -> Genome:
    """Return the genome of a node-link JSON text; :func:`from_networkx` lists the defaults.

    The key of the edges is ``edges`` or ``links``.

    Raises
    ------
    ValueError
        If the text is not such JSON or breaks a rule.
    """
    return from_networkx(_graph_of_json(text), activation=activation, ticks=ticks)


def _graph_of_json(text: str) -> nx.DiGraph:
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"text must be JSON ({one_line(error)})") from error
    if not isinstance(data, dict):
        raise ValueError(f"text must be a JSON object; got a {type(data).__name__}")
    edges = "edges" if "edges" in data else "links"
    _check_node_link(data, edges)
    return nx.node_link_graph(data, directed=True, multigraph=False, edges=edges)


def _check_node_link(data: Mapping[str, Any], edges: str) -> None:
    """Raise ValueError at the first part of JSON data that is not in node-link form."""
    for field in ("nodes", edges):
        entries = data.get(field)
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            raise ValueError(f"{field} must be a list of objects; got {brief(entries)}")
    for field, rule in (("directed", True), ("multigraph", False)):
        if data.get(field, rule) is not rule:
            raise ValueError(f"{field} must be {json.dumps(rule)}; got {brief(data[field])}")
    if not isinstance(data.get("graph", {}), dict):
        raise ValueError(f"graph must be an object; got {brief(data['graph'])}")
    index: dict[int | str, int] = {}
    for node in data["nodes"]:
        name = node.get("id")
        if not isinstance(name, (int, str)) or isinstance(name, bool):
            raise ValueError(f"id of a node must be an integer or a text; got {brief(name)}")
        if isinstance(name, int):
            check_id(name)
        if name in index:
            raise ValueError(f"id must be distinct for each node; got {brief(name)} twice")
        index[name] = len(index)
    places = set()
    for edge in data[edges]:
        for end in ("source", "target"):
            name = edge.get(end)
            if not isinstance(name, (int, str)) or name not in index:
                raise ValueError(f"{end} of an edge must be the id of a node; got {brief(name)}")
        pair = edge["source"], edge["target"]
        # Not the pair itself: ids can be chosen so that the hashes of all pairs are equal.
        place = index[pair[0]] * len(index) + index[pair[1]]
        if place in places:
            raise ValueError(f"{edges} must be distinct; got {brief(pair)} twice")
        places.add(place)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"numbers must be finite; got {name}")


def to_dot(genome: Genome) -> str:
    """Return a genome in DOT, the language of Graphviz, which other programs and web pages draw too.

    Every stored entry is an edge; a kernel is one edge. Positive weights are blue and negative ones red, a kernel as
    the sum of its taps. The widest edge has the largest magnitude. A delayed edge is dashed, a dormant entry dotted.
    Nodes are named by their ids, and a map shows its size. The attributes ``role``, ``activation``, ``bias`` and
    ``value`` are for programs that read the text. There is no way back, because the text lacks the taps of kernels.

    Examples
    --------
    >>> print(to_dot(Genome.from_matrix([[0, 0.5], [0, 0]], n_inputs=1, n_outputs=1)))
    digraph {
      rankdir=LR; node [shape=circle, fontsize=10]; edge [arrowsize=0.5];
      0 [label="0", shape=circle, role=input, activation="identity", bias=0.0];
      1 [label="1", shape=circle, role=output, activation="identity", bias=0.0];
      {rank=source; 0;}
      {rank=sink; 1;}
      0 -> 1 [color="#005a9c", penwidth=3.00, style=solid, value=0.5];
    }
    <BLANKLINE>
    """
    ids, sides = genome.ids.tolist(), genome.map_sizes.tolist()
    names = activation_names(genome.activations)
    lines = ["digraph {"]
    lines.append("  rankdir=LR; node [shape=circle, fontsize=10]; edge [arrowsize=0.5];")
    for k, (name, side, bias) in enumerate(zip(names, sides, genome.bias.tolist(), strict=True)):
        label, shape = (f"{ids[k]}", "circle")
        if side > 1:
            label, shape = rf"{ids[k]}\n{side}×{side}", "box"
        role = Role(genome.roles[k]).name.lower()
        lines.append(
            f'  {ids[k]} [label="{label}", shape={shape}, role={role}, activation="{name}", bias={bias}];'
        )
    for rank, nodes in (("source", genome.inputs), ("sink", genome.outputs)):
        lines.append(f"  {{rank={rank}; {' '.join(f'{ids[k]};' for k in nodes)}}}")
    return "\n".join([*lines, *_edges_in_dot(genome), "}"]) + "\n"


def _edges_in_dot(genome: Genome) -> Iterator[str]:
    """Yield a line for each edge of a genome, all taps of a kernel together."""
    if genome.n_stored == 0:
        return
    begins = first_taps(genome.indices, genome.targets)
    sources, targets = genome.indices[begins], genome.targets[begins]
    values = genome.values.astype(np.float64)
    sums = np.add.reduceat(values, begins)
    sizes = np.add.reduceat(np.abs(values), begins)
    widths = 0.3 + 2.7 * sizes / (sizes.max() or 1.0)
    active = np.logical_or.reduceat(genome.active_mask(), begins)
    delayed = genome.is_delayed(sources, targets)
    for source, target, value, width, is_active, is_delayed in zip(
        genome.ids[sources], genome.ids[targets], sums, widths, active, delayed, strict=True
    ):
        style = ("dashed" if is_delayed else "solid") if is_active else "dotted"
        aside = ", constraint=false" if is_delayed else ""
        colour = "#005a9c" if value >= 0 else "#b5321c"
        yield (
            f'  {source} -> {target} [color="{colour}", penwidth={width:.2f}, style={style}{aside}, '
            f"value={float(value)}];"
        )


WRITERS: Mapping[str, Callable[[Genome], str]] = {
    ".graphml": to_graphml,
    ".json": to_json,
    ".dot": to_dot,
}
"""The functions that write a graph, by the suffix of the file name."""

READERS: Mapping[str, Callable[[str], nx.DiGraph]] = {
    ".graphml": _graph_of_graphml,
    ".json": _graph_of_json,
}
"""The functions that read a graph, by the suffix of the file name."""


def save_graph(genome: Genome, path: str | Path) -> None:
    """Write a genome to a GraphML, JSON or DOT file; the suffix of `path` selects the format.

    Raises
    ------
    ResultsError
        If the suffix is unknown or the file cannot be written.
    """
    write_text(path, _chosen(Path(path), WRITERS)(genome))


def load_graph(path: str | Path, *, activation: str = "tanh", ticks: int = 1) -> Genome:
    """Read a genome from a GraphML or JSON file of :func:`save_graph` or of another program.

    Parameters
    ----------
    path : str or Path
        The suffix selects the format.
    activation : str
        For hidden nodes without the attribute.
    ticks : int
        For a graph without the attribute.

    Raises
    ------
    ResultsError
        If the file is missing, too large or breaks a rule. One line names file, field, rule and value.
    """
    graph = read_graph(path)
    try:
        return from_networkx(graph, activation=activation, ticks=ticks)
    except ValueError as error:
        raise ResultsError(f"{path}: {one_line(error)}") from error


def read_graph(path: str | Path) -> nx.DiGraph:
    """Read a GraphML or JSON file as a graph, with the names of its nodes.

    Raises
    ------
    ResultsError
        If the file is missing, too large or no such graph. One line names file and rule.
    """
    path = Path(path)
    to_graph = _chosen(path, READERS)
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ResultsError(f"{path}: must have at most {LARGEST_FILE} bytes; got {size}")
        return to_graph(path.read_text("utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path}: must be text in UTF-8 ({error})") from error
    except ValueError as error:
        raise ResultsError(f"{path}: {one_line(error)}") from error


F = TypeVar("F")


def _chosen(path: Path, functions: Mapping[str, F]) -> F:
    """Return the function of a path's suffix."""
    if path.suffix not in functions:
        known = ", ".join(functions)
        raise ResultsError(f"{path}: suffix must be one of {known}; got {brief(path.suffix)}")
    return functions[path.suffix]
