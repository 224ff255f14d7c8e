"""Fitness: a number per trained network, always maximised.

A fitness is a function of the trained network and the validation samples. The registry holds the usual ones; a script
may pass any function of its own.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from cnn.training.samples import Samples
from cnn.training.trainer import Evaluation, evaluate
from evo.phenotype.phenotype import Phenotype

Fitness: TypeAlias = Callable[[Phenotype, Samples], float]


def negative_loss(network: Phenotype, validation: Samples) -> float:
    """Return minus the mean validation loss: finer than accuracy, and defined for regression too."""
    return -evaluate(network, validation).loss


def accuracy(network: Phenotype, validation: Samples) -> float:
    """Return the share of validation samples classified correctly.

    Raises
    ------
    ValueError
        In regression, where there is nothing to classify.
    """
    value = evaluate(network, validation).accuracy
    if value is None:
        raise ValueError("fitness 'accuracy' needs classes; use 'negative_loss' for regression")
    return value


FITNESSES: Mapping[str, Fitness] = {"negative_loss": negative_loss, "accuracy": accuracy}


def measure(
    fitness: Fitness, network: Phenotype, validation: Samples, evaluation: Evaluation
) -> float:
    """Return the fitness of a network that has been evaluated on the validation samples already.

    What `fitness` returns, without running the network once more where the evaluation tells it.
    """
    if fitness is negative_loss:
        return -evaluation.loss
    if fitness is accuracy and evaluation.accuracy is not None:
        return evaluation.accuracy
    return float(fitness(network, validation))
