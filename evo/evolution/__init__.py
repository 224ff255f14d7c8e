"""The loop: ask, evaluate, tell. One individual is modified, trained and evaluated; then selection, credit, statistics.

:mod:`evo.executors` runs the evaluations, :mod:`evo.storage` stores the results.
"""

from evo.evolution.asynchronous import AsynchronousEvolution, AsynchronousState
from evo.evolution.credit import OperatorCredit, operator_probabilities
from evo.evolution.evolution import Evolution, EvolutionState, Generation
from evo.evolution.fitness import FITNESSES, Fitness, adapt_fitness
from evo.evolution.individual import Individual, evaluate_individual
from evo.evolution.job import Job, Task
from evo.evolution.metrics import METRICS, Metric
from evo.evolution.settings import EvolutionSettings
from evo.evolution.tasks import EpisodeTask, SampleTask

__all__ = [
    "FITNESSES",
    "METRICS",
    "AsynchronousEvolution",
    "AsynchronousState",
    "EpisodeTask",
    "Evolution",
    "EvolutionSettings",
    "EvolutionState",
    "Fitness",
    "Generation",
    "Individual",
    "Job",
    "Metric",
    "OperatorCredit",
    "SampleTask",
    "Task",
    "adapt_fitness",
    "evaluate_individual",
    "operator_probabilities",
]
