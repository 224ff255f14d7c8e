"""Population-based training of fixed networks (Jaderberg et al. 2017, arXiv 1711.09846): the arm cnn_pbt.

    train all networks up to the next rung → validate → the worst take weights and genes of the best → explore → train …

All networks share one schedule of the learning rate, which spans the whole run; a gene multiplies it.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnn.training.recipe import Recipe
from cnn.training.recipe_genes import RecipeGenes, explored_genes, initial_genes, with_genes
from cnn.training.trainer import OptimizerState, evaluate, train
from evo.evolution.metrics import measure
from evo.evolution.tasks import SampleTask
from evo.seeding import Purpose, generator
from evo.storage.training_state import PopulationState
from experiments.arms.arms import Sized
from experiments.arms.settings import PbtSettings
from experiments.arms.training import TrainedArm


@dataclass(frozen=True, eq=False)
class Member:
    """What a network of the population has beside its parameters.

    Attributes
    ----------
    restart : int
        Number of the starting weights from which its weights come.
    genes : mapping
        Its recipe genes.
    optimizer : OptimizerState or None
        The state of its optimizer; None before the first step.
    loss : float or None
        Its loss on the validation part at the last rung; None before it, and if training diverged.
    steps : int
        Gradient steps behind its weights.
    seconds, cpu_seconds : float
        Wall time and CPU time of the training behind its weights.
    """

    restart: int
    genes: Mapping[str, float]
    optimizer: OptimizerState | None = None
    loss: float | None = None
    steps: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Population:
    """Networks that are trained side by side, from rung to rung.

    Parameters
    ----------
    arm : str
        Name of the arm.
    networks : sequence of Sized
        Trained in place.
    recipe : Recipe
        Has what the genes leave open.
    settings : PbtSettings
    genes : RecipeGenes
    task : SampleTask
        With the samples, the seed of their order and the seed of all choices.
    steps : int
        Gradient steps of each network.

    Attributes
    ----------
    members : list of Member
        One for each network.
    rung : int
        Number of rungs that all networks have reached.
    """

    def __init__(
        self,
        arm: str,
        networks: Sequence[Sized],
        recipe: Recipe,
        settings: PbtSettings,
        genes: RecipeGenes,
        task: SampleTask,
        steps: int,
    ) -> None:
        self.arm, self.networks, self.recipe, self.genes = arm, networks, recipe, genes
        self.task, self.truncation = task, settings.truncation
        interval = settings.interval or task.evolution.steps_per_generation
        self._ends = [0, *range(interval, steps, interval), steps]
        self.rung = 0
        self.members = [
            Member(k, initial_genes(genes, recipe, self._rng(k))) for k in range(len(networks))
        ]

    @property
    def is_over(self) -> bool:
        """Whether all steps are made, or no network is left that did not diverge."""
        all_diverged = self.rung > 0 and self.best is None
        return all_diverged or self.rung == len(self._ends) - 1

    @property
    def best(self) -> int | None:
        """The network with the lowest validation loss at the last rung; None if all diverged."""
        return next(iter(self._ranked()), None)

    def recipe_of(self, member: Member) -> Recipe:
        """Return the recipe by which a network is trained."""
        return with_genes(self.recipe, member.genes)

    def advance(self) -> Iterator[tuple[int, TrainedArm]]:
        """Train all networks up to the next rung; yield each with its number and the cost of this phase."""
        if self.rung > 0:
            self._exploit_and_explore()
        for number in range(len(self.networks)):
            yield number, self._train(number)
        self.rung += 1

    def _train(self, number: int) -> TrainedArm:
        """Train one network up to the next rung."""
        network, member, task = self.networks[number], self.members[number], self.task
        first, end = self._ends[self.rung : self.rung + 2]
        recipe, started = self.recipe_of(member), time.thread_time()
        report = train(
            network,
            task.train,
            recipe,
            first_step=first,
            steps=end - first,
            total_steps=self._ends[-1],
            order_seed=task.order_seed,
            state=member.optimizer,
            record_every=task.evolution.record_every,
        )
        cpu_seconds = time.thread_time() - started
        validation, reached = evaluate(network, task.validation), first + report.steps
        is_fine = report.status == "ok" and math.isfinite(validation.loss)
        self.members[number] = replace(
            member,
            optimizer=report.state,
            loss=validation.loss if is_fine else None,
            steps=member.steps + report.steps,
            seconds=member.seconds + report.seconds,
            cpu_seconds=member.cpu_seconds + cpu_seconds,
        )
        return TrainedArm(
            arm=self.arm,
            network=network,
            status="ok" if is_fine else "diverged",
            reason="" if is_fine else report.reason or f"validation loss {validation.loss:g}",
            steps=report.steps,
            kept_steps=report.steps,
            train_loss=report.train_loss,
            validation=validation,
            metrics=measure(self.task.metrics, self.task.validation, validation),
            curve=report.curve,
            measured={reached: validation} if is_fine else {},
            seconds=report.seconds,
            cpu_seconds=cpu_seconds,
            training_macs=report.steps * recipe.batch_size * network.macs,
        )

    def _exploit_and_explore(self) -> None:
        """Let the worst networks take the weights and genes of the best ones, and change the genes."""
        ranked, n_networks = self._ranked(), len(self.networks)
        diverged = [k for k in range(n_networks) if k not in ranked]
        n_truncated = min(max(1, math.floor(self.truncation * n_networks)), n_networks // 2)
        best = ranked[: max(1, n_truncated)]
        n_replaced = max(n_truncated, len(diverged))
        for number in [*ranked, *diverged][n_networks - n_replaced :]:
            if number in best:  # all others diverged
                continue
            rng = self._rng(number)
            source = best[int(rng.integers(len(best)))]
            parent = self.members[source]
            self.networks[number].parameters[...] = self.networks[source].parameters
            self.members[number] = replace(
                parent, genes=explored_genes(self.genes, parent.genes, rng)
            )

    def _ranked(self) -> list[int]:
        """Return the networks that did not diverge, the lowest validation loss first."""
        losses = {k: one.loss for k, one in enumerate(self.members) if one.loss is not None}
        return sorted(losses, key=lambda k: (losses[k], k))

    def _rng(self, number: int) -> np.random.Generator:
        """Return the source of the choices of one network between two rungs."""
        return generator(self.task.seed, Purpose.PBT, self.rung, number)

    # -- between two rungs ---------------------------------------------------------------------------------------------

    def state(self, more: Mapping[str, Any]) -> PopulationState:
        """Return the state after the last rung; `more` are further values that JSON can write."""
        told = [
            {name: value for name, value in vars(one).items() if name != "optimizer"}
            for one in self.members
        ]
        return PopulationState(
            [network.parameters for network in self.networks],
            [one.optimizer for one in self.members if one.optimizer is not None],
            {"rung": self.rung, "members": told, **more},
        )

    def restore(self, state: PopulationState) -> None:
        """Go on from the state that an earlier process kept."""
        self.rung = state.more["rung"]
        for network, parameters in zip(self.networks, state.parameters, strict=True):
            network.parameters[...] = parameters
        self.members = [
            Member(**told, optimizer=optimizer)
            for told, optimizer in zip(state.more["members"], state.optimizers, strict=True)
        ]
