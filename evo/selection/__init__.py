"""Selection: which individuals get children, and which individuals survive.

A selection is two functions. `propose` requests offspring of the population, each for one slot. `select` fills the
slots from the evaluated offspring. All schemes train every survivor for equally many steps, so no individual wins
because it was trained longer; only the archive of `novelty` stays as it is while topologies change. Each scheme is a
module of its own; what they share is in :mod:`evo.selection.contract`.

In the asynchronous mode (:mod:`evo.evolution.asynchronous`) a selection requests one offspring at a time, of the
individuals that are known by then.
"""

from evo.selection.ageing import AGEING
from evo.selection.contract.descriptors import (
    DESCRIPTORS,
    Descriptor,
    check_names,
    named_descriptors,
)
from evo.selection.contract.requests import (
    Candidate,
    OffspringRequest,
    Vacancy,
    best_of_each_slot,
    continue_all,
    ranked,
)
from evo.selection.contract.settings import (
    OBJECTIVES,
    SELECTIONS,
    Selection,
    SelectionSettings,
    SingleSelection,
)
from evo.selection.local_search import LOCAL_SEARCH
from evo.selection.map_elites import MAP_ELITES
from evo.selection.mu_plus_lambda import MU_PLUS_LAMBDA
from evo.selection.novelty import NOVELTY
from evo.selection.nsga2 import NSGA2
from evo.selection.random_search import RANDOM_SEARCH
from evo.selection.speciation import SPECIATION
from evo.selection.successive_halving import SUCCESSIVE_HALVING
from evo.selection.tournament import TOURNAMENT

__all__ = [
    "DESCRIPTORS",
    "OBJECTIVES",
    "SELECTIONS",
    "Candidate",
    "Descriptor",
    "OffspringRequest",
    "Selection",
    "SelectionSettings",
    "SingleSelection",
    "Vacancy",
    "best_of_each_slot",
    "check_names",
    "continue_all",
    "named_descriptors",
    "ranked",
]

SELECTIONS.fill(
    {
        "local_search": LOCAL_SEARCH,
        "tournament": TOURNAMENT,
        "random_search": RANDOM_SEARCH,
        "mu_plus_lambda": MU_PLUS_LAMBDA,
        "ageing": AGEING,
        "nsga2": NSGA2,
        "successive_halving": SUCCESSIVE_HALVING,
        "map_elites": MAP_ELITES,
        "novelty": NOVELTY,
        "speciation": SPECIATION,
    }
)
