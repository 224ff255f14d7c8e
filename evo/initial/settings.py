"""Settings of the first generation, the registry of its graphs, and the specification from which a graph is drawn.

:mod:`evo.initial.founders` draws the graphs.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

import graphops
from cnn.checks import brief, is_whole
from evo.errors import SettingsError
from evo.genome.activations import ActivationName
from evo.genome.feature_maps import Downsampling
from evo.genome.genome import ThresholdMode
from evo.initial.map_founders import (
    LayerShape,
    connections_between,
    tap_counts_for_budget,
    tap_counts_for_densities,
)
from evo.initial.topologies import TOPOLOGIES
from evo.layer_numbers import indices_of_layers
from evo.registry import Registry, check_signature
from evo.settings import Settings

DENSITY = 0.2
"""The density if neither density nor ε is given."""


def _check_widths(given: Any) -> Any:
    """Return the hidden nodes if they are one number or a list with one number per layer; else raise ValueError."""
    several = isinstance(given, list | tuple)
    widths = given if several else [given]
    if not all(map(is_whole, widths)) or not widths or min(widths) < (1 if several else 0):
        raise ValueError(
            "must be an integer of at least 0, or a list of integers of at least 1, one per layer; "
            f"got {brief(given)}"
        )
    return given


MAP_SETTINGS = (
    *("layers", "kernel", "downsampling"),
    *("max_parameters", "max_macs", "stored_per_edge"),
)
"""Settings that only graph = "maps" has."""

LAYERED_SETTINGS = ("topology", "receptive_field_randomness")
"""Settings that only graph = "layered" has."""

LAYER_SETTINGS = ("densities", "density_rule", "dense_layers")
"""Settings that graph = "layered" and graph = "maps" have."""

DRAWING_SETTINGS = ("hidden", "density", "epsilon", "rewiring_probability", "active_fraction")
"""Settings of the other graphs that are drawn."""

OTHER_SETTINGS = (
    *(name for name in DRAWING_SETTINGS if name != "density"),
    *("ticks", "sequence", "threshold"),
)
"""Settings that graph = "maps" does not have."""


@dataclass(frozen=True, eq=False)
class FounderSpec:
    """The specification from which a graph draws one founder.

    Attributes
    ----------
    settings : FounderSettings
    n_inputs, n_outputs : int
        The first nodes are the inputs, and the last nodes are the outputs.
    map_size : int or None
        Map size of the input nodes; None if it was not given.
    rng : numpy.random.Generator
        The random stream of this founder.
    samples : ndarray or None
        Inputs of the training part, if they were given.
    """

    settings: "FounderSettings"
    n_inputs: int
    n_outputs: int
    map_size: int | None
    rng: np.random.Generator
    samples: NDArray[Any] | None = None


Graph = Callable[[FounderSpec], Any]
"""Draws a founder: a genome, or a square matrix of weights, dense or sparse."""


def _converted(name: str, given: Any) -> Graph:
    """Return an own graph; raise TypeError if it is no function of a specification."""
    check_signature("graph", name, given, "spec")
    graph: Graph = given
    return graph


GRAPHS: Registry[Graph] = Registry("graph", convert=_converted)
"""The graphs of founders by name."""


def _check_topology(given: Any) -> Any:
    """Return the name of a topology, or a list with one per layer; else raise ValueError."""
    for name in given if isinstance(given, list | tuple) else [given]:
        if not isinstance(name, str):
            raise ValueError(f"must be a name, or a list of names; got {brief(given)}")
        TOPOLOGIES.check(name)
    return given


Topologies = Annotated[str | tuple[str, ...], BeforeValidator(_check_topology)]
"""The name of the topology of all layers, or one name per layer."""

Widths = Annotated[int | tuple[int, ...], BeforeValidator(_check_widths)]
"""The number of hidden nodes, or one number per hidden layer."""


class FounderSettings(Settings, frozen=True, extra="forbid"):
    """The networks of the first generation."""

    graph: Annotated[str, GRAPHS] = Field(
        "feedforward",
        description="feedforward: edges from any node to any later node; layered: edges from each layer to the next; "
        "recurrent: edges between any two nodes (needs ticks of at least 2); small_world: edges to each node from the "
        "nodes directly before it in the order, and a few from other earlier nodes; direct: edges from inputs to "
        "outputs, hidden nodes without edges; maps: the inputs are images, layers of feature maps and neurons are "
        "connected by kernels; example: the 5 × 5 matrix of the seed document, which has a cycle, between inputs and "
        "outputs (needs ticks of at least 2); given: networks from files, or from the argument founders of run",
    )
    files: tuple[str, ...] = Field(
        (),
        description="given: files of networks, which take turns over the slots of the population: a saved network or "
        "the genomes of a run (.npz), a graph (.graphml, .json), or a square matrix (.npy)",
    )
    weights: Literal["random", "growth"] | None = Field(
        None,
        description="weights of the stored entries; random: normal with variance 1/in-degree, or 2/in-degree with "
        "rectifiers; growth: numbers that grow as in the seed document, with random signs, scaled to the same sum of "
        "squares. By default weights are drawn as the graph needs (maps: uniform), the example has its weights of 1, "
        "and given networks keep theirs",
    )
    hidden: Widths = Field(
        32, description="hidden nodes; layered: also a list, one number per layer, [1000, 1000]"
    )
    density: float | None = Field(
        None,
        gt=0,
        le=1,
        description="number of edges drawn, as a fraction of the edges that the graph allows; 0.2 unless epsilon or "
        "densities are given. layered: the graph allows the edges between consecutive layers, so 1 is the dense "
        "multi-layer perceptron. maps, instead of densities: fraction of the possible taps that are active",
    )
    epsilon: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="layered, instead of density: SET's ε, min(ε(m + n), m·n) edges between layers of m and n nodes",
    )
    topology: Topologies = Field(
        "random",
        description="layered: where edges between consecutive layers are, also a list with one name per layer, the "
        "outputs last. random; receptive_field: the more likely the nearer two nodes are; small_world: from the "
        "nearest sources, some rewired; scale_free: by preferential attachment; correlated: between inputs that "
        "correlate in the training data, and at random in later layers",
    )
    receptive_field_randomness: float = Field(
        0.25,
        ge=0,
        le=1,
        description="topology receptive_field: 0 takes the nearest sources, 1 makes all equally likely",
    )
    density_rule: Literal["uniform", "erdos_renyi"] = Field(
        "uniform",
        description="layered and maps, with density: uniform: all layers have this density. erdos_renyi: they have it "
        "together, and a layer between m and n nodes has a number of edges in proportion to m + n; with kernels of k "
        "× k taps, a number of taps in proportion to m + n + 2k",
    )
    dense_layers: tuple[int, ...] = Field(
        (),
        description="layered: layers of density 1, whatever the others have, by number: 1 is the layer after the "
        "inputs, −1 the outputs",
    )
    rewiring_probability: float = Field(
        0.1,
        ge=0,
        le=1,
        description="small_world: probability that an edge comes from any earlier node instead of one directly before; "
        "topology small_world: probability that an edge is drawn anew from all places of its layer",
    )
    active_fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="fraction of the stored entries that are active at first: those with the largest magnitudes or, "
        "where threshold_mode is signed, the largest weights; a threshold makes the others dormant",
    )
    threshold: float | None = Field(
        None,
        allow_inf_nan=False,
        description="threshold A, instead of active_fraction; by default none unless active_fraction is below 1",
    )
    threshold_mode: ThresholdMode = Field(
        "magnitude",
        description="entries that are active; magnitude: those with |w| > A; signed: those with w > A, so with A of at "
        "least 0 only positive weights count. It stays with a network when operators set another A",
    )
    activation: ActivationName = Field("tanh", description="activation of hidden nodes")
    ticks: int = Field(
        1,
        ge=1,
        description="T: 1 is feed-forward, more than 1 is recurrent. For a data set of sequences it is the length of "
        "the longest one, and need not be given",
    )
    sequence: bool = Field(
        False,
        description="a sample is a sequence of one step per tick: its features are the inputs of step after step. Of a "
        "data set of sequences it is true in any case",
    )

    layers: tuple[tuple[int, int], ...] = Field(
        (),
        description="maps: map size (1: neurons) and nodes of each hidden layer, [[28, 12], [10, 32], [1, 240]]",
    )
    kernel: int = Field(5, ge=1, description="maps: side of the kernels, odd")
    downsampling: Downsampling = Field("max", description="maps: pooling that halves a map")
    densities: tuple[float, ...] | None = Field(
        None,
        description="maps: fraction of the possible taps that are active, per pair of consecutive layers; all taps "
        "unless max_parameters or max_macs is given. layered, instead of density: density of each layer, the outputs "
        "last",
    )
    max_parameters: int | None = Field(
        None,
        ge=1,
        description="maps, instead of densities: largest number of active taps and biases",
    )
    max_macs: int | None = Field(
        None,
        ge=1,
        description="maps, instead of densities: largest number of multiply-accumulates per sample",
    )
    stored_per_edge: float = Field(
        1.0,
        ge=1,
        allow_inf_nan=False,
        description="maps: number of stored taps divided by number of active taps, as far as the layer has places. In "
        "each layer the taps with the smallest magnitudes, or the smallest weights where threshold_mode is signed, are "
        "dormant, below a threshold of the layer",
    )

    @model_validator(mode="before")
    @classmethod
    def _set_default_density(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("epsilon") is not None:
            return values
        if values.get("graph") in ("maps", "example", "given"):
            return values
        if values.get("graph") == "layered" and values.get("densities") is not None:
            return values
        return values if values.get("density") is not None else values | {"density": DENSITY}

    @model_validator(mode="after")
    def _check_sequence(self) -> Self:
        if self.sequence and self.ticks == 1:
            raise ValueError("ticks must be at least 2 if sequence = true; got 1")
        return self

    @model_validator(mode="after")
    def _check_beginning(self) -> Self:
        if self.graph in ("example", "given"):
            self._refuse(DRAWING_SETTINGS, f'if graph = "{self.graph}"')
        if self.graph != "given":
            self._refuse(("files",), 'unless graph = "given"')
        if self.graph == "example" and self.ticks == 1:
            raise ValueError('ticks must be at least 2 if graph = "example", a cycle; got 1')
        if self.weights is not None:  # drawn after the threshold
            rule = f'if weights = "{self.weights}"'
            self._refuse(("active_fraction", "stored_per_edge"), rule)
        if self.threshold is not None and self.active_fraction != 1:
            raise ValueError(
                f"threshold must not be given together with active_fraction; got {self.threshold}"
            )
        return self

    @model_validator(mode="after")
    def _check_maps(self) -> Self:
        has_maps = self.graph == "maps"
        if not has_maps:
            self._refuse(MAP_SETTINGS, 'unless graph = "maps"')
            return self
        self._refuse(OTHER_SETTINGS, 'if graph = "maps"')
        if not self.layers or min(min(layer) for layer in self.layers) < 1:
            raise ValueError(
                "layers must be one or more pairs of a map size and a number of nodes, both at least 1; "
                f"got {[list(layer) for layer in self.layers]}"
            )
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd; got {self.kernel}")
        limits = ("max_parameters", "max_macs")
        self._check_densities(len(self.layers) + 1, limits)
        if self.density is None:
            self._refuse(("density_rule", "dense_layers"), "unless density is given")
        else:
            self._refuse(limits, "together with density")
        return self

    def _check_densities(self, n_pairs: int, limits: Sequence[str] = ()) -> None:
        """Raise ValueError if densities of layers, or the numbers of layers, do not fit the layers."""
        indices_of_layers("dense_layers", self.dense_layers, n_pairs)
        if self.densities is None:
            return
        for name in ("density", "epsilon", "density_rule", "dense_layers", *limits):
            if getattr(self, name) != type(self).model_fields[name].default:
                rule = f"must not be given together with {name}"
                raise ValueError(f"densities {rule}; got {list(self.densities)}")
        if len(self.densities) != n_pairs or not all(0 < share <= 1 for share in self.densities):
            raise ValueError(
                f"densities must be {n_pairs} fractions above 0 and up to 1, one per pair of consecutive layers from "
                f"inputs to outputs; got {list(self.densities)}"
            )

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if self.epsilon is not None and self.density is not None:
            got = f"{self.epsilon} and {self.density}"
            raise ValueError(f"epsilon must not be given together with density; got {got}")
        if self.graph == "layered":
            self._check_layered()
            return self
        self._refuse(LAYERED_SETTINGS, 'unless graph = "layered"')
        if self.graph != "maps":
            self._refuse(LAYER_SETTINGS, 'unless graph = "maps" or "layered"')
        if not isinstance(self.hidden, int):
            raise ValueError(
                f'hidden must be one number unless graph = "layered"; got {list(self.hidden)} and {self.graph!r}'
            )
        self._refuse(("epsilon",), 'unless graph = "layered"')
        return self

    @model_validator(mode="after")
    def _check_wiring(self) -> Self:
        names = {self.topology} if isinstance(self.topology, str) else {*self.topology}
        if self.graph in GRAPHS.own or names & TOPOLOGIES.own.keys():  # may read all
            return self
        if self.graph != "small_world" and "small_world" not in names:
            rule = 'unless graph or topology is "small_world"'
            self._refuse(("rewiring_probability",), rule)
        if "receptive_field" not in names:
            self._refuse(("receptive_field_randomness",), 'unless topology has "receptive_field"')
        return self

    def _check_layered(self) -> None:
        """Raise ValueError if settings of layers contradict each other."""
        n_layers = len(self.layer_sizes(1, 1)) - 1
        if n_layers < 1:
            if self.epsilon is not None:
                raise ValueError("hidden must be at least 1 if epsilon is given; got 0")
            self._refuse((*LAYERED_SETTINGS, *LAYER_SETTINGS), "if hidden = 0")
            return
        self._check_densities(n_layers)
        if not isinstance(self.topology, str) and len(self.topology) != n_layers:
            raise ValueError(
                f"topology must be a name, or {n_layers} names, one per layer after the inputs; "
                f"got {list(self.topology)}"
            )
        if not isinstance(self.topology, str) and "correlated" in self.topology[1:]:
            raise ValueError(
                f'topology "correlated" must be that of the first layer; got {list(self.topology)}'
            )
        if self.epsilon is not None:
            self._refuse(("density_rule",), "together with epsilon")
        if self.sequence and "correlated" in self.layer_topologies(n_layers):
            raise ValueError('topology must not be "correlated" if sequence = true')

    @property
    def mean_density(self) -> float:
        """The density of a graph without layers of different densities; :data:`DENSITY` if it is not given."""
        return DENSITY if self.density is None else self.density

    def layer_topologies(self, n_layers: int) -> tuple[str, ...]:
        """Return the name of the topology of each layer after the inputs, where all may have one name."""
        if isinstance(self.topology, str):
            return (self.topology,) * n_layers
        return self.topology

    def layer_densities(
        self, sizes: Sequence[int], windows: Sequence[int] | None = None
    ) -> list[float]:
        """Return the density of each layer after the inputs, given the number of nodes of each, inputs first.

        `windows` are the sides of the kernels into each layer, in a graph of maps.

        Examples
        --------
        >>> settings = FounderSettings(graph="layered", hidden=[40, 40], density=0.1, dense_layers=[-1])
        >>> settings.layer_densities((20, 40, 40, 5))
        [0.1, 0.1, 1.0]
        """
        if self.densities is not None:
            return list(self.densities)
        pairs = list(itertools.pairwise(sizes))
        dense = indices_of_layers("dense_layers", self.dense_layers, len(pairs))
        if self.epsilon is not None:
            found = [graphops.erdos_renyi_density(m, n, self.epsilon) for m, n in pairs]
        elif self.density_rule == "erdos_renyi":
            found = graphops.erdos_renyi_densities(
                sizes, self.mean_density, dense=sorted(dense), windows=windows
            )
        else:
            found = [self.mean_density] * len(pairs)
        return [1.0 if k in dense else density for k, density in enumerate(found)]

    def layer_sizes(self, n_inputs: int, n_outputs: int) -> tuple[int, ...]:
        """Return the number of nodes of each layer from inputs to outputs; empty for a graph without layers.

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
        """Return map size and number of the input nodes for samples of a shape.

        Raises
        ------
        SettingsError
            If the ticks do not divide the features of a sequence, or samples for feature maps are not square images.

        Examples
        --------
        >>> FounderSettings(graph="maps", layers=[[8, 4]]).input_layer((3, 8, 8))
        LayerShape(map_size=8, n_nodes=3)
        """
        if self.graph == "maps":
            if len(shape) not in {2, 3} or shape[-1] != shape[-2]:
                raise SettingsError(
                    f'founders.graph: samples must be square images if graph = "maps"; got shape {tuple(shape)}'
                )
            return LayerShape(shape[-1], 1 if len(shape) == 2 else shape[0])
        n_features = math.prod(shape)
        if not self.sequence:
            return LayerShape(1, n_features)
        if n_features % self.ticks:
            raise SettingsError(
                f"founders.ticks: must divide the {n_features} features if sequence = true; got {self.ticks}"
            )
        return LayerShape(1, n_features // self.ticks)

    def layer_shapes(self, inputs: LayerShape, n_outputs: int) -> list[LayerShape]:
        """Return map size and number of nodes of each layer from inputs to outputs, for a graph of maps."""
        return [inputs, *itertools.starmap(LayerShape, self.layers), LayerShape(1, n_outputs)]

    def tap_counts(self, inputs: LayerShape, n_outputs: int) -> list[int]:
        """Return the number of active taps between consecutive layers, for a graph of maps.

        Raises
        ------
        SettingsError
            If `max_parameters` or `max_macs` is too small for these layers.
        """
        connections = connections_between(self.layer_shapes(inputs, n_outputs), self.kernel)
        if self.densities is None and self.density is None:
            return tap_counts_for_budget(connections, self.max_parameters, self.max_macs)
        sizes = self.layer_sizes(inputs.n_nodes, n_outputs)
        densities = self.layer_densities(sizes, [math.isqrt(one.taps) for one in connections])
        return tap_counts_for_densities(connections, densities)
