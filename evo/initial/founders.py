"""The first generation: random networks, each drawn from a random stream of its own.

Given networks are in :mod:`evo.initial.given`.
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import graphops
from evo.genome.genome import Genome
from evo.initial.example import draw_example
from evo.initial.map_founders import LayerShape, draw_map_network
from evo.initial.settings import GRAPHS, FounderSettings, FounderSpec, Graph
from evo.initial.topologies import LayerSpec, draw_pattern
from evo.seeding import Purpose, generator
from graphops import Scale


def create_founders(
    settings: FounderSettings,
    n_inputs: int,
    n_outputs: int,
    *,
    n_founders: int,
    seed: int,
    map_size: int | None = None,
    samples: NDArray[Any] | None = None,
) -> list[Genome]:
    """Draw the founders of one run.

    Parameters
    ----------
    settings : FounderSettings
    n_inputs, n_outputs : int
        Number of input nodes (:meth:`FounderSettings.input_layer`) and of outputs.
    n_founders : int
        Number of founders.
    seed : int
        The run's seed. Each founder has a random stream of its own.
    map_size : int
        Map size of the input nodes; required if ``graph`` is ``"maps"``, otherwise unused.
    samples : ndarray, optional
        Inputs of the training part; required if a topology is ``"correlated"``.

    Returns
    -------
    list of Genome
        Genomes in float32. They have a threshold only if some entries are dormant. The ids are 0, 1, … in the order of
        the nodes, so each layer is a range of ids.

    Raises
    ------
    SettingsError
        If `max_parameters` or `max_macs` is too small for the layers.
    ValueError
        If ``graph`` is ``"maps"`` and `map_size` is not given, or a topology needs `samples`.
    """
    draw = GRAPHS[settings.graph]
    streams = [generator(seed, Purpose.FOUNDERS, 0, k) for k in range(n_founders)]
    genomes = [
        _as_genome(FounderSpec(settings, n_inputs, n_outputs, map_size, rng, samples), draw)
        for rng in streams
    ]
    drawn_alike = settings.weights == "random" and settings.graph not in ("maps", "example")
    if settings.weights is None or drawn_alike:
        return genomes
    pairs = zip(genomes, streams, strict=True)
    return [with_drawn_weights(genome, settings, rng=rng) for genome, rng in pairs]


def with_drawn_weights(
    genome: Genome, settings: FounderSettings, *, rng: np.random.Generator
) -> Genome:
    """Return a genome with weights drawn by ``settings.weights``, and biases of 0; the stored entries stay."""
    draw = graphops.growth_weights if settings.weights == "growth" else graphops.random_weights
    scale, dtype = _scale(settings), genome.values.dtype
    values = draw(np.diff(genome.indptr), rng=rng, scale=scale, dtype=dtype)
    return genome.with_values(values, np.zeros_like(genome.bias))


def _as_genome(spec: FounderSpec, draw: Graph) -> Genome:
    """Draw one founder; raise ValueError if an own graph draws no network for these inputs and outputs."""
    settings, drawn = spec.settings, draw(spec)
    if not isinstance(drawn, Genome):
        dormant, threshold = 1.0 - settings.active_fraction, settings.threshold
        try:
            matrix = drawn if sparse.issparse(drawn) else np.asarray(drawn)
            if dormant:
                threshold = graphops.quantile_threshold(matrix, dormant, settings.threshold_mode)
            drawn = Genome.from_matrix(
                matrix,
                n_inputs=spec.n_inputs,
                n_outputs=spec.n_outputs,
                activation=settings.activation,
                threshold=threshold,
                threshold_mode=settings.threshold_mode,
                ticks=settings.ticks,
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"graph {settings.graph!r} must draw a genome or a square matrix: {error}"
            ) from error
    counts = len(drawn.inputs), len(drawn.outputs)
    if counts != (spec.n_inputs, spec.n_outputs):
        raise ValueError(
            f"graph {settings.graph!r} must draw a network with {spec.n_inputs} inputs and {spec.n_outputs} outputs; "
            f"got {counts[0]} and {counts[1]}"
        )
    return drawn


# -- the graphs --------------------------------------------------------------------------------------------------------


def _maps(spec: FounderSpec) -> Genome:
    """Draw layers of feature maps and neurons, connected by kernels."""
    settings, map_size = spec.settings, spec.map_size
    if map_size is None:
        raise ValueError('map_size must be given if graph = "maps"; got None')
    inputs = LayerShape(map_size, spec.n_inputs)
    return draw_map_network(
        settings.layer_shapes(inputs, spec.n_outputs),
        settings.tap_counts(inputs, spec.n_outputs),
        kernel=settings.kernel,
        downsampling=settings.downsampling,
        activation=settings.activation,
        stored_per_edge=settings.stored_per_edge,
        threshold_mode=settings.threshold_mode,
        rng=spec.rng,
    )


def _layered(spec: FounderSpec) -> sparse.csc_array:
    """Draw edges from each layer to the next."""
    settings = spec.settings
    layers = settings.layer_sizes(spec.n_inputs, spec.n_outputs)
    if not layers:
        return _feedforward(spec)
    topologies = settings.layer_topologies(len(layers) - 1)
    if "correlated" in topologies and spec.samples is None:
        raise ValueError('samples must be given if a topology is "correlated"; got None')
    densities = settings.layer_densities(layers)
    patterns = [
        draw_pattern(
            name,
            LayerSpec(*sizes, density, settings, None if k else spec.samples, spec.rng),
        )
        for k, (name, sizes, density) in enumerate(
            zip(topologies, itertools.pairwise(layers), densities, strict=True)
        )
    ]
    return graphops.connect_layers(patterns, rng=spec.rng, scale=_scale(settings))


def _recurrent(spec: FounderSpec) -> sparse.csc_array:
    """Draw edges between any two nodes."""
    settings, rng = spec.settings, spec.rng
    return graphops.recurrent(*_sizes(spec), settings.mean_density, rng=rng, scale=_scale(settings))


def _small_world(spec: FounderSpec) -> sparse.csc_array:
    """Draw edges from the nodes directly before, and a few from other earlier nodes."""
    settings, sizes = spec.settings, _sizes(spec)
    degree = _degree(spec.n_inputs, sum(sizes), settings.mean_density)
    probability = settings.rewiring_probability
    return graphops.small_world(*sizes, degree, probability, rng=spec.rng, scale=_scale(settings))


def _direct(spec: FounderSpec) -> sparse.csc_array:
    """Draw edges from inputs to outputs; hidden nodes have no edges."""
    settings = spec.settings
    return graphops.direct(
        *_sizes(spec), settings.mean_density, rng=spec.rng, scale=_scale(settings)
    )


def _feedforward(spec: FounderSpec) -> sparse.csc_array:
    """Draw edges from any node to any later node."""
    settings = spec.settings
    return graphops.feedforward(
        *_sizes(spec), settings.mean_density, rng=spec.rng, scale=_scale(settings)
    )


def _example(spec: FounderSpec) -> sparse.csc_array:
    """Put the 5 × 5 matrix of the seed document, which has a cycle, between inputs and outputs."""
    return draw_example(spec.n_inputs, spec.n_outputs, rng=spec.rng, scale=_scale(spec.settings))


def _given(spec: FounderSpec) -> Genome:
    """Take networks from files, or from the argument founders of run."""
    raise ValueError('graph must be one that is drawn; got "given"')


def _sizes(spec: FounderSpec) -> tuple[int, int, int]:
    """Return the number of inputs, hidden nodes and outputs."""
    hidden = spec.settings.hidden
    return spec.n_inputs, hidden if isinstance(hidden, int) else sum(hidden), spec.n_outputs


def _scale(settings: FounderSettings) -> Scale:
    """Return the variance of weights that suits the activation of hidden nodes."""
    return "he" if "relu" in settings.activation else "glorot"


def _degree(n_inputs: int, n_nodes: int, density: float) -> int:
    """Return the in-degree of a small world whose density is closest to the given one.

    Node j has at most j in-edges, one from each earlier node.
    """
    degrees, most = np.arange(1, n_nodes), np.arange(n_inputs, n_nodes)
    n_at_least = np.cumsum(np.bincount(most, minlength=n_nodes)[::-1])[::-1]
    edges = np.cumsum(n_at_least[1:])
    return int(degrees[np.abs(edges - density * most.sum()).argmin()])


GRAPHS.fill(
    {
        "feedforward": _feedforward,
        "layered": _layered,
        "recurrent": _recurrent,
        "small_world": _small_world,
        "direct": _direct,
        "maps": _maps,
        "example": _example,
        "given": _given,
    }
)
