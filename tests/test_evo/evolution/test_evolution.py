"""The loop: budgets, selection, failures, reproducibility - and one pinned run."""

import copy
import itertools
import logging
import pickle
from dataclasses import asdict, replace

import numpy as np
import pytest
from effort import first_now
from generations import generations_after
from schemes import scheme

from cnn.training.budget import TrainingBudget
from cnn.training.trainer import evaluate
from evo import (
    SELECTIONS,
    Evolution,
    EvolutionSettings,
    EvolutionState,
    FounderSettings,
    OffspringRequest,
    Phenotype,
    PolicySettings,
    Selection,
    create_founders,
)
from evo.evolution.evolution import EvolutionError
from evo.evolution.individual import evaluate_individual
from evo.executors import SerialExecutor, evaluate_all


def evolve(task, *, shuffle=None, population=6, generations=4, selection="local_search", **changes):
    settings = EvolutionSettings(
        population=population, generations=generations, steps_per_generation=task.evolution.steps_per_generation,
        selection=scheme(selection), **changes,
    )  # fmt: skip
    evolution = Evolution(replace(task, evolution=settings), founders(population, task.seed))
    return generations_after(evolution, EvolutionState(), shuffle)


def founders(population, seed, **settings):
    settings = FounderSettings(**({"hidden": 6, "density": 0.5} | settings))
    return create_founders(settings, 4, 2, n_founders=population, seed=seed)


def trace(rounds):
    return [
        (one.job.individual, one.job.parents, one.fitness, one.genome.fingerprint())
        for generation in rounds
        for one in generation.population
    ]


@pytest.mark.parametrize("selection", list(SELECTIONS))
def test_everyone_in_the_last_population_was_trained_for_the_whole_schedule(selection, task):
    rounds = evolve(task(), selection=selection)
    assert [one.number for one in rounds] == [0, 1, 2, 3, 4]
    # The archive of novelty was not trained while topologies changed.
    trained = rounds[-1].population[: 5 if selection == "novelty" else 6]
    assert {one.ancestry_steps for one in trained} == {50}
    numbers = [one.job.individual for generation in rounds for one in generation.offspring]
    assert numbers == list(range(len(numbers)))


@pytest.fixture
def pairs():
    """Register a selection in which the mate of each child is the holder of another slot."""

    def register(next_slot):
        def propose(population, settings, rng):
            return [
                OffspringRequest(slot, slot, modified=True, mates=(next_slot(slot),))
                for slot in range(len(population))
            ]

        chosen = Selection(propose, SELECTIONS["random_search"].select)
        SELECTIONS.register("pairs", chosen, replace=True)

    yield register
    SELECTIONS.install({})


RELATED = {"probability": 1, "mode": "crossover", "relatives": "population"}


def test_mates_are_those_that_a_selection_names(task, pairs):
    pairs(lambda slot: (slot + 1) % 6)
    rounds = evolve(task(), selection="pairs", recombination=RELATED)
    n_mated = 0
    for before, after in itertools.pairwise(rounds[:4]):
        for one in after.offspring:
            mate = before.population[(one.job.slot + 1) % 6]
            expected = () if mate.fitness is None else (mate.job.individual,)
            assert one.job.parents[1:] == expected
            n_mated += len(expected)
    assert n_mated > 0


def test_a_selection_that_names_mates_outside_the_population_is_at_fault(task, pairs):
    pairs(lambda slot: 6)
    with pytest.raises(EvolutionError, match="parent, slot and mates below 6; got"):
        evolve(task(), selection="pairs", recombination=RELATED)


@pytest.mark.parametrize("selection", first_now(SELECTIONS))
def test_the_order_of_finishing_changes_nothing(selection, task):
    straight = evolve(task(), selection=selection)
    shuffled = evolve(task(), selection=selection, shuffle=np.random.default_rng(0))
    assert trace(straight) == trace(shuffled)


def test_another_seed_gives_another_run(task):
    first, second = evolve(task(seed=0)), evolve(task(seed=1))
    assert first[-1].best.fitness != second[-1].best.fitness


def test_in_the_frozen_rounds_topologies_only_train(task):
    rounds = evolve(task(generations=6), generations=6, train_only_fraction=0.5)
    patterns = [
        {one.genome.indices.tobytes() for one in generation.population} for generation in rounds
    ]
    assert patterns[4] == patterns[5] == patterns[6]
    assert all(one.job.origin == "continued" for one in rounds[5].offspring)
    # A slot whose holder failed to freeze freezes in the next round.
    assert {one.job.modification for one in rounds[6].offspring} == {"drop_dormant"}
    assert any(one.operations for one in rounds[2].offspring)


def test_evolution_learns_and_children_survive(task):
    rounds = evolve(task(steps=40), population=8)
    assert rounds[-1].best.fitness > rounds[0].best.fitness
    assert any(one.job.origin == "child" for generation in rounds for one in generation.population)


def test_local_search_keeps_the_better_of_parent_and_child(task):
    rounds = evolve(task())
    for generation in rounds[1:3]:
        for holder in generation.population:
            rivals = [one for one in generation.offspring if one.job.slot == holder.job.slot]
            assert holder.fitness == max(one.fitness for one in rivals)


def test_twins_are_not_trained_twice(task):
    rounds = evolve(task(generations=8), generations=8)
    for generation in rounds:
        kept = [
            (one.job.parents, one.job.slot)
            for one in generation.offspring
            if one.job.origin == "continued"
        ]
        assert len({parents for parents, _ in kept}) == len(kept)


def test_a_continued_parent_trains_as_if_it_had_never_stopped(task):
    some = task(policy=PolicySettings(name="none"), generations=1)
    rounds = evolve(some, generations=1, train_only_fraction=1.0)
    whole = task(steps=20, generations=0, policy=PolicySettings(name="none"))
    at_once = evolve(whole, generations=0)
    for split, one in zip(rounds[1].population, at_once[0].population, strict=True):
        assert np.array_equal(split.genome.values, one.genome.values)


def fails_for_some(network, validation):
    loss = network.loss(validation.inputs, validation.targets)
    if network.parameter_count % 3 == 0:
        raise RuntimeError("no luck")
    return float("nan") if network.parameter_count % 3 == 1 else -loss


def always_fails(network, validation):
    raise RuntimeError("never")


def test_an_individual_that_fails_is_a_record_and_not_the_end(task):
    rounds = evolve(task(fitness=fails_for_some), population=12)
    offspring = [one for generation in rounds for one in generation.offspring]
    reasons = {one.reason for one in offspring if one.status == "failed"}
    assert reasons == {"RuntimeError: no luck", "fitness must be finite; got nan"}
    assert all(one.fitness is None for one in offspring if one.status != "ok")
    # Its genome is the untrained one, so its own steps stand behind nothing.
    assert all(one.ancestry_steps == one.job.first_step for one in offspring if one.status != "ok")
    assert rounds[-1].best.fitness is not None


def test_divergence_has_a_status_and_a_reason(task):
    some = task(learning_rate=1e9)
    with pytest.raises(
        EvolutionError, match="no individual has a fitness; individual 0 diverged: loss"
    ):
        evolve(some)


def test_asking_twice_gives_the_same_jobs_and_changes_nothing(task):
    some = replace(task(), evolution=EvolutionSettings(population=4, generations=6))
    evolution, state = Evolution(some, founders(4, seed=0)), EvolutionState()
    for _ in range(7):
        before = copy.copy(state)
        first, second = evolution.ask(state), evolution.ask(state)
        assert [vars(job) for job in first] == [vars(job) for job in second]
        assert vars(state) == vars(before)
        results = [evaluate_individual(some, job) for job in second]
        state, told = evolution.tell(before, results)
        again, _ = evolution.tell(before, results)
        assert trace([told]) == [
            (one.job.individual, one.job.parents, one.fitness, one.genome.fingerprint())
            for one in again.population
        ]
    assert evolution.done(state)


@pytest.mark.parametrize("selection", first_now(SELECTIONS))
def test_a_pickled_state_continues_identically(task, selection):
    settings = EvolutionSettings(
        population=4, generations=5, steps_per_generation=10, selection=scheme(selection)
    )
    some = replace(task(policy=PolicySettings(name="adaptive")), evolution=settings)
    evolution, state = Evolution(some, founders(4, seed=0)), EvolutionState()
    for _ in range(4):  # the next generation only trains, each individual once
        results = [evaluate_individual(some, job) for job in evolution.ask(state)]
        state, _ = evolution.tell(state, results)
    restored = pickle.loads(pickle.dumps(state))
    assert trace(generations_after(evolution, restored)) == trace(
        generations_after(evolution, state)
    )


def test_the_traceback_of_a_failure_is_logged(task, caplog):
    some = task(fitness=always_fails)
    evolution = Evolution(
        replace(some, evolution=EvolutionSettings(population=1, steps_per_generation=1)),
        founders(1, seed=0),
    )
    (job,) = evolution.ask(EvolutionState())
    with caplog.at_level(logging.WARNING, logger="evo.executors.failure_log"):
        (failed,) = evaluate_all(SerialExecutor(), evolution.task, [job])
    (record,) = caplog.records
    assert record.getMessage().startswith("individual 0 failed\nTraceback")
    assert "in always_fails" in caplog.text
    assert "in always_fails" in failed.traceback
    assert failed.reason == "RuntimeError: never"


@pytest.mark.parametrize(
    ("returned", "got"),
    [
        ("abc", "'abc'"),
        ("1.5", "'1.5'"),
        (None, "None"),
        (np.zeros(2), "array([0., 0.])"),
        (np.zeros((2, 1)), "array([[0.], [0.]])"),
        (np.array(["1.5"]), "array(['1.5'], dtype='<U3')"),
        ([1.0], "[1.0]"),
        (1j, "1j"),
    ],
)
def test_a_fitness_that_returns_no_number_is_the_reason(task, returned, got):
    some = task(fitness=lambda network, validation, evaluation: returned)
    evolution = Evolution(
        replace(some, evolution=EvolutionSettings(population=1, steps_per_generation=1)),
        founders(1, seed=0),
    )
    (job,) = evolution.ask(EvolutionState())
    failed = evaluate_individual(evolution.task, job)
    assert failed.status == "failed"
    assert failed.reason == f"fitness must return a number; got {got}"


@pytest.mark.parametrize("returned", [2, True, np.float32(0.5), np.array(3), np.array([[0.25]])])
def test_a_fitness_may_return_any_real_number(task, returned):
    some = task(fitness=lambda network, validation, evaluation: returned)
    evolution = Evolution(
        replace(some, evolution=EvolutionSettings(population=1, steps_per_generation=1)),
        founders(1, seed=0),
    )
    (job,) = evolution.ask(EvolutionState())
    individual = evaluate_individual(evolution.task, job)
    assert (individual.status, individual.fitness) == ("ok", float(np.max(returned)))


def test_a_run_in_which_all_fail_says_why(task):
    with pytest.raises(EvolutionError, match="individual 0 failed: RuntimeError: never"):
        evolve(task(fitness=always_fails))


def test_founders_must_fill_the_population(task):
    with pytest.raises(ValueError, match="founders must be as many as the population"):
        Evolution(task(), [])


def test_an_individual_depends_on_task_and_job_alone(task):
    settings = EvolutionSettings(
        population=2, generations=1, steps_per_generation=10, train_only_fraction=0
    )
    some = replace(task(), evolution=settings)
    evolution, start = Evolution(some, founders(2, seed=0)), EvolutionState()
    state, _ = evolution.tell(
        start, (evaluate_individual(some, job) for job in evolution.ask(start))
    )
    for job in evolution.ask(state):
        first, second = evaluate_individual(some, job), evaluate_individual(some, job)
        assert first.genome.equals(second.genome)
        assert first.operations == second.operations
        assert asdict(first.statistics) == asdict(second.statistics)


def test_a_pinned_run_gives_what_it_always_gave(task):
    best = evolve(task(steps=20, generations=5), generations=5)[-1].best
    assert (best.job.individual, best.job.founder, best.statistics.n_effective) == (55, 1, 26)
    assert best.fitness == pytest.approx(-0.62036, rel=1e-3)


def evolve_mostly_dormant(task, **changes):
    """Evolve founders of which most entries are dormant, without any policy."""
    settings = EvolutionSettings(population=2, generations=2, steps_per_generation=60, **changes)
    genomes = founders(2, seed=1, hidden=8, density=0.9, active_fraction=0.3)
    return generations_after(
        Evolution(replace(task, evolution=settings), genomes), EvolutionState()
    )


def test_dormant_entries_learn_where_they_may(task):
    policy = PolicySettings(name="none")
    some = task(policy=policy, learning_rate=0.3)
    learning = evolve_mostly_dormant(some, dormant="straight_through")
    waiting = evolve_mostly_dormant(some)
    for rounds, changes in ((learning, True), (waiting, False)):
        founder, first = rounds[0].population[0].job.genome, rounds[0].population[0]
        dormant = ~founder.active_mask()
        assert np.array_equal(first.genome.values[dormant], founder.values[dormant]) != changes
    first = learning[0].population[0]
    assert (first.genome.active_mask() & ~first.job.genome.active_mask()).any()
    # What the table says, and what is judged, is the network as training left it.
    network = Phenotype(first.genome, "cross_entropy")
    assert first.statistics.n_effective == network.n_edges
    assert first.statistics.n_active == first.genome.active_mask().sum()
    assert first.fitness == -evaluate(network, task().validation).loss


@pytest.mark.parametrize(
    ("budget", "steps", "ended_by"),
    [
        (TrainingBudget(), 10, "steps"),
        (TrainingBudget(samples=16 * 4), 4, "samples"),
        (TrainingBudget(steps=3), 3, "steps"),
    ],
)
def test_a_budget_ends_every_train_phase(task, budget, steps, ended_by):
    rounds = evolve(task(), budget=budget, generations=2)
    trained = [
        one for generation in rounds for one in generation.offspring if one.reused_from is None
    ]
    assert {one.steps for one in trained} == {steps}
    assert {one.ended_by for one in trained} == {ended_by}
    assert {one.ancestry_steps for one in rounds[-1].population} == {3 * steps}


def test_multiply_accumulates_are_bounded_for_each_network_by_itself(task):
    bound = 16 * 25 * 6
    rounds = evolve(task(), budget=TrainingBudget(macs=bound), generations=2)
    trained = [
        one for generation in rounds for one in generation.offspring if one.reused_from is None
    ]
    costs = [one.steps * 16 * one.statistics.macs for one in trained]
    assert max(costs) <= bound
    ended = [one for one in trained if one.ended_by == "macs"]
    assert ended
    assert all(one.steps == bound // (16 * one.statistics.macs) for one in ended)


def test_a_budget_that_allows_no_step_is_a_failure_with_a_reason(task):
    with pytest.raises(EvolutionError, match=r"budget\.macs must allow one step at least"):
        evolve(task(), budget=TrainingBudget(macs=1))


@pytest.mark.parametrize("dormant", ["frozen", "straight_through"])
def test_statistics_of_sizes_alone_change_no_other_result(task, dormant):
    some = task()
    every, sizes = (
        evolve(some, generations=2, statistics=which, dormant=dormant) for which in ("all", "sizes")
    )
    assert trace(every) == trace(sizes)
    left_out = set()
    for one, other in zip(every, sizes, strict=True):
        for full, lean in zip(one.offspring, other.offspring, strict=True):
            known = asdict(lean.statistics)
            empty = {name for name, value in known.items() if value is None}
            left_out |= empty - {
                name for name, value in asdict(full.statistics).items() if value is None
            }
            assert {name: value for name, value in known.items() if name not in empty} == {
                name: value for name, value in asdict(full.statistics).items() if name not in empty
            }
    assert {"network_hash", "depth", "identity_minus_sign", "mean_hops"} <= left_out
    assert not {"n_nodes", "n_active", "n_effective", "parameters", "macs"} & left_out
