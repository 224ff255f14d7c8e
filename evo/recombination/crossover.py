"""Operator Y: the crossover of two wirings, as in NEAT (Stanley and Miikkulainen 2002).

::

    parent   a ──1──► b ──2──► c           child with the wiring of the mate
    mate     a ──3──► b        c           a ──1 or 3──► b
             a ──4───────────► c           a ──4──────────────► c

Entries that both have are *homologous*: the child takes the weight of either, at random. All others (disjoint and
excess genes) are those of one of the two, the fitter one: the child has its edges and nodes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evo.editing.editor import GenomeEditor
from evo.genome.genome import Genome
from evo.recombination.alignment import NONE, Alignment, Ints, align, taps_of
from evo.recombination.mates import Context, fitting_mates, genomes_of

Parameters = dict[str, Any]

WIRINGS = ("parent", "mate")


def propose_crossover(editor: GenomeEditor, context: Context) -> Parameters | None:
    """Choose one of the mates, and the wiring of the fitter one if the density allows it."""
    mates = fitting_mates(editor, context)
    if not mates:
        return None
    mate = mates[int(context.rng.integers(len(mates)))]
    most = max(
        int(context.settings.max_density * GenomeEditor(mate.genome).n_places), editor.n_stored
    )
    takes_wiring = mate.is_fitter and mate.genome.n_stored <= most
    return {
        "mates": [mate.individual],
        "wiring": "mate" if takes_wiring else "parent",
        "seed": int(context.rng.integers(2**63)),
    }


def apply_crossover(editor: GenomeEditor, parameters: Mapping[str, Any]) -> None:
    """Take weights of a mate at random and, if it is the fitter one, its wiring.

    Each weight and bias that both have is the mate's with probability 1/2; the draws follow from ``seed``. With
    ``wiring = "mate"`` entries and hidden nodes that only the parent has are removed, and those that only the mate has
    are taken along, with their weights, biases, activations and thresholds. Such a node comes right behind the node
    that it follows in the mate. All other nodes keep their order, activation and threshold. Dormant entries are
    entries.

    Raises
    ------
    ValueError
        If the mate is not given or does not fit, there are several, or there is no such wiring.
    """
    if len(parameters["mates"]) != 1:
        raise ValueError(f"mates must be one; got {len(parameters['mates'])}")
    if parameters["wiring"] not in WIRINGS:
        raise ValueError(f"wiring must be of {', '.join(WIRINGS)}; got {parameters['wiring']!r}")
    (mate,) = genomes_of(editor, parameters["mates"])
    genome = editor.freeze()
    common = align(genome, mate)
    rng = np.random.default_rng(parameters["seed"])
    of_entry, of_node = rng.random(len(common.mine)) < 0.5, rng.random(mate.n_nodes) < 0.5

    mine, theirs = common.mine[of_entry], common.theirs[of_entry]
    differs = genome.values[mine] != mate.values[theirs]
    mine, theirs = mine[differs], theirs[differs]
    rows = editor.join(genome.indices, taps_of(genome))
    if len(mine):
        editor.assign(rows[mine], genome.targets[mine], mate.values[theirs])
    known = np.flatnonzero(of_node & (common.nodes != NONE))
    known = known[genome.bias[common.nodes[known]] != mate.bias[known]]
    if len(known):
        editor.set_bias(common.nodes[known], mate.bias[known])
    if parameters["wiring"] == "mate":
        _take_wiring(editor, genome, mate, common)


def _take_wiring(editor: GenomeEditor, genome: Genome, mate: Genome, common: Alignment) -> None:
    """Remove what only a genome has, and take along what only its mate has."""
    own = np.ones(genome.n_stored, np.bool_)
    own[common.mine] = False
    if own.any():
        rows = editor.join(genome.indices, taps_of(genome))
        editor.remove_entries(rows[own], genome.targets[own])
    nodes = _take_nodes(editor, genome, mate, common)
    new = np.ones(mate.n_stored, np.bool_)
    new[common.theirs] = False
    if new.any():
        rows = editor.join(nodes[mate.indices], taps_of(mate))
        editor.assign(rows[new], nodes[mate.targets[new]], mate.values[new])


def _take_nodes(editor: GenomeEditor, genome: Genome, mate: Genome, common: Alignment) -> Ints:
    """Replace the nodes that only a genome has by those that only its mate has; return the index of each node of it."""
    kept = np.zeros(genome.n_nodes, np.bool_)
    kept[common.nodes[common.nodes != NONE]] = True
    for node in np.flatnonzero(~kept)[::-1].tolist():
        editor.remove_node(node)
    nodes = np.where(common.nodes == NONE, NONE, (np.cumsum(kept) - 1)[common.nodes])
    threshold = mate.threshold
    thresholds = np.broadcast_to(0.0 if threshold is None else threshold, mate.n_nodes)
    for node in np.flatnonzero(nodes == NONE).tolist():
        place = int(nodes[node - 1]) + 1 if node else 0
        nodes[nodes >= place] += 1
        nodes[node] = place
        editor.add_node(
            place,
            activation=int(mate.activations[node]),
            bias=float(mate.bias[node]),
            threshold=float(thresholds[node]),
            map_size=int(mate.map_sizes[node]),
            node_id=int(mate.ids[node]),
        )
    return nodes
