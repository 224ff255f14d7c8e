"""Recombination of relatives: averages of their weights, and crossovers of their wirings.

A genome is recombined with *mates*, other genomes of the run, which its editor holds by the number of their individual.
:mod:`evo.recombination.alignment` finds what two genomes have in common, by the ids of nodes. The operators V
(:mod:`evo.recombination.averaging`) and Y (:mod:`evo.recombination.crossover`) are entries of
:data:`evo.operators.registry.OPERATORS`, with records and replay like all others.
"""

from evo.recombination.alignment import Alignment, align
from evo.recombination.averaging import (
    apply_average,
    greedy_soup,
    propose_average,
    propose_soup,
)
from evo.recombination.crossover import apply_crossover, propose_crossover
from evo.recombination.mates import Mate, choose_mates, mates_of
from evo.recombination.settings import RecombinationSettings

__all__ = [
    "Alignment",
    "Mate",
    "RecombinationSettings",
    "align",
    "apply_average",
    "apply_crossover",
    "choose_mates",
    "greedy_soup",
    "mates_of",
    "propose_average",
    "propose_crossover",
    "propose_soup",
]
