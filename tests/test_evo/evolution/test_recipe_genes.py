"""Recipe genes in evolution: who begins with which, what training does with them, and what they must not do."""

from dataclasses import replace

import numpy as np
import pytest

from evo import (
    Evolution,
    EvolutionSettings,
    EvolutionState,
    FounderSettings,
    Phenotype,
    PolicySettings,
    create_founders,
)
from evo.evolution.individual import evaluate_individual
from evo.storage.individuals import load_individuals, save_individuals

RANGES = {"learning_rate": (0.01, 1.0), "l2": (1e-5, 1e-2), "label_smoothing": (0.05, 0.3)}
SETTINGS = EvolutionSettings(
    population=4, generations=3, steps_per_generation=8, recipe_genes={"ranges": RANGES}
)
FOUNDERS = create_founders(FounderSettings(hidden=4, density=0.5), 4, 2, n_founders=4, seed=0)


def evolved(given):
    evolution, state, generations = Evolution(given, FOUNDERS), EvolutionState(), []
    while not evolution.done(state):
        jobs = evolution.ask(state)
        state, generation = evolution.tell(state, [evaluate_individual(given, one) for one in jobs])
        generations.append(generation)
    return [one for generation in generations for one in generation.offspring]


@pytest.fixture
def given(task):
    return replace(task(policy=PolicySettings(name="none")), evolution=SETTINGS)


def test_founders_differ_children_explore_and_continued_individuals_keep_their_genes(given):
    individuals = {one.job.individual: one for one in evolved(given)}
    founders = [one for one in individuals.values() if one.job.origin == "founder"]
    assert len({one.job.genes["learning_rate"] for one in founders}) == 4
    kinds = {"child": 0, "continued": 0}
    for one in individuals.values():
        assert one.job.genes.keys() == RANGES.keys()
        for parent in one.job.parents:
            before = individuals[parent].job.genes
            assert (one.job.genes == before) == (one.job.origin == "continued")
            kinds[one.job.origin] += 1
    assert kinds == {"child": 8, "continued": 12}
    again = [one.job.genes for one in evolved(given)]
    assert again == [one.job.genes for one in individuals.values()]
    other = evolved(replace(given, seed=1))
    assert other[0].job.genes != founders[0].job.genes


def test_an_individual_trains_by_its_genes_and_is_judged_by_the_plain_loss(given):
    for individual in evolved(given)[:6]:
        recipe = given.recipe.model_copy(update=individual.job.genes)
        alone = evaluate_individual(
            replace(given, recipe=recipe), replace(individual.job, genes={}, continued_parent=None)
        )
        np.testing.assert_array_equal(alone.genome.values, individual.genome.values)
        network, validation = Phenotype(individual.genome), given.validation
        loss = network.loss(validation.inputs, validation.targets)
        assert individual.validation_loss == -individual.fitness == loss


@pytest.mark.parametrize("explores", [True, False])
def test_a_child_duplicates_its_parent_only_if_it_has_the_same_genes(given, explores):
    """The policy changes nothing; a gene that is perturbed below its range stays at the end of it."""
    genes = {"ranges": {"label_smoothing": (0, 0.3)}, "initial": "recipe"}
    genes |= {"resample_probability": 0, "perturbation_factors": [1.2 if explores else 0.8]}
    settings = SETTINGS.model_copy(update={"recipe_genes": genes})
    children = [
        one for one in evolved(replace(given, evolution=settings)) if one.job.origin == "child"
    ]
    assert len(children) == 8
    for child in children:
        assert (child.job.genes["label_smoothing"] > 0) == explores
        assert (child.reused_from is None) == explores
        assert child.steps == (8 if explores else 0)


@pytest.mark.parametrize("initial", ["sampled", "recipe"])
def test_the_genes_of_a_parent_that_diverged_are_not_tried_again(given, initial):
    genes = {"ranges": {"learning_rate": (1e-3, 1e20)}, "initial": initial}
    settings = SETTINGS.model_copy(update={"recipe_genes": genes})
    recipe = given.recipe.model_copy(update={"learning_rate": 1e19})
    evolution = Evolution(replace(given, evolution=settings, recipe=recipe), FOUNDERS)
    founders = [evaluate_individual(evolution.task, job) for job in evolution.ask(EvolutionState())]
    founders[0] = replace(founders[0], fitness=-1.0)  # one at least must have a fitness
    state, _ = evolution.tell(EvolutionState(), founders)
    jobs = evolution.ask(state)
    assert len(jobs) == 8
    diverged = [one for one in founders[1:] if one.status == "diverged"]
    assert len(diverged) > 0
    for parent in diverged:
        before = parent.job.genes["learning_rate"]
        offspring = [one for one in jobs if one.parents == (parent.job.individual,)]
        rates = [one.genes["learning_rate"] for one in offspring]
        assert len(set(rates)) == 2
        assert not set(rates) & {before, 0.8 * before, 1.2 * before}
        assert all(one.continued_parent is None for one in offspring)


def test_policies_see_the_gradient_of_the_loss_of_the_genes(given):
    job = evolved(given)[0].job
    plain = replace(given, recipe=given.recipe_of(job))
    places = np.array([0, 1]), np.array([6, 7])
    found = [
        task.gradients_at(one)(job.genome, *places)
        for task, one in [
            (given, job),
            (plain, replace(job, genes={})),
            (given, replace(job, genes={})),
        ]
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_genes_are_stored_with_their_individual(given, tmp_path):
    individuals = {one.job.individual: one for one in evolved(given)[:5]}
    save_individuals(tmp_path / "some.npz", individuals.values())
    again, _ = load_individuals(tmp_path / "some.npz")
    for number, one in individuals.items():
        assert again[number].job.genes == one.job.genes != {}
