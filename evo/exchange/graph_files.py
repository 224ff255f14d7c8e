"""Genomes as GraphML and JSON, in texts and files: for other programs to read, and back bit for bit.

Attributes are those of :mod:`evo.exchange.networkx_graphs`; GraphML knows no lists, so there the taps of a kernel, and
their weights, are numbers in a text, with spaces between. Each number stands there as the shortest decimal that is read
back as the same float. Texts from outside are data: nothing in them is executed, and whatever is wrong is a
``ValueError`` that names field, rule and value - in a file a :class:`ResultsError`, which names the file, too.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import networkx as nx

from evo.errors import ResultsError
from evo.exchange.edges import LIST_ATTRIBUTES
from evo.exchange.networkx_graphs import from_networkx, to_networkx
from evo.files import write_text
from evo.genome.genome import Genome

LARGEST_FILE = 1 << 28
"""Bytes above which :func:`load_graph` does not read a file: ``.npz`` files hold such networks better."""


def to_graphml(genome: Genome) -> str:
    """Return a genome as GraphML, which yEd, Gephi, Cytoscape and igraph read."""
    graph = to_networkx(genome)
    for _, _, attributes in graph.edges(data=True):
        for name in LIST_ATTRIBUTES.keys() & attributes.keys():
            attributes[name] = " ".join(map(repr, attributes[name]))
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def from_graphml(text: str) -> Genome:
    """Return the genome of a GraphML text; :func:`from_networkx` says what defaults there are.

    Raises
    ------
    ValueError
        If it is none, declares a document type (whose entities could grow without bounds), or breaks a rule.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("GraphML must not declare a document type")
    try:
        graph = nx.parse_graphml(text)
    except _NO_GRAPHML as error:
        raise ValueError(f"text must be GraphML with one graph ({_one_line(error)})") from error
    with suppress(ValueError):  # names that are no integers stay texts
        numbers = {node: int(node) for node in graph}
        if len(set(numbers.values())) == len(numbers):
            graph = nx.relabel_nodes(graph, numbers)
    return from_networkx(graph)


_NO_GRAPHML = (
    AttributeError,
    IndexError,
    KeyError,
    SyntaxError,  # the root of what XML parsers raise
    TypeError,
    ValueError,
    nx.NetworkXException,
)
"""What networkx may raise while it reads a text that is no GraphML."""


def to_json(genome: Genome) -> str:
    """Return a genome as JSON in networkx' node-link form, which D3 and others read."""
    data = nx.node_link_data(to_networkx(genome), edges="edges")
    return json.dumps(data, allow_nan=False) + "\n"


def from_json(text: str) -> Genome:
    """Return the genome of a node-link JSON text; :func:`from_networkx` says what defaults there are.

    The edges may be called ``edges`` or ``links``.

    Raises
    ------
    ValueError
        If it is none, or breaks a rule.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"text must be JSON ({_one_line(error)})") from error
    if not isinstance(data, dict):
        raise ValueError(f"text must be a JSON object; got a {type(data).__name__}")
    edges = "edges" if "edges" in data else "links"
    _check_node_link(data, edges)
    graph = nx.node_link_graph(data, directed=True, multigraph=False, edges=edges)
    return from_networkx(graph)


def _check_node_link(data: Mapping[str, Any], edges: str) -> None:
    """Raise ValueError at the first part that is not in node-link form."""
    for field in ("nodes", edges):
        entries = data.get(field)
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            raise ValueError(f"{field} must be a list of objects")
    for field, rule in (("directed", True), ("multigraph", False)):
        if data.get(field, rule) is not rule:
            raise ValueError(f"{field} must be {json.dumps(rule)}; got {data[field]!r}")
    if not isinstance(data.get("graph", {}), dict):
        raise ValueError(f"graph must be an object; got {data['graph']!r}")
    names = set()
    for node in data["nodes"]:
        name = node.get("id")
        if not isinstance(name, (int, str)) or isinstance(name, bool):
            raise ValueError(f"id of a node must be an integer or a text; got {name!r}")
        if name in names:
            raise ValueError(f"id must name a node once; got {name!r} again")
        names.add(name)
    places = set()
    for edge in data[edges]:
        for end in ("source", "target"):
            name = edge.get(end)
            if not isinstance(name, (int, str)) or name not in names:
                raise ValueError(f"{end} of an edge must be the id of a node; got {name!r}")
        place = edge["source"], edge["target"]
        if place in places:
            raise ValueError(f"{edges} must be named once; got {place} again")
        places.add(place)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"numbers must be finite; got {name}")


FORMATS: Mapping[str, tuple[Callable[[Genome], str], Callable[[str], Genome]]] = {
    ".graphml": (to_graphml, from_graphml),
    ".json": (to_json, from_json),
}
"""How graphs are written and read, by the ending of a file's name."""


def save_graph(genome: Genome, path: str | Path) -> None:
    """Write a genome to a GraphML or JSON file, as the ending of `path` says; :func:`load_graph` reads it.

    Raises
    ------
    ResultsError
        If the ending is another one, or the file cannot be written.
    """
    to_text, _ = _format(Path(path))
    write_text(path, to_text(genome))


def load_graph(path: str | Path) -> Genome:
    """Read a genome from a GraphML or JSON file: one of :func:`save_graph`, or another program's.

    Raises
    ------
    ResultsError
        If the file is missing, too large or breaks a rule; one line naming file, field, rule and value.
    """
    path = Path(path)
    _, from_text = _format(path)
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ResultsError(f"{path}: must have at most {LARGEST_FILE} bytes; got {size}")
        return from_text(path.read_text("utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path}: must be text in UTF-8 ({error})") from error
    except ValueError as error:
        raise ResultsError(f"{path}: {_one_line(error)}") from error


def _format(path: Path) -> tuple[Callable[[Genome], str], Callable[[str], Genome]]:
    if path.suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise ResultsError(f"{path}: ending must be one of {known}; got {path.suffix!r}")
    return FORMATS[path.suffix]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
