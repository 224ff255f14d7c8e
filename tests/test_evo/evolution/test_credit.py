"""Credit of letters: fair comparison with the parent, shares that follow, a floor, nothing hidden."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from effort import first_now

from evo import (
    Evolution,
    EvolutionSettings,
    EvolutionState,
    FounderSettings,
    OperatorCredit,
    PolicySettings,
    create_founders,
    operator_probabilities,
)
from evo.evolution.credit import PRIOR_USES, credit_operators
from evo.executors import SerialExecutor, evaluate_all


def one(number, fitness, letters="", parent=None, origin="child"):
    job = SimpleNamespace(
        individual=number,
        generation=0 if parent is None else 1,
        origin=origin,
        parents=() if parent is None else (parent,),
    )
    operations = tuple(SimpleNamespace(operator=letter) for letter in letters)
    return SimpleNamespace(job=job, fitness=fitness, operations=operations)


def credited(offspring, parents, shares=()):
    told = credit_operators(offspring, parents, dict.fromkeys(shares, 0.5))
    return {credit.operator: (credit.n_uses, credit.credit) for credit in told}


def test_a_child_is_compared_with_its_parent_trained_on_for_as_many_steps():
    parents = [one(0, 1.0), one(1, 1.0)]
    offspring = [
        one(2, 1.5, parent=0, origin="continued"),
        one(3, 1.6, "B", parent=0),  # better than before by 0.6, than the parent trained on by 0.1
        one(4, 3.0, parent=1, origin="continued"),
        one(5, 2.0, "C", parent=1),  # better than before, worse than the parent trained on
        one(6, 3.2, "D", parent=1),
    ]
    told = credited(offspring, parents)
    assert told["C"] == (1, 0.0)
    assert told["D"] == (1, 1.0)  # the largest gain of the generation
    assert told["B"] == (1, pytest.approx(0.5))


def test_where_the_parent_was_not_trained_on_the_median_gain_of_those_who_were_stands_for_it():
    parents = [one(0, 1.0), one(1, 1.0), one(2, 5.0)]
    offspring = [
        one(3, 1.2, parent=0, origin="continued"),
        one(4, 1.4, parent=1, origin="continued"),
        one(5, 5.3, "B", parent=2),  # 5 + 0.3
        one(6, 5.8, "C", parent=2),
    ]
    told = credited(offspring, parents)
    assert told["B"] == (1, pytest.approx(0.0, abs=1e-12))
    assert told["C"] == (1, 1.0)
    # Nobody trained on: the children's own median.
    told = credited([*offspring[2:], one(7, 6.3, "D", parent=2)], parents)
    assert told == {"B": (1, 0.0), "C": (1, 0.0), "D": (1, 1.0)}


def test_a_failed_child_gained_nothing_and_a_failed_parent_judges_nobody():
    parents = [one(0, 1.0), one(1, None)]
    offspring = [
        one(2, None, "BB", parent=0),
        one(3, 2.0, parent=0, origin="continued"),
        one(4, 9.0, "C", parent=1),
        one(5, 9.0, "", parent=0),
    ]
    assert credited(offspring, parents) == {"B": (1, 0.0)}
    assert credited(offspring, parents, "AB") == {"A": (0, 0.0), "B": (1, 0.0)}


def test_every_letter_used_on_a_child_is_credited_once():
    parents = [one(0, 0.0)]
    offspring = [one(1, 1.0, parent=0, origin="continued"), one(2, 3.0, "HHN", parent=0)]
    assert credited(offspring, parents) == {"H": (1, 1.0), "N": (1, 1.0)}


def history(**told):
    return [tuple(OperatorCredit(code, None, *numbers) for code, numbers in told.items())]


def test_shares_follow_the_formula_written_out():
    settings = PolicySettings(
        name="adaptive",
        operator_weights={"B": 1, "C": 1, "H": 2, "N": 0},
        min_probability=0.1,
        credit_decay=0.5,
    )
    first, second = history(B=(4, 2.0), C=(2, 0.0)), history(B=(1, 1.0), H=(5, 1.0))
    uses = {"B": 0.5 * 4 + 1, "C": 0.5 * 2, "H": 5.0}
    credit = {"B": 0.5 * 2 + 1, "C": 0.0, "H": 1.0}
    mean = 3.0 / 9.0
    prior = {"B": 0.75 * mean, "C": 0.75 * mean, "H": 1.5 * mean}
    worth = {c: (credit[c] + PRIOR_USES * prior[c]) / (uses[c] + PRIOR_USES) for c in "BCH"}
    expected = {c: 0.1 + 0.7 * worth[c] / sum(worth.values()) for c in "BCH"}
    assert operator_probabilities(settings, first + second) == pytest.approx(expected)
    assert operator_probabilities(settings, first) != operator_probabilities(
        settings, first + second
    )


def test_before_any_credit_shares_are_the_weights_above_the_floor():
    settings = PolicySettings(
        name="adaptive", operator_weights={"B": 3, "C": 1}, min_probability=0.2
    )
    expected = {"B": 0.2 + 0.6 * 0.75, "C": 0.2 + 0.6 * 0.25}
    assert operator_probabilities(settings, []) == pytest.approx(expected)
    assert operator_probabilities(settings, history(B=(9, 0.0))) == pytest.approx(expected)


def test_policies_that_do_not_learn_have_constant_shares_or_none():
    past = history(B=(4, 4.0))
    for name in ("weighted", "mixed"):
        settings = PolicySettings(name=name, operator_weights={"B": 3, "C": 1, "D": 0})
        assert operator_probabilities(settings, past) == {"B": 0.75, "C": 0.25}
    for name in ("set", "rigl", "random", "none"):
        assert operator_probabilities(PolicySettings(name=name), past) == {}


SEED = "ABCDFHN"
"""The seed document's letters: of these, H alone changes the node table."""


def disorder(network, validation):
    """Pay for every pair of nodes that stands in another order than at first: only letter H can earn that."""
    ids = network.genome.ids
    return float(np.sum(np.triu(ids[:, None] > ids[None, :])))


def evolve(task, selection="local_search", generations=10):
    rarely = {"replacement_interval": 100} if selection == "local_search" else {}
    settings = EvolutionSettings(
        population=12, generations=generations, steps_per_generation=task.evolution.steps_per_generation,
        train_only_fraction=0.2, selection={"name": selection, **rarely},
    )  # fmt: skip
    genomes = create_founders(
        FounderSettings(hidden=14, density=0.3), 4, 2, n_founders=12, seed=task.seed
    )
    task = replace(task, evolution=settings)
    evolution, state, rounds = Evolution(task, genomes), EvolutionState(), []
    with SerialExecutor() as executor:
        while not evolution.done(state):
            jobs = evolution.ask(state)
            state, generation = evolution.tell(state, evaluate_all(executor, task, jobs))
            rounds.append(generation)
    return rounds


@pytest.mark.parametrize("selection", first_now(["local_search", "tournament"]))
def test_a_letter_that_pays_is_drawn_more_often_and_no_other_less_than_the_floor(selection, task):
    policy = PolicySettings(
        name="adaptive",
        max_operations=1,
        min_probability=0.05,
        operator_weights=dict.fromkeys(SEED, 1.0),
    )
    rounds = evolve(task(fitness=disorder, policy=policy, steps=1, generations=10), selection)
    assert [bool(one.credits) for one in rounds] == [False, *[True] * 8, False, False]
    shares = [{c.operator: c.probability for c in one.credits} for one in rounds[1:9]]
    assert shares[0] == pytest.approx(dict.fromkeys(SEED, 1 / len(SEED)))
    assert shares[-1]["H"] > 2.5 * shares[0]["H"]
    for told in shares:
        assert sum(told.values()) == pytest.approx(1)
        assert min(told.values()) >= 0.05
    used = {
        c: sum(x.n_uses for one in rounds[5:] for x in one.credits if x.operator == c) for c in SEED
    }
    assert used["H"] == max(used.values())
    paid = {
        c: sum(x.credit for one in rounds for x in one.credits if x.operator == c) for c in SEED
    }
    assert {code for code, credit in paid.items() if credit > 0} == {"H"}


def test_shares_are_a_function_of_the_finished_generations(task):
    some = task(policy=PolicySettings(name="adaptive"), generations=5)
    rounds = evolve(some, generations=5)
    for number in range(1, 5):
        expected = operator_probabilities(some.policy, [one.credits for one in rounds[:number]])
        assert {c.operator: c.probability for c in rounds[number].credits} == expected
        for one in rounds[number].offspring:
            if one.job.origin == "child":
                assert dict(one.job.operator_probabilities) == expected
        again = credit_operators(rounds[number].offspring, rounds[number - 1].population, expected)
        assert again == rounds[number].credits
