"""Evolution strategies: a train phase that moves the weights of one network by the reward, without gradients.

Both see episodes that follow from the seed of the run and the number of the step along the ancestry, so a parent and
its child that train side by side play the same ones.
"""

import math
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.arrays import aligned_empty
from cnn.training.budget import TrainingBudget
from cnn.training.curve import CurveRecord, make_curve
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import OptimizerState, TrainingReport, train
from evo.errors import SettingsError
from evo.genome.genome import FloatArray
from evo.phenotype.phenotype import Phenotype
from evo.rewards.reward import EpisodeError, Reward, play
from evo.rewards.settings import StrategySettings
from evo.seeding import Purpose, generator, seed_sequence

ONE_SAMPLE = Samples(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32))
"""Stands for the episodes of a step, where the trainer asks for samples."""


LEAST_OF_CMA = 2
"""Least number of weights that CMA-ES searches; with fewer parameters the others move and have no effect."""


def without_training(network: Phenotype, first_step: int) -> TrainingReport:
    """Return the report of a train phase without steps."""
    return TrainingReport(
        status="ok",
        reason="",
        first_step=first_step,
        steps=0,
        samples=0,
        train_loss=None,
        curve=make_curve(first_step, [], [], ()),
        seconds=0.0,
        state=OptimizerState(np.zeros((0, network.parameter_count), network.parameters.dtype), 0),
    )


class Perturbed:
    """A network, and the mean return of networks like it with other weights.

    Parameters
    ----------
    network : Phenotype
    reward : Reward
    settings : StrategySettings
    seed : int
        The seed of the run.
    first_step : int
        Steps along the ancestry so far.

    Attributes
    ----------
    episodes, steps : int
        Episodes and environment steps so far.
    step : int
        The number of the next step along the ancestry.
    """

    def __init__(
        self,
        network: Phenotype,
        reward: Reward,
        settings: StrategySettings,
        seed: int,
        first_step: int,
    ) -> None:
        self.parameters = network.parameters
        self._network, self._reward, self._settings, self._seed = network, reward, settings, seed
        self.step = first_step
        self.episodes = self.steps = 0

    def mean_return(self, parameters: NDArray[Any]) -> float:
        """Return the mean return of the network with other parameters, in the episodes of the present step."""
        kept = self.parameters.copy()
        self.parameters[...] = parameters
        streams = (
            generator(self._seed, Purpose.TRAIN_EPISODES, self.step, k)
            for k in range(self._settings.episodes)
        )
        try:
            played = play(self._reward, self._network, streams)
        except EpisodeError as error:
            raise error.after(self.episodes, self.steps) from error.cause
        finally:
            self.parameters[...] = kept
        self.episodes += played.episodes
        self.steps += played.steps
        return played.measures["return"]


class RankedAscent(Perturbed):
    """A network as the trainer sees it: the loss is minus the mean return, its gradient is estimated (openai_es)."""

    def loss_and_gradients(
        self, inputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None = None
    ) -> tuple[float, FloatArray]:
        """Return minus the mean return of the networks of this step, and the gradient of the loss.

        With ranks r of the returns, from −1/2 to 1/2, it is −Σ (r⁺ − r⁻) ε / (population · std).
        """
        settings, parameters = self._settings, self.parameters
        rng = generator(self._seed, Purpose.STRATEGY, self.step)
        half = settings.population // 2
        noise = rng.standard_normal((half, len(parameters)), dtype=parameters.dtype)
        center = parameters.copy()
        returns = np.array(
            [
                [self.mean_return(center + sign * settings.std * one) for sign in (1, -1)]
                for one in noise
            ]
        )
        self.step += 1
        weights = (centered_ranks(returns) @ [-1.0, 1.0]) / (settings.population * settings.std)
        gradient: FloatArray = aligned_empty(parameters.shape, parameters.dtype)
        gradient[...] = weights.astype(parameters.dtype) @ noise
        return -float(returns.mean()), gradient

    def loss(
        self, inputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None = None
    ) -> float:
        """Return minus the mean return in the episodes of the present step."""
        return -self.mean_return(self.parameters)

    def output(self, inputs: NDArray[Any]) -> FloatArray:
        """Return the outputs of the network, as :meth:`Phenotype.output`."""
        return self._network.output(inputs)


def centered_ranks(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from −1/2 of the smallest to 1/2 of the largest return; equal ones share their mean rank.

    Examples
    --------
    >>> centered_ranks(np.array([[3.0, 7.0], [3.0, 9.0], [1.0, 9.0]])).round(3).tolist()
    [[-0.2, 0.1], [-0.2, 0.4], [-0.5, 0.4]]
    """
    _, of_value, counts = np.unique(returns, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts + 1) / 2.0
    ranks: NDArray[np.float64] = (mean_ranks / (returns.size - 1) - 0.5)[of_value]
    return ranks.reshape(returns.shape)


def train_by_ranks(
    perturbed: RankedAscent,
    recipe: Recipe,
    *,
    steps: int,
    total_steps: int,
    state: OptimizerState | None,
    budget: TrainingBudget,
    record_every: int,
) -> TrainingReport:
    """Make the steps of a train phase by the optimizer of the recipe, along the gradient that openai_es estimates."""
    return train(
        perturbed,
        ONE_SAMPLE,
        recipe.model_copy(update={"batch_size": 1}),
        first_step=perturbed.step,
        steps=steps,
        total_steps=total_steps,
        order_seed=0,
        state=state,
        budget=budget,
        record_every=record_every,
        loss_limit=math.inf,  # the unit of a return is that of the reward, and its first value may be 0
    )


def train_by_cma(
    perturbed: Perturbed,
    settings: StrategySettings,
    *,
    seed: int,
    steps: int,
    budget: TrainingBudget,
    record_every: int,
) -> TrainingReport:
    """Make the steps of a train phase by CMA-ES, from the present weights; the mean of the last step is kept."""
    started, first = time.perf_counter(), perturbed.step
    made = steps if budget.steps is None else min(steps, budget.steps)
    parameters = perturbed.parameters
    drawn = seed_sequence(seed, Purpose.STRATEGY, first).generate_state(1)
    n = len(parameters)
    mean = np.zeros(max(n, LEAST_OF_CMA))
    mean[:n] = parameters
    strategy = _cma()(
        mean,
        settings.std,
        population_size=settings.population,
        seed=int(drawn[0]),
    )
    losses: list[float] = []
    records: list[CurveRecord] = []
    for done in range(made):
        asked = [strategy.ask() for _ in range(settings.population)]
        tried = [(one, -perturbed.mean_return(one[:n].astype(parameters.dtype))) for one in asked]
        strategy.tell(tried)
        perturbed.step += 1
        losses.append(float(np.mean([loss for _, loss in tried])))
        if (first + done + 1) % record_every == 0 or done == made - 1:
            records.append(CurveRecord(done, 0.0, 0.0, []))
    parameters[...] = strategy.mean[:n]
    finite = bool(np.isfinite(parameters).all() and np.isfinite(losses).all())
    return TrainingReport(
        status="ok" if finite else "diverged",
        reason="" if finite else f"parameters or returns not finite after step {first + made}",
        first_step=first,
        steps=made,
        samples=0,
        train_loss=float(np.mean(losses)) if losses else None,
        curve=make_curve(first, losses, records, ()),
        seconds=time.perf_counter() - started,
        state=OptimizerState(np.zeros((0, n), parameters.dtype), made),
        ended_by="steps",
    )


def _cma() -> Callable[..., Any]:
    """Import CMA-ES; if it is missing, say which extra of EvoMatrix brings it."""
    try:
        cma: Callable[..., Any] = import_module("cmaes").CMA
    except ImportError as error:
        raise SettingsError(
            f'task.strategy.name must be a strategy whose package is installed: pip install "evomatrix[control]"; '
            f"got cma_es ({error})"
        ) from error
    return cma


def check_installed(settings: StrategySettings) -> None:
    """Raise SettingsError if the package of a strategy is missing."""
    if settings.name == "cma_es":
        _cma()
