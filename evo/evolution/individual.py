"""One individual: modify, train, evaluate - the unit of work of a worker.

The input is a :class:`evo.evolution.job.Job`, the output an :class:`Individual`. A worker also needs the
:class:`evo.evolution.job.Task`, which is the same for a whole run and is sent to each worker once. The result depends
on the task and the job alone.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from cnn.checks import brief
from cnn.training.budget import Bound
from cnn.training.curve import LearningCurve
from cnn.training.trainer import OptimizerState
from evo.editing.editor import GenomeEditor
from evo.evolution.duplicates import duplicates_training, same_parameters
from evo.evolution.failures import kind_and_text, one_line, place_of, traceback_of
from evo.evolution.job import Job, Judgement, Phase, Task
from evo.evolution.metrics import as_number
from evo.evolution.statistics import GenomeStatistics, describe, describe_sizes
from evo.genome.genome import FloatArray, Genome
from evo.initial.fresh import with_fresh_weights
from evo.interruption import is_interruption
from evo.operators.operation import Operation, ProposalContext
from evo.operators.registry import RECOMBINATIONS, apply_operation
from evo.phenotype.phenotype import Phenotype
from evo.policies.layerwise import keep_n_active
from evo.policies.policies import POLICIES, freeze_topology
from evo.rewards import EpisodeError
from evo.seeding import Purpose, generator
from evo.time_account import spending

Status = Literal["ok", "diverged", "failed", "duplicate"]


@dataclass(frozen=True, eq=False)
class Individual:
    """A trained and evaluated individual, or the record of why it has no result.

    Attributes
    ----------
    job : Job
        The job that it comes from.
    status : {"ok", "diverged", "failed", "duplicate"}
        A status other than ``"ok"`` has a `reason` and no fitness. A ``"duplicate"`` was not trained, because its
        training would duplicate the training of ``job.continued_parent``; :func:`reuse_result` gives it a result.
    genome : Genome
        The trained genome; of a failed individual the parent's genome, of a duplicate the modified genome.
    optimizer_state : OptimizerState or None
        The state after training, in the order of :attr:`Job.optimizer_state`.
    operations : tuple of Operation
        The operations of the modify phase, in order.
    statistics : GenomeStatistics or None
        The statistics of the network that was trained.
    fitness, train_loss, validation_loss, validation_accuracy : float or None
    curve : LearningCurve or None
    steps : int
        Gradient steps of its own train phase.
    ended_by : str or None
        The limit that ended the train phase; None without a train phase.
    modify_seconds, train_seconds, evaluate_seconds : float
        Wall time of the three phases.
    ancestry_steps : int
        Gradient steps behind its genome, along its ancestry; its own steps count if its status is ok.
    ancestry_seconds : float
        Seconds of training behind its genome, counted alike.
    reused_from : Individual or None
        The individual whose training result was reused; no steps or seconds are charged. None in a population that was
        selected in an earlier generation.
    metrics : mapping
        The metrics of the task on the validation samples, by name; None where one is not defined, empty without a
        result.
    traceback : str
        The traceback of the error behind the status ``"failed"``, for the log of the driver.
    error_at : str
        File, line and function in which that error came up: the last ones that belong to no installed package.
    arrival : int or None
        In the asynchronous mode its place in the order in which the individuals of the search arrived, from 0.
    training_macs : int
        Multiply-accumulates of the forward passes of its own train phase, for every entry that was computed: active
        ones, and dormant ones that learn.
    cpu_seconds : float
        CPU time of its three phases.
    ancestry_macs : int
        `training_macs` behind its weights: along its ancestry, or since weights were drawn anew; its own count if its
        status is ok.
    ancestry_cpu_seconds : float
        CPU time behind its weights, counted alike.
    episodes, environment_steps : int or None
        Episodes that it played, in its train phase and when it was judged, and environment steps in them; None where
        samples train and judge.
    """

    job: Job
    status: Status
    reason: str
    genome: Genome
    optimizer_state: OptimizerState | None
    operations: tuple[Operation, ...]
    statistics: GenomeStatistics | None
    fitness: float | None
    train_loss: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    curve: LearningCurve | None
    steps: int
    modify_seconds: float
    train_seconds: float
    evaluate_seconds: float
    ancestry_steps: int
    ancestry_seconds: float
    reused_from: "Individual | None" = None
    ended_by: Bound | None = None
    traceback: str = ""
    error_at: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    arrival: int | None = None
    training_macs: int = 0
    cpu_seconds: float = 0.0
    ancestry_macs: int = 0
    ancestry_cpu_seconds: float = 0.0
    episodes: int | None = None
    environment_steps: int | None = None

    def released(self) -> "Individual":
        """Return the individual as a parent: without the parameters of its own parents, and without what it reused."""
        job = replace(self.job, genome=self.genome, optimizer_state=self.optimizer_state, mates=())
        return replace(self, job=job, reused_from=None)


def evaluate_individual(
    task: Task, job: Job, recorded: Sequence[Operation] | None = None
) -> Individual:
    """Modify, train and evaluate one individual.

    Parameters
    ----------
    task : Task
    job : Job
    recorded : sequence of Operation, optional
        Operations to apply instead of those that ``job.modification`` asks for: the individual is rebuilt.

    Returns
    -------
    Individual

    Notes
    -----
    Whatever an operator, training or a custom fitness raises becomes the status and reason of this one individual: an
    exit by ``sys.exit`` too, and a ``KeyboardInterrupt`` of its own. The error does not affect other individuals.
    Executors log its traceback. Only an interruption from outside is raised (:mod:`evo.interruption`).
    """
    started = time.thread_time()
    if task.evolution.draws_weights_anew(job.generation):
        costs: dict[str, Any] = {"ancestry_macs": 0, "ancestry_seconds": 0.0}
        job = replace(job, optimizer_state=None, ancestry_cpu_seconds=0.0, **costs)
    try:
        individual = _modify_train_evaluate(task, job, recorded)
    except (
        BaseException
    ) as error:  # a simulator in a fitness may raise anything, and end by sys.exit
        if is_interruption(error):
            raise
        individual = _raised(job, error)
    seconds = time.thread_time() - started
    behind = job.ancestry_cpu_seconds + (seconds if individual.status == "ok" else 0.0)
    return replace(individual, cpu_seconds=seconds, ancestry_cpu_seconds=behind)


def _raised(job: Job, error: BaseException) -> Individual:
    """Return the individual of a job that raised an error; it is charged the episodes that it began."""
    told: dict[str, Any] = {}
    if isinstance(error, EpisodeError):
        told = {"episodes": error.episodes, "environment_steps": error.steps}
        error = error.cause
    failed = failed_individual(job, kind_and_text(error))
    return replace(failed, traceback=traceback_of(error), error_at=place_of(error), **told)


def failed_individual(job: Job, reason: str) -> Individual:
    """Return the individual of a job that could not be evaluated."""
    return _without_result(job, "failed", reason)


def _modify_train_evaluate(
    task: Task, job: Job, recorded: Sequence[Operation] | None
) -> Individual:
    started = time.perf_counter()
    genome, carried, operations = modify(task, job, recorded)
    modified = time.perf_counter()

    settings = task.evolution
    network = Phenotype(genome, task.loss, dormant=settings.dormant)
    if duplicates_parent(task, job, network, carried, operations):
        statistics = _described(task, genome, network)
        return duplicate_individual(job, genome, operations, statistics, modified - started)
    with spending("train"):
        state = None if carried is None else _of_parameters(network, carried)
        phase = task.train_network(network, job, state)
    report, trained = phase.report, time.perf_counter()
    if report.status != "ok":
        statistics = _described(task, genome, network)
        ended = report.status, report.reason
        return _without_result(job, *ended, operations, statistics, phase, network.macs)

    trained_genome, judged = _after_training(task, genome, network)
    # If dormant entries learn, training itself has changed the active entries.
    trained_or_not = (trained_genome, judged) if network.dormant_learn else (genome, network)
    statistics = _described(task, *trained_or_not)
    judgement, reason = _judge(task, judged, job.generation, phase)
    if reason:
        failed = _without_result(job, "failed", reason, operations, statistics, phase, network.macs)
        return replace(failed, **_costs_in(judgement))
    return Individual(
        job=job,
        status="ok",
        reason="",
        genome=trained_genome,
        optimizer_state=_moved(report.state, network.spread, trained_genome),
        operations=operations,
        statistics=statistics,
        train_loss=report.train_loss,
        curve=report.curve,
        steps=report.steps,
        ended_by=report.ended_by,
        modify_seconds=modified - started,
        train_seconds=report.seconds,
        evaluate_seconds=time.perf_counter() - trained,
        ancestry_steps=job.first_step + report.steps,
        ancestry_seconds=job.ancestry_seconds + report.seconds,
        training_macs=report.samples * network.macs,
        ancestry_macs=job.ancestry_macs + report.samples * network.macs,
        **judgement,
    )


def _costs_in(judgement: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a judgement that say what was played; none where samples judge."""
    names = ("episodes", "environment_steps")
    return {name: judgement[name] for name in names if name in judgement}


def untrained_individual(
    job: Job,
    genome: Genome,
    state: OptimizerState,
    operations: tuple[Operation, ...],
    statistics: GenomeStatistics,
    judged: Judgement,
    seconds: tuple[float, float],
) -> Individual:
    """Return an individual that was modified and judged elsewhere, and that has no train phase.

    Parameters
    ----------
    job : Job
    genome : Genome
    state : OptimizerState
        In the order of :attr:`Job.optimizer_state`.
    operations : tuple of Operation
    statistics : GenomeStatistics
    judged : Judgement
    seconds : (float, float)
        Wall time of modifying and of judging.
    """
    judgement, reason = _fields_of(judged)
    if reason:
        failed = _without_result(job, "failed", reason, operations, statistics)
        return replace(failed, ended_by="steps", **_costs_in(judgement))
    return Individual(
        job=job,
        status="ok",
        reason="",
        genome=genome,
        optimizer_state=state,
        operations=operations,
        statistics=statistics,
        train_loss=None,
        curve=None,
        steps=0,
        ended_by="steps",
        modify_seconds=seconds[0],
        train_seconds=0.0,
        evaluate_seconds=seconds[1],
        ancestry_steps=job.first_step,
        ancestry_seconds=job.ancestry_seconds,
        ancestry_macs=job.ancestry_macs,
        **judgement,
    )


def _described(task: Task, genome: Genome, network: Phenotype) -> GenomeStatistics:
    """Return the statistics that the task asks for, of the entries of a genome that are active now."""
    active_network = Phenotype(genome, task.loss) if network.dormant_learn else network
    describe_genome = describe if task.evolution.statistics == "all" else describe_sizes
    return describe_genome(genome, active_network)


def judge_again(task: Task, individual: Individual) -> Individual:
    """Return a trained individual with the fitness, loss, accuracy and metrics that a task now gives it.

    Raises
    ------
    ValueError
        If its fitness is no finite number.
    """
    network = Phenotype(individual.genome, task.loss)
    judgement, reason = _judge(task, network, individual.job.generation)
    if reason:
        raise ValueError(f"individual {individual.job.individual}: {reason}")
    return replace(individual, **judgement)


@spending("evaluate")
def _judge(
    task: Task, network: Phenotype, generation: int, phase: Phase | None = None
) -> tuple[dict[str, Any], str]:
    """Return the fields of an individual that judge its network; and the reason, if it has no fitness.

    The episodes of its train phase are counted with those that judge it.
    """
    of_phase = (phase.episodes, phase.environment_steps) if phase else (0, 0)
    try:
        judged = task.judge(network, generation)
    except EpisodeError as error:
        raise error.after(*of_phase) from error.cause
    return _fields_of(judged, of_phase)


def _fields_of(judged: Judgement, of_phase: tuple[int, int] = (0, 0)) -> tuple[dict[str, Any], str]:
    """Return the fields of an individual that a judgement gives; and the reason, if it has no fitness."""
    fitness = as_number(judged.returned)
    judgement = {
        "fitness": fitness,
        "validation_loss": judged.loss,
        "validation_accuracy": judged.accuracy,
        "metrics": judged.metrics,
    }
    if judged.episodes is not None and judged.environment_steps is not None:
        judgement["episodes"] = judged.episodes + of_phase[0]
        judgement["environment_steps"] = judged.environment_steps + of_phase[1]
    if fitness is None:
        returned = " ".join(brief(judged.returned).split())
        return judgement, f"fitness must return a number; got {returned}"
    return judgement, "" if np.isfinite(fitness) else f"fitness must be finite; got {fitness}"


def _after_training(task: Task, genome: Genome, network: Phenotype) -> tuple[Genome, Phenotype]:
    """Return the trained genome and its network: a weight that is now below the threshold is dormant."""
    trained = network.to_genome()
    if network.dormant_learn and task.evolution.active_edges == "kept":
        trained = keep_n_active(trained, genome, task.layers)
    if genome.threshold is None:
        return trained, network
    same_edges = np.array_equal(trained.active_mask(), genome.active_mask())
    if network.dormant_learn or not same_edges:
        return trained, Phenotype(trained, task.loss)
    if task.judges_function_alone:
        return trained, network
    return trained, Phenotype(trained, task.loss, network.plan)


def duplicate_individual(
    job: Job,
    genome: Genome,
    operations: tuple[Operation, ...],
    statistics: GenomeStatistics,
    seconds: float,
) -> Individual:
    """Return an individual whose training would duplicate that of its parent, modified in some seconds."""
    reason = f"its training would duplicate that of individual {job.continued_parent}"
    duplicate = _without_result(job, "duplicate", reason, operations, statistics)
    return replace(duplicate, genome=genome, modify_seconds=seconds)


def duplicates_parent(
    task: Task,
    job: Job,
    network: Phenotype,
    carried: OptimizerState | None,
    operations: tuple[Operation, ...],
) -> bool:
    """Return whether training a network would duplicate that of its parent; `carried` is its optimizer state."""
    if job.continued_parent is None or not task.judges_function_alone:
        return False
    if task.evolution.draws_weights_anew(job.generation):
        return False
    if task.evolution.dormant == "straight_through" and operations:  # dormant entries learn too
        return False
    ours, parents = (None if one is None else one.rows for one in (carried, job.optimizer_state))
    if not operations:
        return True
    return task.trains_function_alone and duplicates_training(network, ours, job.genome, parents)


def reuse_result(duplicate: Individual, trained: Individual) -> Individual:
    """Return a duplicate with the training result of its parent.

    Parameters
    ----------
    duplicate : Individual
        With the status ``"duplicate"``.
    trained : Individual
        The parent trained further: number ``duplicate.job.continued_parent``.

    Returns
    -------
    Individual
        The child with its own nodes and entries, and with the weights, biases, optimizer state, status and measures of
        `trained`. No steps or seconds of training are charged.
    """
    job, genome = duplicate.job, duplicate.genome
    if trained.status != "ok" or trained.optimizer_state is None:
        failed = _without_result(
            job, trained.status, trained.reason, duplicate.operations, duplicate.statistics
        )
        return replace(
            failed,
            modify_seconds=duplicate.modify_seconds,
            reused_from=trained,
            error_at=trained.error_at,
            arrival=duplicate.arrival,
        )
    own: dict[str, Any] = {
        "curve": None,
        "steps": 0,
        "ended_by": None,
        "modify_seconds": duplicate.modify_seconds,
        "train_seconds": 0.0,
        "evaluate_seconds": 0.0,
        "training_macs": 0,
        "episodes": None if trained.episodes is None else 0,
        "environment_steps": None if trained.episodes is None else 0,
        "cpu_seconds": duplicate.cpu_seconds,
        "reused_from": trained,
        "arrival": duplicate.arrival,
    }
    if not duplicate.operations:  # then dormant entries, which may have learned, are the same too
        return replace(trained, job=job, **own)
    state, places = trained.optimizer_state, same_parameters(genome, trained.job.genome)
    if places is None:
        raise ValueError(
            f"trained must be the individual that individual {job.individual} duplicates; "
            f"got {trained.job.individual}"
        )
    here, there = places
    numbers = np.concatenate([genome.values, genome.bias])
    numbers[here] = np.concatenate([trained.genome.values, trained.genome.bias])[there]
    moments = np.zeros((len(state.moments), len(numbers)), dtype=state.moments.dtype)
    moments[:, here] = state.moments[:, there]
    last_weights = None
    if state.last_weights is not None:
        last_weights = numbers.copy()
        last_weights[here] = state.last_weights[there]
    return replace(
        trained,
        job=job,
        genome=genome.with_values(numbers[: genome.n_stored], numbers[genome.n_stored :]),
        optimizer_state=OptimizerState(moments, state.step, last_weights),
        operations=duplicate.operations,
        statistics=duplicate.statistics,
        **own,
    )


def modify(
    task: Task, job: Job, recorded: Sequence[Operation] | None
) -> tuple[Genome, OptimizerState | None, tuple[Operation, ...]]:
    """Return the genome to train, its optimizer state and the operations applied, those of a record if there is one."""
    genome, state, operations = _operate(task, job, recorded)
    if task.evolution.draws_weights_anew(job.generation):
        rng = generator(task.seed, Purpose.WEIGHTS, job.generation, job.individual)
        genome = with_fresh_weights(genome, rng=rng)
    return genome, state, operations


@spending("modify")
def _operate(
    task: Task, job: Job, recorded: Sequence[Operation] | None
) -> tuple[Genome, OptimizerState | None, tuple[Operation, ...]]:
    """Return the modified genome, its optimizer state and the operations applied."""
    state = job.optimizer_state
    if job.modification == "none" and recorded is None:
        return job.genome, state, ()
    mates = {one.individual: one.genome for one in job.mates}
    editor = GenomeEditor(job.genome, origins=state is not None, mates=mates)
    if recorded is not None:
        operations = [apply_operation(editor, one.operator, one.parameters) for one in recorded]
    elif job.modification == "drop_dormant":
        operations = freeze_topology(editor)
    else:
        operations = _operations_of_policy(task, job, editor)
    if not operations:
        return job.genome, state, ()
    genome = editor.freeze()
    return genome, state and _moved(state, editor.carry, genome), tuple(operations)


def _moved(
    state: OptimizerState, move: Callable[[FloatArray], FloatArray], genome: Genome
) -> OptimizerState:
    """Move an optimizer state to the entries and biases of a genome; `move` moves rows.

    Where `move` puts 0, for a weight that is new, changed or not computed, the last weight is that in the genome.
    """
    moments, last = move(state.moments), state.last_weights
    if last is not None:
        moved, is_kept = move(np.stack([last, np.ones_like(last)]))
        last = np.where(is_kept == 1, moved, np.concatenate([genome.values, genome.bias]))
    return OptimizerState(moments, state.step, last)


def _of_parameters(network: Phenotype, state: OptimizerState) -> OptimizerState:
    """Return the optimizer state of the parameters of a network from that of all entries and biases of its genome."""
    last = state.last_weights
    picked = None if last is None else network.pick(last[None])[0]
    return OptimizerState(network.pick(state.moments), state.step, picked)


def _operations_of_policy(task: Task, job: Job, editor: GenomeEditor) -> list[Operation]:
    """Let recombination change an editor if there are mates, or else the policy; return the operations applied."""
    context = ProposalContext(
        rng=generator(task.seed, Purpose.MODIFY, job.generation, job.individual),
        settings=task.policy.operators,
        gradients_at=task.gradients_at(job),
        progress=job.progress,
        layers=task.layers,
        progress_after=min(job.generation / max(task.evolution.last_modified, 1), 1.0),
        dormant_learn=task.evolution.dormant == "straight_through",
        mates=job.mates,
        validation_loss=task.validation_loss(),
    )
    operator = RECOMBINATIONS.get(task.evolution.recombination.mode)
    if job.mates and operator is not None:
        parameters = operator.propose(editor, context)
        if parameters is not None:
            return [operator.carry_out(editor, parameters)]
    policy = task.policy
    if job.operator_probabilities:
        weights = dict(job.operator_probabilities)
        policy = policy.model_copy(update={"operator_weights": weights})
    operations = POLICIES[policy.name](editor, context, policy)
    returned: object = operations
    if not isinstance(returned, list) or not all(isinstance(one, Operation) for one in returned):
        raise TypeError(
            f"policy {policy.name!r} must return its operations in a list; got {operations!r}"
        )
    return operations


def _without_result(
    job: Job,
    status: Status,
    reason: str,
    operations: tuple[Operation, ...] = (),
    statistics: GenomeStatistics | None = None,
    phase: Phase | None = None,
    macs: int = 0,
) -> Individual:
    """Return an individual without a result; `macs` are those of the network that was trained, for one sample."""
    report = None if phase is None else phase.report
    return Individual(
        job=job,
        status=status,
        reason=one_line(reason),
        genome=job.genome,
        optimizer_state=job.optimizer_state,
        operations=operations,
        statistics=statistics,
        fitness=None,
        train_loss=None,
        validation_loss=None,
        validation_accuracy=None,
        curve=None if report is None else report.curve,
        steps=0 if report is None else report.steps,
        ended_by=None if report is None else report.ended_by,
        modify_seconds=0.0,
        train_seconds=0.0 if report is None else report.seconds,
        evaluate_seconds=0.0,
        ancestry_steps=job.first_step,
        ancestry_seconds=job.ancestry_seconds,
        training_macs=0 if report is None else report.samples * macs,
        ancestry_macs=job.ancestry_macs,
        ancestry_cpu_seconds=job.ancestry_cpu_seconds,
        episodes=(phase and phase.episodes) or None,
        environment_steps=(phase and phase.environment_steps) or None,
    )
