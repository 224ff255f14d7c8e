"""The first generation: random graphs, each drawn from its own seed."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, Field
from scipy import sparse

import graphops
from evo.genome import Genome
from evo.seeding import Purpose, generator


class FounderSettings(BaseModel, frozen=True, extra="forbid"):
    """What the networks of the first generation look like."""

    graph: Literal["feedforward", "layered", "recurrent", "small_world", "direct"] = Field(
        "feedforward",
        description="feedforward: any node may speak to any later one; layered: inputs, one hidden layer, outputs; "
        "recurrent: any node may speak to any (needs ticks = 2 to differ); small_world: nodes listen to those just "
        "before them, and to a few from far away; direct: outputs listen to inputs, hidden nodes wait for edges",
    )
    hidden: int = Field(32, ge=0, description="hidden nodes")
    density: float = Field(
        0.2, gt=0, le=1, description="share of the possible places that hold an edge"
    )
    rewiring: float = Field(
        0.1, ge=0, le=1, description="small_world: share of the edges that come from far away"
    )
    activation: Literal["sigmoid", "tanh", "relu", "leaky_relu"] = Field(
        "tanh", description="activation of hidden nodes"
    )
    ticks: int = Field(1, ge=1, description="T: 1 is feed-forward, more are recurrent")


def found(
    settings: FounderSettings, n_inputs: int, n_outputs: int, *, n_founders: int, seed: int
) -> list[Genome]:
    """Draw the founders of one run.

    Parameters
    ----------
    settings : FounderSettings
    n_inputs, n_outputs : int
        Features and scores of the task.
    n_founders : int
        How many.
    seed : int
        The run's seed; founder k has a stream of its own.

    Returns
    -------
    list of Genome
        In float32, without threshold: every stored entry is an edge until operator A says otherwise.
    """
    genomes = []
    for k in range(n_founders):
        rng = generator(seed, Purpose.FOUNDERS, 0, k)
        genomes.append(
            Genome.from_matrix(
                _draw(settings, n_inputs, n_outputs, rng),
                n_inputs=n_inputs,
                n_outputs=n_outputs,
                activation=settings.activation,
                ticks=settings.ticks,
            )
        )
    return genomes


def _draw(
    settings: FounderSettings, n_inputs: int, n_outputs: int, rng: np.random.Generator
) -> sparse.csc_array:
    scale: Literal["he", "glorot"] = "he" if "relu" in settings.activation else "glorot"
    sizes, density = (n_inputs, settings.hidden, n_outputs), settings.density
    if settings.graph == "layered" and settings.hidden:
        return graphops.layered(sizes, density, rng=rng, scale=scale)
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
