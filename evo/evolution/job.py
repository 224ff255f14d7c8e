"""What a worker is given: the task of a whole run, once, and a job for each individual."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cnn.training.budget import TrainingBudget
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import OptimizerState
from evo.evolution.fitness import Fitness
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Dormant
from evo.policies.policies import PolicySettings
from evo.seeding import Purpose, seed_sequence

Origin = Literal["founder", "continued", "child"]
Modification = Literal["none", "policy", "freeze"]


@dataclass(frozen=True, eq=False)
class Task:
    """What is the same for every individual of one run with one seed.

    Attributes
    ----------
    train, validation : Samples
        What gradients and what fitness see. There is no test part here: evolution cannot look at it.
    loss : str
        A key of :data:`cnn.training.losses.LOSSES`.
    recipe : Recipe
        How to train; the baselines use the same.
    policy : PolicySettings
        How to modify.
    fitness : callable
        Of the trained network and the validation samples; larger is better.
    seed : int
        The run's seed.
    steps : int
        Gradient steps of one train phase.
    total_steps : int
        Steps of the whole run along one line of ancestors, which the learning-rate schedule spans.
    record_every : int
        Steps between two points of a learning curve.
    layers : tuple of int
        Nodes of each layer of the founders, inputs and outputs among them; empty where they have none.
    budget : TrainingBudget or None
        Further bounds of one train phase.
    dormant : {"frozen", "straight_through"}
        What entries below the threshold do in training, see :class:`evo.phenotype.phenotype.Phenotype`.
    active_edges : {"free", "kept"}
        Where they learn, whether as many of each layer are edges after a train phase as before it.
    """

    train: Samples
    validation: Samples
    loss: str
    recipe: Recipe
    policy: PolicySettings
    fitness: Fitness
    seed: int
    steps: int
    total_steps: int
    record_every: int
    layers: tuple[int, ...] = ()
    budget: TrainingBudget | None = None
    dormant: Dormant = "frozen"
    active_edges: Literal["free", "kept"] = "free"

    @property
    def order_seed(self) -> np.random.SeedSequence:
        """The seed of the order in which samples are seen; step by step the same for everyone in the run."""
        return seed_sequence(self.seed, Purpose.BATCHES)


@dataclass(frozen=True, eq=False)
class Job:
    """One individual to be: where it comes from and what shall happen to it.

    Attributes
    ----------
    individual, generation, slot : int
        Its number in the run, its generation, and its place in the population.
    origin : {"founder", "continued", "child"}
        Founders are new, the continued are a parent trained on, children are modified first.
    parents : tuple of int
        Numbers of the parents; founders have none.
    founder : int
        The founder at the root of its line.
    genome : Genome
        The parent's, with its trained weights; a founder's own.
    optimizer_state : OptimizerState or None
        The parent's optimiser state, laid out as the genome's stored entries, then its nodes' biases.
    modification : {"none", "policy", "freeze"}
        What the modify phase does.
    letters : tuple of (str, float)
        The probability of each letter where the policy draws letters, learnt or as its settings say.
    progress : float
        Share of the run's rewiring that is over.
    first_step : int
        Gradient steps along its ancestry so far.
    ancestry_seconds : float
        Seconds of training along its ancestry so far.
    continued_as : int or None
        Of a child, the individual of its generation that is its parent trained on unmodified, if there is one.
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
    letters: tuple[tuple[str, float], ...]
    progress: float
    first_step: int
    ancestry_seconds: float
    continued_as: int | None = None
