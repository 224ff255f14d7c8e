"""The first generation: random graphs, each drawn from its own seed."""

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, model_validator
from scipy import sparse

import graphops
from evo.errors import SettingsError
from evo.genome.feature_maps import Downsampling
from evo.genome.genome import Genome
from evo.initial.map_founders import (
    LayerShape,
    connections_between,
    draw_map_network,
    tap_counts_for_budget,
    tap_counts_for_densities,
)
from evo.seeding import Purpose, generator

ActivationName = Literal[
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "gelu", "sine", "gaussian", "sign"
]
"""The names of :data:`evo.genome.activations.REGISTRY`, for settings."""

DENSITY = 0.2
"""The density where neither it nor ε is given."""


def _check_widths(given: Any) -> Any:
    """Raise ValueError unless given one number of nodes or a list with one for each of several layers."""
    several = isinstance(given, list | tuple)
    widths = given if several else [given]
    whole = all(isinstance(width, int) and not isinstance(width, bool) for width in widths)
    if not whole or not widths or min(widths) < (1 if several else 0):
        raise ValueError(
            "must be a whole number of at least 0, or a list of whole numbers of at least 1, one per layer"
        )
    return given


MAP_SETTINGS = (
    "layers",
    "kernel",
    "downsampling",
    "densities",
    "max_parameters",
    "max_macs",
    "stored_per_edge",
)
"""Settings of graphs of maps alone."""

OTHER_SETTINGS = (
    "hidden",
    "density",
    "epsilon",
    "rewiring_probability",
    "active_fraction",
    "ticks",
    "sequence",
)
"""Settings of all other graphs."""

Widths = Annotated[int | tuple[int, ...], BeforeValidator(_check_widths)]
"""Hidden nodes: how many, or how many in each of several layers."""


class FounderSettings(BaseModel, frozen=True, extra="forbid"):
    """What the networks of the first generation look like."""

    graph: Literal["feedforward", "layered", "recurrent", "small_world", "direct", "maps"] = Field(
        "feedforward",
        description="feedforward: any node may speak to any later one; layered: inputs, hidden layers, outputs, each "
        "speaking to the next; "
        "recurrent: any node may speak to any (needs ticks = 2 to differ); small_world: nodes listen to those just "
        "before them, and to a few from far away; direct: outputs listen to inputs, hidden nodes wait for edges; "
        "maps: inputs are images, and levels of feature maps and neurons, each speaking to the next by kernels",
    )
    hidden: Widths = Field(
        32, description="hidden nodes; layered: a list has those of each hidden layer, [1000, 1000]"
    )
    density: float | None = Field(
        None,
        gt=0,
        le=1,
        description="share of the possible places that hold an edge: 0.2 unless epsilon is given; layered: of those "
        "between one layer and the next, so 1 is the dense multi-layer perceptron",
    )
    epsilon: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="layered, instead of density: SET's ε; layers of m and n nodes have ε(m + n) edges between them, "
        "or all m·n where these are fewer",
    )
    rewiring_probability: float = Field(
        0.1, ge=0, le=1, description="small_world: share of the edges that come from far away"
    )
    active_fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of the drawn entries that are edges at first, the largest; below the threshold the rest "
        "sleeps",
    )
    activation: ActivationName = Field("tanh", description="activation of hidden nodes")
    ticks: int = Field(1, ge=1, description="T: 1 is feed-forward, more are recurrent")
    sequence: bool = Field(
        False,
        description="a sample is a sequence of as many steps as ticks: its features, in order, are the steps' inputs",
    )

    layers: tuple[tuple[int, int], ...] = Field(
        (),
        description="maps: side and number of nodes of each hidden level, [[28, 12], [10, 32], [1, 240]]; 1: neurons",
    )
    kernel: int = Field(5, ge=1, description="maps: side of the kernels, odd")
    downsampling: Downsampling = Field("max", description="maps: how maps are halved")
    densities: tuple[float, ...] | None = Field(
        None,
        description="maps: share of the possible taps that are edges, between each level and the next; all, unless "
        "max_parameters or max_macs is given",
    )
    max_parameters: int | None = Field(
        None,
        ge=1,
        description="maps, instead of densities: as many taps, and biases, as that; see evo/initial/map_founders.py",
    )
    max_macs: int | None = Field(
        None, ge=1, description="maps, instead of densities: as many multiply-accumulates a sample"
    )
    stored_per_edge: float = Field(
        1.0,
        ge=1,
        allow_inf_nan=False,
        description="maps: stored taps for each edge between a level and the next, as far as there are as many; those "
        "that are no edges, the smallest, sleep below a threshold of their level",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_a_density(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("epsilon") is not None:
            return values
        if values.get("graph") == "maps":
            return values
        return values if values.get("density") is not None else values | {"density": DENSITY}

    @model_validator(mode="after")
    def _sequences_take_ticks(self) -> Self:
        if self.sequence and self.ticks == 1:
            raise ValueError("sequence needs ticks of at least 2; got 1")
        return self

    @model_validator(mode="after")
    def _maps_are_maps(self) -> Self:
        of_maps = self.graph == "maps"
        for name in OTHER_SETTINGS if of_maps else MAP_SETTINGS:
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                rule = "must not be given where" if of_maps else "needs"
                raise ValueError(f'{name} {rule} graph = "maps"; got {value!r}')
        if not of_maps:
            return self
        if not self.layers or min(min(level) for level in self.layers) < 1:
            raise ValueError(
                "layers must be one or more pairs of a side and a number of nodes, of at least 1; "
                f"got {[list(level) for level in self.layers]}"
            )
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd; got {self.kernel}")
        self._check_densities()
        return self

    def _check_densities(self) -> None:
        if self.densities is None:
            return
        if self.max_parameters is not None or self.max_macs is not None:
            raise ValueError("densities must not be given beside max_parameters or max_macs")
        n_ways = len(self.layers) + 1
        if len(self.densities) != n_ways or not all(0 < share <= 1 for share in self.densities):
            raise ValueError(
                f"densities must be {n_ways} shares above 0 and up to 1, one between each level and the next, inputs "
                f"and outputs among them; got {list(self.densities)}"
            )

    @model_validator(mode="after")
    def _layers_are_layered(self) -> Self:
        if self.epsilon is not None and self.density is not None:
            raise ValueError(
                f"epsilon must not be given beside density; got {self.epsilon} and {self.density}"
            )
        if self.graph == "layered":
            if self.epsilon is not None and self.hidden == 0:
                raise ValueError("epsilon needs a hidden layer; got hidden = 0")
            return self
        if not isinstance(self.hidden, int):
            raise ValueError(
                f'hidden must be one number unless graph = "layered"; got {list(self.hidden)} and {self.graph!r}'
            )
        if self.epsilon is not None:
            raise ValueError(f'epsilon needs graph = "layered"; got {self.graph!r}')
        return self

    def layer_sizes(self, n_inputs: int, n_outputs: int) -> tuple[int, ...]:
        """Return the nodes of each layer, inputs and outputs among them, in order; nothing where there are no layers.

        Examples
        --------
        >>> FounderSettings(graph="layered", hidden=[30, 20]).layer_sizes(8, 3)
        (8, 30, 20, 3)
        """
        if self.graph == "maps":
            return (n_inputs, *(count for _, count in self.layers), n_outputs)
        if self.graph != "layered" or self.hidden == 0:
            return ()
        hidden = (self.hidden,) if isinstance(self.hidden, int) else self.hidden
        return (n_inputs, *hidden, n_outputs)

    def input_layer(self, shape: Sequence[int]) -> LayerShape:
        """Return side and number of the input nodes for samples of a shape.

        Raises
        ------
        SettingsError
            If a sequence of so many features has no whole number in each step, or maps are no square images.

        Examples
        --------
        >>> FounderSettings(graph="maps", layers=[[8, 4]]).input_layer((3, 8, 8))
        LayerShape(map_size=8, n_nodes=3)
        """
        if self.graph == "maps":
            if len(shape) not in {2, 3} or shape[-1] != shape[-2]:
                raise SettingsError(
                    f"founders.graph: maps needs square images, and a sample has shape {tuple(shape)}"
                )
            return LayerShape(shape[-1], 1 if len(shape) == 2 else shape[0])
        n_features = math.prod(shape)
        if not self.sequence:
            return LayerShape(1, n_features)
        if n_features % self.ticks:
            raise SettingsError(
                f"founders.ticks: must divide the features ({n_features}) where sequence = true; got {self.ticks}"
            )
        return LayerShape(1, n_features // self.ticks)

    def layer_shapes(self, inputs: LayerShape, n_outputs: int) -> list[LayerShape]:
        """Return the levels of a graph of maps, inputs and outputs among them."""
        return [inputs, *itertools.starmap(LayerShape, self.layers), LayerShape(1, n_outputs)]

    def tap_counts(self, inputs: LayerShape, n_outputs: int) -> list[int]:
        """Return how many taps of a graph of maps are edges, between each level and the next.

        Raises
        ------
        SettingsError
            If a budget is too small for a network of such maps.
        """
        ways = connections_between(self.layer_shapes(inputs, n_outputs), self.kernel)
        if self.densities is None:
            return tap_counts_for_budget(ways, self.max_parameters, self.max_macs)
        return tap_counts_for_densities(ways, self.densities)


def create_founders(
    settings: FounderSettings,
    n_inputs: int,
    n_outputs: int,
    *,
    n_founders: int,
    seed: int,
    map_size: int | None = None,
) -> list[Genome]:
    """Draw the founders of one run.

    Parameters
    ----------
    settings : FounderSettings
    n_inputs, n_outputs : int
        Input nodes, see :meth:`FounderSettings.inputs`, and scores of the task.
    n_founders : int
        How many.
    seed : int
        The run's seed; founder k has a stream of its own.
    map_size : int
        Of the input nodes; must be given where ``graph`` is ``"maps"``, and only there.

    Returns
    -------
    list of Genome
        In float32. Without threshold, every stored entry being an edge until operator A says otherwise, unless some are
        not `active_fraction`. Nodes are named 0, 1, … in their order: the layers of a layered founder, and the levels
        of one of maps, are stretches of names.

    Raises
    ------
    SettingsError
        If a budget is too small for a network of such maps.
    ValueError
        If `map_size` is not given for maps.
    """
    streams = [generator(seed, Purpose.FOUNDERS, 0, k) for k in range(n_founders)]
    if settings.graph == "maps":
        if map_size is None:
            raise ValueError('map_size must be given, that of the input maps, where graph = "maps"')
        return _found_maps(settings, LayerShape(map_size, n_inputs), n_outputs, streams)
    genomes = []
    for rng in streams:
        matrix = _draw(settings, n_inputs, n_outputs, rng)
        asleep = 1.0 - settings.active_fraction
        genomes.append(
            Genome.from_matrix(
                matrix,
                n_inputs=n_inputs,
                n_outputs=n_outputs,
                activation=settings.activation,
                threshold=graphops.quantile_threshold(matrix, asleep) if asleep else None,
                ticks=settings.ticks,
            )
        )
    return genomes


def _found_maps(
    settings: FounderSettings,
    inputs: LayerShape,
    n_outputs: int,
    streams: list[np.random.Generator],
) -> list[Genome]:
    return [
        draw_map_network(
            settings.layer_shapes(inputs, n_outputs),
            settings.tap_counts(inputs, n_outputs),
            kernel=settings.kernel,
            downsampling=settings.downsampling,
            activation=settings.activation,
            stored_per_edge=settings.stored_per_edge,
            rng=rng,
        )
        for rng in streams
    ]


def _draw(
    settings: FounderSettings, n_inputs: int, n_outputs: int, rng: np.random.Generator
) -> sparse.csc_array:
    scale: Literal["he", "glorot"] = "he" if "relu" in settings.activation else "glorot"
    density = DENSITY if settings.density is None else settings.density
    layers = settings.layer_sizes(n_inputs, n_outputs)
    if layers:
        densities = [
            density
            if settings.epsilon is None
            else graphops.erdos_renyi_density(n_in, n_out, settings.epsilon)
            for n_in, n_out in itertools.pairwise(layers)
        ]
        return graphops.layered(layers, densities, rng=rng, scale=scale)
    n_hidden = settings.hidden if isinstance(settings.hidden, int) else sum(settings.hidden)
    sizes = (n_inputs, n_hidden, n_outputs)
    if settings.graph == "recurrent":
        return graphops.recurrent(*sizes, density, rng=rng, scale=scale)
    if settings.graph == "small_world":
        degree = _degree(n_inputs, sum(sizes), density)
        return graphops.small_world(
            *sizes, degree, settings.rewiring_probability, rng=rng, scale=scale
        )
    if settings.graph == "direct":
        return graphops.direct(*sizes, density, rng=rng, scale=scale)
    return graphops.feedforward(*sizes, density, rng=rng, scale=scale)


def _degree(n_inputs: int, n_nodes: int, density: float) -> int:
    """Return the degree of a small world that comes nearest to a density: node j can hear at most j others."""
    degrees, places = np.arange(1, n_nodes), np.arange(n_inputs, n_nodes)
    further = np.cumsum(np.bincount(places, minlength=n_nodes)[::-1])[::-1]  # places >= degree
    edges = np.cumsum(further[1:])
    return int(degrees[np.abs(edges - density * places.sum()).argmin()])
