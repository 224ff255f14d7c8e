"""Neuroevolution without gradients: weights and topology of small networks evolve in compiled code.

:class:`evo.Evolution` trains each network; here only mutation and selection change weights. On small problems a
population of thousands evolves for a thousand generations in seconds. This suits quick studies of operators and
selection, and problems without a gradient. The operators A B C D F H N of the seed are compiled here. The winner is a
:class:`evo.Genome` that can be trained further, and :func:`evo.replay` replays its lineage bit for bit.

The number of nodes is fixed. Hidden nodes may have no edges at first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cnn.training.samples import Samples
from evo.errors import EvoMatrixError
from evo.genome.genome import Genome
from evo.gradient_free import neuroevolution_kernels as kernels
from evo.gradient_free.agent_kernels import interface_to
from evo.gradient_free.compiled_run import CompiledRun, prepare_run
from evo.gradient_free.dense_kernels import Networks
from evo.gradient_free.dense_population import (
    copy_individual,
    empty_log,
    empty_networks,
    genome_at,
    record_from_log,
)
from evo.gradient_free.selection import PARENT_SELECTIONS, Parentage, Ranked
from evo.gradient_free.settings import NeuroevolutionSettings
from evo.gradient_free.species_kernels import NO_MATE
from evo.gradient_free.task import CompiledTask, Scores, check_episodes
from evo.operators.operation import Parameters


@dataclass(frozen=True)
class Ancestor:
    """An ancestor of the winner and the mutation that created it.

    Attributes
    ----------
    generation, individual : int
        Its generation and its index there.
    parent : int
        Index of its parent in the generation before.
    record : list of (operator, parameters)
        ``evo.replay(record, parent_genome)`` gives its genome. What it took from a mate is the assignment (N) at the
        beginning.
    mate : int or None
        Index of its mate in the generation before.
    """

    generation: int
    individual: int
    parent: int
    record: list[tuple[str, Parameters]]
    mate: int | None = None


@dataclass(frozen=True, eq=False)
class Neuroevolution:
    """The result of a run.

    Attributes
    ----------
    settings : NeuroevolutionSettings
    seed : int
    table : DataFrame
        One row per generation: ``generation``; ``best_fitness`` and ``mean_fitness`` of the networks with a finite
        fitness; ``n_diverged``, the number of other networks; ``evaluations`` so far; ``n_active``, the active entries
        of the best network; ``seconds``, the duration; ``best_<measure>`` for each measure of a compiled task, of the
        best network.
    winner : Genome
        The best network of all generations, the first one if several are equal; or the network that passed the test of
        the task. The best new network of each generation takes this test, and its plays are no evaluations.
    winner_fitness : float
    winner_at : (int, int)
        Its generation and its index there.
    evaluations : int
        Number of evaluated networks. Elites are not evaluated again.
    solved : bool
        Whether the winner's fitness is at least the target fitness, or the winner passed the test of the task.
    """

    settings: NeuroevolutionSettings
    seed: int
    table: pd.DataFrame
    winner: Genome
    winner_fitness: float
    winner_at: tuple[int, int]
    evaluations: int
    solved: bool
    _task: Samples | CompiledTask = field(repr=False)
    _run: CompiledRun = field(repr=False)
    _parentages: list[Parentage] = field(repr=False)

    def play(self, episodes: ArrayLike) -> Scores:
        """Let the winner play episodes of the compiled task; see :meth:`CompiledTask.play`.

        Raises
        ------
        TypeError
            If the run was one on samples.
        """
        if isinstance(self._task, Samples):
            raise TypeError("play must be of a run on a compiled task; got a run on samples")
        return self._task.play(self.winner, episodes, memory=self.settings.memory)

    def lineage(self) -> tuple[Genome, list[Ancestor]]:
        """Return the founder of the winner's lineage and the ancestors after it; the winner is the last one.

        Each individual has its own random stream, so the ancestors are bred again and nothing is stored during the run.
        A line of parents is returned; mates, and their ancestors, are bred too.
        """
        generation, individual = self.winner_at
        path = [individual]
        for parentage in reversed(self._parentages[:generation]):
            path.append(int(parentage.parent_of[path[-1]]))
        path.reverse()
        run, needed = self._run, self._needed()
        old, new = (empty_networks(run.size, run.n_nodes) for _ in range(2))
        for p in needed[0]:
            run.create_founders(old, p, p + 1)
        founder = genome_at(old, path[0], run.rules)
        nothing, ancestors = empty_log(0, run.n_nodes), []
        for born, (parent, child) in enumerate(pairwise(path), start=1):
            parentage = self._parentages[born - 1]
            log = empty_log(self.settings.max_operations + 1, run.n_nodes)
            for p in needed[born]:
                run.breed(old, parentage, born, p, p + 1, new, log if p == child else nothing)
            if child >= parentage.n_elites:
                mate = NO_MATE if parentage.mate_of is None else int(parentage.mate_of[child])
                record = record_from_log(log)
                ancestors.append(
                    Ancestor(born, child, parent, record, None if mate == NO_MATE else mate)
                )
            old, new = new, old
        return founder, ancestors

    def _needed(self) -> list[list[int]]:
        """Return the individuals of each generation of whom the winner descends, as from parents or as from mates."""
        generation, individual = self.winner_at
        needed = [[individual]]
        for parentage in reversed(self._parentages[:generation]):
            parents = set(parentage.parent_of[needed[-1]].tolist())
            if parentage.mate_of is not None:
                parents |= set(parentage.mate_of[needed[-1]].tolist()) - {NO_MATE}
            needed.append(sorted(parents))
        return needed[::-1]


def neuroevolve(
    task: Samples | CompiledTask, settings: NeuroevolutionSettings, *, seed: int
) -> Neuroevolution:
    """Evolve small networks without training, until one solves the task or all generations are done.

    Parameters
    ----------
    task : Samples or CompiledTask
        A small data set, on all of whose samples each network is evaluated; or a task in compiled code, whose episodes
        each network plays (:mod:`evo.gradient_free.task`).
    settings : NeuroevolutionSettings
    seed : int
        Not negative. Equal seeds, tasks and settings give equal results.

    Returns
    -------
    Neuroevolution

    Raises
    ------
    ValueError
        If task and settings do not fit together.
    EvoMatrixError
        If no network of the run had a finite fitness.

    Examples
    --------
    The target is a sum of squared errors of 0.1 over four samples, that is, a loss of 0.1 / 2 / 4:

    >>> xor = Samples([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [[0.0], [1.0], [1.0], [0.0]])
    >>> settings = NeuroevolutionSettings(output_activation="sigmoid", target_fitness=-0.0125)
    >>> result = neuroevolve(xor, settings, seed=0)
    >>> result.solved
    True
    >>> from evo.phenotype.phenotype import Phenotype
    >>> Phenotype(result.winner, "squared_error").output(xor.inputs).round().ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]

    A replay of the winner's lineage from its founder:

    >>> from evo.operators.registry import replay
    >>> genome, ancestors = result.lineage()
    >>> for ancestor in ancestors:
    ...     genome = replay(ancestor.record, genome)
    >>> genome.equals(result.winner)
    True
    """
    run = prepare_run(task, settings, seed)
    population, offspring = (empty_networks(run.size, run.n_nodes) for _ in range(2))
    nothing = empty_log(0, run.n_nodes)
    progress, parentages = _Progress(run, _stop(task, settings)), list[Parentage]()
    selection = PARENT_SELECTIONS[settings.selection](settings, seed)
    run.create_founders(population, 0, run.size)
    scores = run.evaluate(population, 0, run.size)
    ranking = progress.record(population, scores, n_new=run.size)
    while len(progress.rows) < settings.generations and not progress.solved:
        generation = len(progress.rows)
        parentages.append(selection.choose(Ranked(population, scores[:, 0], ranking), generation))
        run.breed(population, parentages[-1], generation, 0, run.size, offspring, nothing)
        population, offspring = offspring, population
        n_elites = parentages[-1].n_elites
        scores[:n_elites] = scores[parentages[-1].parent_of[:n_elites]]
        scores[n_elites:] = run.evaluate(population, n_elites, run.size)
        ranking = progress.record(population, scores, n_new=run.size - n_elites)
    if progress.best is None:
        raise EvoMatrixError(
            "no network of the run had a finite fitness; a smaller max_weight or fewer ticks may help"
        )
    return Neuroevolution(
        settings=settings,
        seed=seed,
        table=progress.table(),
        winner=genome_at(progress.best, 0, run.rules),
        winner_fitness=progress.best_fitness,
        winner_at=progress.best_at,
        evaluations=progress.evaluations,
        solved=progress.solved,
        _task=task,
        _run=run,
        _parentages=parentages,
    )


Stop = Callable[[Networks, float], bool]
"""Function from a network, as a population of one, and its fitness to whether the run has solved the task."""


def _stop(task: Samples | CompiledTask, settings: NeuroevolutionSettings) -> Stop:
    """Return the rule by which a run ends before its last generation."""
    target = settings.target_fitness
    if isinstance(task, Samples) or task.passes is None:
        return lambda network, fitness: target is not None and fitness >= target
    passes = task.passes
    ends = task.n_inputs, task.n_outputs
    interface = interface_to(1, *ends, settings.ticks, memory=settings.memory)
    return lambda network, fitness: passes(
        lambda episodes: task.scores(network, interface, check_episodes(episodes), 0, 1)[0]
    )


class _Progress:
    """The table and the best network of all generations so far."""

    def __init__(self, run: CompiledRun, stop: Stop) -> None:
        self.rows: list[tuple[float, ...]] = []
        self.best: Networks | None = None
        self.best_at = (0, 0)
        self.best_fitness = -np.inf
        self.evaluations = 0
        self.solved = False
        self._run, self._stop = run, stop
        self._clock = perf_counter()

    def record(self, population: Networks, scores: Scores, *, n_new: int) -> NDArray[np.int64]:
        """Record a generation; return its individuals from best to worst, equal ones by index, diverged ones last."""
        fitness = scores[:, 0]
        finite = np.isfinite(fitness)
        fitness[~finite] = np.nan
        n_alive = int(np.count_nonzero(finite))
        ranking = np.argsort(-fitness, kind="stable")
        first = int(ranking[0])
        mean = float(fitness[ranking[:n_alive]].mean()) if n_alive else np.nan
        if fitness[first] > self.best_fitness:
            self._remember(population, first, fitness)
        newest = int(ranking[ranking >= len(fitness) - n_new][0])
        if np.isfinite(fitness[newest]):
            network = copy_individual(population, newest)
            self.solved = self._stop(network, float(fitness[newest]))
            if self.solved:
                self._remember(population, newest, fitness)
        self.evaluations += n_new
        n_active = kernels.count_edges(population, first)
        started, self._clock = self._clock, perf_counter()
        n_diverged, seconds = len(fitness) - n_alive, self._clock - started
        row = (float(fitness[first]), mean, n_diverged, self.evaluations, n_active, seconds)
        self.rows.append((*row, *scores[first, 1:].tolist()))
        return ranking

    def _remember(self, population: Networks, p: int, fitness: NDArray[np.float64]) -> None:
        """Keep the winner so far."""
        self.best_fitness = float(fitness[p])
        self.best = copy_individual(population, p)
        self.best_at = (len(self.rows), p)

    def table(self) -> pd.DataFrame:
        """Return the table, one row per generation."""
        names = ["best_fitness", "mean_fitness", "n_diverged", "evaluations", "n_active", "seconds"]
        names += [f"best_{measure}" for measure in self._run.measures]
        columns = dict(zip(names, zip(*self.rows, strict=True), strict=True))
        return pd.DataFrame({"generation": np.arange(len(self.rows))} | columns)
