"""Policies: letters combined to known methods."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from evo import POLICIES, Draft, FounderSettings, Phenotype, PolicySettings, found
from evo.operators.elementary import OperatorSettings, Proposing
from evo.policies.policies import freeze_topology


def founder(graph="feedforward"):
    settings = FounderSettings(graph=graph, hidden=12, density=0.4)
    return found(settings, 4, 2, n_founders=1, seed=0)[0], settings.layers(4, 2)


def apply(name, task, seed=0, progress=0.0, **settings):
    genome, layers = founder("layered" if name == "levels" else "feedforward")
    some, draft = task(), Draft(genome)

    def gradients_at(genome, sources, targets):
        batch = some.train.inputs[:16], some.train.targets[:16]
        return Phenotype(genome).gradients_at(sources, targets, *batch)

    proposing = Proposing(
        np.random.default_rng(seed),
        OperatorSettings(max_density=1.0),
        gradients_at,
        progress,
        layers,
    )
    return draft, POLICIES[name](draft, proposing, PolicySettings(name=name, **settings))


@pytest.mark.parametrize("name", list(POLICIES))
def test_a_policy_reports_what_it_did_and_repeats_with_the_same_generator(name, task):
    for seed in range(10):
        (first, done), (second, again) = apply(name, task, seed), apply(name, task, seed)
        assert done == again
        assert first.freeze().equals(second.freeze())
        assert bool(done) == (name != "none")
        for earlier, later in itertools.pairwise(done):
            assert later.stored_before == earlier.stored_after


def test_the_pruning_of_a_mixed_policy_fades_with_progress(task):
    shares = []
    for progress in (0.0, 0.5, 0.9):
        _, operations = apply("mixed", task, progress=progress, rewiring=1.0)
        first = operations[0]
        shares.append(1 - first.stored_after / first.stored_before)
    assert shares[0] > shares[1] > shares[2]


def test_letters_are_drawn_by_weight(task):
    seen = set()
    for seed in range(30):
        seen |= {
            one.operator
            for one in apply("letters", task, seed, weights={"B": 1, "H": 3, "A": 0})[1]
        }
    assert seen == {"B", "H"}


def test_a_frozen_topology_keeps_what_lives_and_can_no_longer_change(task):
    draft, _ = apply("set", task)
    draft.set_limit(0.3)
    living = draft.n_live
    operations = freeze_topology(draft)
    assert [one.operator for one in operations] == ["A", "A"]
    assert draft.n_stored == draft.n_live == living
    assert draft.limit is None
    assert freeze_topology(draft) == []


@pytest.mark.parametrize("weights", [{"Z": 1.0}, {"A": -1.0}, {"A": 0.0}, {"A": float("inf")}])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValidationError):
        PolicySettings(weights=weights)


def test_a_floor_that_leaves_no_room_is_refused():
    with pytest.raises(ValidationError, match="min_share must be at most 1 over the number"):
        PolicySettings(name="adaptive", min_share=0.2)
    PolicySettings(name="adaptive", min_share=0.2, weights={"A": 1, "B": 1, "C": 1, "D": 1, "F": 1})
