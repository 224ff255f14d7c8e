"""What happens to one individual: modify, train, evaluate - the unit of work that a worker does.

A :class:`evo.evolution.job.Job` goes in, an :class:`Individual` comes out. Everything else it needs is in the
:class:`evo.evolution.job.Task`, which is the same for a whole run and travels to each worker once. The result depends
on the task and the job alone.
"""

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnn.training.budget import Bound
from cnn.training.curve import LearningCurve
from cnn.training.recipe import batch_indices
from cnn.training.trainer import OptimizerState, TrainingReport, evaluate, train
from evo.editing.editor import GenomeEditor
from evo.evolution.duplicates import duplicates_training, same_parameters
from evo.evolution.fitness import FITNESSES, measure
from evo.evolution.job import Job, Task
from evo.evolution.statistics import GenomeStatistics, describe
from evo.genome.genome import FloatArray, Genome
from evo.operators.elementary import GradientsAt, Operation, Proposing
from evo.phenotype.phenotype import Phenotype
from evo.policies.layerwise import keep_n_active
from evo.policies.policies import POLICIES, freeze_topology
from evo.seeding import Purpose, generator

Status = Literal["ok", "diverged", "failed", "repeated"]


@dataclass(frozen=True, eq=False)
class Individual:
    """A trained and evaluated individual, or the record of why there is none.

    Attributes
    ----------
    job : Job
        What it came from.
    status : {"ok", "diverged", "failed", "repeated"}
        Anything but ``"ok"`` comes with a `reason` and without fitness. One that is ``"repeated"`` was not trained,
        since that would repeat the training of ``job.continued_as``; :func:`reuse_result` gives it a status of its own.
    genome : Genome
        After training. Of a failed individual, the one it started from; of a repeated one, the modified.
    optimizer_state : OptimizerState or None
        After training, laid out like :attr:`Job.optimizer_state`.
    operations : tuple of Operation
        What the modify phase did, in order.
    statistics : GenomeStatistics or None
        Of the network that was trained.
    fitness, train_loss, validation_loss, validation_accuracy : float or None
    curve : LearningCurve or None
    steps : int
        Gradient steps of this individual's own train phase.
    ended_by : str or None
        Which bound ended that phase: steps, or one of the budget; None where there was none.
    modify_seconds, train_seconds, evaluate_seconds : float
        Wall time of the three phases.
    reused_from : Individual or None
        Whose training it took over, at no steps and seconds of its own.
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
    reused_from: "Individual | None" = None
    ended_by: Bound | None = None

    @property
    def ancestry_steps(self) -> int:
        """Gradient steps behind its genome: along its ancestry, and its own unless they came to nothing."""
        if self.reused_from is not None:
            return self.reused_from.ancestry_steps
        return self.job.first_step + (self.steps if self.status == "ok" else 0)

    @property
    def ancestry_seconds(self) -> float:
        """Seconds of training behind its genome, counted like :attr:`ancestry_steps`."""
        if self.reused_from is not None:
            return self.reused_from.ancestry_seconds
        return self.job.ancestry_seconds + (self.train_seconds if self.status == "ok" else 0.0)


def evaluate_individual(task: Task, job: Job) -> Individual:
    """Modify, train and evaluate one individual.

    An error of this one individual - in an operator, in training, in a custom fitness - ends as its status and
    reason, so that one bad network costs no result of the others.
    """
    try:
        return _modify_train_evaluate(task, job)
    except Exception as error:
        return _without_result(job, "failed", f"{type(error).__name__}: {error}")


def _modify_train_evaluate(task: Task, job: Job) -> Individual:
    started = time.perf_counter()
    genome, moments, operations = _modify(task, job)
    modified = time.perf_counter()

    network = Phenotype(genome, task.loss, dormant=task.dormant)
    acting = network.without_dormant()
    statistics = describe(genome, acting)
    if _duplicates_parent(task, job, acting, moments, operations):
        reason = f"its training would repeat that of individual {job.continued_as}"
        repeated = _without_result(job, "repeated", reason, operations, statistics)
        return replace(repeated, genome=genome, modify_seconds=modified - started)
    state = None
    if moments is not None and job.optimizer_state is not None:
        state = OptimizerState(network.pick(moments), job.optimizer_state.step)
    report = train(
        network,
        task.train,
        task.recipe,
        first_step=job.first_step,
        steps=task.steps,
        total_steps=task.total_steps,
        order_seed=task.order_seed,
        state=state,
        budget=task.budget,
        record_every=task.record_every,
    )
    trained = time.perf_counter()
    if report.status != "ok":
        return _without_result(job, report.status, report.reason, operations, statistics, report)

    # What is judged is what the genome says: a weight that training has taken below the threshold sleeps.
    trained_genome = network.to_genome()
    if network.dormant_learn and task.active_edges == "kept":
        trained_genome = keep_n_active(trained_genome, genome, task.layers)
    judged = network if genome.threshold is None else Phenotype(trained_genome, task.loss)
    if network.dormant_learn:  # then training itself decides on the edges
        statistics = describe(trained_genome, judged)
    validation = evaluate(judged, task.validation)
    fitness = measure(task.fitness, judged, task.validation, validation)
    if not np.isfinite(fitness):
        reason = f"fitness must be finite; got {fitness}"
        return _without_result(job, "failed", reason, operations, statistics, report)
    return Individual(
        job=job,
        status="ok",
        reason="",
        genome=trained_genome,
        optimizer_state=OptimizerState(network.spread(report.state.moments), report.state.step),
        operations=operations,
        statistics=statistics,
        fitness=fitness,
        train_loss=report.train_loss,
        validation_loss=validation.loss,
        validation_accuracy=validation.accuracy,
        curve=report.curve,
        steps=report.steps,
        ended_by=report.ended_by,
        modify_seconds=modified - started,
        train_seconds=trained - modified,
        evaluate_seconds=time.perf_counter() - trained,
    )


def _duplicates_parent(
    task: Task,
    job: Job,
    network: Phenotype,
    moments: FloatArray | None,
    operations: tuple[Operation, ...],
) -> bool:
    # A fitness of the user's own may look at more than what is computed: at names, order, or what sleeps.
    if job.continued_as is None or task.fitness not in FITNESSES.values():
        return False
    if task.dormant == "straight_through" and operations:  # what sleeps counts, and is not compared
        return False
    parent_moments = None if job.optimizer_state is None else job.optimizer_state.moments
    return not operations or duplicates_training(network, moments, job.genome, parent_moments)


def reuse_result(repeated: Individual, trained: Individual) -> Individual:
    """Give a child whose training would have repeated its parent's what became of the parent.

    Parameters
    ----------
    repeated : Individual
        With the status ``"repeated"``.
    trained : Individual
        The parent as it was trained on unmodified: number ``repeated.job.continued_as``.

    Returns
    -------
    Individual
        The child, with its own nodes and entries, and the weights, biases, optimiser's memory, status and figures of
        `trained`; it is charged neither steps nor seconds of training.
    """
    job, genome = repeated.job, repeated.genome
    if trained.status != "ok" or trained.optimizer_state is None:
        failed = _without_result(
            job, trained.status, trained.reason, repeated.operations, repeated.statistics
        )
        return replace(failed, modify_seconds=repeated.modify_seconds, reused_from=trained)
    own: dict[str, Any] = {
        "curve": None,
        "steps": 0,
        "ended_by": None,
        "modify_seconds": repeated.modify_seconds,
        "train_seconds": 0.0,
        "evaluate_seconds": 0.0,
        "reused_from": trained,
    }
    if not repeated.operations:  # it is its parent, and so is what sleeps and may have learnt
        return replace(trained, job=job, **own)
    places = same_parameters(genome, trained.job.genome)
    if places is None:
        raise ValueError(
            f"trained must be what individual {job.individual} repeats; got {trained.job.individual}"
        )
    here, there = places
    numbers = np.concatenate([genome.values, genome.bias])
    numbers[here] = np.concatenate([trained.genome.values, trained.genome.bias])[there]
    moments = np.zeros(
        (len(trained.optimizer_state.moments), len(numbers)),
        dtype=trained.optimizer_state.moments.dtype,
    )
    moments[:, here] = trained.optimizer_state.moments[:, there]
    return replace(
        trained,
        job=job,
        genome=genome.with_values(numbers[: genome.n_stored], numbers[genome.n_stored :]),
        optimizer_state=OptimizerState(moments, trained.optimizer_state.step),
        operations=repeated.operations,
        statistics=repeated.statistics,
        **own,
    )


def _modify(task: Task, job: Job) -> tuple[Genome, FloatArray | None, tuple[Operation, ...]]:
    """Return the modified genome, the optimiser's memory moved along, and what was done."""
    moments = None if job.optimizer_state is None else job.optimizer_state.moments
    if job.modification == "none":
        return job.genome, moments, ()
    editor = GenomeEditor(job.genome, origins=moments is not None)
    if job.modification == "freeze":
        operations = freeze_topology(editor)
    else:
        proposing = Proposing(
            rng=generator(task.seed, Purpose.MODIFY, job.generation, job.individual),
            settings=task.policy.operators,
            gradients_at=_gradients_on_next_batch(task, job),
            progress=job.progress,
            layers=task.layers,
        )
        policy = task.policy
        if job.letters:
            policy = policy.model_copy(update={"operator_weights": dict(job.letters)})
        operations = POLICIES[policy.name](editor, proposing, policy)
    return editor.freeze(), None if moments is None else editor.carry(moments), tuple(operations)


def _gradients_on_next_batch(task: Task, job: Job) -> GradientsAt:
    """Return the loss gradient at given places, on the training batches that come next."""

    def gradients_at(
        genome: Genome,
        sources: NDArray[np.intp],
        targets: NDArray[np.intp],
        taps: NDArray[np.intp] | None = None,
    ) -> FloatArray:
        n_batches = 4
        chosen = batch_indices(
            len(task.train), task.recipe.batch_size, job.first_step, n_batches, task.order_seed
        ).ravel()
        network = Phenotype(genome, task.loss)
        return network.gradients_at(
            sources, targets, task.train.inputs[chosen], task.train.targets[chosen], taps
        )

    return gradients_at


def _without_result(
    job: Job,
    status: Status,
    reason: str,
    operations: tuple[Operation, ...] = (),
    statistics: GenomeStatistics | None = None,
    report: TrainingReport | None = None,
) -> Individual:
    return Individual(
        job=job,
        status=status,
        reason=reason,
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
    )
