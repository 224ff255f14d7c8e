"""The loop: ask, evaluate, tell; one individual's modify, train and evaluate; selection, credit, statistics.

Where evaluations run is in :mod:`evo.executors`; what is stored of them is in :mod:`evo.storage`.
"""

from evo.evolution.credit import OperatorCredit, operator_probabilities
from evo.evolution.evolution import Evolution, EvolutionSettings, Generation
from evo.evolution.fitness import FITNESSES, Fitness
from evo.evolution.individual import Individual, evaluate_individual
from evo.evolution.job import Job, Task
from evo.evolution.selection import SELECTIONS, SelectionSettings

__all__ = [
    "FITNESSES",
    "SELECTIONS",
    "Evolution",
    "EvolutionSettings",
    "Fitness",
    "Generation",
    "Individual",
    "Job",
    "OperatorCredit",
    "SelectionSettings",
    "Task",
    "evaluate_individual",
    "operator_probabilities",
]
