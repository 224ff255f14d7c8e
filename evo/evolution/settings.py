"""The settings of an evolution: population, generations, train phases, selection."""

from typing import Literal

from pydantic import BaseModel, Field

from cnn.training.budget import TrainingBudget
from evo.phenotype.phenotype import Dormant

CURVE_POINTS = 4
"""Points of the learning curve that each train phase records."""


class SelectionSettings(BaseModel, frozen=True, extra="forbid"):
    """How individuals compete."""

    name: Literal["local_search", "tournament", "random_search"] = Field(
        "local_search",
        description="Selection scheme. local_search: each slot's parent and child are trained for equally many steps, "
        "and the better one keeps the slot. tournament: the elites are trained on, and tournament winners are the "
        "parents of all other individuals. random_search: every individual gets one child, whatever its fitness.",
    )
    replacement_interval: int = Field(
        3,
        ge=1,
        description="Generations between two replacements of the worse half of the slots by the better half "
        "(local_search).",
    )
    tournament_size: int = Field(3, ge=1, description="Individuals in one tournament (tournament).")
    elites: int = Field(
        2,
        ge=0,
        description="Best individuals; they are trained on without being modified (tournament).",
    )


class EvolutionSettings(BaseModel, frozen=True, extra="forbid"):
    """How a population evolves."""

    population: int = Field(
        16, ge=1, description="Individuals in the population, one in each slot."
    )
    generations: int = Field(
        8, ge=0, description="Generations of modifying and training after the founders' generation."
    )
    steps_per_generation: int = Field(100, ge=1, description="Gradient steps of one train phase.")
    train_only_fraction: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Fraction of the generations, at the end of the run, in which networks are only trained.",
    )
    budget: TrainingBudget = Field(
        TrainingBudget(),
        description="Further bounds of one train phase. The learning rate follows the steps made, so if a bound ends "
        "a phase early, the end of the schedule is not reached. The bound on macs counts every entry that learns.",
    )
    dormant: Dormant = Field(
        "frozen",
        description="Training of dormant entries. frozen: dormant entries keep their values. straight_through: dormant "
        "entries learn by the straight-through gradient, and an entry is active while it is above the threshold.",
    )
    active_edges: Literal["free", "kept"] = Field(
        "free",
        description="With dormant = straight_through: number of active entries after a train phase. free: as many as "
        "are above the threshold. kept: as many as before, in each layer if the graph has layers, by new thresholds.",
    )
    fitness: str = Field(
        "negative_loss",
        description="Name of the fitness, a key of evo.FITNESSES: negative_loss, or a metric, a key of evo.METRICS. "
        "Fitness is maximised, so a metric of which smaller values are better is negated.",
    )
    selection: SelectionSettings = SelectionSettings()

    @property
    def total_steps(self) -> int:
        """Gradient steps along the ancestry of a winner, founder included."""
        return (self.generations + 1) * self.steps_per_generation

    @property
    def record_every(self) -> int:
        """Gradient steps between two points of a learning curve."""
        return max(1, self.steps_per_generation // CURVE_POINTS)

    @property
    def last_modified(self) -> int:
        """The last generation in which topologies change; later generations only train."""
        return self.generations - round(self.train_only_fraction * self.generations)
