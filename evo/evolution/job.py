"""What a worker is given: the task of a whole run, once, and a job for each individual.

:mod:`evo.evolution.tasks` has the kinds of tasks.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

import numpy as np

from cnn.training.recipe import Recipe
from cnn.training.recipe_genes import (
    explored_genes,
    inherited_genes,
    initial_genes,
    sampled_genes,
    with_genes,
)
from cnn.training.trainer import OptimizerState, TrainingReport
from evo.evolution.fitness import Fitness
from evo.evolution.settings import EvolutionSettings
from evo.genome.genome import Genome
from evo.operators.operation import GradientsAt
from evo.phenotype.phenotype import Phenotype
from evo.policies.policies import PolicySettings
from evo.recombination import Mate
from evo.rewards import Reward
from evo.seeding import Purpose, generator, seed_sequence

Origin = Literal["founder", "continued", "child"]
Modification = Literal["none", "policy", "drop_dormant"]


Judge = Fitness | Reward
"""What gives a network its fitness. It may be code of the user's own, which travels to workers by value."""


class Phase(NamedTuple):
    """What a train phase has made.

    Attributes
    ----------
    report : TrainingReport
    episodes, environment_steps : int
        Episodes that were played, and environment steps in them; 0 where samples train.
    """

    report: TrainingReport
    episodes: int = 0
    environment_steps: int = 0


class Judgement(NamedTuple):
    """What a network is worth.

    Attributes
    ----------
    returned : object
        What the fitness returned; it should be a number.
    loss, accuracy : float or None
        On the validation samples; None where episodes judge.
    metrics : mapping
        The metrics of the task by name; None where one is not defined.
    episodes, environment_steps : int or None
        Episodes that were played, and environment steps in them; None where samples judge.
    """

    returned: object
    loss: float | None
    accuracy: float | None
    metrics: Mapping[str, float | None]
    episodes: int | None = None
    environment_steps: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Task(ABC):
    """What all individuals of one run with one seed share: what trains and judges them, and the settings.

    Attributes
    ----------
    loss : str
        A key of :data:`cnn.training.losses.LOSSES`.
    recipe : Recipe
        How networks are trained; the baselines use the same recipe. Recipe genes replace some of its values.
    policy : PolicySettings
        How genomes are modified.
    evolution : EvolutionSettings
        How the population evolves, and the limits of a train phase.
    fitness : Fitness or Reward
        What gives a network its fitness.
    seed : int
        The seed of the run.
    layers : tuple of int
        Number of nodes in each layer of the founders, inputs and outputs included; empty without layers.
    metrics : tuple of str
        The metrics, keys of :data:`evo.evolution.metrics.METRICS`, that stand in the tables beside loss and accuracy;
        or the measures of a reward.
    first_generation : int
        The first generation of the run. It is 0, unless the run continues another one.
    steps_before : int
        Gradient steps along an ancestry that were planned for the generations before it.
    """

    loss: str
    recipe: Recipe
    policy: PolicySettings
    evolution: EvolutionSettings
    fitness: Judge
    seed: int
    layers: tuple[int, ...] = ()
    metrics: tuple[str, ...] = ()
    first_generation: int = 0
    steps_before: int = 0

    @property
    @abstractmethod
    def judges_function_alone(self) -> bool:
        """Whether networks that compute the same function are judged alike."""

    @property
    @abstractmethod
    def trains_function_alone(self) -> bool:
        """Whether networks that compute the same function are trained alike."""

    @property
    @abstractmethod
    def samples_per_step(self) -> int:
        """Training samples that a step sees; 0 where a reward trains."""

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, int]:
        """Sizes of what trains and of what judges: samples, or 0 and the episodes of an individual."""

    @abstractmethod
    def train_network(self, network: Phenotype, job: "Job", state: OptimizerState | None) -> Phase:
        """Train the network of a job in place for one train phase; `state` is that of its parameters."""

    @abstractmethod
    def judge(self, network: Phenotype, generation: int) -> Judgement:
        """Judge a network of a generation, which selection sees."""

    @abstractmethod
    def gradients_at(self, job: "Job") -> GradientsAt | None:
        """Return a function that computes the loss gradient at given places; None where there is no gradient."""

    @abstractmethod
    def validation_loss(self) -> Callable[[Genome], float] | None:
        """Return a function that computes the validation loss of a genome; None where there is no loss."""

    @abstractmethod
    def without_own_code(self) -> Self:
        """Return the task with a judge of the package, which every process has."""

    @property
    def total_steps(self) -> int:
        """Gradient steps along the ancestry of a winner, over which the schedule of the learning rate spans."""
        settings = self.evolution
        n_generations = settings.generations + 1 - self.first_generation
        return self.steps_before + n_generations * settings.steps_per_generation

    @property
    def order_seed(self) -> np.random.SeedSequence:
        """The seed of the order of the samples, which is the same for every individual of the run."""
        return seed_sequence(self.seed, Purpose.BATCHES)

    def genes_of(
        self,
        individual: int,
        generation: int,
        origin: Origin,
        inherited: Mapping[str, float] | None,
    ) -> dict[str, float]:
        """Return the recipe genes of an individual.

        A founder begins with genes of its own. A continued individual has the genes of its parent, with which its
        weights were trained. A child changes the genes that it inherits. If the parent has no fitness, such as one that
        diverged, its genes would fail again, so both draw new ones.

        Parameters
        ----------
        individual, generation : int
            Its number and its generation.
        origin : {"founder", "continued", "child"}
        inherited : mapping or None
            The genes of the parent; None for a founder, and if the parent has no fitness.
        """
        settings = self.evolution.recipe_genes
        if not settings.ranges:
            return {}
        rng = generator(self.seed, Purpose.GENES, generation, individual)
        if origin == "founder":
            return initial_genes(settings, self.recipe, rng)
        if inherited is None:
            return sampled_genes(settings, rng)
        genes = inherited_genes(settings, self.recipe, inherited)
        return explored_genes(settings, genes, rng) if origin == "child" else genes

    def recipe_of(self, job: "Job") -> Recipe:
        """Return the recipe with which the individual of a job is trained."""
        return with_genes(self.recipe, job.genes)


@dataclass(frozen=True, eq=False)
class Job:
    """One individual to evaluate: where it comes from and how it is modified.

    Attributes
    ----------
    individual, generation, slot : int
        Its number in the run, its generation, and its slot in the population.
    origin : {"founder", "continued", "child"}
        A founder is new, a continued individual is a parent trained further, a child is modified first.
    parents : tuple of int
        Numbers of the parents: of the one with whose weights it begins, and of its mates. Empty for a founder.
    founder : int
        Number of the founder from which it descends.
    genome : Genome
        The parent's genome with its trained weights, or the founder's own.
    optimizer_state : OptimizerState or None
        The parent's optimizer state: the genome's stored entries, then the biases of its nodes.
    modification : {"none", "policy", "drop_dormant"}
        What the modify phase does.
    operator_probabilities : tuple of (str, float)
        The probability of each operator; empty if the policy draws no operators.
    progress : float
        Fraction of the modified generations that are over.
    first_step : int
        Gradient steps along the ancestry so far.
    ancestry_seconds : float
        Seconds of training along the ancestry so far.
    ancestry_macs : int
        Multiply-accumulates of the forward passes of training behind the parent's weights.
    ancestry_cpu_seconds : float
        CPU time behind the parent's weights.
    continued_parent : int or None
        For a child: the number of the individual in the same generation that is its parent trained further with the
        same genes, if any.
    genes : mapping
        The recipe genes with which the individual is trained, by name; empty without genes.
    mates : tuple of Mate
        For a child: the relatives that its parent may be recombined with, the fittest first.
    """

    individual: int
    generation: int
    slot: int
    origin: Origin
    parents: tuple[int, ...]
    founder: int
    genome: Genome
    optimizer_state: OptimizerState | None
    modification: Modification
    operator_probabilities: tuple[tuple[str, float], ...]
    progress: float
    first_step: int
    ancestry_seconds: float
    continued_parent: int | None = None
    ancestry_macs: int = 0
    ancestry_cpu_seconds: float = 0.0
    genes: Mapping[str, float] = field(default_factory=dict)
    mates: tuple[Mate, ...] = ()


class Work(NamedTuple):
    """A job and the task that it belongs to; jobs of several tasks may share the workers."""

    task: Task
    job: Job
