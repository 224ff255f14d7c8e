"""Policies: letters combined to known methods."""

import itertools

import numpy as np
import pytest

from evo import (
    POLICIES,
    FounderSettings,
    GenomeEditor,
    Phenotype,
    PolicySettings,
    SettingsError,
    create_founders,
)
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.policies.policies import freeze_topology


def founder(graph="feedforward"):
    settings = FounderSettings(graph=graph, hidden=12, density=0.4)
    return create_founders(settings, 4, 2, n_founders=1, seed=0)[0], settings.layer_sizes(4, 2)


def apply(name, task, seed=0, progress=0.0, **settings):
    needs_layers = name in {"layerwise", "cht", "chts", "chtss"}
    genome, layers = founder("layered" if needs_layers else "feedforward")
    some, editor = task(), GenomeEditor(genome)

    def gradients_at(genome, sources, targets):
        batch = some.train.inputs[:16], some.train.targets[:16]
        return Phenotype(genome).gradients_at(sources, targets, *batch)

    context = ProposalContext(
        np.random.default_rng(seed),
        OperatorSettings(max_density=1.0),
        gradients_at,
        progress,
        layers,
    )
    return editor, POLICIES[name](editor, context, PolicySettings(name=name, **settings))


@pytest.mark.parametrize("name", list(POLICIES))
def test_a_policy_reports_what_it_did_and_repeats_with_the_same_generator(name, task):
    for seed in range(10):
        (first, done), (second, again) = apply(name, task, seed), apply(name, task, seed)
        assert done == again
        assert first.freeze().equals(second.freeze())
        assert bool(done) == (name != "none")
        for earlier, later in itertools.pairwise(done):
            assert later.n_stored_before == earlier.n_stored_after


def test_the_pruning_of_a_mixed_policy_fades_with_progress(task):
    shares = []
    for progress in (0.0, 0.5, 0.9):
        _, operations = apply("mixed", task, progress=progress, rewiring_probability=1.0)
        first = operations[0]
        shares.append(1 - first.n_stored_after / first.n_stored_before)
    assert shares[0] > shares[1] > shares[2]


def test_letters_are_drawn_by_weight(task):
    seen = set()
    for seed in range(30):
        seen |= {
            one.operator
            for one in apply("weighted", task, seed, operator_weights={"B": 1, "H": 3, "A": 0})[1]
        }
    assert seen == {"B", "H"}


def test_a_frozen_topology_keeps_what_lives_and_can_no_longer_change(task):
    editor, _ = apply("set", task)
    editor.set_threshold(0.3)
    living = editor.n_active
    operations = freeze_topology(editor)
    assert [one.operator for one in operations] == ["A", "A"]
    assert editor.n_stored == editor.n_active == living
    assert editor.threshold is None
    assert freeze_topology(editor) == []


@pytest.mark.parametrize("weights", [{"Z": 1.0}, {"A": -1.0}, {"A": 0.0}, {"A": float("inf")}])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(SettingsError, match="operator"):
        PolicySettings(operator_weights=weights)


def test_a_floor_that_leaves_no_room_is_refused():
    with pytest.raises(SettingsError, match="min_probability must be at most 1 over the number"):
        PolicySettings(name="adaptive", min_probability=0.2)
    PolicySettings(
        name="adaptive",
        min_probability=0.2,
        operator_weights={"A": 1, "B": 1, "C": 1, "D": 1, "F": 1},
    )
