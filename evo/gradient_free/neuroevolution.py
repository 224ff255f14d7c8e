"""Neuroevolution without gradients: weights and topology of small networks evolve, whole generations compiled.

:class:`evo.Evolution` trains each network; here nothing but mutation and selection changes weights. Where a problem is
small enough for that, a population of thousands lives through a thousand generations in seconds: for quick studies of
operators and selection, and for problems without a gradient. The operators are the seed's, A B C D F H N, in a compiled
form: the winner is a :class:`evo.Genome`, can be trained on, and its lineage replays by :func:`evo.replay` bit for bit.

All nodes that a network can have are there from the beginning; hidden ones come into use as edges reach them.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cnn.training.samples import Samples
from evo.errors import EvoMatrixError
from evo.genome.genome import Genome
from evo.gradient_free import neuroevolution_kernels as kernels
from evo.gradient_free.dense_kernels import Networks
from evo.gradient_free.dense_population import (
    copy_of,
    empty_log,
    empty_networks,
    genome_at,
    record_of,
)
from evo.gradient_free.problem import Problem, pose
from evo.gradient_free.settings import NeuroevolutionSettings
from evo.operators.operation import Parameters


@dataclass(frozen=True)
class Birth:
    """How one ancestor of the winner came into being.

    Attributes
    ----------
    generation, individual : int
        Which one it is.
    parent : int
        Its parent, an individual of the generation before.
    record : list of (letter, parameters)
        ``evo.replay(record, parent_genome)`` gives its genome.
    """

    generation: int
    individual: int
    parent: int
    record: list[tuple[str, Parameters]]


@dataclass(frozen=True, eq=False)
class Neuroevolution:
    """What a run found.

    Attributes
    ----------
    settings : NeuroevolutionSettings
    seed : int
    table : DataFrame
        One row a generation: ``generation``; ``best_fitness`` and ``mean_fitness`` of those alive in it; ``diverged``,
        how many have no finite fitness; ``evaluations`` so far; ``edges`` of its best; ``seconds`` that it took.
    winner : Genome
        The best network of all generations; of equals the first.
    winner_fitness : float
    winner_at : (int, int)
        Its generation and its number there.
    evaluations : int
        Networks evaluated. Elites are not evaluated anew.
    solved : bool
        Whether the winner's fitness is at least the target's.
    """

    settings: NeuroevolutionSettings
    seed: int
    table: pd.DataFrame
    winner: Genome
    winner_fitness: float
    winner_at: tuple[int, int]
    evaluations: int
    solved: bool
    _problem: Problem = field(repr=False)
    _parents: list[NDArray[np.int32]] = field(repr=False)

    def lineage(self) -> tuple[Genome, list[Birth]]:
        """Return the founder from which the winner descends, and how each ancestor came from the one before.

        Every individual draws from a stream of its own name, so ancestors are bred once more from their names alone,
        and nothing about them needs to be kept during the run.
        """
        generation, individual = self.winner_at
        path = [individual]
        for parent_of in reversed(self._parents[:generation]):
            path.append(int(parent_of[path[-1]]))
        path.reverse()
        problem = self._problem
        old, new = (empty_networks(problem.size, problem.n_nodes) for _ in range(2))
        problem.found(old, path[0], path[0] + 1)
        founder = genome_at(old, path[0], problem.rules)
        births, log = [], empty_log(self.settings.max_operations, problem.n_nodes)
        for born, (parent, child) in enumerate(pairwise(path), start=1):
            log.counts[:] = 0
            parent_of = self._parents[born - 1]
            problem.breed(old, parent_of, born, child, child + 1, new, log)
            if child >= problem.n_elites:
                births.append(Birth(born, child, parent, record_of(log)))
            old, new = new, old
        return founder, births


def neuroevolve(samples: Samples, settings: NeuroevolutionSettings, *, seed: int) -> Neuroevolution:
    """Evolve small networks without training, until one reaches the target fitness or the generations are over.

    Parameters
    ----------
    samples : Samples
        A small data set: every network is run on all of it.
    settings : NeuroevolutionSettings
    seed : int
        Not negative; with the same samples and settings it gives the same result.

    Returns
    -------
    Neuroevolution

    Raises
    ------
    ValueError
        If samples and settings do not fit together.
    EvoMatrixError
        If no network of the whole run had a finite fitness.

    Examples
    --------
    The sum of squared errors over four samples shall be 0.1 at most, that is, the loss 0.1 / 2 / 4:

    >>> xor = Samples([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [[0.0], [1.0], [1.0], [0.0]])
    >>> settings = NeuroevolutionSettings(output_activation="sigmoid", target_fitness=-0.0125)
    >>> run = neuroevolve(xor, settings, seed=0)
    >>> run.solved
    True
    >>> from evo.phenotype.phenotype import Phenotype
    >>> Phenotype(run.winner, "squared_error").output(xor.inputs).round().ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]

    The winner's ancestors, from the founder on, by the operators of the framework:

    >>> from evo.operators.registry import replay
    >>> genome, births = run.lineage()
    >>> for birth in births:
    ...     genome = replay(birth.record, genome)
    >>> genome.equals(run.winner)
    True
    """
    problem = pose(samples, settings, seed)
    population, offspring = (empty_networks(problem.size, problem.n_nodes) for _ in range(2))
    fitness, nothing = np.empty(problem.size), empty_log(0, problem.n_nodes)
    progress, parents = _Progress(), list[NDArray[np.int32]]()
    problem.found(population, 0, problem.size)
    problem.evaluate(population, 0, problem.size, fitness)
    ranking = progress.note(population, fitness, n_new=problem.size)
    while len(progress.rows) < settings.generations and not progress.reached(settings):
        generation = len(progress.rows)
        parents.append(problem.choose_parents(ranking, generation))
        problem.breed(population, parents[-1], generation, 0, problem.size, offspring, nothing)
        population, offspring = offspring, population
        fitness[: problem.n_elites] = fitness[ranking[: problem.n_elites]]
        problem.evaluate(population, problem.n_elites, problem.size, fitness)
        ranking = progress.note(population, fitness, n_new=problem.size - problem.n_elites)
    if progress.best is None:
        raise EvoMatrixError(
            "no network of the run had a finite fitness; try a smaller max_weight or fewer ticks"
        )
    return Neuroevolution(
        settings=settings,
        seed=seed,
        table=progress.table(),
        winner=genome_at(progress.best, 0, problem.rules),
        winner_fitness=progress.best_fitness,
        winner_at=progress.best_at,
        evaluations=progress.evaluations,
        solved=progress.reached(settings),
        _problem=problem,
        _parents=parents,
    )


class _Progress:
    """What has been found so far: the table, and the best of all generations."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, int, int, int, float]] = []
        self.best: Networks | None = None
        self.best_at = (0, 0)
        self.best_fitness = -np.inf
        self.evaluations = 0
        self._clock = perf_counter()

    def reached(self, settings: NeuroevolutionSettings) -> bool:
        """Tell whether the target was reached."""
        target = settings.target_fitness
        return target is not None and self.best_fitness >= target

    def note(
        self, population: Networks, fitness: NDArray[np.float64], *, n_new: int
    ) -> NDArray[np.int64]:
        """Take down a generation, and return its individuals, the best first, equals by number, diverged ones last."""
        finite = np.isfinite(fitness)
        fitness[~finite] = np.nan
        n_alive = int(np.count_nonzero(finite))
        ranking = np.argsort(-fitness, kind="stable")
        first = int(ranking[0])
        mean = float(fitness[ranking[:n_alive]].mean()) if n_alive else np.nan
        if fitness[first] > self.best_fitness:
            self.best_fitness = float(fitness[first])
            self.best = copy_of(population, first)
            self.best_at = (len(self.rows), first)
        self.evaluations += n_new
        edges = kernels.count_edges(population, first)
        started, self._clock = self._clock, perf_counter()
        n_diverged, seconds = len(fitness) - n_alive, self._clock - started
        self.rows.append(
            (float(fitness[first]), mean, n_diverged, self.evaluations, edges, seconds)
        )
        return ranking

    def table(self) -> pd.DataFrame:
        """Return what was noted, one row a generation."""
        names = ("best_fitness", "mean_fitness", "diverged", "evaluations", "edges", "seconds")
        columns = dict(zip(names, zip(*self.rows, strict=True), strict=True))
        return pd.DataFrame({"generation": np.arange(len(self.rows))} | columns)
