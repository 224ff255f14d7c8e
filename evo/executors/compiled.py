"""Evaluation of whole generations of small networks in compiled code, in this process.

The individuals are those of the other executors, to the bit: the policy ``compiled`` draws and applies operators in
compiled code everywhere, and scores have the same sums. Here a generation takes a few compiled calls, and no
individual waits for calls of its own.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from cnn.checks import check_targets
from cnn.compile.compilation import single_threaded_blas
from cnn.training.losses import LOSSES
from cnn.training.optimizers import OPTIMIZERS
from cnn.training.trainer import EVALUATION_BATCH, OptimizerState, evaluation_of
from evo.evolution.failures import kind_and_text, place_of, traceback_of
from evo.evolution.individual import (
    Individual,
    duplicate_individual,
    duplicates_parent,
    evaluate_individual,
    failed_individual,
    modify,
    untrained_individual,
)
from evo.evolution.job import Job, Judgement, Task, Work
from evo.evolution.statistics import GenomeStatistics, describe, describe_neurons
from evo.evolution.tasks import EpisodeTask, SampleTask
from evo.executors.serial import SerialExecutor
from evo.genome.genome import FloatArray, Genome, read_only
from evo.gradient_free.dense_kernels import Networks
from evo.gradient_free.dense_mutation_kernels import Rules
from evo.gradient_free.dense_population import check_dense_form, stacked
from evo.gradient_free.generation import (
    LARGEST_NETWORK,
    Sizes,
    breed,
    draw_key,
    play_networks,
    rules_of,
    score_networks,
    sizes_of,
)
from evo.interruption import is_interruption
from evo.operators.operation import Operation
from evo.phenotype.phenotype import Phenotype, compile_plan
from evo.phenotype.plan import MIN_BLOCK_NODES, MIN_BLOCK_ROWS
from evo.rewards.compiled_reward import CompiledReward
from evo.rewards.reward import played
from evo.seeding import Purpose, generator
from evo.time_account import spending

MAX_SCORES = 2**24
"""Scores of a part of a generation, 4 bytes each; the networks of larger generations are judged part after part."""


class CompiledExecutor(SerialExecutor):
    """Evaluates all jobs of a generation together."""

    def evaluate(
        self, work: deque[Work], *, one_by_one: bool = False
    ) -> Iterator[tuple[Task, Individual]]:
        """Yield one individual per job, in the order of the jobs; the caller may append jobs in between."""
        with single_threaded_blas():
            while work:
                task, jobs = work[0].task, []
                while work and work[0].task is task:
                    jobs.append(work.popleft().job)
                if task.evolution.engine == "compiled":
                    individuals: Iterable[Individual] = evaluate_together(task, jobs)
                else:  # of another search beside it
                    individuals = (evaluate_individual(task, job) for job in jobs)
                for individual in individuals:
                    self._failures.note(individual)
                    yield task, individual
        self._failures.tell_counts()


_Judge = Callable[[], Judgement]


@dataclass(frozen=True, eq=False)
class _Modified:
    """An individual that is modified and not judged yet."""

    job: Job
    genome: Genome
    operations: tuple[Operation, ...]


@dataclass(frozen=True, eq=False)
class _Block:
    """Individuals of one size, with their networks in the same order."""

    members: Sequence[_Modified]
    networks: Networks
    rules: Rules


def evaluate_together(task: Task, jobs: Sequence[Job]) -> list[Individual]:
    """Modify and judge the individuals of some jobs of one generation; return them in the order of the jobs.

    Each is the one that :func:`evo.evolution.individual.evaluate_individual` returns, apart from times.
    """
    found: dict[int, Individual] = {}
    started, cpu = time.perf_counter(), time.thread_time()
    blocks: list[_Block] = []
    suited = {genome: _suits(genome) for genome in {job.genome for job in jobs}}
    alone: list[Job] = []
    rest: list[Job] = []
    for job in jobs:
        (rest if suited[job.genome] and _has_fresh_state(job) else alone).append(job)
    with spending("modify"):
        bred = [job for job in rest if _is_bred(task, job)]
        others = [job for job in rest if not _is_bred(task, job)]
        for group in _groups(bred, lambda job: job.genome):
            blocks.append(_breed(task, group))
        changed = []
        for job in others:
            one = _modified_alone(task, job)
            if one is None:
                alone.append(job)
            else:
                changed.append(one)
        for some in _groups(changed, lambda one: one.genome):
            rules = _rules(task, some[0].genome)
            blocks.append(_Block(some, stacked([one.genome for one in some]), rules))
    modified = time.perf_counter()
    modify_seconds = (modified - started) / max(sum(len(block.members) for block in blocks), 1)
    for part in (part for block in blocks for part in _parts(task, block)):
        begun = time.perf_counter()
        try:
            made = _judged(task, part)
        except Exception:  # of an own task; evaluate_individual finds whose it is
            alone += [one.job for one in part.members]
            continue
        seconds = modify_seconds, (time.perf_counter() - begun) / len(made)
        for one, judge, sizes in made:
            found[one.job.individual] = _finished(task, one, judge, sizes, seconds)
    cpu = (time.thread_time() - cpu) / max(len(found), 1)
    for number, individual in found.items():
        behind = individual.job.ancestry_cpu_seconds + (cpu if individual.status == "ok" else 0.0)
        found[number] = replace(individual, cpu_seconds=cpu, ancestry_cpu_seconds=behind)
    found |= {job.individual: evaluate_individual(task, job) for job in alone}
    return [found[job.individual] for job in jobs]


def _groups(items: Iterable[Any], genome_of: Callable[[Any], Genome]) -> list[list[Any]]:
    """Return items in groups whose genomes have the same size."""
    groups: dict[tuple[int, ...], list[Any]] = {}
    for item in items:
        genome = genome_of(item)
        size = genome.n_nodes, len(genome.inputs), len(genome.outputs), genome.ticks
        groups.setdefault(size, []).append(item)
    return [*groups.values()]


# -- modifying ---------------------------------------------------------------------------------------------------------


def _suits(genome: Genome) -> bool:
    """Return whether a genome can be one of a population of small networks."""
    try:
        check_dense_form(genome)
    except ValueError:
        return False
    return genome.n_nodes <= LARGEST_NETWORK


def _has_fresh_state(job: Job) -> bool:
    """Return whether nothing was ever trained by an optimizer; a state that moves along is another executor's work."""
    state = job.optimizer_state
    return state is None or (
        state.step == 0 and state.last_weights is None and not state.moments.any()
    )


def _is_bred(task: Task, job: Job) -> bool:
    """Return whether compiled mutation alone modifies an individual."""
    return job.modification == "policy" and task.policy.name == "compiled" and not job.mates


def _rules(task: Task, genome: Genome) -> Rules:
    policy = task.policy
    return rules_of(genome, policy.operators, policy.weights, policy.max_operations)


def _breed(task: Task, jobs: Sequence[Job]) -> _Block:
    rules, weights = _rules(task, jobs[0].genome), dict(jobs[0].operator_probabilities)
    keys = [
        draw_key(generator(task.seed, Purpose.MODIFY, job.generation, job.individual))
        for job in jobs
    ]
    children, networks = breed([job.genome for job in jobs], rules, weights, keys)
    members = [
        _Modified(job, child.genome, child.operations)
        for job, child in zip(jobs, children, strict=True)
    ]
    return _Block(members, networks, rules)


def _modified_alone(task: Task, job: Job) -> _Modified | None:
    """Modify an individual without compiled mutation; None if its network is not for compiled code, or on an error."""
    if job.modification == "none":
        return _Modified(job, job.genome, ())
    try:
        genome, _, operations = modify(task, job, None)
    except Exception:  # evaluate_individual meets it again, and says what it was
        return None
    if operations and not _suits(genome):
        return None
    return _Modified(job, genome, operations)


# -- judging -----------------------------------------------------------------------------------------------------------


def _parts(task: Task, block: _Block) -> Iterator[_Block]:
    """Yield parts of a block, each of so few networks that memory holds their scores on all samples."""
    size = len(block.members)
    if isinstance(task, SampleTask):
        size = max(1, MAX_SCORES // (block.rules.n_outputs * len(task.validation)))
    for begin in range(0, len(block.members), size):
        part = slice(begin, begin + size)
        networks = Networks._make(array[part] for array in block.networks)
        yield _Block(block.members[part], networks, block.rules)


@spending("evaluate")
def _judged(task: Task, block: _Block) -> list[tuple[_Modified, _Judge, Sizes]]:
    """Return the individuals of a block, each with a function that judges it, and its size."""
    if isinstance(task, SampleTask):
        judges = _judges_by_samples(task, block)
    elif isinstance(task, EpisodeTask):
        judges = _judges_by_episodes(task, block)
    else:
        raise TypeError(f"task must be one of samples or episodes; got {type(task).__name__}")
    return [*zip(block.members, judges, sizes_of(block.networks, block.rules), strict=True)]


def _judges_by_samples(task: SampleTask, block: _Block) -> list[_Judge]:
    samples, loss = task.validation, LOSSES[task.loss]
    starts = range(0, len(samples), EVALUATION_BATCH)
    parts = [slice(start, start + EVALUATION_BATCH) for start in starts]
    shapes = [(len(samples.inputs[part]), block.rules.n_outputs) for part in parts]
    targets = [
        read_only(check_targets(loss.target_kind, samples.targets[part], shape)).T
        for part, shape in zip(parts, shapes, strict=True)
    ]
    weights = [None if samples.weights is None else read_only(samples.weights[p]) for p in parts]

    def judge(scores: Sequence[FloatArray], genome: Genome) -> Judgement:
        if _has_dense_blocks(genome):
            return task.judge(Phenotype(genome, task.loss), 0)
        batches = []
        for part, target, weight in zip(scores, targets, weights, strict=True):
            value = loss.weighted_value_and_delta(part, target, weight, np.empty_like(part))
            batches.append((value, np.ascontiguousarray(loss.predict(part).T)))
        evaluation = evaluation_of(samples, batches)
        returned = task.fitness(None, samples, evaluation=evaluation)  # type: ignore[arg-type]
        return task.judgement(returned, evaluation)

    inputs = [samples.inputs[part] for part in parts]
    return [
        partial(judge, scores, one.genome)
        for scores, one in zip(
            score_networks(block.networks, block.rules, inputs), block.members, strict=True
        )
    ]


def _has_dense_blocks(genome: Genome) -> bool:
    """Return whether a compiled network multiplies matrices, whose sums have another order."""
    if genome.n_nodes < MIN_BLOCK_NODES + MIN_BLOCK_ROWS:
        return False
    return len(compile_plan(genome).layout.dense_blocks) > 0


def _judges_by_episodes(task: EpisodeTask, block: _Block) -> list[_Judge]:
    reward, number = task.fitness, block.members[0].job.generation
    if not isinstance(reward, CompiledReward):
        raise TypeError(f"fitness must be a compiled task; got {type(reward).__name__}")
    streams = task.streams(Purpose.VALIDATION_EPISODES, number, task.episodes.episodes)
    rows = play_networks(block.networks, block.rules, reward.task, streams)
    return [
        partial(lambda own: task.judgement(played(reward, own, int(own[:, 1].sum()))), own)
        for own in rows
    ]


def _finished(
    task: Task, one: _Modified, judge: _Judge, sizes: Sizes, seconds: tuple[float, float]
) -> Individual:
    """Return the individual that a judgement makes; an error of the fitness is its status and reason."""
    job, genome, operations = one.job, one.genome, one.operations
    try:
        with spending("describe"):
            statistics = _described(task, genome, sizes)
        state = _zero_state(task, genome)
        if job.continued_parent is not None:
            carried = None if job.optimizer_state is None else state
            network = Phenotype(genome, task.loss)
            if duplicates_parent(task, job, network, carried, operations):
                return duplicate_individual(job, genome, operations, statistics, seconds[0])
        with spending("evaluate"), np.errstate(all="ignore"):
            judged = judge()
        return untrained_individual(job, genome, state, operations, statistics, judged, seconds)
    except BaseException as error:
        if is_interruption(error):
            raise
        failed = failed_individual(job, kind_and_text(error))
        return replace(failed, traceback=traceback_of(error), error_at=place_of(error))


def _described(task: Task, genome: Genome, sizes: Sizes) -> GenomeStatistics:
    if task.evolution.statistics == "all":
        return describe(genome, Phenotype(genome, task.loss))
    return describe_neurons(genome, sizes.n_computed, sizes.n_effective, sizes.n_active)


def _zero_state(task: Task, genome: Genome) -> OptimizerState:
    """Return the state of an optimizer that has made no step, over all entries and biases."""
    n_moments = OPTIMIZERS[task.recipe.optimizer].n_moments if isinstance(task, SampleTask) else 0
    shape = (n_moments, genome.n_stored + genome.n_nodes)
    return OptimizerState(np.zeros(shape, genome.values.dtype), 0)
