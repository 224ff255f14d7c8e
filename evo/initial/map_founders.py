"""Founders of feature maps: levels of nodes of one side, each of which hears the level before by random taps.

Which taps an edge may have follows from the sides (:mod:`evo.genome.feature_maps`); how many there are between two
levels is given, or follows from a budget of parameters and multiply-accumulates by this rule: *as many as a dense
network has whose levels are narrower*. All hidden levels are narrowed by one factor, the largest with which both bounds
hold; then levels of neurons, where a tap costs one multiply-accumulate, by a larger factor of their own if parameters
are left. Factors are real numbers, and a level pair of factors f and g gets the share f·g of its places. So twice
LeNet-5's maps at LeNet-5's budget have in each level the taps of LeNet-5, but for the few that the further biases cost.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

import graphops
from cnn.layers.initial import initial_weights
from evo.errors import SettingsError
from evo.genome.activations import activation_code
from evo.genome.feature_maps import Downsampling, map_transform
from evo.genome.genome import FloatArray, Genome, Role

_HALVINGS_OF_FACTORS = 60
"""Steps of a bisection between 0 and 1: as many as float64 can tell apart."""


class LayerShape(NamedTuple):
    """Nodes of one side."""

    map_size: int
    n_nodes: int


class Connection(NamedTuple):
    """What leads from one level to the next: each of the targets may hear each of the sources by some taps."""

    n_sources: int
    n_targets: int
    taps: int
    map_size: int

    @property
    def n_possible_taps(self) -> int:
        """Number of taps that there may be."""
        return self.n_sources * self.n_targets * self.taps


def connections_between(levels: Sequence[LayerShape], kernel: int) -> list[Connection]:
    """Return what leads from each level to the next.

    Examples
    --------
    LeNet-5's second convolution:

    >>> connections_between([LayerShape(28, 6), LayerShape(10, 16)], 5)
    [Connection(n_sources=6, n_targets=16, taps=25, map_size=10)]
    """
    return [
        Connection(
            before.n_nodes,
            level.n_nodes,
            map_transform(before.map_size, level.map_size, kernel).window ** 2,
            level.map_size,
        )
        for before, level in itertools.pairwise(levels)
    ]


def tap_counts_for_densities(
    connections: Sequence[Connection], densities: Sequence[float]
) -> list[int]:
    """Return how many taps each connection has, given shares of its places: at least one for each target."""
    return [
        max(round(share * connection.n_possible_taps), connection.n_targets)
        for connection, share in zip(connections, densities, strict=True)
    ]


def tap_counts_for_budget(
    connections: Sequence[Connection], max_parameters: int | None, max_macs: int | None
) -> list[int]:
    """Return how many taps each connection has within a budget; see the module's head for the rule.

    Raises
    ------
    SettingsError
        If the budget does not allow one tap for each target.

    Examples
    --------
    >>> layers = [LayerShape(*pair) for pair in [(28, 1), (28, 12), (10, 32), (1, 240), (1, 168), (1, 10)]]
    >>> tap_counts_for_budget(connections_between(layers, 5), 61_706, 416_520)
    [149, 2391, 47823, 10043, 838]
    """
    n_biases = sum(connection.n_targets for connection in connections)

    def counts(of_maps: float, of_neurons: float) -> list[int]:
        factors = [
            of_neurons if connection.map_size == 1 else of_maps for connection in connections[:-1]
        ]
        shares = [a * b for a, b in itertools.pairwise([1.0, *factors, 1.0])]
        return [
            max(int(share * connection.n_possible_taps), connection.n_targets)
            for connection, share in zip(connections, shares, strict=True)
        ]

    def fits(taps: Sequence[int]) -> bool:
        macs = sum(
            count * connection.map_size**2
            for connection, count in zip(connections, taps, strict=True)
        )
        parameters = sum(taps) + n_biases
        return parameters <= (max_parameters or parameters) and macs <= (max_macs or macs)

    least = {
        "max_parameters": (2 * n_biases, max_parameters),
        "max_macs": (
            sum(connection.n_targets * connection.map_size**2 for connection in connections),
            max_macs,
        ),
    }
    for name, (at_least, given) in least.items():
        if given is not None and given < at_least:
            raise SettingsError(
                f"founders.{name}: must be at least {at_least}, for a tap into every node; got {given}"
            )
    narrow = _largest(lambda factor: fits(counts(factor, factor)), 0.0)
    return counts(narrow, _largest(lambda factor: fits(counts(narrow, factor)), narrow))


def _largest(fits: Callable[[float], bool], low: float) -> float:
    """Return the largest factor up to 1 that fits, given one that does and that larger ones fit less."""
    high = 1.0
    if fits(high):
        return high
    for _ in range(_HALVINGS_OF_FACTORS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def draw_map_network(
    levels: Sequence[LayerShape],
    counts: Sequence[int],
    *,
    kernel: int,
    downsampling: Downsampling,
    activation: str,
    stored_per_edge: float,
    rng: np.random.Generator,
) -> Genome:
    """Draw a network of maps.

    Parameters
    ----------
    levels : sequence of LayerShape
        The inputs' first and the outputs', which are neurons, last.
    counts : sequence of int
        Taps that are edges, between each level and the next: any set of them equally likely, but for one of each
        target's, drawn first.
    kernel, downsampling
        As of the genome.
    activation : str
        Of hidden nodes.
    stored_per_edge : float
        Stored taps for each edge, or as many as there may be. The largest of a level are the edges; by a threshold of
        its own the rest sleeps.
    rng : numpy.random.Generator

    Returns
    -------
    Genome
        In float32. Weights are drawn evenly as the layers of :mod:`cnn` draw theirs, by the fans that the edges make:
        taps into a node, and out of a map or, towards neurons, out of a pixel. Where more is stored,
        that holds for the variance of the edges.
    """
    begins = np.cumsum([0, *(level.n_nodes for level in levels)])
    rows_of, values_of, sizes, thresholds = [], [], [np.zeros(levels[0].n_nodes, np.int64)], [0.0]
    connections = connections_between(levels, kernel)
    for k, (connection, count) in enumerate(zip(connections, counts, strict=True)):
        n_stored = min(round(stored_per_edge * count), connection.n_possible_taps)
        rows, sizes_of_targets = _draw_places(connection, n_stored, rng)
        scheme: Literal["glorot", "he"] = (
            "he" if "relu" in activation and connection is not connections[-1] else "glorot"
        )
        values = _draw_weights(connection, count, n_stored, scheme, rng)
        thresholds.append(_threshold(values, count))
        rows_of.append(np.stack([begins[k] + rows // connection.taps, rows % connection.taps]))
        values_of.append(values)
        sizes.append(sizes_of_targets)
    asleep = sum(map(len, values_of)) > sum(counts)
    n_of = [level.n_nodes for level in levels]
    roles = np.full(begins[-1], Role.HIDDEN, np.uint8)
    roles[: begins[1]], roles[begins[-2] :] = Role.INPUT, Role.OUTPUT
    codes = [activation_code(name) for name in ("identity", activation, "identity")]
    map_sizes = np.repeat([level.map_size for level in levels], n_of).astype(np.int32)
    sources, taps = np.concatenate(rows_of, axis=1)
    return Genome(
        indptr=np.append(0, np.cumsum(np.concatenate(sizes))).astype(np.int64),
        indices=sources.astype(np.int32),
        values=np.concatenate(values_of),
        bias=np.zeros(begins[-1], np.float32),
        ids=np.arange(begins[-1], dtype=np.int64),
        roles=roles,
        activations=np.array(codes, np.uint8)[roles],
        threshold=np.repeat(np.array(thresholds, np.float32), n_of) if asleep else None,
        map_sizes=map_sizes,
        taps=taps.astype(np.uint16) if map_sizes.max(initial=1) > 1 else None,
        kernel=kernel,
        downsampling=downsampling,
    )


def _draw_places(
    connection: Connection, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw taps, target after target: ``source · taps + tap`` of each, ascending; and how many each target has."""
    n_rows = connection.n_sources * connection.taps
    drawn = graphops.layered(
        (n_rows, connection.n_targets), count / connection.n_possible_taps, rng=rng
    )
    return drawn.indices.astype(np.int64), np.diff(drawn.indptr)[n_rows:].astype(np.int64)


def _draw_weights(
    connection: Connection,
    n_edges: int,
    n_stored: int,
    scheme: Literal["glorot", "he"],
    rng: np.random.Generator,
) -> FloatArray:
    """Draw weights so that the `n_edges` largest have the variance that suits their fans.

    The largest share d of evenly drawn magnitudes up to a has the mean square a²·(1 − (1 − d)³) / 3d; all have a²/3.
    """
    speakers = connection.n_sources * (connection.taps if connection.map_size == 1 else 1)
    share = n_edges / n_stored
    drawn = initial_weights(
        (n_stored,), n_edges / connection.n_targets, n_edges / speakers, scheme, rng=rng
    )
    weights: FloatArray = (drawn * np.sqrt(share / (1 - (1 - share) ** 3))).astype(np.float32)
    return weights


def _threshold(values: FloatArray, count: int) -> float:
    """Return the threshold that the `count` largest magnitudes pass."""
    strengths = np.sort(np.abs(values))
    asleep = len(values) - count
    return float(strengths[asleep - 1] if asleep else np.nextafter(strengths[0], np.float32(-1)))
