"""How events read: fitness, quality and counts in words."""

from collections.abc import Mapping

from evo.evolution.fitness import FITNESSES, MetricFitness
from evo.evolution.job import Judge
from evo.evolution.metrics import METRICS
from experiments.analysis.deciding import is_fraction, title_of
from experiments.progress.events import BaselineTrained, EpochDone, GenerationDone
from experiments.settings.experiment import Experiment

USUAL_FITNESS = "negative_loss"
"""The fitness that is called just that."""


def fitness_title(experiment: Experiment, fitness: Judge) -> str:
    """Return what the fitness of a search is called: "fitness" if it is the usual one, or a function without a name."""
    name = experiment.evolution.fitness
    if experiment.task is not None:
        return "return"
    if FITNESSES[name] is not fitness or name == USUAL_FITNESS:
        return "fitness"
    if isinstance(fitness, MetricFitness):
        return fitness.title
    return METRICS[name].title if name in METRICS else name


def fitness_in_words(event: GenerationDone) -> str:
    """Return best and median fitness, such as "fitness -0.211 (median -0.247)"."""
    return f"{event.fitness} {event.best_fitness:.3g} (median {event.median_fitness:.3g})"


def quality(
    metric: str, loss: float | None, accuracy: float | None, metrics: Mapping[str, float | None]
) -> str:
    """Return a metric on the validation part as people read it.

    Examples
    --------
    >>> quality("accuracy", 0.21, 0.931, {}), quality("loss", 0.21, None, {})
    ('validation accuracy 93.1 %', 'validation loss 0.21')
    """
    value = {"loss": loss, "accuracy": accuracy, **metrics}.get(metric)
    title = f"validation {title_of(metric)}"
    if value is None:
        return f"{title} not defined"
    return f"{title} {100 * value:.1f} %" if is_fraction(metric) else f"{title} {value:.4g}"


def quality_of_best(event: GenerationDone) -> str:
    """Return the quality of the best individual."""
    best = event.best
    return quality(event.metric, best.validation_loss, best.validation_accuracy, best.metrics)


def generation_in_words(event: GenerationDone) -> str:
    """Return where a search stands."""
    return (
        f"seed {event.seed}, generation {event.generation.number}/{event.last}: "
        f"{fitness_in_words(event)}, {quality_of_best(event)}"
    )


def epoch_in_words(event: EpochDone) -> str:
    """Return where a baseline stands."""
    record = event.record
    metric = "loss" if record.validation_accuracy is None else "accuracy"
    validation = quality(metric, record.validation_loss, record.validation_accuracy, {})
    return (
        f"seed {event.seed}, {event.arm} {record.epoch}/{event.epochs}: loss {record.train_loss:.2g}, "
        f"{validation.removeprefix('validation ')}, {event.samples_per_second:,.0f}/s"
    )


def baseline_in_words(event: BaselineTrained) -> str:
    """Return the result of a baseline."""
    if event.status != "ok":
        return f"seed {event.seed}: {event.arm} {event.status}, {event.reason}"
    validation = quality(
        event.metric, event.validation_loss, event.validation_accuracy, event.metrics
    )
    return f"seed {event.seed}: {event.arm} trained, {validation}"


def size_in_words(name: str, workers: int | None, expected: int) -> str:
    """Return what begins: its name, its size, and where it runs."""
    where = "in this process" if workers == 0 else "on every core through Ray"
    if workers:
        where = f"on {workers} Ray worker{'s' if workers > 1 else ''}"
    return f"{name}: about {expected} networks to train, {where}"


def training_in_words(name: str, networks: int, epochs: int) -> str:
    """Return how many baselines are trained, and for how long."""
    fixed = f"{networks} network{'s' if networks > 1 else ''}"
    each = f"{epochs} epoch{'s' if epochs > 1 else ''}{' each' if networks > 1 else ''}"
    return f"{name}: {fixed} to train for {each}, in this process"
