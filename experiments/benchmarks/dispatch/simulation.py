"""A search with many workers whose evaluations take simulated time: what the process of the driver costs.

The driver is real: it asks for jobs, schedules them, selects, and commits tables, genomes and states to a folder, as
:class:`experiments.studies.search.Search` does in a run. Only the workers are simulated.
"""

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from evo.evolution.evolution import Evolution, EvolutionState
from evo.evolution.fitness import negative_loss
from evo.evolution.individual import Individual, evaluate_individual
from evo.evolution.job import Job, Task, Work
from evo.executors.scheduler import Scheduler
from evo.executors.side_by_side import run_side_by_side
from experiments.benchmarks.dispatch.simulated_workers import SimulatedWorkers
from experiments.benchmarks.harness.machine import resident_mebibytes, status_of_process
from experiments.datasets import load_dataset
from experiments.progress import GenerationDone, Reporter
from experiments.progress.callbacks import Callbacks
from experiments.settings.experiment import Experiment
from experiments.studies.execution import Plan, task_of
from experiments.studies.founders import founders_of_seed
from experiments.studies.provenance import used_by
from experiments.studies.runner import new_store
from experiments.studies.search import Search, Tally
from experiments.studies.seed_run import SeedRun

SEED = 0
CORES_PER_MACHINE = 64
NOTHING_OWN = {"own_data": False, "own_fitness": False}


@dataclass(frozen=True)
class Size:
    """How large a simulated search is.

    Attributes
    ----------
    workers, population, generations : int
    seconds : float
        Mean simulated time of one individual; single ones take half to one and a half times as long.
    """

    workers: int
    population: int
    generations: int
    seconds: float = 0.5


class _Templates:
    """Individuals that were evaluated once, of which all simulated individuals are copies."""

    def __init__(self, task: Task, founder: Any) -> None:
        one = task.evolution.model_copy(update={"population": 1})
        evolution = Evolution(replace(task, evolution=one), [founder])
        state = EvolutionState()
        self._of_origin: dict[str, Individual] = {}
        while len(self._of_origin) < 3 and not evolution.done(state):
            offspring = [evaluate_individual(evolution.task, job) for job in evolution.ask(state)]
            for individual in offspring:
                if individual.status == "ok":
                    self._of_origin[individual.job.origin] = individual
            state, _ = evolution.tell(state, offspring)
        self.seconds = 0.0

    def individual(self, job: Job) -> Individual:
        """Return the simulated result of a job: its genome as it was, and a fitness that depends on its number."""
        started = time.process_time()
        template = self._of_origin[job.origin]
        state = self._of_origin["founder"].optimizer_state
        found = replace(
            template,
            job=job,
            genome=job.genome,
            optimizer_state=state,
            fitness=-spread(job),
            ancestry_steps=job.first_step + template.steps,
        )
        self.seconds += time.process_time() - started
        return found


def spread(job: Job) -> float:
    """Return a number from 0 to 1 that depends on the number of a job and is spread evenly."""
    return job.individual * 0.6180339887498949 % 1.0


class SimulatedExecutor:
    """An executor whose workers are simulated; the scheduler is that of Ray's workers."""

    def __init__(self, workers: SimulatedWorkers, n_workers: int) -> None:
        self.n_workers = n_workers
        self._scheduler = Scheduler(workers, n_workers)

    def evaluate(
        self, work: deque[Work], *, one_by_one: bool = False
    ) -> Iterator[tuple[Task, Individual]]:
        """Yield one individual per job with its task; the caller may append jobs in between."""
        return self._scheduler.evaluate(work, 1 if one_by_one else math.inf)

    def release(self, task: Task) -> None:
        """Do nothing: only the caller holds the task."""

    def time_of_workers(self) -> Sequence[Mapping[str, float]]:
        """Return nothing: the workers are no processes."""
        return ()

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to stop."""


class _Watch(Reporter):
    """Notes after every tenth of the generations what the process has used."""

    def __init__(self, templates: _Templates, workers: SimulatedWorkers, n_workers: int) -> None:
        self.rows: list[dict[str, Any]] = []
        self._templates, self._workers, self._n_workers = templates, workers, n_workers
        self._started = time.process_time()
        self._n_individuals = 0

    def generation(self, event: GenerationDone, expected: int | None) -> None:
        """Note CPU time and memory."""
        generation, last = event.generation, event.last
        self._n_individuals += len(generation.offspring)
        if generation.number % max(1, last // 10) and generation.number != last:
            return
        own = time.process_time() - self._started - self._templates.seconds
        self.rows.append(
            {
                "generation": generation.number,
                "individuals": self._n_individuals,
                "driver_seconds": own,
                "milliseconds_per_individual": 1e3 * own / self._n_individuals,
                "resident_mib": resident_mebibytes(status_of_process()),
                "simulated_seconds": self._workers.time,
                "busy_fraction": self._workers.busy_seconds / self._workers.time / self._n_workers,
            }
        )


def simulate(size: Size, results: Path) -> list[dict[str, Any]]:
    """Run a search of some size with simulated workers, in a new run folder.

    Returns
    -------
    list of dict
        What the driver had used after each tenth of the generations.
    """
    settings = {
        "dataset": {"name": "xor"},
        "founders": {"hidden": 4},
        "evolution": {
            "population": size.population,
            "generations": size.generations,
            "steps_per_generation": 2,
        },
    }
    experiment = Experiment.parse(settings, "simulation")
    dataset = load_dataset("xor")
    split = experiment.dataset.split(dataset, SEED)
    founders = founders_of_seed(experiment, split, None, SEED)
    founders = founders[:1] * size.population
    plan = Plan(experiment, dataset, [split], negative_loss, None, {SEED: founders})
    task = task_of(plan, split, SEED)
    templates = _Templates(task, founders[0])
    full, rest = divmod(size.workers, CORES_PER_MACHINE)
    workers = SimulatedWorkers(
        [CORES_PER_MACHINE] * full + [rest] * bool(rest),
        lambda job: size.seconds * (0.5 + spread(job)),
        templates.individual,
    )
    store = new_store(plan, used_by(experiment, dataset), NOTHING_OWN, results, None)
    with closing(store):
        watch = _Watch(templates, workers, size.workers)
        seed_run = SeedRun(
            experiment,
            dataset,
            task,
            len(split.rows["test"]),
            split.preparation,
            split.target_scaling,
            store,
            watch,
            Callbacks(),
        )
        search = Search(seed_run, Tally(), founders)
        executor = SimulatedExecutor(workers, size.workers)
        run_side_by_side(executor, [(task, search.evolve())])
    return watch.rows
