"""Conversion between the entries of a genome and the edges of a graph: one weight per edge, or a kernel of taps."""

import itertools
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cnn.checks import brief
from evo.exchange.values import choice, integer, is_finite, rounded
from evo.genome.feature_maps import DOWNSAMPLINGS, Kernel, windows
from evo.genome.genome import FloatArray, Genome
from evo.genome.validity import is_kernel

LIST_ATTRIBUTES: Mapping[str, Callable[[str], int | float]] = {"taps": int, "weights": float}
"""The attributes of kernels that are lists, and the type of their numbers."""

NO_WEIGHT_NEEDED = frozenset(["id", "key"])
"""Attributes that say nothing of an edge but its name; GraphML files have them."""


def add_edges(graph: nx.DiGraph, genome: Genome) -> None:
    """Add the edges of a genome to a graph whose nodes are the genome's ids."""
    sources, targets = genome.ids[genome.indices].tolist(), genome.ids[genome.targets].tolist()
    weights = genome.values.tolist()
    if genome.taps is None:
        graph.add_weighted_edges_from(zip(sources, targets, weights, strict=True))
        return
    taps = genome.taps.tolist()
    first = np.ones(len(taps) + 1, np.bool_)
    first[1:-1] = np.diff(genome.targets * genome.n_nodes + genome.indices) != 0
    begins, several = np.flatnonzero(first).tolist(), (genome.windows > 1).tolist()
    for begin, end in itertools.pairwise(begins):
        attributes: dict[str, Any] = {"weight": weights[begin]}
        if several[begin]:
            own = weights[begin:end]
            # The largest number stands for any larger sum; other programs only show it.
            strength = min(sum(map(abs, own)), np.finfo(np.float64).max.item())
            attributes = {"weight": strength, "taps": taps[begin:end], "weights": own}
        graph.add_edge(sources[begin], targets[begin], **attributes)


def check_weights_given(graph: nx.DiGraph) -> None:
    """Raise ValueError if an edge has attributes but no weight: the weight may have another name by mistake."""
    for source, target, attributes in graph.edges(data=True):
        others = [name for name in attributes if name not in NO_WEIGHT_NEEDED]
        is_kernel = LIST_ATTRIBUTES.keys() <= attributes.keys()
        if others and "weight" not in attributes and not is_kernel:
            raise ValueError(
                f"edge {(source, target)!r} must have the attribute weight if it has others; got {brief(others)}"
            )


def read_edges(
    graph: nx.DiGraph,
    names: list[Hashable],
    matrix: sparse.csc_array,
    map_sizes: NDArray[np.int32],
    dtype: np.dtype[Any],
) -> dict[str, Any]:
    """Return the parts of a genome that describe its entries: matrix and, with feature maps, taps and kernels.

    Parameters
    ----------
    graph : networkx.DiGraph
    names : list
        The nodes of the graph in the order of evaluation.
    matrix : csc_array, shape (n, n)
        The weights of the edges, with the nodes in this order.
    map_sizes : ndarray, shape (n,)
    dtype : dtype
        The dtype of the values.
    """
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    if map_sizes.max(initial=1) == 1:
        values = rounded("weight", matrix.data, dtype)
        return {"indptr": indptr, "indices": indices, "values": values}
    kernel = _kernel(graph.graph.get("kernel", Genome.kernel))
    targets = np.repeat(np.arange(len(names)), np.diff(indptr))
    edge_windows = windows(map_sizes[indices], map_sizes[targets], kernel).tolist()
    taps: list[int] = []
    weights: list[FloatArray] = [np.empty(0, dtype)]
    counts = np.ones(len(indices), np.int64)
    for k, (source, target) in enumerate(zip(indices.tolist(), targets.tolist(), strict=True)):
        if edge_windows[k] == 1:
            taps.append(0)
            weights.append(rounded("weight", matrix.data[k : k + 1], dtype))
            continue
        ends = names[source], names[target]
        own = _taps(ends, graph.edges[ends], edge_windows[k])
        order = sorted(range(len(own)), key=own.__getitem__)
        taps += [own[index] for index in order]
        weights.append(_weights(ends, graph.edges[ends], len(own), dtype)[order])
        counts[k] = len(own)
    ends_of_edges = np.concatenate([[0], np.cumsum(counts)])
    return {
        "indptr": ends_of_edges[indptr],
        "indices": np.repeat(indices, counts),
        "values": np.concatenate(weights),
        "taps": np.array(taps, np.uint16),
        "kernel": kernel,
        "downsampling": choice(graph.graph, "downsampling", DOWNSAMPLINGS, Genome.downsampling),
    }


def _taps(ends: tuple[Hashable, Hashable], attributes: dict[str, Any], window: int) -> list[int]:
    """Return the taps of a kernel; raise ValueError if they break a rule."""
    taps, field = _list("taps", ends, attributes), f"taps of edge {brief(ends)}"
    most = min(window**2, 1 << 16)
    for tap in taps:
        if not 0 <= integer(field, tap) < most:
            raise ValueError(f"{field} must be from 0 to {most - 1}; got {tap}")
    if not taps or len(set(taps)) < len(taps):
        raise ValueError(f"{field} must be one or more distinct numbers; got {brief(taps)}")
    return taps


def _weights(
    ends: tuple[Hashable, Hashable], attributes: dict[str, Any], count: int, dtype: np.dtype[Any]
) -> FloatArray:
    """Return the weights of a kernel's taps; raise ValueError if they break a rule."""
    weights, field = _list("weights", ends, attributes), f"weights of edge {brief(ends)}"
    if len(weights) != count:
        raise ValueError(f"{field} must be {count} numbers, one per tap; got {len(weights)}")
    for weight in weights:
        if not is_finite(weight):
            raise ValueError(f"{field} must be finite numbers; got {brief(weight)}")
    return rounded(field, np.array(weights, np.float64), dtype)


def _list(name: str, ends: tuple[Hashable, Hashable], attributes: dict[str, Any]) -> list[Any]:
    """Return an attribute that is a list, or a text with numbers separated by spaces."""
    value = attributes.get(name)
    if isinstance(value, str):
        try:
            return [LIST_ATTRIBUTES[name](word) for word in value.split()]
        except ValueError:
            value = brief(value)
    if not isinstance(value, list):
        raise ValueError(
            f"{name} of edge {brief(ends)} must be a list of numbers, since maps are connected by kernels; "
            f"got {value if isinstance(value, str) else brief(value)}"
        )
    return value


def kernel_attribute(kernel: Kernel) -> int | str:
    """Return a genome's kernel as a number or a text, which all formats of graphs hold."""
    if isinstance(kernel, tuple):
        return " ".join(f"{map_size}:{side}" for map_size, side in kernel)
    return int(kernel)


def _kernel(given: Any) -> Kernel:
    """Return the kernel of an attribute; raise ValueError if it breaks a rule."""
    kernel: Any = given
    if isinstance(given, str):
        pairs = [pair.split(":") for pair in given.split()]
        numeric = all(
            part.isascii() and part.isdigit() and len(part) < 10 for pair in pairs for part in pair
        )
        kernel = tuple(tuple(map(int, pair)) for pair in pairs) if numeric else None
    if not is_kernel(kernel):
        rule = 'an odd integer of at least 1, or a text such as "1:13 26:3"'
        raise ValueError(f"kernel must be {rule}; got {brief(given)}")
    return kernel  # type: ignore[no-any-return]
