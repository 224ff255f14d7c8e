"""The first generation: random graphs, each drawn from its own seed."""

from typing import Literal

from pydantic import BaseModel, Field

import graphops
from evo.genome import Genome
from evo.seeding import Purpose, generator


class FounderSettings(BaseModel, frozen=True, extra="forbid"):
    """What the networks of the first generation look like."""

    graph: Literal["feedforward", "layered"] = Field(
        "feedforward",
        description="feedforward: any node may speak to any later one; layered: inputs, one hidden layer, outputs",
    )
    hidden: int = Field(32, ge=0, description="hidden nodes")
    density: float = Field(
        0.2, gt=0, le=1, description="share of the possible places that hold an edge"
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
    scale: Literal["he", "glorot"] = "he" if "relu" in settings.activation else "glorot"
    genomes = []
    for k in range(n_founders):
        rng = generator(seed, Purpose.FOUNDERS, 0, k)
        if settings.graph == "layered" and settings.hidden:
            sizes = (n_inputs, settings.hidden, n_outputs)
            matrix = graphops.layered(sizes, settings.density, rng=rng, scale=scale)
        else:
            matrix = graphops.feedforward(
                n_inputs, settings.hidden, n_outputs, settings.density, rng=rng, scale=scale
            )
        genomes.append(
            Genome.from_matrix(
                matrix,
                n_inputs=n_inputs,
                n_outputs=n_outputs,
                activation=settings.activation,
                ticks=settings.ticks,
            )
        )
    return genomes
