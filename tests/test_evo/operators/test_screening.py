"""Inert places are never proposed: on a small network, what is proposed changes what the network computes.

A proposal is inert if the child computes the same as its parent, with as many effective edges. Operators that are
meant to keep the function are left out of this; they must change the genome. Networks are drawn so small and sparse
that much in them is dead, with every kind of threshold. Two reasons explain nearly all that would be inert: the
effective graph stays the same, or - with several ticks - only edges that are delayed change and the network has settled
before its outputs are read.
"""

from dataclasses import replace

import numpy as np
import pytest
from effort import first_now, trials

from evo import OPERATORS, FounderSettings, Genome, GenomeEditor, Phenotype, Role, create_founders
from evo.canonical.hashing import output_hashes
from evo.genome.activations import activation_code
from evo.operators import free_places, screening
from evo.operators.operation import LARGEST_CHECKED, OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation

N_TRIALS = trials(16, 60)
MAKERS = pytest.mark.parametrize("make", ["founder", "any_matrix"])
CHANGING = [code for code, one in OPERATORS.items() if not one.preserves and code not in "MPKVY"]
"""M, P and K need maps, V and Y need mates."""

X = np.random.default_rng(99).normal(size=(16, 3))


def founder(rng, ticks):
    settings = FounderSettings(
        hidden=int(rng.integers(1, 8)), density=float(rng.uniform(0.15, 0.8)), ticks=ticks
    )
    genome = create_founders(settings, 3, 2, n_founders=1, seed=int(rng.integers(1 << 30)))[0]
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
        threshold=[None, 0.3, 0.8][rng.integers(3)],
        threshold_mode=["magnitude", "signed"][rng.integers(2)],
    )


def effective_graph(genome):
    """Return effective edges by ids, weights and delays, and biases and activations of the nodes they need."""
    plan = Phenotype(genome, "squared_error").plan
    column = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))[plan.entries]
    row = genome.indices[plan.entries]
    delayed = (row >= column) & (genome.roles[row] != Role.INPUT)
    ends = genome.ids[row], genome.ids[column]
    edges = zip(*ends, genome.values[plan.entries], delayed, strict=True)
    nodes = zip(
        *(of[plan.nodes] for of in (genome.ids, genome.bias, genome.activations)), strict=True
    )
    return sorted(edges), sorted(nodes)


def same_network(parent, child):
    """Tell whether two networks compute the same, with as many nodes and effective edges."""
    before, after = Phenotype(parent, "squared_error"), Phenotype(child, "squared_error")
    if (parent.n_nodes, before.n_edges) != (child.n_nodes, after.n_edges):
        return False
    samples = np.ascontiguousarray(X[:, : len(parent.inputs)])
    return np.allclose(before.output(samples), after.output(samples), rtol=1e-9, atol=1e-11)


def propose(code, genome, rng):
    editor = GenomeEditor(genome)
    return editor, OPERATORS[code].propose(editor, ProposalContext(rng, OperatorSettings()))


def changing(operator):
    return screening.screened(operator, screening.must_change_function)


def child_of(genome, code, **parameters):
    editor = GenomeEditor(genome)
    apply_operation(editor, code, parameters)
    return editor.freeze()


def children(code, kind, ticks):
    """Yield parents and children of what an operator proposes on random networks."""
    make = {"founder": founder, "any_matrix": any_matrix}[kind]
    for seed in range(N_TRIALS):
        rng = np.random.default_rng([seed, ticks])
        parent = make(rng, ticks)
        editor, parameters = propose(code, parent, rng)
        if parameters is not None:
            apply_operation(editor, code, parameters)
            yield parent, editor.freeze()


def is_inert(parent, child):
    return effective_graph(parent) == effective_graph(child) or same_network(parent, child)


@pytest.mark.parametrize("ticks", first_now([2, 1, 3]))
@MAKERS
@pytest.mark.parametrize("code", CHANGING)
def test_nothing_is_proposed_in_vain(code, make, ticks):
    inert = [is_inert(parent, child) for parent, child in children(code, make, ticks)]
    assert sum(inert) == 0
    # Without a cycle a network has settled after two ticks, whatever the order of one node.
    settled = code == "H" and make == "founder" and ticks > 1
    assert len(inert) == 0 if settled else len(inert) > trials(0.2, 0.3) * N_TRIALS


@pytest.mark.parametrize("ticks", first_now([2, 1, 3]))
@MAKERS
@pytest.mark.parametrize(
    "code", [code for code, one in OPERATORS.items() if one.preserves and code not in "JWG"]
)
def test_what_keeps_the_function_changes_the_genome(code, make, ticks):
    n_proposed = 0
    for parent, child in children(code, make, ticks):
        n_proposed += 1
        assert not child.equals(parent)
        assert (child.ids.size, child.n_stored) != (parent.ids.size, parent.n_stored) or not (
            np.array_equal(child.ids, parent.ids)
        )
        before, after = (Phenotype(one, "squared_error").output(X) for one in (parent, child))
        np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-11)
    assert n_proposed > 0


@pytest.fixture
def unchecked(monkeypatch):
    """Let every network count as a large one."""
    for module in (screening, free_places):
        monkeypatch.setattr(module, "LARGEST_CHECKED", -1)


@pytest.mark.parametrize("ticks", first_now([2, 1, 3]))
@MAKERS
def test_terms_tell_what_is_inert(make, ticks, unchecked):
    n_inert = 0
    for code in CHANGING:
        for parent, child in children(code, make, ticks):
            same_terms = np.array_equal(output_hashes(parent), output_hashes(child))
            if same_terms:
                assert is_inert(parent, child)
            elif is_inert(parent, child):  # but for the last bits
                before, after = (one.values for one in (parent, child))
                assert not np.array_equal(before, after)
                np.testing.assert_allclose(before, after, rtol=1e-14)
            n_inert += same_terms
    assert n_inert > 0.1 * N_TRIALS


def test_a_large_network_is_not_looked_at_as_a_whole(monkeypatch):
    genome = create_founders(FounderSettings(hidden=40, density=0.3), 60, 60, n_founders=1, seed=0)[
        0
    ]
    drawn = {code: propose(code, genome, np.random.default_rng(0))[1] for code in OPERATORS}
    assert genome.n_stored <= LARGEST_CHECKED

    def refuse(*_):
        raise AssertionError

    for module in (screening, free_places):
        monkeypatch.setattr(module, "LARGEST_CHECKED", genome.n_stored - 1)
    monkeypatch.setattr(screening, "output_hashes", refuse)
    monkeypatch.setattr(free_places.graphops, "needed_nodes", refuse)
    for code in set(CHANGING):
        assert propose(code, genome, np.random.default_rng(0))[1] == drawn[code]


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
        {"threshold": 0.1, "drop": True},
    ),
    "A: what falls asleep led nowhere": (
        genome_of({(0, 1): 0.1, (0, 2): 0.5}, 1, 3),
        "A",
        {"threshold": 0.2, "drop": False},
    ),
    "N: an edge to a node that speaks to nobody": (
        genome_of({(0, 2): 0.5}, 1, 3),
        "N",
        {"sources": [0], "targets": [1], "values": [0.7]},
    ),
}
"""The smallest examples of what the proposals should leave out: parent, letter, parameters."""


@pytest.mark.parametrize("why", IN_VAIN)
def test_these_change_nothing_and_so_are_not_proposed(why):
    genome, code, parameters = IN_VAIN[why]
    child = child_of(genome, code, **parameters)
    inputs = np.random.default_rng(0).normal(size=(8, len(genome.inputs)))
    before, after = (Phenotype(one, "squared_error") for one in (genome, child))
    assert before.n_edges == after.n_edges
    np.testing.assert_allclose(after.output(inputs), before.output(inputs), rtol=1e-12)
    # Where the effective graph is another, outputs alone can tell.
    settled = why == "H: a settled network"
    assert (effective_graph(genome) == effective_graph(child)) != settled

    stubborn = changing(replace(OPERATORS[code], propose=lambda *_: parameters))
    assert stubborn.propose(GenomeEditor(genome), ProposalContext(None, OperatorSettings())) is None
    for seed in range(trials(20, 50)):
        proposed = propose(code, genome, np.random.default_rng(seed))[1]
        assert proposed is None or not is_inert(genome, child_of(genome, code, **proposed))


def test_the_same_line_but_for_its_last_bits_is_not_proposed():
    genome = genome_of({(0, 2): 0.7, (1, 2): 0.3}, 2, 3)
    factors = np.random.default_rng(0).uniform(0, 0.5, 200)
    n_rounded = 0
    for factor in factors:
        added = 0.3 + factor * 0.7
        parameters = {"source": 0, "target": 1, "factor": factor, "scale": 0.3 / added}
        child = child_of(genome, "F", **parameters)
        n_rounded += not np.array_equal(child.values, genome.values)
        stubborn = changing(replace(OPERATORS["F"], propose=lambda *_, p=parameters: p))
        assert (
            stubborn.propose(GenomeEditor(genome), ProposalContext(None, OperatorSettings()))
            is None
        )
    assert n_rounded > 0


@pytest.mark.parametrize(
    ("changes", "fits", "n_proposed"),
    [
        ([True], [True], 1),
        ([False] * 16, [], 17),  # the last one is drawn but not tried
        ([False] * 15 + [True], [True], 16),
        ([True] * 16, [False] * 16, 16),
        (
            ([False] * 15 + [True]) * 2,
            [False, True],
            32,
        ),  # a change that does not fit starts a new count
        ([True] + [False] * 16, [False], 18),
    ],
)
def test_each_condition_may_fail_sixteen_times(changes, fits, n_proposed):
    tested = {"changes": iter(changes), "fits": iter(fits)}

    def must_change_function(editor, settings):
        return lambda trial: next(tested["changes"])

    def within_limit(editor, settings):
        return lambda trial: next(tested["fits"])

    proposals = []

    def propose(editor, context):
        proposals.append({"a": 1, "b": 2})
        return proposals[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screening, "must_change_function", must_change_function)
        operator = screening.screened(
            replace(OPERATORS["B"], propose=propose), must_change_function, within_limit
        )
        genome = genome_of({(0, 1): 0.1, (0, 2): 0.5}, 1, 3)
        found = operator.propose(GenomeEditor(genome), ProposalContext(None, OperatorSettings()))
    assert (found is not None) == bool(fits and fits[-1])
    assert len(proposals) == n_proposed
    assert not any(list(rest) for rest in tested.values())
