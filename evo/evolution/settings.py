"""The settings of an evolution: population, generations, train phases, selection."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cnn.settings import NoEffectError
from cnn.training.budget import TrainingBudget
from cnn.training.recipe_genes import RecipeGenes
from evo.evolution.fitness import FITNESSES
from evo.phenotype.phenotype import Dormant
from evo.recombination import RecombinationSettings
from evo.selection import DESCRIPTORS, SELECTIONS, SelectionSettings, named_descriptors
from evo.settings import Settings

CURVE_POINTS = 4
"""Points of the learning curve that each train phase records."""


class EvolutionSettings(Settings, frozen=True, extra="forbid"):
    """How a population evolves."""

    population: int = Field(
        16, ge=1, description="Individuals in the population, one in each slot."
    )
    generations: int = Field(
        8, ge=0, description="Generations of modifying and training after the founders' generation."
    )
    mode: Literal["generational", "asynchronous"] = Field(
        "generational",
        description="When individuals are made. generational: a generation begins when the one before is complete. "
        "asynchronous: each evaluated individual takes its slot at once, and the next one is made at once, so no "
        "worker waits for a slow individual. Generations then overlap, and results depend on the order of arrival.",
    )
    in_flight: int | None = Field(
        None,
        ge=1,
        description="With mode = asynchronous: most individuals that are being evaluated at any time. Fewer: more is "
        "known when a parent is chosen. Fewer than workers: some workers are idle. By default half the population.",
    )
    engine: Literal["general", "compiled"] = Field(
        "general",
        description="How the individuals of a generation are made and judged. general: one by one, on workers if there "
        "are some. compiled: small networks that nothing trains, all together in a few compiled calls in this process "
        "(compiled-tasks.md); the tables are the same.",
    )
    steps_per_generation: int = Field(
        100,
        ge=0,
        description="Gradient steps of one train phase. 0: networks are modified and selected, and never trained.",
    )
    inheritance: Literal["lamarckian", "baldwinian"] = Field(
        "lamarckian",
        description="What a network has from its parent. lamarckian: topology, trained weights and the state of the "
        "optimizer. baldwinian: the topology alone, that is, the active edges; in every generation that modifies, all "
        "networks, parents too, train from weights drawn anew. In the last generations, which only train, networks "
        "keep their weights.",
    )
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
    statistics: Literal["all", "sizes"] = Field(
        "all",
        description="Columns of the table individuals that describe each network. all: every column. sizes: numbers of "
        "nodes, entries, parameters and multiply-accumulates; the columns about determinants and about the graph, "
        "network_hash included, are empty, which saves time. It changes no other result.",
    )
    fitness: Annotated[str, FITNESSES] = Field(
        "negative_loss",
        description="Name of the fitness, a key of evo.FITNESSES: negative_loss, or a metric, a key of evo.METRICS. "
        "Fitness is maximised, so a metric of which smaller values are better is negated.",
    )
    selection: SelectionSettings = SelectionSettings()
    recipe_genes: RecipeGenes = RecipeGenes()
    recombination: RecombinationSettings = RecombinationSettings()

    @model_validator(mode="after")
    def _mode_suits(self) -> Self:
        if self.mode == "generational":
            self._refuse(("in_flight",), 'unless mode = "asynchronous"')
        elif SELECTIONS[self.selection.name].single is None:
            known = [name for name, one in SELECTIONS.items() if one.single is not None]
            raise ValueError(
                f'selection.name must be one of {", ".join(known)} where mode = "asynchronous"; '
                f"got {self.selection.name!r}"
            )
        return self

    @model_validator(mode="after")
    def _engine_suits(self) -> Self:
        if self.engine == "general":
            return self
        needed = {
            "mode": "generational",
            "steps_per_generation": 0,
            "inheritance": "lamarckian",
            "dormant": "frozen",
        }
        for name, value in needed.items():
            if getattr(self, name) != value:
                wanted = f'"{value}"' if isinstance(value, str) else value
                raise ValueError(
                    f'{name} must be {wanted} where engine = "compiled", which trains nothing and waits for no '
                    f"worker; got {getattr(self, name)!r}"
                )
        if self.recipe_genes.ranges:
            raise NoEffectError(
                "recipe_genes.ranges", 'where engine = "compiled"', self.recipe_genes.ranges
            )
        if not FITNESSES.is_built_in(FITNESSES[self.fitness]):
            raise ValueError(
                f'fitness must be one of the package where engine = "compiled"; got {self.fitness!r}'
            )
        return self

    @model_validator(mode="after")
    def _dormant_entries_learn(self) -> Self:
        if self.dormant != "straight_through":
            self._refuse(("active_edges",), 'unless dormant = "straight_through"')
        return self

    @model_validator(mode="after")
    def _population_suits(self) -> Self:
        check = SELECTIONS[self.selection.name].check
        if check is not None:
            check(self.population, self.selection)
        return self

    @model_validator(mode="after")
    def _statistics_suit(self) -> Self:
        if self.statistics == "sizes":
            for key, name in named_descriptors(self.selection):
                if name in DESCRIPTORS and DESCRIPTORS[name].of_graph:
                    raise ValueError(
                        f'statistics must be "all" where selection.{key} has {name}, which is empty otherwise; '
                        f"got {self.statistics!r}"
                    )
        return self

    @model_validator(mode="after")
    def _inheritance_suits(self) -> Self:
        if self.inheritance == "baldwinian" and self.dormant == "straight_through":
            raise ValueError(
                'dormant must be "frozen" where inheritance = "baldwinian", for a dormant entry is nothing but a '
                f"trained weight; got {self.dormant!r}"
            )
        return self

    @model_validator(mode="after")
    def _recombination_suits(self) -> Self:
        mode = self.recombination.mode
        averages = self.recombination.probability > 0 and mode in ("average", "soup")
        if averages and self.inheritance == "baldwinian":
            raise ValueError(
                'recombination.mode must be "crossover" or "policy" where inheritance = "baldwinian", for a mean of '
                f"weights is lost when weights are drawn anew; got {mode!r}"
            )
        return self

    @property
    def most_in_flight(self) -> int:
        """Most individuals that are being evaluated at any time, in the asynchronous mode."""
        return self.in_flight or (self.population + 1) // 2

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

    def offspring_per_slot(self, generation: int) -> int:
        """Return the number of individuals that the asynchronous mode evaluates for each slot in a generation."""
        modified = 1 <= generation <= self.last_modified
        return SELECTIONS[self.selection.name].offspring_per_slot if modified else 1

    def expected_offspring(self, generation: int) -> int:
        """Return the expected number of individuals that are evaluated in a generation."""
        selection = SELECTIONS[self.selection.name]
        if 1 <= generation <= self.last_modified and selection.expected_offspring:
            return selection.expected_offspring(self.population, self.selection, generation)
        if generation > self.last_modified >= 1 and selection.expected_survivors:
            return selection.expected_survivors(self.population, self.selection, self.last_modified)
        return self.population * self.offspring_per_slot(generation)

    def expected_individuals(self, until: int | None = None, first: int = 0) -> int:
        """Return the expected number of individuals of a search, from generation `first` to generation `until`.

        By default that of the whole search. Without twins there are a few fewer.
        """
        last = self.generations if until is None else min(until, self.generations)
        return sum(map(self.expected_offspring, range(first, last + 1)))

    def draws_weights_anew(self, generation: int) -> bool:
        """Return whether the networks of a generation begin with weights drawn anew."""
        return self.inheritance == "baldwinian" and 1 <= generation <= self.last_modified
