"""The loop without a barrier: what follows from the order of arrival, whatever it is.

Most individuals here are made up, because any order of arrival shall be tried and training does not matter for it.
"""

import json
from collections import deque
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn.settings import without_idle
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import OptimizerState
from evo import SELECTIONS as REGISTERED
from evo import Evolution, EvolutionSettings, EvolutionState, Genome, PolicySettings, SampleTask
from evo.errors import SettingsError
from evo.evolution.asynchronous import AsynchronousEvolution
from evo.evolution.evolution import EvolutionError
from evo.evolution.fitness import adapt_fitness, negative_loss
from evo.evolution.individual import failed_individual
from evo.evolution.job import Work
from evo.executors import SerialExecutor, evaluate_all
from evo.selection import SingleSelection, ranked
from evo.storage.individuals import (
    individuals_of_state,
    load_individuals,
    save_individuals,
    state_from_values,
    values_of_state,
)

SELECTIONS = ("local_search", "tournament", "random_search")
STEPS = 10


def made_up_task(selection, population, generations, in_flight, recombination=0.0, **changes):
    some = Samples(np.zeros((4, 2), np.float32), np.zeros(4, np.int64))
    values = {
        "mode": "asynchronous", "population": population, "generations": generations, "in_flight": in_flight,
        "steps_per_generation": STEPS, "selection": {"name": selection, **changes},
        "recombination": {"probability": recombination, "mates": 2, "relatives": "population"},
    }  # fmt: skip
    settings, _ = without_idle(lambda some: EvolutionSettings(**some), values)
    policy = PolicySettings(name="adaptive")
    fitness = adapt_fitness(negative_loss)
    return SampleTask(
        train=some, validation=some, loss="cross_entropy", recipe=Recipe(), policy=policy, evolution=settings,
        fitness=fitness, seed=3,
    )  # fmt: skip


def founders(population):
    matrix = np.zeros((4, 4), np.float32)
    matrix[:2, 2:] = 1.0
    return [
        Genome.from_matrix(matrix * (1 + k), n_inputs=2, n_outputs=2, activation="tanh")
        for k in range(population)
    ]


def evaluated(job, fails=lambda number: False):
    """Return what an evaluation might: its fitness is better the longer it was trained, and depends on its number."""
    one = failed_individual(job, "made up")
    if fails(job.individual):
        return one
    return replace(
        one,
        status="ok",
        reason="",
        fitness=job.generation + job.individual * 7919 % 101 / 200,
        optimizer_state=OptimizerState(np.zeros((1, job.genome.n_stored + 4), np.float32), 1),
        steps=STEPS,
        ancestry_steps=job.first_step + STEPS,
    )


def evolve(evolution, next_of, fails=lambda number: False, state=None, check=lambda state: None):
    """Evolve; `next_of(numbers)` chooses which of the individuals in flight arrives. Return generations and order."""
    state = evolution.begin() if state is None else state
    generations, order = [], []
    while True:
        while (settled := evolution.settle(state)) is not None:
            state, generation = settled
            generations.append(generation)
        state, _ = evolution.ask(state)
        check(state)
        if not state.in_flight:
            assert evolution.done(state)
            return generations, order
        number = next_of(tuple(state.in_flight))
        order.append(number)
        state = evolution.tell(state, evaluated(state.in_flight[number], fails))


def trace(generations):
    return [
        (
            generation.number,
            [(one.job.individual, one.job.parents, one.arrival) for one in generation.offspring],
            [one.job.individual for one in generation.population],
            generation.credits,
        )
        for generation in generations
    ]


@st.composite
def evolutions(draw):
    population = draw(st.integers(1, 6))
    task = made_up_task(
        draw(st.sampled_from(SELECTIONS)),
        population,
        draw(st.integers(0, 6)),
        draw(st.integers(1, 9)),
        draw(st.sampled_from([0.0, 0.7])),
        elites=draw(st.integers(0, 3)),
        replacement_interval=draw(st.integers(1, 3)),
    )
    failing = draw(st.sets(st.integers(1, 60), max_size=20))
    return AsynchronousEvolution(task, founders(population)), failing.__contains__


def in_turn(numbers):
    """Return a choice of the individual that arrives: these numbers, one after the other."""
    left = iter(numbers)
    return lambda in_flight: next(left)


def any_order(seed):
    rng = np.random.default_rng(seed)
    return lambda numbers: numbers[int(rng.integers(len(numbers)))]


@given(evolutions(), st.integers(0, 10**6))
def test_whatever_the_order_every_slot_gets_its_offspring_in_every_generation(chosen, seed):
    evolution, fails = chosen
    settings = evolution.task.evolution
    arrived = set()

    def check(state):
        arrived.update(*(of.arrived for of in state.open.values()))
        arrived.update(one.job.individual for one in state.settled.population)
        assert all(arrived.issuperset(job.parents) for job in state.in_flight.values())
        assert len(state.in_flight) <= settings.most_in_flight
        assert not state.ready or len(state.in_flight) == settings.most_in_flight

    generations, order = evolve(evolution, any_order(seed), fails, check=check)
    assert [one.number for one in generations] == list(range(settings.generations + 1))
    everyone = [one for generation in generations for one in generation.offspring]
    assert [one.job.individual for one in everyone] == list(range(len(everyone)))
    assert [one.job.individual for one in sorted(everyone, key=lambda one: one.arrival)] == order
    for generation in generations:
        per_slot = settings.offspring_per_slot(generation.number)
        slots = [one.job.slot for one in generation.offspring]
        assert slots == sorted([*range(settings.population)] * per_slot)
        assert len(generation.population) == settings.population
        assert {one.job.generation for one in generation.offspring} == {generation.number}


@given(evolutions(), st.integers(0, 10**6))
def test_parents_are_of_the_generation_before_so_all_are_trained_for_equally_many_steps(
    chosen, seed
):
    evolution, _ = chosen
    before = ()
    for generation in evolve(evolution, any_order(seed))[0]:
        for one in generation.offspring:
            assert one.ancestry_steps == (generation.number + 1) * STEPS
            assert set(one.job.parents) <= {parent.job.individual for parent in before}
        before = generation.population


@given(evolutions(), st.integers(0, 10**6))
def test_the_same_order_gives_the_same_evolution(chosen, seed):
    evolution, fails = chosen
    first, order = evolve(evolution, any_order(seed), fails)
    again, _ = evolve(evolution, in_turn(order), fails)
    assert trace(first) == trace(again)


@given(evolutions(), st.integers(0, 10**6), st.integers(0, 40))
def test_a_state_that_was_stored_goes_on_alike(chosen, seed, stop):
    """Stored and read after some arrival, but after the founders: a state is committed with a generation."""
    evolution, fails = chosen
    whole, order = evolve(evolution, any_order(seed), fails)
    states = []
    evolve(evolution, in_turn(order), fails, check=states.append)
    states = [one for one in states if one.settled.generation > 0]
    state = states[min(stop, len(states) - 1)]
    values = json.loads(json.dumps(values_of_state(state)))
    restored = state_from_values(state.settled, individuals_of_state(state), values)
    assert list(restored.in_flight) == list(state.in_flight)
    for one, other in zip(restored.in_flight.values(), state.in_flight.values(), strict=True):
        assert [vars(mate) for mate in one.mates] == [vars(mate) for mate in other.mates]
    rest, _ = evolve(evolution, in_turn(order[state.n_arrived :]), fails, state=restored)
    assert trace(rest) == trace(whole[state.settled.generation :])


@pytest.mark.parametrize("name", SELECTIONS)
def test_one_that_never_arrives_delays_no_more_than_its_own_slot(name):
    population, last = 6, 5
    evolution = AsynchronousEvolution(made_up_task(name, population, last, 3), founders(population))
    state, late = evolution.begin(), 1
    while True:
        state, _ = evolution.ask(state)
        if set(state.in_flight) == {late}:
            break
        number = next(number for number in state.in_flight if number != late)
        state = evolution.tell(state, evaluated(state.in_flight[number]))
    assert evolution.settle(state) is None
    for generation in range(1, last + 1):
        missing = set(range(population)) - state.open[generation].holders.keys()
        assert missing == (set() if name == "tournament" else {late})


def test_few_in_flight_leave_more_to_choose_from():
    """Of the generation before, all but those in flight have arrived when the last job of a generation is made."""
    population = 12
    for in_flight in (1, 4, 12):
        task = made_up_task("tournament", population, 3, in_flight, elites=0)
        evolution = AsynchronousEvolution(task, founders(population))
        known = []

        def check(state, known=known):
            for job in state.in_flight.values():
                if job.generation == 1 and job.slot == population - 1 and not known:
                    of_founders = state.open.get(0)
                    known.append(len(of_founders.holders) if of_founders else population)

        evolve(evolution, any_order(0), check=check)
        assert known[0] >= population - in_flight


# -- selections --------------------------------------------------------------------------------------------------------


def test_elites_are_trained_on_and_are_the_best_that_are_known():
    task = made_up_task("tournament", 5, 3, 1, elites=2)
    generations, _ = evolve(AsynchronousEvolution(task, founders(5)), min)
    for before, generation in pairwise(generations[:3]):
        continued = [one for one in generation.offspring if one.job.origin == "continued"]
        best = [one.job.individual for one in ranked(before.population)[:2]]
        assert [one.job.parents[0] for one in continued] == best
        assert [one.job.slot for one in continued] == [3, 4]


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_nobody_is_trained_on_twice_while_topologies_change(seed, in_flight):
    for name in ("local_search", "tournament"):
        task = made_up_task(name, 5, 6, in_flight, replacement_interval=1, elites=3)
        for generation in evolve(AsynchronousEvolution(task, founders(5)), any_order(seed))[0]:
            continued = [
                one.job.parents for one in generation.offspring if one.job.origin == "continued"
            ]
            assert len(set(continued)) == len(continued)


def test_a_holder_of_the_worse_half_of_those_known_gives_way_to_one_of_the_better_half():
    task = made_up_task("local_search", 6, 12, 6, replacement_interval=2)
    generations, _ = evolve(AsynchronousEvolution(task, founders(6)), any_order(4))
    last_modified, n_replaced = task.evolution.last_modified, 0
    for generation in generations[1:]:
        best_of_slot = {
            slot: ranked([one for one in generation.offspring if one.job.slot == slot])[0]
            for slot in range(6)
        }
        decided = {
            slot: max(one.arrival for one in generation.offspring if one.job.slot == slot)
            for slot in range(6)
        }
        known = {}
        for slot in sorted(range(6), key=decided.get):
            known[slot] = best_of_slot[slot]
            order = ranked(list({one.job.individual: one for one in known.values()}.values()))
            n_kept = (len(order) + 1) // 2
            if generation.number % 2 == 0 and generation.number < last_modified:
                rank = order.index(known[slot])
                if rank >= n_kept:
                    n_replaced += 1
                    known[slot] = order[rank - n_kept]
        holders = [one.job.individual for one in generation.population]
        assert holders == [known[slot].job.individual for slot in range(6)]
        assert ranked(list(best_of_slot.values()))[0].job.individual in holders
    assert n_replaced > 3


# -- real individuals --------------------------------------------------------------------------------------------------


def real(task, mode, **changes):
    values = {"mode": mode, "population": 4, "generations": 4, "steps_per_generation": STEPS,
              "selection": {"replacement_interval": 99}, **changes}  # fmt: skip
    settings, _ = without_idle(lambda some: EvolutionSettings(**some), values)
    task = replace(task, evolution=settings)
    rng = np.random.default_rng(0)
    matrices = [np.triu(rng.normal(size=(8, 8)), 1).astype(np.float32) for _ in range(4)]
    genomes = [
        Genome.from_matrix(one, n_inputs=4, n_outputs=2, activation="tanh") for one in matrices
    ]
    kind = AsynchronousEvolution if mode == "asynchronous" else Evolution
    return kind(task, genomes)


def run_generational(evolution):
    state, generations = EvolutionState(), []
    while not evolution.done(state):
        jobs = evolution.ask(state)
        state, generation = evolution.tell(
            state, evaluate_all(SerialExecutor(), evolution.task, jobs)
        )
        generations.append(generation)
    return generations


def run_asynchronous(evolution, shuffle=None):
    """Evolve as the head of the module says; with `shuffle` jobs wait in an arbitrary order."""
    generations = []
    state, jobs = evolution.ask(evolution.begin())
    queue = deque(Work(evolution.task, job) for job in jobs)
    for _, individual in SerialExecutor().evaluate(queue, one_by_one=True):
        state = evolution.tell(state, individual)
        while (settled := evolution.settle(state)) is not None:
            state, generation = settled
            generations.append(generation)
        state, jobs = evolution.ask(state)
        queue.extend(Work(evolution.task, job) for job in jobs)
        if shuffle is not None:
            waiting = [*queue]
            queue.clear()
            queue.extend(waiting[k] for k in shuffle.permutation(len(waiting)))
    return generations


def outcome(generations):
    """Return all that is not time, but for the order of arrival."""
    return [
        (
            [
                (
                    one.job.individual, one.job.parents, one.status, one.fitness, one.operations,
                    one.genome.fingerprint(), one.reused_from and one.reused_from.job.individual,
                )
                for one in generation.offspring
            ],
            [one.job.individual for one in generation.population],
            generation.credits,
        )
        for generation in generations
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["local_search", "random_search"])
def test_where_slots_go_their_own_way_one_in_flight_is_the_generational_mode(name, task):
    """To the last bit, although the policy learns from the credits of the generations before."""
    some = task(policy=PolicySettings(name="adaptive"))
    selection = {"name": name, "replacement_interval": 99}
    single = real(some, "asynchronous", in_flight=1, selection=selection)
    assert outcome(run_asynchronous(single)) == outcome(
        run_generational(real(some, "generational", selection=selection))
    )


def test_where_slots_go_their_own_way_the_order_of_arrival_has_no_effect(task):
    """A policy that does not learn gives every slot the same children, and duplicates too, in whatever order."""
    some = task(policy=PolicySettings(name="weighted", operator_weights={"H": 1.0, "N": 1.0}))
    straight = run_generational(real(some, "generational"))
    evolution = real(some, "asynchronous", in_flight=5)
    shuffled = run_asynchronous(evolution, np.random.default_rng(1))
    assert outcome(shuffled) == outcome(straight)
    everyone = [one for generation in shuffled for one in generation.offspring]
    assert any(one.reused_from for one in everyone)
    arrivals = [one.arrival for one in everyone]
    assert arrivals != sorted(arrivals) == list(range(len(everyone)))


def test_an_individual_that_was_stored_has_its_place_in_the_order_of_arrival(task, tmp_path):
    generations = run_asynchronous(real(task(), "asynchronous"))
    stored = {one.job.individual: one for one in generations[1].offspring}
    save_individuals(tmp_path / "some.npz", stored.values())
    read, _ = load_individuals(tmp_path / "some.npz")
    assert {number: one.arrival for number, one in read.items()} == {
        number: one.arrival for number, one in stored.items()
    }


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_an_evolution_without_a_fitness_ends_as_in_the_generational_mode():
    evolution = AsynchronousEvolution(made_up_task("tournament", 3, 2, 2), founders(3))
    with pytest.raises(
        EvolutionError, match=r"^generation 0: no individual has a fitness"
    ) as caught:
        evolve(evolution, any_order(0), fails=lambda number: True)
    assert len(caught.value.generation.offspring) == 3


@pytest.mark.parametrize(
    ("single", "message"),
    [
        (
            SingleSelection(lambda vacancy, settings, rng: None, own_slot=True),
            r"^single\.propose of selection 'mine' must return an OffspringRequest for slot 1 with a parent of known "
            r"\[1, 2\]; got None$",
        ),
        (
            replace(REGISTERED["local_search"].single, replace=lambda *arguments: 7),
            r"^single\.replace of selection 'mine' must return one of the known individuals; got 7$",
        ),
    ],
)
def test_a_selection_that_breaks_its_contract_ends_the_evolution(single, message, own_selection):
    own_selection("mine", single)
    evolution = AsynchronousEvolution(made_up_task("mine", 3, 6, 2), founders(3))
    with pytest.raises(EvolutionError, match=message):
        evolve(evolution, max)


def test_one_that_is_not_in_flight_is_refused():
    evolution = AsynchronousEvolution(made_up_task("tournament", 3, 2, 2), founders(3))
    state, jobs = evolution.ask(evolution.begin())
    told = evolution.tell(state, evaluated(jobs[0]))
    with pytest.raises(ValueError, match=r"must be one of those in flight \(1\); got 0"):
        evolution.tell(told, evaluated(jobs[0]))


@pytest.fixture
def own_selection():
    """Return a function that registers a form for one offspring at a time, of local search otherwise."""
    before = REGISTERED.own
    yield lambda name, single: REGISTERED.register(
        name, replace(REGISTERED["local_search"], single=single)
    )
    REGISTERED.install(before)


def test_there_is_a_founder_for_every_slot():
    with pytest.raises(ValueError, match=r"as many as the population \(3\); got 2"):
        AsynchronousEvolution(made_up_task("tournament", 3, 2, 2), founders(2)).begin()


def test_settings_that_do_not_suit_the_mode_are_refused():
    with pytest.raises(
        SettingsError, match=r'in_flight must not be given unless mode = "asynchronous"; got 3$'
    ):
        EvolutionSettings(in_flight=3)
    assert EvolutionSettings(mode="asynchronous", population=5).most_in_flight == 3
