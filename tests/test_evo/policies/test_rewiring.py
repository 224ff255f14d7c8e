"""SET, RigL and random topologies: what the papers say, on editors."""

from dataclasses import replace

import numpy as np
import pytest

from evo import FounderSettings, Genome, GenomeEditor, Phenotype, Role, create_founders, replay
from evo.operators.free_places import LARGEST_LISTED
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.policies.rewiring import redraw, rigl_step, set_step
from evo.policies.schedules import cosine


def founder(seed=0, ticks=1, graph="layered"):
    settings = FounderSettings(hidden=20, density=0.4, ticks=ticks, graph=graph)
    return create_founders(settings, 4, 2, n_founders=1, seed=seed)[0]


def gradients(some):
    def gradients_at(genome, sources, targets):
        return Phenotype(genome).gradients_at(
            sources, targets, some.train.inputs, some.train.targets
        )

    return gradients_at


def step(method, genome, task, *arguments, seed=0, progress=0.0):
    editor = GenomeEditor(genome)
    context = ProposalContext(
        np.random.default_rng(seed), OperatorSettings(), gradients(task()), progress
    )
    operations = method(editor, context, *arguments)
    record = [(one.operator, one.parameters) for one in operations]
    child = editor.freeze()
    assert replay(record, genome).equals(child)
    return child, operations


def places(genome):
    column = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))
    return {
        (int(i), int(j)): float(w)
        for i, j, w in zip(genome.indices, column, genome.values, strict=True)
    }


def kept_after(genome, share, roles):
    """Return the places that dropping the weakest share of the columns of these roles leaves, by plain sorting."""
    layer = {place: w for place, w in places(genome).items() if genome.roles[place[1]] in roles}
    by_strength = sorted(layer, key=lambda place: abs(layer[place]))
    return set(by_strength[round(share * len(layer)) :])


@pytest.mark.parametrize("ticks", [1, 2])
@pytest.mark.parametrize("method", [set_step, rigl_step])
def test_each_layer_drops_its_weakest_and_keeps_its_number_of_edges(method, ticks, task):
    genome = founder(1, ticks)
    child, operations = step(method, genome, task, 0.3)
    assert [one.operator for one in operations] == ["A", "A", "N"]
    assert child.threshold is None
    before, after = places(genome), places(child)
    for role in (Role.HIDDEN, Role.OUTPUT):
        kept = kept_after(genome, 0.3, {role})
        assert all(after[place] == before[place] for place in kept)
        in_layer = [place for place in after if child.roles[place[1]] == role]
        assert len(in_layer) == sum(genome.roles[place[1]] == role for place in before)
        grown = set(in_layer) - kept
        assert all(after[place] != before.get(place) for place in grown)


@pytest.mark.parametrize("method", [set_step, rigl_step])
def test_within_the_network_layers_compete(method, task):
    genome = founder(1)
    # Weights of the output layer are the stronger ones: only the hidden layer loses.
    values = genome.values.copy()
    values[genome.indptr[24] :] = 5.0
    genome = genome.with_values(values, genome.bias)
    child, (dropped, *_) = step(method, genome, task, 0.3, "network")
    assert isinstance(dropped.parameters["threshold"], float)
    assert kept_after(genome, 0.3, set(Role)) <= set(places(child))
    assert np.count_nonzero(child.values == 5.0) == np.count_nonzero(values == 5.0)
    assert child.n_stored == genome.n_stored


def test_the_share_of_set_stays_and_that_of_rigl_fades(task):
    def dropped(method, progress):
        first = step(method, founder(), task, 0.4, progress=progress)[1][0]
        return 1 - first.n_stored_after / first.n_stored_before

    assert dropped(set_step, 0.0) == dropped(set_step, 0.9) == pytest.approx(0.4, abs=0.02)
    for progress in (0.0, 0.25, 0.5, 0.75):
        assert dropped(rigl_step, progress) == pytest.approx(0.4 * cosine(progress), abs=0.02)
    child, operations = step(rigl_step, founder(), task, 0.4, progress=1.0)
    assert operations == []
    assert child.equals(founder())


@pytest.mark.parametrize("ticks", [1, 2])
def test_rigl_grows_at_zero_where_the_gradient_before_the_drop_is_largest(ticks, task):
    genome = founder(2, ticks, "feedforward")
    grown = step(rigl_step, genome, task, 0.3)[1][-1]
    assert not np.any(grown.parameters["values"])
    assert grown.n_active_after == genome.n_stored  # of weight 0, and edges all the same
    n = genome.n_nodes
    everywhere = np.array(
        [
            (i, j)
            for j in range(n)
            for i in range(n)
            if genome.roles[j] != Role.INPUT
            and (ticks > 1 or (genome.roles[i] != Role.OUTPUT and i < j))
        ]
    )
    measured = np.abs(gradients(task())(genome, *everywhere.T))
    new = set(zip(grown.parameters["sources"], grown.parameters["targets"], strict=True))
    for role in (Role.HIDDEN, Role.OUTPUT):
        kept = kept_after(genome, 0.3, {role})
        score = {
            place: g
            for place, g in zip(map(tuple, everywhere.tolist()), measured, strict=True)
            if genome.roles[place[1]] == role and place not in kept
        }
        chosen = {place for place in new if genome.roles[place[1]] == role}
        weakest = min(score[place] for place in chosen)
        assert weakest > 0
        assert weakest >= max((g for place, g in score.items() if place not in chosen), default=0)


def test_a_rigl_step_grows_edges_that_change_no_output(task):
    genome, X = founder(2), task().validation.inputs
    child, operations = step(rigl_step, genome, task, 0.3)
    pruned = replay([(one.operator, one.parameters) for one in operations[:2]], genome)
    np.testing.assert_allclose(Phenotype(child).output(X), Phenotype(pruned).output(X), rtol=1e-5)


def test_rigl_revives_an_unheard_input(task):
    matrix = founder(3).to_dense()
    matrix[0] = 0
    lonely = Genome.from_matrix(matrix, n_inputs=4, n_outputs=2)
    assert 0 not in lonely.indices
    child, _ = step(rigl_step, lonely, task, 0.5)
    assert 0 in child.indices


def test_rigl_needs_gradients():
    with pytest.raises(ValueError, match="gradients_at must be given"):
        rigl_step(
            GenomeEditor(founder()),
            ProposalContext(np.random.default_rng(0), OperatorSettings()),
            0.3,
        )


def test_what_sleeps_is_forgotten_first(task):
    genome = replace(founder(), threshold=0.3)
    asleep = set(places(genome)) - {p for p, w in places(genome).items() if abs(w) > 0.3}
    child, operations = step(set_step, genome, task, 0.1)
    assert [one.operator for one in operations] == ["A", "A", "A", "A", "N"]
    assert child.n_stored == genome.n_stored - len(asleep)


@pytest.mark.parametrize("ticks", [1, 2])
@pytest.mark.parametrize("graph", ["layered", "feedforward"])
def test_a_random_topology_shares_with_its_parent_the_number_of_edges_alone(ticks, graph, task):
    genome = founder(4, ticks, graph)
    child, _ = step(redraw, genome, task)
    assert child.n_stored == genome.n_stored
    assert child.threshold is None
    assert not np.isin(child.values, genome.values).any()
    possible = 26 * 22 if ticks > 1 else 4 * 22 + 20 * 19 / 2 + 20 * 2
    shared = len(set(places(genome)) & set(places(child)))
    # Drawn with equal chances, each place again with the chance of any.
    assert shared <= 1.5 * genome.n_stored**2 / possible + 5
    column = np.repeat(np.arange(26), np.diff(child.indptr))
    assert (child.roles[column] != Role.INPUT).all()
    fan_in = np.diff(child.indptr)[column]
    assert np.std(child.values * np.sqrt(fan_in)) == pytest.approx(1, abs=0.25)
    other, _ = step(redraw, genome, task, seed=1)
    assert not other.equals(child)


def test_a_layer_too_large_to_look_at_every_place_is_sampled(task):
    n = int(np.sqrt(LARGEST_LISTED)) + 100
    rng = np.random.default_rng(0)
    matrix = np.zeros((n, n), np.float32)
    matrix[rng.integers(0, n - 2, 4000), rng.integers(4, n, 4000)] = rng.normal(size=4000)
    genome = Genome.from_matrix(np.triu(matrix, 1), n_inputs=4, n_outputs=2)
    for method in (set_step, rigl_step):
        child, _ = step(method, genome, task, 0.2, "network")
        grown = set(places(child)) - kept_after(genome, 0.2, set(Role))
        assert all(i < j for i, j in grown)
        assert 0 < len(grown) <= round(0.2 * genome.n_stored)
        assert method is rigl_step or child.n_stored == genome.n_stored
