"""What it costs to have individuals evaluated by other processes: time, bytes, and cores that are idle."""

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from evo.evolution.evolution import Evolution, EvolutionState
from evo.evolution.fitness import negative_loss
from evo.evolution.individual import Individual
from evo.evolution.job import Job, Task
from evo.evolution.settings import EvolutionSettings
from evo.evolution.tasks import SampleTask
from evo.executors import SerialExecutor, evaluate_all
from evo.executors.parcels import Parent, parent_of
from evo.executors.ray import RayExecutor, pack_answers, pack_chunk
from evo.executors.travel import cloudpickle
from evo.genome.genome import Genome
from evo.policies.policies import PolicySettings
from experiments.benchmarks.harness.machine import cpu_seconds_of_all
from experiments.benchmarks.harness.rows import Row
from experiments.benchmarks.harness.timing import Spread
from experiments.benchmarks.peers.dispatch import BareActors, Pool

N_WORKERS = 2
POOL_CHUNK = 64
SAMPLES = 64
ALONE = "this process alone"
Evaluate = Callable[[Sequence[Job]], list[Individual]]


def task_of(steps: int, n_features: int = 2, seed: int = 0) -> SampleTask:
    """Return a task on noise, with so many steps for each individual."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(SAMPLES, n_features)).astype(np.float32)
    samples = Samples(inputs, (inputs[:, 0] > 0).astype(np.int64))
    return SampleTask(
        train=samples,
        validation=samples,
        loss="cross_entropy",
        recipe=Recipe(batch_size=16),
        policy=PolicySettings(),
        evolution=EvolutionSettings(population=4, generations=8, steps_per_generation=steps),
        fitness=negative_loss,
        seed=seed,
    )


def founder(n_features: int, n_hidden: int) -> Genome:
    """Return a network of two dense layers."""
    n = n_features + n_hidden + 2
    matrix = np.zeros((n, n), np.float32)
    rng = np.random.default_rng(n)
    first, second = slice(n_features, n_features + n_hidden), slice(n_features + n_hidden, n)
    matrix[:n_features, first] = rng.normal(size=(n_features, n_hidden)) / np.sqrt(n_features)
    matrix[first, second] = rng.normal(size=(n_hidden, 2)) / np.sqrt(n_hidden)
    return Genome.from_matrix(matrix, n_inputs=n_features, n_outputs=2)


def offspring(task: Task, genome: Genome) -> list[Individual]:
    """Return the second generation of a small population of one founder: each parent continued, and a child of it."""
    founders = [copy.deepcopy(genome) for _ in range(task.evolution.population)]
    evolution = Evolution(task, founders)
    state = EvolutionState()
    with SerialExecutor() as executor:
        for _ in range(2):
            found = list(evaluate_all(executor, task, evolution.ask(state)))
            state, _ = evolution.tell(state, found)
    return found


def jobs_like(individuals: Sequence[Individual], n: int) -> list[Job]:
    """Return so many jobs, with numbers of their own: the jobs of some individuals in turn, with copies of the parents.

    Two jobs have one parent, as in a search: the parent is trained further, and has a child.
    """
    found: list[Job] = []
    while len(found) < n:
        copies: dict[int, Parent] = {}
        for one in individuals:
            parent = copies.setdefault(id(one.job.genome), copy.deepcopy(parent_of(one.job)))
            found.append(replace(one.job, individual=len(found), **parent._asdict()))
    return found[:n]


def busy_seconds(individuals: Sequence[Individual]) -> float:
    """Return the seconds for which workers modified, trained and evaluated."""
    return sum(one.modify_seconds + one.train_seconds + one.evaluate_seconds for one in individuals)


@dataclass(frozen=True)
class Turn:
    """What the evaluation of some jobs took: seconds of wall time, of work of all workers, and of CPU time.

    Attributes
    ----------
    wall
        Wall time.
    busy
        Wall time for which workers modified, trained and evaluated, all workers together.
    driver_cpu, all_cpu
        CPU time of this process; of this process and all below it.
    """

    wall: float
    busy: float
    driver_cpu: float
    all_cpu: float

    @classmethod
    def of(cls, evaluate: Evaluate, jobs: Sequence[Job]) -> "Turn":
        """Let jobs be evaluated."""
        everybody, cpu, wall = cpu_seconds_of_all(), time.process_time(), time.perf_counter()
        found = evaluate(jobs)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return cls(wall, busy_seconds(found), cpu, cpu_seconds_of_all() - everybody)


def overhead_rows(n_jobs: int, rounds: int) -> Iterator[Row]:
    """Let tiny individuals be evaluated by our workers and by those of peers, in turns.

    There are two kinds of overhead. `overhead_seconds` is the time beyond the time for which both workers would be busy
    if they shared the work evenly. `cpu_microseconds` is the CPU time beyond that of the same work in this process; it
    tells more where the machine has other work too.
    """
    task = task_of(steps=1)
    jobs = jobs_like(offspring(task, founder(2, 2)), n_jobs)
    with ExitStack() as stack:
        executor = stack.enter_context(RayExecutor(N_WORKERS))
        actors = BareActors(N_WORKERS, task)
        one, many = (Pool(N_WORKERS, task, chunk) for chunk in (1, POOL_CHUNK))
        for peer in (actors, one, many):
            stack.callback(peer.end)
        sides: dict[str, Evaluate] = {
            ALONE: _by(SerialExecutor(), task),
            "ours": _by(executor, task),
            "ours, one by one": lambda jobs: list(
                evaluate_all(executor, task, jobs, one_by_one=True)
            ),
            "bare actor calls": actors.evaluate_all,
            "multiprocessing": one.evaluate_all,
            f"multiprocessing, {POOL_CHUNK} at a time": many.evaluate_all,
        }
        for evaluate in sides.values():  # kernels are loaded, and all processes have started
            evaluate(jobs)
        found: dict[str, list[Turn]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, evaluate in sides.items():
                found[name].append(Turn.of(evaluate, jobs))
    alone = found.pop(ALONE)
    for name, turns in found.items():
        overheads = Spread.of([turn.wall - turn.busy / N_WORKERS for turn in turns])
        cpu = [turn.all_cpu - same.all_cpu for turn, same in zip(turns, alone, strict=True)]
        yield {
            "side": name,
            "individuals": n_jobs,
            "seconds": _median(turn.wall for turn in turns),
            "busy_seconds_each_worker": _median(turn.busy for turn in turns) / N_WORKERS,
            "overhead_seconds": overheads.median,
            "overhead_microseconds": 1e6 * overheads.median / n_jobs,
            "overhead_low": 1e6 * overheads.low / n_jobs,
            "overhead_high": 1e6 * overheads.high / n_jobs,
            "cpu_microseconds": 1e6 * _median(cpu) / n_jobs,
            "driver_cpu_microseconds": 1e6 * _median(turn.driver_cpu for turn in turns) / n_jobs,
        }


def _median(values: Iterable[float]) -> float:
    return Spread.of(list(values)).median


def efficiency_rows(seconds_each: float, n_jobs: int, rounds: int) -> Iterator[Row]:
    """Compare two workers with this process alone, for individuals that train for so many seconds."""
    genome, trial = founder(2, 8), 2000
    with SerialExecutor() as serial, RayExecutor(N_WORKERS) as executor:
        (job,) = jobs_like(offspring(task_of(steps=1), genome), 1)
        seconds = min(Turn.of(_by(serial, task_of(trial)), [job]).wall for _ in range(3))
        task = task_of(max(1, round(trial * seconds_each / seconds)))
        jobs = [replace(job, individual=k) for k in range(n_jobs)]
        _by(executor, task)(jobs[:N_WORKERS])
        turns = [
            (Turn.of(_by(serial, task), jobs), Turn.of(_by(executor, task), jobs))
            for _ in range(rounds)
        ]
    alone = _median(one.wall for one, _ in turns)
    together, busy = (_median(getattr(two, what) for _, two in turns) for what in ("wall", "busy"))
    yield {
        "workers": N_WORKERS,
        "individuals": n_jobs,
        "seconds_each": alone / n_jobs,
        "seconds_alone": alone,
        "seconds": together,
        "efficiency": alone / together / N_WORKERS,
        "busy_fraction": busy / together / N_WORKERS,
    }


def _by(executor: SerialExecutor | RayExecutor, task: Task) -> Evaluate:
    return lambda jobs: list(evaluate_all(executor, task, jobs))


def bytes_rows(hidden: Sequence[int]) -> Iterator[Row]:
    """Count the bytes that travel for each individual, beside those of whole jobs and individuals, sent one by one."""
    for n_hidden in hidden:
        n_features = max(2, n_hidden // 2)
        found = offspring(task_of(1, n_features), founder(n_features, n_hidden))
        jobs = [one.job for one in found]
        message, large = pack_chunk(jobs)
        yield {
            "edges": jobs[0].genome.n_stored,
            "parent_bytes": parent_of(jobs[0]).nbytes,
            "job_bytes_whole": _median(len(cloudpickle.dumps(job)) for job in jobs),
            "job_bytes": len(message) / len(jobs),
            "bytes_once_per_machine": sum(one.nbytes for one in large) / len(jobs),
            "answer_bytes_whole": _median(len(cloudpickle.dumps(one)) for one in found),
            "answer_bytes": len(pack_answers(found)) / len(jobs),
        }
