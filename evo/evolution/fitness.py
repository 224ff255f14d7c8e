"""Fitness: one number per trained network, always maximised.

A fitness is a function of (network, validation) or of (network, validation, evaluation): the trained network, the
validation samples, and the loss, accuracy and predictions of the network on these samples, which were computed already.
Each metric of :mod:`evo.evolution.metrics` is a fitness too.

In regression the validation samples are :class:`evo.preparation.ScaledSamples`: their `targets`, the loss and the
predictions are scaled. ``validation.truth`` and ``validation.in_units(evaluation.output)`` have the units of the data.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from cnn.training.samples import Samples
from cnn.training.trainer import Evaluation
from evo.evolution.metrics import METRICS, Metric, truth_and_output
from evo.phenotype.phenotype import Phenotype
from evo.registry import Registry


class Fitness(Protocol):
    """A fitness as the loop calls it."""

    def __call__(
        self, network: Phenotype, validation: Samples, /, *, evaluation: Evaluation
    ) -> float:
        """Return the fitness of a trained network."""


def negative_loss(network: Phenotype, validation: Samples, evaluation: Evaluation) -> float:
    """Return minus the mean validation loss: finer than accuracy, and defined for regression too."""
    return -evaluation.loss


def accuracy(network: Phenotype, validation: Samples, evaluation: Evaluation) -> float:
    """Return the fraction of validation samples that are classified correctly.

    Raises
    ------
    ValueError
        In regression.
    """
    if evaluation.accuracy is None:
        raise ValueError("fitness 'accuracy' needs classes; use 'negative_loss' for regression")
    return evaluation.accuracy


@dataclass(frozen=True)
class MetricFitness:
    """A metric as a fitness: its value on the validation samples, negated if smaller is better."""

    metric: Metric

    @property
    def title(self) -> str:
        """The fitness in words."""
        return self.metric.title if self.metric.larger_is_better else f"minus {self.metric.title}"

    def __call__(
        self, network: Phenotype, validation: Samples, /, *, evaluation: Evaluation
    ) -> float:
        """Return the fitness; ValueError if the metric is not defined on these samples or predictions."""
        value = self.metric.value(*truth_and_output(validation, evaluation))
        if value is None:
            raise ValueError(f"fitness {self.metric.name!r} is not defined on these predictions")
        return self.metric.direction * value


@dataclass(frozen=True)
class _WithoutEvaluation:
    """A fitness of (network, validation)."""

    function: Callable[..., float]

    def __call__(
        self, network: Phenotype, validation: Samples, /, *, evaluation: Evaluation
    ) -> float:
        return self.function(network, validation)


def adapt_fitness(function: Callable[..., float]) -> Fitness:
    """Return a user's function as a :class:`Fitness`.

    Parameters
    ----------
    function : callable
        Of (network, validation), or with a further parameter named ``evaluation``.

    Raises
    ------
    TypeError
        If the function cannot be called with these arguments.
    """
    rule = (
        "fitness must be a function of (network, validation) or (network, validation, evaluation)"
    )
    if not callable(function):
        raise TypeError(f"{rule}; got {function!r}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C have none
        return _WithoutEvaluation(function)
    takes_evaluation = "evaluation" in signature.parameters
    try:
        signature.bind(None, None, **({"evaluation": None} if takes_evaluation else {}))
    except TypeError as error:
        raise TypeError(f"{rule}; got {signature}") from error
    return function if takes_evaluation else _WithoutEvaluation(function)


def _converted(name: str, given: Any) -> Fitness:
    try:
        return adapt_fitness(given)
    except TypeError as error:
        raise TypeError(f"fitness {name!r}: {error}") from None


FITNESSES: Registry[Fitness] = Registry("fitness", convert=_converted)
"""The fitnesses by name."""

_OF_METRICS = {name: MetricFitness(one) for name, one in METRICS.items() if name != "accuracy"}
FITNESSES.fill({"negative_loss": negative_loss, "accuracy": accuracy, **_OF_METRICS})
METRICS.watch(lambda name, metric: FITNESSES.register(name, MetricFitness(metric), replace=True))
