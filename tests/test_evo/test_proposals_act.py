"""Inert places are never proposed - or how often they are: what is proposed should change the network.

A proposal is ineffective if the child computes the same as its parent, with as many effective edges. Operators that
are meant to keep the function are left out. Rates are measured on random networks so small and sparse that much in
them is dead; what is known to be proposed in vain stands below as a ceiling per letter, with minimal examples, so
that a rise is noticed.

Two reasons explain nearly all of it: the effective graph stays the same, or - with several ticks - only edges that
are delayed change and the network has settled before its outputs are read.
"""

from dataclasses import replace

import numpy as np
import pytest

from evo import OPERATORS, Draft, FounderSettings, Genome, Phenotype, Role, found
from evo.activations import activation_code
from evo.operators import OperatorSettings, Proposing, apply_operation

N_TRIALS = 100
CEILINGS = {
    # Letter: highest share of ineffective proposals on founders, and on any matrix with any order of roles.
    "A": (0.45, 0.50),
    "B": (0.15, 0.30),
    "C": (0.25, 0.60),
    "D": (0.10, 0.55),
    "F": (0.20, 0.80),
    "H": (1.00, 0.80),
    "N": (0.25, 0.50),
    "I": (0.25, 0.75),
    "R": (0.15, 0.85),
    "S": (0.20, 0.60),
}
NEARLY_NEVER = (0.05, 0.05)
"""What is asked of every letter not listed."""

X = np.random.default_rng(99).normal(size=(16, 3))


def founder(rng, ticks):
    settings = FounderSettings(
        hidden=int(rng.integers(1, 8)), density=float(rng.uniform(0.15, 0.8)), ticks=ticks
    )
    genome = found(settings, 3, 2, n_founders=1, seed=int(rng.integers(1 << 30)))[0]
    return replace(genome, values=genome.values.astype(float), bias=rng.normal(size=genome.n_nodes))


def any_matrix(rng, ticks):
    """Return a genome with cycles, self-loops, dormant entries and nodes that hear or reach nothing."""
    n = int(rng.integers(6, 11))
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < rng.uniform(0.1, 0.6))
    genome = Genome.from_matrix(
        matrix, n_inputs=3, n_outputs=2, ticks=ticks, bias=rng.normal(size=n)
    )
    smooth = [activation_code("sigmoid"), activation_code("tanh")]
    return replace(
        genome,
        roles=rng.permutation(genome.roles),
        ids=rng.permutation(n),
        activations=rng.choice(smooth, n).astype(np.uint8),
        limit=[None, 0.3, 0.8][rng.integers(3)],
        threshold_mode=["magnitude", "signed"][rng.integers(2)],
    )


def effective_graph(genome):
    """Return effective edges by ids, weights and delays, and the biases of the nodes they need."""
    plan = Phenotype(genome, "squared_error").plan
    column = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))[plan.entries]
    row = genome.indices[plan.entries]
    delayed = (row >= column) & (genome.roles[row] != Role.INPUT)
    ends = genome.ids[row], genome.ids[column]
    edges = zip(*ends, genome.values[plan.entries], delayed, strict=True)
    biases = zip(genome.ids[plan.positions], genome.bias[plan.positions], strict=True)
    return sorted(edges), sorted(biases)


def same_network(parent, child):
    """Tell whether two networks compute the same, with as many nodes and effective edges."""
    before, after = Phenotype(parent, "squared_error"), Phenotype(child, "squared_error")
    if (parent.n_nodes, before.n_edges) != (child.n_nodes, after.n_edges):
        return False
    return np.allclose(before.output(X), after.output(X), rtol=1e-9, atol=1e-11)


def propose(code, genome, rng):
    draft = Draft(genome)
    return draft, OPERATORS[code].propose(draft, Proposing(rng, OperatorSettings()))


def child_of(genome, code, **parameters):
    draft = Draft(genome)
    apply_operation(draft, code, parameters)
    return draft.freeze()


@pytest.mark.parametrize("ticks", [1, 2, 3])
@pytest.mark.parametrize(("kind", "make"), list(enumerate([founder, any_matrix])))
@pytest.mark.parametrize("code", [code for code, one in OPERATORS.items() if not one.preserves])
def test_ineffective_proposals_do_not_become_more(code, kind, make, ticks):
    proposed = ineffective = 0
    for seed in range(N_TRIALS):
        rng = np.random.default_rng([seed, ticks])
        genome = make(rng, ticks)
        draft, parameters = propose(code, genome, rng)
        if parameters is None:
            continue
        proposed += 1
        apply_operation(draft, code, parameters)
        child = draft.freeze()
        same_graph = effective_graph(genome) == effective_graph(child)
        in_vain = same_graph or same_network(genome, child)
        ineffective += in_vain
    assert proposed > 0.5 * N_TRIALS
    ceiling = CEILINGS.get(code, NEARLY_NEVER)[kind]
    assert ineffective <= ceiling * proposed, f"{code}: {ineffective} of {proposed} change nothing"


def genome_of(edges, n_inputs, n, **changes):
    matrix = np.zeros((n, n))
    for (source, target), weight in edges.items():
        matrix[source, target] = weight
    return Genome.from_matrix(matrix, n_inputs=n_inputs, n_outputs=1, **changes)


IN_VAIN = {
    # Node 1 is moved behind node 2, which hears it. Now it hears it a tick late, when nothing changes any more.
    "H: a settled network": (
        genome_of({(0, 1): 0.5, (1, 2): 0.7, (2, 3): 0.9}, 1, 4, ticks=2),
        "H",
        {"node": 1, "destination": 2},
    ),
    # Node 1 passes node 2, which speaks to nobody.
    "H: past a dead end": (
        genome_of({(0, 1): 0.5, (1, 2): 0.7, (1, 3): 0.9}, 1, 4),
        "H",
        {"node": 1, "destination": 2},
    ),
    # Both rows have their one entry in the same column: scaled back to its length, the sum is the old row.
    "F: parallel rows, renormalised": (
        genome_of({(0, 2): 0.5, (1, 2): 1.0}, 2, 3),
        "F",
        {"source": 0, "target": 1, "factor": 0.5, "scale": 1.0 / 1.25},
    ),
    # Node 1 shall hear what the output hears: itself. That is a tick late, and there is but one.
    "C: delayed edges with one tick": (
        genome_of({(1, 2): 0.5}, 1, 3, activation="sigmoid"),
        "C",
        {"source": 2, "target": 1, "factor": 0.5, "scale": 1.0},
    ),
    "C: to a node that speaks to nobody": (
        genome_of({(0, 1): 0.4, (0, 3): 0.5}, 1, 4),
        "C",
        {"source": 1, "target": 2, "factor": 0.5, "scale": 1.0},
    ),
    "F: to a node after the listeners, with one tick": (
        genome_of({(0, 1): 0.5, (1, 3): 0.6}, 1, 4),
        "F",
        {"source": 0, "target": 2, "factor": 0.5, "scale": 1.0},
    ),
    "B: two nodes that speak to nobody": (
        genome_of({(0, 1): 0.4, (0, 3): 0.5}, 1, 4),
        "B",
        {"a": 1, "b": 2},
    ),
    "D: two rows whose listeners speak to nobody": (
        genome_of({(0, 3): 0.5, (1, 2): 0.3}, 1, 4),
        "D",
        {"a": 1, "b": 2},
    ),
    "A: a limit below every weight": (
        genome_of({(0, 1): 0.5}, 1, 2),
        "A",
        {"limit": 0.1, "drop": True},
    ),
    "A: what falls asleep led nowhere": (
        genome_of({(0, 1): 0.1, (0, 2): 0.5}, 1, 3),
        "A",
        {"limit": 0.2, "drop": False},
    ),
    "N: an edge to a node that speaks to nobody": (
        genome_of({(0, 2): 0.5}, 1, 3),
        "N",
        {"sources": [0], "targets": [1], "values": [0.7]},
    ),
}
"""The smallest examples of what the proposals should leave out: parent, letter, parameters."""


@pytest.mark.parametrize("why", IN_VAIN)
def test_these_change_nothing_and_so_should_not_be_proposed(why):
    genome, code, parameters = IN_VAIN[why]
    child = child_of(genome, code, **parameters)
    inputs = np.random.default_rng(0).normal(size=(8, len(genome.inputs)))
    before, after = (Phenotype(one, "squared_error") for one in (genome, child))
    assert before.n_edges == after.n_edges
    np.testing.assert_allclose(after.output(inputs), before.output(inputs), rtol=1e-12)
    # Where the effective graph is another, outputs alone can tell.
    settled = why == "H: a settled network"
    assert (effective_graph(genome) == effective_graph(child)) != settled
