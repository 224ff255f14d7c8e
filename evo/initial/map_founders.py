"""Founders of feature maps: layers of nodes of one map size, each connected to the layer before by random taps.

The map sizes determine the possible taps of an edge (:mod:`evo.genome.feature_maps`). The number of taps between two
layers is given, or it follows from limits on parameters and multiply-accumulates: *as many taps as a dense network with
narrower layers*. All hidden layers are narrowed by one factor, the largest factor within both limits. If parameters are
left, layers of neurons, where a tap costs one multiply-accumulate, get a larger factor. Factors are real numbers:
between layers with the factors f and g the fraction f·g of the possible taps is used. So twice LeNet-5's maps within
LeNet-5's limits have almost LeNet-5's taps in each layer; the additional biases cost a few.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import graphops
from cnn.layers.initial import initial_weights
from evo.errors import SettingsError
from evo.genome.activations import activation_code
from evo.genome.feature_maps import Downsampling, map_transform
from evo.genome.genome import FloatArray, Genome, Role, ThresholdMode
from graphops import Scale

_BISECTIONS = 60
"""Steps of a bisection between 0 and 1; more steps do not change a float64."""


class LayerShape(NamedTuple):
    """Map size and number of the nodes of a layer."""

    map_size: int
    n_nodes: int


class Connection(NamedTuple):
    """The possible taps between two layers: numbers of nodes, taps per kernel, and the map size of the targets."""

    n_sources: int
    n_targets: int
    taps: int
    map_size: int

    @property
    def n_possible_taps(self) -> int:
        """Number of possible taps."""
        return self.n_sources * self.n_targets * self.taps


def connections_between(layers: Sequence[LayerShape], kernel: int) -> list[Connection]:
    """Return the connection from each layer to the next.

    Examples
    --------
    LeNet-5's second convolution:

    >>> connections_between([LayerShape(28, 6), LayerShape(10, 16)], 5)
    [Connection(n_sources=6, n_targets=16, taps=25, map_size=10)]
    """
    return [
        Connection(before.n_nodes, layer.n_nodes, transform.window**2, layer.map_size)
        for before, layer in itertools.pairwise(layers)
        for transform in [map_transform(before.map_size, layer.map_size, kernel)]
    ]


def tap_counts_for_densities(
    connections: Sequence[Connection], densities: Sequence[float]
) -> list[int]:
    """Return the taps of each connection, given fractions of the possible taps: at least one tap per target."""
    pairs = zip(connections, densities, strict=True)
    return [max(round(share * c.n_possible_taps), c.n_targets) for c, share in pairs]


def tap_counts_for_budget(
    connections: Sequence[Connection], max_parameters: int | None, max_macs: int | None
) -> list[int]:
    """Return the taps of each connection within limits on the size; the rule is at the top of this module.

    Raises
    ------
    SettingsError
        If a limit does not allow one tap per target.

    Examples
    --------
    >>> layers = [LayerShape(*pair) for pair in [(28, 1), (28, 12), (10, 32), (1, 240), (1, 168), (1, 10)]]
    >>> tap_counts_for_budget(connections_between(layers, 5), 61_706, 416_520)
    [149, 2391, 47823, 10043, 838]
    """
    n_biases = sum(c.n_targets for c in connections)

    def counts(map_factor: float, neuron_factor: float) -> list[int]:
        factors = [neuron_factor if c.map_size == 1 else map_factor for c in connections[:-1]]
        densities = [a * b for a, b in itertools.pairwise([1.0, *factors, 1.0])]
        pairs = zip(connections, densities, strict=True)
        return [max(int(share * c.n_possible_taps), c.n_targets) for c, share in pairs]

    def fits(taps: Sequence[int]) -> bool:
        macs = sum(n * c.map_size**2 for c, n in zip(connections, taps, strict=True))
        parameters = sum(taps) + n_biases
        return parameters <= (max_parameters or parameters) and macs <= (max_macs or macs)

    smallest = {
        "max_parameters": (2 * n_biases, max_parameters),
        "max_macs": (sum(c.n_targets * c.map_size**2 for c in connections), max_macs),
    }
    for name, (least, given) in smallest.items():
        if given is not None and given < least:
            raise SettingsError(
                f"founders.{name}: must be at least {least}, one tap per node; got {given}"
            )
    narrow = _largest(lambda factor: fits(counts(factor, factor)), 0.0)
    return counts(narrow, _largest(lambda factor: fits(counts(narrow, factor)), narrow))


def _largest(fits: Callable[[float], bool], low: float) -> float:
    """Return the largest factor up to 1 that fits, by bisection; `low` fits, and smaller factors fit if larger do."""
    high = 1.0
    if fits(high):
        return high
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def draw_map_network(
    layers: Sequence[LayerShape],
    counts: Sequence[int],
    *,
    kernel: int,
    downsampling: Downsampling,
    activation: str,
    stored_per_edge: float,
    threshold_mode: ThresholdMode = "magnitude",
    rng: np.random.Generator,
) -> Genome:
    """Draw a network of feature maps.

    Parameters
    ----------
    layers : sequence of LayerShape
        From the inputs to the outputs, which are neurons.
    counts : sequence of int
        Active taps between consecutive layers. One tap per target is drawn first; then every set of the other taps is
        equally likely.
    kernel, downsampling
        As in the genome.
    activation : str
        Activation of hidden nodes.
    stored_per_edge : float
        Stored taps per active tap, at most all possible taps. The taps with the largest weights are active; a threshold
        per layer makes the others dormant.
    threshold_mode : {"magnitude", "signed"}
        Whether the largest weights are those of largest magnitude.
    rng : numpy.random.Generator

    Returns
    -------
    Genome
        In float32. Weights are uniform like those of :mod:`cnn`'s layers, with the fans of the active taps: taps into a
        node, and taps out of a map or, towards neurons, out of a pixel. The active weights have the same variance
        whether dormant taps are stored or not.
    """
    begins = np.cumsum([0, *(layer.n_nodes for layer in layers)])
    sources_and_taps, values, thresholds = [], [], [0.0]
    in_degrees = [np.zeros(layers[0].n_nodes, np.int64)]
    connections = connections_between(layers, kernel)
    for k, (connection, count) in enumerate(zip(connections, counts, strict=True)):
        n_stored = min(round(stored_per_edge * count), connection.n_possible_taps)
        rows, degrees = _draw_rows(connection, n_stored, rng)
        scheme: Scale = (
            "he" if "relu" in activation and connection is not connections[-1] else "glorot"
        )
        signed = threshold_mode == "signed"
        values.append(_draw_weights(connection, count, n_stored, scheme, rng, signed=signed))
        thresholds.append(_threshold(values[-1], count, threshold_mode))
        sources, taps = np.divmod(rows, connection.taps)
        sources_and_taps.append(np.stack([begins[k] + sources, taps]))
        in_degrees.append(degrees)
    has_dormant = sum(map(len, values)) > sum(counts)
    n_nodes = [layer.n_nodes for layer in layers]
    roles = np.full(begins[-1], Role.HIDDEN, np.uint8)
    roles[: begins[1]], roles[begins[-2] :] = Role.INPUT, Role.OUTPUT
    codes = [activation_code(name) for name in ("identity", activation, "identity")]
    map_sizes = np.repeat([layer.map_size for layer in layers], n_nodes).astype(np.int32)
    sources, taps = np.concatenate(sources_and_taps, axis=1)
    return Genome(
        indptr=np.append(0, np.cumsum(np.concatenate(in_degrees))).astype(np.int64),
        indices=sources.astype(np.int32),
        values=np.concatenate(values),
        bias=np.zeros(begins[-1], np.float32),
        ids=np.arange(begins[-1], dtype=np.int64),
        roles=roles,
        activations=np.array(codes, np.uint8)[roles],
        threshold=np.repeat(np.array(thresholds, np.float32), n_nodes) if has_dormant else None,
        threshold_mode=threshold_mode,
        map_sizes=map_sizes,
        taps=taps.astype(np.uint16) if map_sizes.max(initial=1) > 1 else None,
        kernel=kernel,
        downsampling=downsampling,
    )


def _draw_rows(
    connection: Connection, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw taps; return ``source · taps + tap`` of each, sorted by target and then by this number, and in-degrees."""
    n_rows, density = connection.n_sources * connection.taps, count / connection.n_possible_taps
    drawn = graphops.layered((n_rows, connection.n_targets), density, rng=rng)
    return drawn.indices.astype(np.int64), np.diff(drawn.indptr)[n_rows:].astype(np.int64)


def _draw_weights(
    connection: Connection,
    n_active: int,
    n_stored: int,
    scheme: Scale,
    rng: np.random.Generator,
    *,
    signed: bool,
) -> FloatArray:
    """Draw weights whose `n_active` largest have the mean square for their fans.

    Uniform magnitudes up to a have the mean square a²/3. The largest fraction d of them has a²·(1 − (1 − d)³) / 3d. The
    largest fraction d of the weights themselves lies between a(1 − 2d) and a, so 2d replaces d if they are `signed`.
    """
    n_sources = connection.n_sources * (connection.taps if connection.map_size == 1 else 1)
    d = n_active / n_stored * (2 if signed else 1)
    fan_in, fan_out = n_active / connection.n_targets, n_active / n_sources
    drawn = initial_weights((n_stored,), fan_in, fan_out, scheme, rng=rng)
    weights: FloatArray = (drawn * np.sqrt(d / (1 - (1 - d) ** 3))).astype(np.float32)
    return weights


def _threshold(values: FloatArray, count: int, mode: ThresholdMode) -> float:
    """Return a threshold below the `count` largest weights or magnitudes and not below any other."""
    scores = np.sort(values if mode == "signed" else np.abs(values))
    dormant = scores[: len(values) - count]
    return float(dormant[-1] if len(dormant) else np.nextafter(scores[0], np.float32(-np.inf)))
