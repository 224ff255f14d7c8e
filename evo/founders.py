"""The first generation: random graphs, each drawn from its own seed."""

import itertools
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, model_validator
from scipy import sparse

import graphops
from evo.errors import SettingsError
from evo.genome import Genome
from evo.seeding import Purpose, generator

ActivationName = Literal[
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "gelu", "sine", "gaussian", "sign"
]
"""The names of :data:`evo.activations.REGISTRY`, for settings."""

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


Widths = Annotated[int | tuple[int, ...], BeforeValidator(_check_widths)]
"""Hidden nodes: how many, or how many in each of several layers."""


class FounderSettings(BaseModel, frozen=True, extra="forbid"):
    """What the networks of the first generation look like."""

    graph: Literal["feedforward", "layered", "recurrent", "small_world", "direct"] = Field(
        "feedforward",
        description="feedforward: any node may speak to any later one; layered: inputs, hidden layers, outputs, each "
        "speaking to the next; "
        "recurrent: any node may speak to any (needs ticks = 2 to differ); small_world: nodes listen to those just "
        "before them, and to a few from far away; direct: outputs listen to inputs, hidden nodes wait for edges",
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
    rewiring: float = Field(
        0.1, ge=0, le=1, description="small_world: share of the edges that come from far away"
    )
    awake: float = Field(
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

    @model_validator(mode="before")
    @classmethod
    def _with_a_density(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("epsilon") is not None:
            return values
        return values if values.get("density") is not None else values | {"density": DENSITY}

    @model_validator(mode="after")
    def _sequences_take_ticks(self) -> Self:
        if self.sequence and self.ticks == 1:
            raise ValueError("sequence needs ticks of at least 2; got 1")
        return self

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

    def layers(self, n_inputs: int, n_outputs: int) -> tuple[int, ...]:
        """Return the nodes of each layer, inputs and outputs among them, in order; nothing where there are no layers.

        Examples
        --------
        >>> FounderSettings(graph="layered", hidden=[30, 20]).layers(8, 3)
        (8, 30, 20, 3)
        """
        if self.graph != "layered" or self.hidden == 0:
            return ()
        hidden = (self.hidden,) if isinstance(self.hidden, int) else self.hidden
        return (n_inputs, *hidden, n_outputs)

    def n_inputs(self, n_features: int) -> int:
        """Return the number of input nodes for samples of so many features.

        Raises
        ------
        SettingsError
            If a sequence of so many features has no whole number in each step.
        """
        if not self.sequence:
            return n_features
        if n_features % self.ticks:
            raise SettingsError(
                f"founders.ticks: must divide the features ({n_features}) where sequence = true; got {self.ticks}"
            )
        return n_features // self.ticks


def found(
    settings: FounderSettings, n_inputs: int, n_outputs: int, *, n_founders: int, seed: int
) -> list[Genome]:
    """Draw the founders of one run.

    Parameters
    ----------
    settings : FounderSettings
    n_inputs, n_outputs : int
        Input nodes, see :meth:`FounderSettings.n_inputs`, and scores of the task.
    n_founders : int
        How many.
    seed : int
        The run's seed; founder k has a stream of its own.

    Returns
    -------
    list of Genome
        In float32. Without threshold, every stored entry being an edge until operator A says otherwise, unless some are
        not `awake`. Nodes are named 0, 1, … in their order: the layers of a layered founder are stretches of names.
    """
    genomes = []
    for k in range(n_founders):
        rng = generator(seed, Purpose.FOUNDERS, 0, k)
        matrix = _draw(settings, n_inputs, n_outputs, rng)
        asleep = 1.0 - settings.awake
        genomes.append(
            Genome.from_matrix(
                matrix,
                n_inputs=n_inputs,
                n_outputs=n_outputs,
                activation=settings.activation,
                limit=graphops.quantile_limit(matrix, asleep) if asleep else None,
                ticks=settings.ticks,
            )
        )
    return genomes


def _draw(
    settings: FounderSettings, n_inputs: int, n_outputs: int, rng: np.random.Generator
) -> sparse.csc_array:
    scale: Literal["he", "glorot"] = "he" if "relu" in settings.activation else "glorot"
    density = DENSITY if settings.density is None else settings.density
    layers = settings.layers(n_inputs, n_outputs)
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
        return graphops.small_world(*sizes, degree, settings.rewiring, rng=rng, scale=scale)
    if settings.graph == "direct":
        return graphops.direct(*sizes, density, rng=rng, scale=scale)
    return graphops.feedforward(*sizes, density, rng=rng, scale=scale)


def _degree(n_inputs: int, n_nodes: int, density: float) -> int:
    """Return the degree of a small world that comes nearest to a density: node j can hear at most j others."""
    degrees, places = np.arange(1, n_nodes), np.arange(n_inputs, n_nodes)
    further = np.cumsum(np.bincount(places, minlength=n_nodes)[::-1])[::-1]  # places >= degree
    edges = np.cumsum(further[1:])
    return int(degrees[np.abs(edges - density * places.sum()).argmin()])
