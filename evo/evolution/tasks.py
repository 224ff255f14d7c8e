"""The kinds of tasks: samples, or the episodes of a reward, train and judge the individuals of a run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cnn.training.budget import TrainingBudget
from cnn.training.descent import samples_of_steps
from cnn.training.recipe import Recipe, batch_indices
from cnn.training.samples import Samples
from cnn.training.trainer import Evaluation, OptimizerState, evaluate, train
from evo.evolution.failures import kind_and_text
from evo.evolution.fitness import FITNESSES, Fitness, negative_loss
from evo.evolution.job import Job, Judgement, Phase, Task
from evo.evolution.metrics import measure
from evo.genome.genome import FloatArray, Genome
from evo.operators.operation import GradientsAt
from evo.phenotype.phenotype import Phenotype, gradients_at
from evo.rewards import EpisodeError, Played, Reward, TaskSettings, play
from evo.rewards.reward import Still
from evo.rewards.strategies import (
    RankedAscent,
    train_by_cma,
    train_by_ranks,
    without_training,
)
from evo.seeding import Purpose, generator

GRADIENT_BATCHES = 4
"""Batches on which a policy measures the loss gradient."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SampleTask(Task):
    """A task of samples: gradients of a loss train networks, and a fitness on other samples judges them.

    Attributes
    ----------
    train, validation : Samples
        The samples that give gradients and fitness. There is no test part: evolution cannot see it.
    fitness : Fitness
        See :func:`evo.evolution.fitness.adapt_fitness`.
    """

    train: Samples
    validation: Samples
    fitness: Fitness

    @property
    def judges_function_alone(self) -> bool:
        """Whether the fitness is of the package; an own one may depend on names, order, or dormant entries."""
        return FITNESSES.is_built_in(self.fitness)

    @property
    def trains_function_alone(self) -> bool:
        """Return True: the gradient of a loss depends on the computed function alone."""
        return True

    @property
    def samples_per_step(self) -> int:
        """The batch size."""
        return self.recipe.batch_size

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of training and validation samples."""
        return len(self.train), len(self.validation)

    def train_network(self, network: Phenotype, job: Job, state: OptimizerState | None) -> Phase:
        """Train by gradient descent."""
        settings = self.evolution
        report = train(
            network,
            self.train,
            self.recipe_of(job),
            first_step=job.first_step,
            steps=settings.steps_per_generation,
            total_steps=self.total_steps,
            order_seed=self.order_seed,
            state=state,
            budget=settings.budget,
            record_every=settings.record_every,
        )
        return Phase(report)

    def judge(self, network: Phenotype, generation: int) -> Judgement:
        """Judge by the fitness on the validation samples."""
        validation = evaluate(network, self.validation)
        returned: object = self.fitness(network, self.validation, evaluation=validation)
        return self.judgement(returned, validation)

    def judgement(self, returned: object, validation: Evaluation) -> Judgement:
        """Return what a network is worth whose fitness has returned something, given its evaluation."""
        metrics = measure(self.metrics, self.validation, validation)
        return Judgement(returned, validation.loss, validation.accuracy, metrics)

    def gradients_at(self, job: Job) -> GradientsAt:
        """Return the gradient of the loss on the next training batches."""

        def gradients_on_batches(
            genome: Genome,
            sources: NDArray[np.intp],
            targets: NDArray[np.intp],
            taps: NDArray[np.intp] | None = None,
        ) -> FloatArray:
            samples, recipe, first = self.train, self.recipe_of(job), job.first_step
            order = batch_indices(
                len(samples), recipe.batch_size, first, GRADIENT_BATCHES, self.order_seed
            )
            seen = samples_of_steps(samples, recipe, order, first, self.order_seed)
            return gradients_at(
                genome,
                self.loss,
                sources,
                targets,
                seen.inputs,
                seen.targets,
                taps,
                seen.weights,
                recipe.label_smoothing,
                seen.readings,
            )

        return gradients_on_batches

    def validation_loss(self) -> Callable[[Genome], float]:
        """Return the mean loss on the validation samples."""
        return lambda genome: evaluate(Phenotype(genome, self.loss), self.validation).loss

    def without_own_code(self) -> Self:
        """Return the task with the usual fitness."""
        return replace(self, fitness=negative_loss)


@dataclass(frozen=True, eq=False, kw_only=True)
class EpisodeTask(Task):
    """A task of episodes: a reward judges networks, and an evolution strategy trains them, if one is chosen.

    Attributes
    ----------
    fitness : Reward
    episodes : TaskSettings
        How many episodes are played, and by which strategy networks train.
    """

    fitness: Reward
    episodes: TaskSettings

    @property
    def judges_function_alone(self) -> bool:
        """Return True: an actor shows a reward nothing but outputs."""
        return True

    @property
    def trains_function_alone(self) -> bool:
        """Whether no strategy trains: a strategy draws noise for the parameters in their order."""
        return not self.episodes.trains

    @property
    def samples_per_step(self) -> int:
        """Return 0: there are no samples."""
        return 0

    @property
    def sizes(self) -> tuple[int, int]:
        """Return 0, and the number of validation episodes."""
        return 0, self.episodes.episodes

    def train_network(self, network: Phenotype, job: Job, state: OptimizerState | None) -> Phase:
        """Move the weights by the strategy of the settings; without one there is nothing to do."""
        evolution, recipe = self.evolution, self.recipe_of(job)
        steps, total = evolution.steps_per_generation, self.total_steps
        return self.train_for(
            steps, network, recipe, state, job.first_step, total, evolution.budget
        )

    def train_for(
        self,
        steps: int,
        network: Phenotype,
        recipe: Recipe,
        state: OptimizerState | None,
        first_step: int,
        total_steps: int,
        budget: TrainingBudget,
    ) -> Phase:
        """Train a network in place for some steps of a run of `total_steps`, or until the budget is spent."""
        strategy = self.episodes.strategy
        if strategy.name == "none" or steps == 0:
            return Phase(without_training(network, first_step))
        perturbed = RankedAscent(network, self.fitness, strategy, self.seed, first_step)
        common: dict[str, Any] = {
            "steps": steps,
            "budget": budget,
            "record_every": self.evolution.record_every,
        }
        if strategy.name == "cma_es":
            report = train_by_cma(perturbed, strategy, seed=self.seed, **common)
        else:
            schedule: dict[str, Any] = {"total_steps": total_steps, "state": state}
            report = train_by_ranks(perturbed, recipe, **schedule, **common)
        return Phase(replace(report, samples=perturbed.steps), perturbed.episodes, perturbed.steps)

    def judge(self, network: Phenotype, generation: int) -> Judgement:
        """Judge by the mean return in the validation episodes of a generation."""
        played = self.play(network, Purpose.VALIDATION_EPISODES, generation, self.episodes.episodes)
        return self.judgement(played)

    def judgement(self, played: Played) -> Judgement:
        """Return what a network is worth that has played the validation episodes of a generation."""
        measures = {name: played.measures[name] for name in self.metrics}
        fitness = played.measures["return"]
        return Judgement(fitness, None, None, measures, played.episodes, played.steps)

    def test(self, network: Phenotype) -> Mapping[str, float | None]:
        """Return the measures in the test episodes, which selection never sees."""
        played = self.play(network, Purpose.TEST_EPISODES, 0, self.episodes.test_episodes)
        return {name: played.measures[name] for name in self.metrics}

    def measures(self, network: Phenotype, generation: int) -> Mapping[str, float | None]:
        """Return the measures in the validation episodes of a generation."""
        return self.judge(network, generation).metrics

    def try_to_play(
        self, play: Callable[[], Mapping[str, float | None]]
    ) -> tuple[Mapping[str, float | None], str]:
        """Return the measures of episodes and no reason; or no measures, and the reason why an own reward gave none."""
        try:
            return play(), ""
        except EpisodeError as error:
            return dict.fromkeys(self.metrics), kind_and_text(error.cause)

    def play(self, network: Phenotype, purpose: Purpose, generation: int, count: int) -> Played:
        """Play episodes that follow from the seed, their purpose and, unless all are the same, the generation."""
        return play(self.fitness, network, self.streams(purpose, generation, count))

    def streams(
        self, purpose: Purpose, generation: int, count: int
    ) -> Iterator[np.random.Generator]:
        """Yield the random streams of episodes; see :meth:`play`."""
        changing = purpose == Purpose.TEST_EPISODES or self.episodes.same_episodes == "generation"
        number = generation if changing else 0
        return (generator(self.seed, purpose, number, k) for k in range(count))

    def gradients_at(self, job: Job) -> None:
        """Return None: a reward has no gradient."""

    def validation_loss(self) -> None:
        """Return None: there are no samples."""

    def without_own_code(self) -> Self:
        """Return the task with a reward that gives 0 for one step."""
        return replace(self, fitness=Still(self.fitness))
