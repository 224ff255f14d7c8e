"""Fitness: a number per trained network, always maximised.

A fitness is a function of the trained network and the validation samples. The registry holds the usual ones; a script
may pass any function of its own.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from cnn.samples import Samples
from cnn.training import evaluate
from evo.phenotype import Phenotype

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
