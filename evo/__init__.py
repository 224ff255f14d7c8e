"""Neural networks whose topology evolves: a network is a matrix, mutation is linear algebra on it.

Data goes one way: :class:`Genome` → operators (:mod:`evo.operators`, chosen by :mod:`evo.policies`) →
:class:`Phenotype` → trainer (:func:`cnn.train`) → fitness → tables (:mod:`evo.tables`).
"""

from evo.canonical import canonical_hash, same_network, unique_networks
from evo.credit import LetterCredit, letter_shares
from evo.draft import Draft
from evo.errors import DataError, EvoMatrixError, ResultsError, SettingsError
from evo.evolution import Evolution, EvolutionSettings, Generation
from evo.fitness import FITNESSES, Fitness
from evo.founders import FounderSettings, found
from evo.genome import Genome, Role
from evo.graph_files import (
    from_graphml,
    from_json,
    load_graph,
    save_graph,
    to_graphml,
    to_json,
)
from evo.individual import Individual, raise_individual
from evo.interop import from_networkx, to_networkx
from evo.job import Job, Task
from evo.neuroevolution import Birth, Neuroevolution, neuroevolve
from evo.neuroevolution_settings import NeuroevolutionSettings
from evo.operators import OPERATORS, Operation, Operator, replay
from evo.phenotype import Phenotype
from evo.plan import Plan, compile_plan
from evo.policies import POLICIES, PolicySettings
from evo.predictor import Predictor, load_network
from evo.preserving import duplicate_node, remove_ineffective, reorder_freely
from evo.selection import SELECTIONS, SelectionSettings
from evo.store import load_genomes

__all__ = [
    "FITNESSES",
    "OPERATORS",
    "POLICIES",
    "SELECTIONS",
    "Birth",
    "DataError",
    "Draft",
    "EvoMatrixError",
    "Evolution",
    "EvolutionSettings",
    "Fitness",
    "FounderSettings",
    "Generation",
    "Genome",
    "Individual",
    "Job",
    "LetterCredit",
    "Neuroevolution",
    "NeuroevolutionSettings",
    "Operation",
    "Operator",
    "Phenotype",
    "Plan",
    "PolicySettings",
    "Predictor",
    "ResultsError",
    "Role",
    "SelectionSettings",
    "SettingsError",
    "Task",
    "canonical_hash",
    "compile_plan",
    "duplicate_node",
    "found",
    "from_graphml",
    "from_json",
    "from_networkx",
    "letter_shares",
    "load_genomes",
    "load_graph",
    "load_network",
    "neuroevolve",
    "raise_individual",
    "remove_ineffective",
    "reorder_freely",
    "replay",
    "same_network",
    "save_graph",
    "to_graphml",
    "to_json",
    "to_networkx",
    "unique_networks",
]
